//! examples/backup.c and examples/restore.c, built and run as a user would: against the installed
//! library and `dsbackup serve`.

#[path = "lab/mod.rs"]
mod lab;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use lab::{Content, Service, artefacts, content, crate_path, in_words, need, succeed};
use tempfile::TempDir;

/// The library, put in place by the install script.
fn installed() -> &'static Path {
    static PREFIX: OnceLock<TempDir> = OnceLock::new();
    PREFIX
        .get_or_init(|| {
            let prefix = tempfile::tempdir().expect("a temporary folder");
            let mut install = Command::new(testkit::workspace().join("scripts/install-ntdsbcli"));
            succeed(
                install
                    .arg("--prefix")
                    .arg(prefix.path())
                    // By itself it would build all that the library needs once more, with other
                    // features.
                    .env("NTDSBCLI", artefacts()),
            );
            prefix
        })
        .path()
}

/// The compiler flags from pkg-config.
fn flags(arguments: &[&str]) -> Vec<String> {
    need(&["pkg-config:pkgconf"]);
    let mut command = Command::new("pkg-config");
    command
        .args(arguments)
        .arg("ntdsbcli")
        .env("PKG_CONFIG_PATH", installed().join("lib/pkgconfig"));
    succeed(&mut command)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// The two examples, built by one compiler.
struct Examples {
    folder: TempDir,
    /// The command that runs the programs, such as valgrind.
    wrapper: Vec<String>,
}

impl Examples {
    fn built_by(compiler: &str, options: &[&str]) -> Self {
        need(&["gcc:gcc", "g++:g++"]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        for example in ["backup", "restore"] {
            let mut command = Command::new(compiler);
            command
                .args(["-Wall", "-Wextra", "-Werror", "-O2", "-g"])
                .args(options)
                .arg(crate_path(&format!("examples/{example}.c")))
                .arg("-o")
                .arg(folder.path().join(example));
            if options.contains(&"-DSTATIC") {
                command.arg(installed().join("lib/libntdsbcli.a"));
                let libraries = flags(&["--static", "--libs-only-l"]);
                command.args(libraries.iter().filter(|library| *library != "-lntdsbcli"));
                command.args(flags(&["--cflags"]));
            } else {
                command.args(flags(&["--cflags", "--libs"]));
            }
            succeed(&mut command);
        }
        Self {
            folder,
            wrapper: vec![],
        }
    }

    fn run(&self, example: &str, socket: &Path, folder: &Path) -> Output {
        let program = self.folder.path().join(example);
        let mut words = self.wrapper.clone();
        words.push(program.display().to_string());
        Command::new(&words[0])
            .args(&words[1..])
            .arg("\\\\localhost")
            .arg(folder)
            .env("DSBACKUP_SOCKET", socket)
            .env("LD_LIBRARY_PATH", installed().join("lib"))
            .stdin(Stdio::null())
            .output()
            .expect("run the example")
    }

    /// Backs up a fixture, loses its directory, restores it, and compares at every step.
    fn walk_through(&self, fixture: &testkit::Fixture) {
        let lab = Lab::of(fixture);
        let before = content(&lab.directory);
        {
            let _service = lab.serve(&["--as-is"]);
            let output = self.run("backup", &lab.socket, &lab.backup);
            assert!(
                output.status.success(),
                "{}: {}",
                fixture.name,
                in_words(&output)
            );
        }
        let mut saved = content(&lab.backup);
        let token = saved.remove("backup.tok").expect("the token");
        assert_eq!(token.len(), 84);
        saved.remove("backup.lst").expect("the list");
        for (name, bytes) in &saved {
            assert!(
                before.get(name) == Some(bytes),
                "{}: {name} differs in the backup",
                fixture.name
            );
        }
        // Files that are not in the backup are not needed by the engine.
        assert!(
            before.keys().all(|name| saved.contains_key(name)),
            "{}: {:?}",
            fixture.name,
            before.keys()
        );

        for name in content(&lab.directory).keys() {
            std::fs::write(lab.directory.join(name), "lost").expect("lose a file");
        }
        std::fs::write(lab.directory.join("edb0ffff.log"), "left over").expect("leave a file");
        {
            let _service = lab.serve(&["--restore-mode"]);
            let output = self.run("restore", &lab.socket, &lab.backup);
            assert!(
                output.status.success(),
                "{}: {}",
                fixture.name,
                in_words(&output)
            );
        }
        // Besides the backed-up files there are those that NTDS needs before it starts.
        let (added, restored): (Content, Content) = (content(&lab.directory).into_iter())
            .partition(|(name, _)| name.starts_with("dsbackup.restored-from-backup."));
        assert!(
            restored == saved,
            "{}: the restored directory differs",
            fixture.name
        );
        assert!(
            added.contains_key("dsbackup.restored-from-backup.reg")
                || !saved.contains_key("ntds.dit"),
            "{}",
            fixture.name
        );
        drop(lab.serve(&["--as-is"]));
    }
}

/// A directory, its service's socket, and an empty folder for a backup.
struct Lab {
    _folder: TempDir,
    directory: PathBuf,
    backup: PathBuf,
    socket: PathBuf,
}

impl Lab {
    fn of(fixture: &testkit::Fixture) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name| folder.path().join(name);
        let (directory, backup, socket) = (path("directory"), path("backup"), path("socket"));
        fixture.unpack_into(&directory);
        std::fs::create_dir(&backup).expect("the backup's folder");
        Self {
            _folder: folder,
            directory,
            backup,
            socket,
        }
    }

    fn serve(&self, arguments: &[&str]) -> Service {
        Service::start(&self.directory, &self.socket, arguments)
    }
}

fn fixture(name: &str) -> testkit::Fixture {
    testkit::find(name).expect("a shipped fixture")
}

#[test]
fn every_shipped_directory_comes_back_byte_for_byte() {
    let examples = Examples::built_by("gcc", &[]);
    for fixture in testkit::shipped() {
        // The later parts of a chain are logs without a database: no directory to host.
        if !fixture.name.contains(":backup-") || fixture.name.ends_with(":backup-0") {
            examples.walk_through(&fixture);
        }
    }
}

#[test]
fn the_same_sources_are_good_cpp() {
    Examples::built_by("g++", &[]).walk_through(&fixture("sample-forest/dirty"));
}

#[test]
fn the_static_library_does_as_well() {
    Examples::built_by("gcc", &["-DSTATIC"]).walk_through(&fixture("sample-forest/dirty"));
}

#[test]
fn clean_under_address_sanitizer() {
    let options = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    Examples::built_by("gcc", &options).walk_through(&fixture("sample-forest/dirty"));
}

#[test]
fn clean_under_valgrind() {
    Examples {
        wrapper: valgrind(),
        ..Examples::built_by("gcc", &[])
    }
    .walk_through(&fixture("sample-forest/dirty"));
}

/// Any leak, and any wrong access, ends the program with 99.
fn valgrind() -> Vec<String> {
    need(&["valgrind:valgrind"]);
    let suppressions = format!(
        "--suppressions={}",
        crate_path("tests/valgrind.supp").display()
    );
    [
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=definite,indirect,possible",
        "--errors-for-leak-kinds=definite,indirect,possible",
        &suppressions,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The library's own records must not hide a leaked buffer.
#[test]
fn a_forgotten_buffer_is_found_by_valgrind() {
    let lab = Lab::of(&fixture("ese/efv8920-clean"));
    let source = std::fs::read_to_string(crate_path("examples/backup.c")).expect("the example");
    let forgetful = source.replacen("DsBackupFree(token);", "", 1);
    assert_ne!(forgetful, source);
    let examples = Examples {
        wrapper: valgrind(),
        ..Examples::built_by("gcc", &[])
    };
    let path = examples.folder.path().join("forgetful.c");
    std::fs::write(&path, forgetful).expect("write the program");
    let mut compiler = Command::new("gcc");
    compiler
        .arg(&path)
        .arg("-o")
        .arg(examples.folder.path().join("forgetful"))
        .args(flags(&["--cflags", "--libs"]));
    succeed(&mut compiler);
    let _service = lab.serve(&["--as-is"]);
    let output = examples.run("forgetful", &lab.socket, &lab.backup);
    assert_eq!(output.status.code(), Some(99), "{}", in_words(&output));
    let words = in_words(&output);
    assert!(
        words.contains("84 bytes in 1 blocks are definitely lost"),
        "{words}"
    );
}

#[test]
fn refusals_name_their_reason() {
    let examples = Examples::built_by("gcc", &[]);
    let lab = Lab::of(&fixture("ese/efv8920-clean"));
    let refused = |example, part: &str| {
        let output = examples.run(example, &lab.socket, &lab.backup);
        assert_eq!(output.status.code(), Some(1), "{}", in_words(&output));
        let words = in_words(&output);
        assert!(words.contains(part), "{words}");
    };
    refused("backup", "dsbackup serve");
    {
        let _service = lab.serve(&["--restore-mode"]);
        refused("backup", "is offline");
        refused("restore", "backup.lst");
    }
    {
        let _service = lab.serve(&["--as-is"]);
        assert!(
            examples
                .run("backup", &lab.socket, &lab.backup)
                .status
                .success()
        );
        refused("backup", "empty folder");
        refused("restore", "is online");
    }
    let _service = lab.serve(&["--restore-mode"]);
    std::fs::rename(lab.backup.join("backup.tok"), lab.backup.join("token"))
        .expect("take the token away");
    refused("restore", "not complete");
    std::fs::write(lab.backup.join("backup.tok"), "not a token").expect("write");
    refused("restore", "0xC7FF0010");
}

/// With the public headers and the public import library of mingw-w64, and with our headers on
/// Windows.
#[test]
fn the_same_sources_build_for_windows() {
    need(&[
        "x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64-win32",
        "x86_64-w64-mingw32-g++:g++-mingw-w64-x86-64-win32",
    ]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for compiler in ["x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-g++"] {
        for example in ["backup", "restore"] {
            let source = crate_path(&format!("examples/{example}.c"));
            let strict = ["-Wall", "-Wextra", "-Werror", "-O2"];
            let mut theirs = Command::new(compiler);
            theirs
                .args(strict)
                .arg(&source)
                .arg("-o")
                .arg(folder.path().join("example.exe"));
            succeed(theirs.arg("-lntdsbcli"));
            let mut ours = Command::new(compiler);
            ours.args(strict)
                .arg("-c")
                .arg(&source)
                .arg("-I")
                .arg(crate_path("include"));
            succeed(ours.arg("-o").arg(folder.path().join("example.o")));
        }
    }
}

#[test]
fn the_library_is_found_by_its_interface_version() {
    let library = installed().join("lib/libntdsbcli.so.0");
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(&library));
    assert!(
        dynamic.contains("Library soname: [libntdsbcli.so.0]"),
        "{dynamic}"
    );
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}
