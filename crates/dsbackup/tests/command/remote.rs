//! The commands over the network: back up from a service and restore into it as a client on another
//! computer would.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::{self, Lab, Service, assert_same, certificate};

/// A port that nobody uses right now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A service on the network, and the arguments with which a client reaches it.
struct Remote {
    lab: Lab,
    port: u16,
    pin: String,
}

impl Remote {
    fn new(fixture: &str) -> Self {
        let lab = Lab::with(&testkit::find(fixture).unwrap());
        let port = free_port();
        let (_, pin) = certificate(&lab, "service");
        let (client, _) = certificate(&lab, "client");
        certificate(&lab, "stranger");
        let at = |name: &str| lab.path(name).display().to_string();
        let configuration = format!(
            "[directory]\ndatabase_folder = {:?}\n[remote]\nlisten = [\"127.0.0.1:{port}\"]\n\
             certificate = {:?}\nkey = {:?}\n[[remote.client]]\nname = \
             \"backup-host\"\nfingerprint = \"{client}\"\n\
             backup = true\nrestore = true\n[audit]\nfile = {:?}\n",
            lab.directory(),
            at("service.pem"),
            at("service.key"),
            at("audit.jsonl")
        );
        std::fs::write(lab.path("service.toml"), configuration).unwrap();
        Self { lab, port, pin }
    }

    fn serve(&self, arguments: &[&str]) -> Service {
        let configuration = self.lab.path("service.toml").display().to_string();
        let arguments = [&["--config", &configuration], arguments].concat();
        let service = self.lab.serve(&arguments);
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(10));
        }
        service
    }

    /// A command as this client.
    fn command(&self, arguments: &[&str], client: &str) -> Command {
        let mut command = self.lab.dsbackup(arguments);
        command
            .args(["--server", &format!("localhost:{}", self.port)])
            .args(["--pin", &self.pin])
            .arg("--client-certificate")
            .arg(self.lab.path(&format!("{client}.pem")))
            .arg("--client-key")
            .arg(self.lab.path(&format!("{client}.key")));
        command
    }
}

#[test]
fn a_directory_goes_over_the_network_and_comes_back() {
    let remote = Remote::new("sample-forest/dirty");
    let lab = &remote.lab;
    lab.succeed(&["init"]);
    let before = lab.content();
    let service = remote.serve(&[]);
    let run = lab::Run::of(&mut remote.command(&["backup", "--keep-logs"], "client"));
    assert_eq!(run.code, Some(0), "{run}");
    let run = lab::Run::of(&mut remote.command(&["backup"], "stranger"));
    assert_eq!(run.code, Some(4), "denied: {run}");
    let run = lab::Run::of(&mut remote.command(&["restore", "latest"], "client"));
    assert_eq!(run.code, Some(4), "the directory is online: {run}");
    service.stop();

    lab::flip_bit(&lab.directory().join(&lab.database_name), 100_000);
    let service = remote.serve(&["--restore-mode"]);
    let run = lab::Run::of(&mut remote.command(&["restore", "latest"], "client"));
    assert_eq!(run.code, Some(0), "{run}");
    service.stop();
    assert_same(&lab.content(), &before, "restored over the network");

    // The audit log names everything, and holds neither the repository's password nor a key.
    let audit = std::fs::read_to_string(lab.path("audit.jsonl")).unwrap();
    for call in [
        "HrRBackupRead",
        "HrRRestoreWriteFile",
        "HrRRestoreRegisterComplete",
    ] {
        assert!(audit.contains(call), "{call}");
    }
    let key = std::fs::read_to_string(lab.path("client.key")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    for text in [&audit, &lab.service_log()] {
        assert!(!text.contains(lab::PASSWORD) && !text.contains(secret));
    }
}

#[test]
fn a_renewed_certificate_that_cannot_be_used_is_told_in_the_log() {
    let remote = Remote::new("sample-forest/clean");
    let lab = &remote.lab;
    lab.succeed(&["init"]);
    let service = remote.serve(&[]);
    let certificate = lab.path("service.pem");
    let sound = std::fs::read(&certificate).unwrap();
    let back_up = || {
        let run = lab::Run::of(&mut remote.command(&["backup", "--keep-logs"], "client"));
        assert_eq!(run.code, Some(0), "the earlier one stays in use: {run}");
    };
    // At once, as renewals do it: a connection that comes late must not see half of a file.
    let renew = |content: &[u8]| {
        let new = lab.path("renewed");
        std::fs::write(&new, content).unwrap();
        std::fs::rename(&new, &certificate).unwrap();
    };
    let told = |what: &str| lab.service_log().matches(what).count();
    renew(b"no certificate");
    back_up();
    assert_eq!(told("cannot be used; the earlier ones stay in use"), 1);
    std::fs::remove_file(&certificate).unwrap();
    back_up();
    assert_eq!(told("cannot be used; the earlier ones stay in use"), 2);
    renew(&sound);
    back_up();
    assert_eq!(told("read the changed certificate and key"), 1);
    service.stop();
}

#[test]
fn a_restore_that_dies_leaves_the_directory_locked_until_one_completes() {
    let remote = Remote::new("sample-forest/dirty");
    let lab = &remote.lab;
    lab.succeed(&["init"]);
    let before = lab.content();
    let service = remote.serve(&[]);
    let run = lab::Run::of(&mut remote.command(&["backup", "--keep-logs"], "client"));
    assert_eq!(run.code, Some(0), "{run}");
    service.stop();

    let service = remote.serve(&["--restore-mode"]);
    let mut restore = remote
        .command(&["restore", "latest"], "client")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let marker = lab.directory().join("dsbackup.restore-incomplete.json");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !marker.exists() && Instant::now() < deadline {
        if restore.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::yield_now();
    }
    restore.kill().unwrap();
    let killed = !restore.wait().unwrap().success();
    service.stop();
    if killed {
        let refused = lab.serve_refused(&[]);
        assert!(refused.stderr.contains("restore"), "{refused}");
    }
    let service = remote.serve(&["--restore-mode"]);
    let run = lab::Run::of(&mut remote.command(&["restore", "latest"], "client"));
    assert_eq!(run.code, Some(0), "{run}");
    service.stop();
    assert_same(&lab.content(), &before, "restored after an interruption");
}
