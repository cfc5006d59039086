//! A lab for one test: a folder with a directory, the real service, the real commands, all gone at
//! the end.

pub mod browse;
pub mod chain;
pub mod hostile;
pub mod jobs;
pub mod made_snapshot;
pub mod samba_domain;
pub mod set;
pub mod token;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::Fixture;
use testkit::cheap_key::replace_key;

/// The repository's password in tests.
pub const PASSWORD: &str = "correct horse battery staple";

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scratch folder with a directory, a socket and a repository.
pub struct Lab {
    folder: tempfile::TempDir,
    /// The database's file name.
    pub database_name: String,
}

impl Lab {
    /// A lab whose directory holds a fixture's files.
    pub fn with(fixture: &Fixture) -> Self {
        let lab = Self::empty();
        fixture.unpack_into(&lab.directory());
        Self {
            database_name: database_name(&lab.directory()),
            ..lab
        }
    }

    /// A lab whose directory holds the files of a shipped fixture, and a repository.
    pub fn with_repository(fixture: &str) -> Self {
        let lab = Self::with(&testkit::find(fixture).expect("shipped"));
        lab.succeed(&["init"]);
        lab
    }

    /// As [`Lab::with_repository`], with a backup that left the logs where they were.
    pub fn with_backup(fixture: &str) -> Self {
        let lab = Self::with_repository(fixture);
        let service = lab.serve(&[]);
        lab.succeed(&["backup", "--keep-logs"]);
        service.stop();
        lab
    }

    /// A lab whose directory is an empty folder.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let lab = Self {
            folder,
            database_name: "ntds.dit".into(),
        };
        std::fs::create_dir(lab.directory()).expect("the directory's folder");
        lab
    }

    /// A path in the lab.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that the service hosts.
    pub fn directory(&self) -> PathBuf {
        self.path("directory")
    }

    /// The repository.
    pub fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    /// The command with the lab's socket, repository and password.
    pub fn dsbackup(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsbackup"));
        command
            .args(arguments)
            .env("DSBACKUP_SOCKET", self.path("socket"))
            .env("DSBACKUP_REPOSITORY", self.repository())
            .env("DSBACKUP_PASSWORD", PASSWORD)
            .env("DSBACKUP_NEW_INVOCATION_ID", "by-registry")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end. A repository that it makes can be opened cheaply.
    pub fn run(&self, arguments: &[&str]) -> Run {
        let run = Run::of(&mut self.dsbackup(arguments));
        if run.code == Some(0) && arguments.contains(&"init") {
            let place = |option: &str| {
                let at = arguments.iter().position(|argument| *argument == option)?;
                Some(Path::new(arguments[at + 1]).to_path_buf())
            };
            let given = place("--repository").or_else(|| place("-r"));
            let repository = given.unwrap_or_else(|| self.repository());
            if repository.is_dir() {
                replace_key(&repository, PASSWORD);
            }
        }
        run
    }

    /// Runs a command that must succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        run
    }

    /// Runs a command that must succeed, with `--json`.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let run = self.succeed(&arguments);
        serde_json::from_str(&run.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {run}"))
    }

    /// The number of snapshots in the repository. A list of none ends with exit code 3.
    pub fn snapshot_count(&self) -> usize {
        let run = self.run(&["snapshots", "--json"]);
        let list: Value = serde_json::from_str(&run.stdout).expect("a list");
        let count = list.as_array().expect("a list").len();
        assert_eq!(run.code, Some(if count == 0 { 3 } else { 0 }), "{run}");
        count
    }

    /// Starts the service, which hosts the directory as it is, and waits until it answers.
    pub fn serve(&self, arguments: &[&str]) -> Service {
        self.serve_recovering(&[arguments, &["--as-is"]].concat())
    }

    /// Starts the service, which recovers the directory where that is needed, and waits until it
    /// answers.
    pub fn serve_recovering(&self, arguments: &[&str]) -> Service {
        let mut command = self.serve_command(arguments);
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("service.log"))
            .expect("the service's log");
        command.stderr(log);
        let mut service = Service {
            child: command.spawn().expect("start the service"),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            if std::os::unix::net::UnixStream::connect(self.path("socket")).is_ok() {
                return service;
            }
            if let Some(status) = service.child.try_wait().expect("the service's state") {
                panic!("the service ended with {status}: {}", self.service_log());
            }
            assert!(
                Instant::now() < deadline,
                "the service does not answer: {}",
                self.service_log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the services of this lab have said so far.
    pub fn service_log(&self) -> String {
        std::fs::read_to_string(self.path("service.log")).unwrap_or_default()
    }

    /// Starts the service where it must refuse to run, and returns how it ended.
    pub fn serve_refused(&self, arguments: &[&str]) -> Run {
        let run = Run::of(&mut self.serve_command(arguments));
        assert_ne!(run.code, Some(0), "the service should have refused: {run}");
        run
    }

    fn serve_command(&self, arguments: &[&str]) -> Command {
        let directory = self.directory();
        let mut command = self.dsbackup(&["serve", "--database-name", &self.database_name]);
        command.arg("--directory").arg(directory).args(arguments);
        command
    }

    /// The content of the hosted directory.
    pub fn content(&self) -> Content {
        content(&self.directory())
    }
}

/// How a command ended.
pub struct Run {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().expect("run the command"))
    }
}

/// Runs a command in a folder, without a lab.
pub fn dsbackup(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsbackup"));
    command.current_dir(folder);
    Run::of(command.args(arguments))
}

/// As [`dsbackup`], for a command that must succeed; returns its standard output.
pub fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let run = dsbackup(folder, arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
    run.stdout
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {:?}\n--- stdout\n{}--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// A running service; killed when dropped.
pub struct Service {
    child: Child,
}

impl Service {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().expect("kill the service");
        self.child.wait().expect("the service's end");
    }

    /// SIGTERM; the service must end cleanly.
    pub fn stop(mut self) {
        signal(self.pid(), "TERM");
        let status = self.child.wait().expect("the service's end");
        assert!(status.success(), "the service ended with {status}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by its name.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .expect("run kill");
    assert!(status.success(), "kill -{name} {pid}: {status}");
}

/// Starts a command, and kills it as soon as `is_there` finds what it leaves. Returns whether that came in
/// time: whether the signal ended it.
pub fn kill_as_soon_as(mut command: Command, is_there: impl Fn() -> bool) -> bool {
    use std::os::unix::process::ExitStatusExt;
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start it");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_there() && child.try_wait().expect("state").is_none() {
        assert!(Instant::now() < deadline, "what it leaves never comes");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("kill it");
    child.wait().expect("its end").signal() == Some(9)
}

/// A folder's files by name, those of folders in it by their path; without what a restore says of
/// them.
pub type Content = BTreeMap<String, Vec<u8>>;

/// Writes a file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("write the secret");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
}

/// Reads all files of a folder.
pub fn content(folder: &Path) -> Content {
    let mut found = Content::new();
    for entry in std::fs::read_dir(folder).expect("list the folder") {
        let path = entry.expect("folder entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() {
            let inner = content(&path).into_iter();
            found.extend(inner.map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else if !name.starts_with(files::RESTORED_FROM_BACKUP) {
            found.insert(name.into_owned(), std::fs::read(&path).expect("read"));
        }
    }
    found
}

/// Fails unless two folders hold the same files, byte for byte; says which differ.
pub fn assert_same(found: &Content, expected: &Content, what: &str) {
    let names = |content: &Content| content.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{what}: names of files");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what}: {name} differs");
    }
}

/// The name of the database in a folder.
pub fn database_name(folder: &Path) -> String {
    ["ntds.dit", "test.edb"]
        .into_iter()
        .find(|name| folder.join(name).exists())
        .unwrap_or("ntds.dit")
        .into()
}

/// Flips one bit of a file.
pub fn flip_bit(file: &Path, offset: u64) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .expect("open the file to damage");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("read a byte");
    file.write_all_at(&[byte[0] ^ 0x04], offset)
        .expect("write a byte");
}

/// Whether this process may mount file systems; says so where it may not.
pub fn may_mount() -> bool {
    let id = Command::new("id").arg("-u").output().expect("run id");
    let root = id.stdout.trim_ascii() == b"0";
    if !root {
        eprintln!("note: not root, so no small file system can be mounted; skipped");
    }
    root
}

/// A small tmpfs, unmounted when dropped.
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts `kib` KiB at `path`; none where mounting is not permitted, which is said.
    pub fn mount(path: PathBuf, kib: u64) -> Option<Self> {
        if !may_mount() {
            return None;
        }
        std::fs::create_dir_all(&path).expect("the mount point");
        let status = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={kib}k,mode=0700"),
                "tmpfs",
            ])
            .arg(&path)
            .status()
            .expect("run mount");
        if !status.success() {
            eprintln!("note: tmpfs cannot be mounted here; skipped");
            return None;
        }
        Some(Self { path })
    }

    /// Makes the disk larger or smaller.
    pub fn resize(&self, kib: u64) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,size={kib}k")])
            .arg(&self.path)
            .status()
            .expect("run mount");
        assert!(status.success(), "remount: {status}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

impl Lab {
    /// Makes the database at least `bytes` long: its own pages again, under new page numbers.
    pub fn grow(&self, bytes: u64) {
        let path = self.directory().join(&self.database_name);
        let mut content = std::fs::read(&path).expect("read the database");
        let page_size = page_size(&content);
        let pages = content.len() / page_size;
        let mut next = pages;
        while (content.len() as u64) < bytes {
            // Pages behind the header and its shadow, over and over.
            let source = 2 + (next - pages) % (pages - 2);
            let mut page = content[source * page_size..][..page_size].to_vec();
            renumber(&mut page, next as u32 - 1);
            content.extend_from_slice(&page);
            next += 1;
        }
        std::fs::write(&path, content).expect("write the database");
    }

    /// Changes `count` pages of the database, each a little, with checksums to match.
    pub fn touch_pages(&self, count: usize) {
        let path = self.directory().join(&self.database_name);
        let mut content = std::fs::read(&path).expect("read the database");
        let page_size = page_size(&content);
        let pages = content.len() / page_size;
        let stamp = std::time::UNIX_EPOCH
            .elapsed()
            .expect("after 1970")
            .as_nanos();
        for index in 0..count {
            let number = 2 + (index * 7919) % (pages - 2);
            let page = &mut content[number * page_size..][..page_size];
            let middle = page_size / 2;
            page[middle..middle + 16].copy_from_slice(&(stamp + index as u128).to_le_bytes());
            renumber(page, number as u32 - 1);
        }
        std::fs::write(&path, content).expect("write the database");
    }
}

fn page_size(database: &[u8]) -> usize {
    ese::header::DatabaseHeader::parse(database)
        .expect("a database header")
        .page_size()
        .bytes()
}

/// Gives a page its number and the checksum to match; a page that was never used stays as it is.
fn renumber(page: &mut [u8], number: u32) {
    if page.iter().any(|byte| *byte != 0) {
        ese::checksum::seal_page(page, number);
    }
}

/// A certificate that signs itself; returns the SHA-256 of the certificate and of its public key.
pub fn certificate(lab: &Lab, name: &str) -> (String, String) {
    let script = format!(
        "umask 077
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj \
         /CN={name} \
             -keyout {name}.key -out {name}.pem 2> {name}.said || exit 1
         openssl x509 -in {name}.pem -outform der | sha256sum
         openssl x509 -in {name}.pem -noout -pubkey | openssl pkey -pubin -outform der | sha256sum"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .current_dir(lab.path("."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut sums = text.lines().map(|line| line[..64].to_owned());
    (sums.next().unwrap(), sums.next().unwrap())
}
