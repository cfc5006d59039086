//! `dsbackup console` as a process: where it listens, who may log in, how it ends. Its pages are
//! tested in crate web-console.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::lab::jobs::JobLab;
use crate::lab::{certificate, signal, write_secret};

/// A console that runs; killed when dropped.
struct Running {
    child: Child,
    /// What it told when it began.
    told: Value,
}

impl Running {
    fn begin(lab: &JobLab, arguments: &[&str]) -> Self {
        let mut command = lab.command(&[&["console", "--json"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("start it");
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut text = String::new();
        // Until the value is whole.
        let told = loop {
            let read = lines.read_line(&mut text).expect("its output");
            assert!(read > 0, "it ended: {text}");
            if let Ok(told) = serde_json::from_str(&text) {
                break told;
            }
        };
        Self { child, told }
    }

    /// The address without its scheme.
    fn address(&self) -> String {
        let address = self.told["address"].as_str().expect("an address");
        let address = address.trim_end_matches('/');
        address.rsplit('/').next().expect("a part").to_owned()
    }

    /// Ends it, as systemd does.
    fn end(mut self) {
        signal(self.child.id(), "TERM");
        let status = self.child.wait().expect("its end");
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lab() -> JobLab {
    let lab = JobLab::empty();
    lab.configure(&["local"], "");
    lab.init("local");
    lab
}

/// The answer to a request without cookies.
fn get(mut stream: impl Read + Write, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn it_answers_on_loopback_until_it_is_ended() {
    let lab = lab();
    let console = Running::begin(&lab, &["--listen", "127.0.0.1:0"]);
    let connect = || TcpStream::connect(console.address()).expect("it listens");
    let login = get(connect(), "/login");
    assert!(login.starts_with("HTTP/1.1 200 "), "{login}");
    assert!(login.contains("default-src 'none'"), "{login}");
    // Without a login there is nothing to see.
    for page in ["/", "/snapshots", "/work"] {
        let answer = get(connect(), page);
        assert!(answer.starts_with("HTTP/1.1 303 "), "{page}: {answer}");
    }
    assert_eq!(console.told["user"], "admin");
    let password = console.told["password"].as_str().expect("a password");
    assert!(password.len() >= 16, "{} characters", password.len());
    console.end();
}

#[test]
fn a_socket_is_its_owners_alone_and_is_used_again_after_a_kill() {
    let lab = lab();
    let path = lab.path("console.sock");
    let arguments = ["--socket", path.to_str().expect("plain")];
    drop(Running::begin(&lab, &arguments));
    assert!(path.exists(), "it was killed");
    let console = Running::begin(&lab, &arguments);
    let mode = path.metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let login = get(UnixStream::connect(&path).expect("it listens"), "/login");
    assert!(login.starts_with("HTTP/1.1 200 "), "{login}");
    console.end();
}

#[test]
fn the_network_gets_tls_and_named_users_or_nothing() {
    let lab = lab();
    let refused = lab.run(&["console", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.code, Some(4), "{refused}");
    assert!(refused.stderr.contains("certificate"), "{refused}");

    certificate(&lab, "console");
    let users = lab.path("console.users");
    let text = std::fs::read_to_string(lab.configuration()).expect("read");
    let table = format!(
        "{text}\n[console]\ncertificate = {:?}\nkey = {:?}\nusers = {users:?}\n",
        lab.path("console.pem"),
        lab.path("console.key"),
    );
    std::fs::write(lab.configuration(), table).expect("write");
    let secret = lab.path("new-password");
    write_secret(&secret, "a password of some length\n");
    let secret = secret.to_str().expect("plain");
    let added = lab.succeed(&[
        "console",
        "--add-user",
        "anna",
        "--new-password-file",
        secret,
    ]);
    assert!(added.stdout.contains("anna may log in"), "{added}");
    let mode = users.metadata().expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&users).expect("read");
    assert!(text.starts_with("anna:$argon2id$"), "{text}");

    let console = Running::begin(&lab, &["--listen", "0.0.0.0:0"]);
    assert_eq!(console.told["password"], Value::Null);
    let port = console.address().rsplit(':').next().map(str::to_owned);
    let address = format!("127.0.0.1:{}", port.expect("a port"));
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-tls1_3", "-verify_return_error"])
        .args(["-connect", &address, "-CAfile"])
        .arg(lab.path("console.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let request = "GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut input = client.stdin.take().expect("piped");
    input.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    let mut output = client.stdout.take().expect("piped");
    output.read_to_string(&mut answer).expect("answered");
    drop(input);
    let _ = client.wait();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("__Host-") || answer.contains("Secure"),
        "{answer}"
    );
    console.end();
}
