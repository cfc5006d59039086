//! The repository's password: not in arguments, in what children get, in memory once the repository
//! is open, in logs, in a core, or in what a killed process leaves.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab;
use crate::lab::Lab;
use testkit::traces;

/// A password that stands nowhere else, not even in this program.
fn secret() -> String {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A lab whose repository has a password in a file elsewhere.
struct Scene {
    lab: Lab,
    secret: String,
    elsewhere: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            lab: Lab::with(&testkit::find("sample-forest/clean").unwrap()),
            secret: secret(),
            elsewhere: tempfile::tempdir().unwrap(),
        };
        lab::write_secret(&scene.password_file(), &format!("{}\n", scene.secret));
        let run = lab::Run::of(&mut scene.dsbackup(&["init"]));
        assert_eq!(run.code, Some(0), "{run}");
        scene
    }

    fn password_file(&self) -> PathBuf {
        self.elsewhere.path().join("password")
    }

    fn dsbackup(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.dsbackup(arguments);
        command
            .env_remove("DSBACKUP_PASSWORD")
            .env("DSBACKUP_PASSWORD_FILE", self.password_file());
        command
    }

    /// Nothing that is written down shows it.
    fn check_files(&self) {
        let found = traces::in_files(&self.lab.path("."), &self.secret);
        assert!(found.is_empty(), "{found:?}");
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args([name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_running_and_a_killed_backup_show_it_nowhere() {
    let scene = Scene::new();
    let lab = &scene.lab;
    let service = lab.serve(&[]);
    // The client opens the repository, and then waits for a service that does not answer for a
    // while.
    signal(service.pid(), "-STOP");
    let said = File::create(lab.path("client.log")).unwrap();
    let client = scene.dsbackup(&["backup", "-vv"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""])
        .arg(client.get_program())
        .args(client.get_args())
        .envs(
            client
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env_remove("DSBACKUP_PASSWORD")
        .current_dir(lab.path("."))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said);
    let mut client = limited.spawn().unwrap();
    // It takes its lock once the repository is open.
    let locks = lab.repository().join("locks");
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::fs::read_dir(&locks).unwrap().next().is_none() {
        assert!(Instant::now() < deadline, "it takes no lock");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.try_wait().unwrap(), None, "it waits");
    let family: Vec<u32> = [client.id(), service.pid()]
        .into_iter()
        .flat_map(traces::family)
        .collect();
    for process in family {
        let shown = traces::in_the_open(process, &scene.secret);
        assert!(shown.is_empty(), "{shown:?}");
        let shown = traces::in_memory(process, &scene.secret);
        assert!(shown.is_empty(), "{shown:?}");
    }
    // A core, where the system writes one here, is among the files.
    signal(client.id(), "-ABRT");
    assert_eq!(client.wait().unwrap().signal(), Some(6));
    signal(service.pid(), "-CONT");
    scene.check_files();
    // What a finished one leaves shows it as little.
    let run = lab::Run::of(&mut scene.dsbackup(&["backup", "-vv"]));
    assert_eq!(run.code, Some(0), "{run}");
    assert!(!run.stdout.contains(&scene.secret) && !run.stderr.contains(&scene.secret));
    service.stop();
    scene.check_files();
}

#[test]
fn a_password_command_does_not_get_what_it_does_not_need() {
    let scene = Scene::new();
    let seen = scene.elsewhere.path().join("environment");
    let script = format!(
        "env > {}; cat {}",
        seen.display(),
        scene.password_file().display()
    );
    let mut command = scene.lab.dsbackup(&["snapshots"]);
    command
        .env("DSBACKUP_PASSWORD", &scene.secret)
        .env("DSBACKUP_PASSWORD_COMMAND", script);
    let run = lab::Run::of(&mut command);
    assert_eq!(run.code, Some(3), "opened, and without a backup: {run}");
    let environment = std::fs::read_to_string(seen).unwrap();
    assert!(environment.contains("PATH=") && !environment.contains(&scene.secret));
}
