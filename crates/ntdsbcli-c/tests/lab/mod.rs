//! Helpers for the tests of the C library: the built artefacts, the real service, and C programs.
#![allow(dead_code, reason = "every test file uses its own part of the lab")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The timeout of every step of a test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A path in this crate.
pub fn crate_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The shared library.
pub fn library() -> PathBuf {
    artefacts().join("libntdsbcli.so")
}

/// The folder with all forms of the library and the `dsbackup` command, built if missing.
pub fn artefacts() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's own path");
        let folder = test
            .ancestors()
            .nth(2)
            .expect("target/PROFILE/deps/test")
            .to_path_buf();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "ntdsbcli-c", "-p", "dsbackup"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        // What cargo tells a test of its crate. The build scripts of some crates read variables of
        // these names, and with other values they and all above them are built again; and once more
        // by the next command outside of a test.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"]
                .iter()
                .any(|beginning| text.starts_with(beginning))
            {
                build.env_remove(&name);
            }
        }
        succeed(build.current_dir(testkit::workspace()));
        folder
    })
}

/// Installs missing programs, given as `program:package`.
pub fn need(programs: &[&str]) {
    // Two installations at once would interfere.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    succeed(Command::new(testkit::workspace().join("scripts/need")).args(programs));
}

/// Runs a command that must succeed.
pub fn succeed(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        in_words(&output)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The exit status of a command, with its output.
pub fn in_words(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A running `dsbackup serve`, killed when dropped.
pub struct Service {
    child: Child,
    /// The service's socket.
    pub socket: PathBuf,
}

impl Service {
    /// Hosts a folder and waits until the service answers.
    pub fn start(directory: &Path, socket: &Path, arguments: &[&str]) -> Self {
        let mut child = serve(directory, socket, arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start the service");
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            if let Some(status) = child.try_wait().expect("the service's state") {
                panic!("the service ended with {status}");
            }
            assert!(Instant::now() < deadline, "the service does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self {
            child,
            socket: socket.to_path_buf(),
        }
    }

    /// Hosts a folder that the service must refuse, and returns its output.
    pub fn refused(directory: &Path, socket: &Path) -> String {
        let output = serve(directory, socket, &[])
            .output()
            .expect("start the service");
        assert!(!output.status.success(), "the service should have refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn serve(directory: &Path, socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(artefacts().join("dsbackup"));
    if directory.join("test.edb").exists() {
        command.args(["serve", "--database-name", "test.edb"]);
    } else {
        command.arg("serve");
    }
    command
        .arg("--directory")
        .arg(directory)
        .arg("--socket")
        .arg(socket)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder's files by name.
pub type Content = BTreeMap<String, Vec<u8>>;

/// Reads all files of a folder.
pub fn content(folder: &Path) -> Content {
    std::fs::read_dir(folder)
        .expect("list the folder")
        .map(|entry| {
            let path = entry.expect("folder entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("read"))
        })
        .collect()
}

/// Flips one bit of a file.
pub fn flip_bit(file: &Path, offset: usize) {
    let mut content = std::fs::read(file).expect("read the file to damage");
    content[offset] ^= 0x04;
    std::fs::write(file, content).expect("write the damaged file");
}
