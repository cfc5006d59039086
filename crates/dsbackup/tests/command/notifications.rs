//! E-mail by a real SMTP server, the alarm of changed groups and keys, and metrics over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::jobs::JobLab;
use crate::lab::{self, Lab, write_secret};
use serde_json::Value;

/// A mail server of Debian's (python3-aiosmtpd) on loopback; ends when dropped.
struct MailServer {
    child: Child,
    port: u16,
}

/// Prints each mail as a document, behind the user who sent it.
const SERVER: &str = r#"
import json, ssl, sys, time
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from email import message_from_bytes, policy

users = []

class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        print(json.dumps({
            "user": users[-1], "tls": session.ssl is not None,
            "to": envelope.rcpt_tos, "from": envelope.mail_from, "subject": str(mail["subject"]),
            "auto": str(mail["auto-submitted"]), "text": mail.get_content(),
        }), flush=True)
        return "250 taken"

def check(server, session, envelope, mechanism, data):
    users.append(data.login.decode())
    return AuthResult(success=data.login == b"dsbackup" and data.password == b"mail secret")

port, folder = int(sys.argv[1]), sys.argv[2]
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(folder + "/mail.pem", folder + "/mail.key")
arguments = dict(require_starttls=True, auth_required=True, authenticator=check)
place = dict(hostname="127.0.0.1", port=port, ready_timeout=60)
controller = Controller(Handler(), tls_context=tls, **place, **arguments)
controller.start()
print(json.dumps({"ready": True}), flush=True)
time.sleep(600)
"#;

impl MailServer {
    /// `None`, which is said, where the program is not installed.
    fn start(lab: &Lab) -> Option<Self> {
        let module = ["-c", "import aiosmtpd"];
        let there = Command::new("/usr/bin/python3").args(module).output();
        if !there.is_ok_and(|output| output.status.success()) {
            eprintln!("note: python3-aiosmtpd is not installed; skipped");
            return None;
        }
        certify(lab);
        let port = free_port();
        let output = std::fs::File::create(lab.path("mails")).expect("a file");
        let child = Command::new("/usr/bin/python3")
            .args(["-c", SERVER, &port.to_string()])
            .arg(lab.path(""))
            .stdout(output)
            .spawn()
            .expect("start the mail server");
        let server = Self { child, port };
        wait_until(|| mails(lab).len() == 1);
        Some(server)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for localhost that signs itself.
fn certify(lab: &Lab) {
    let script = "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
                  -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
                  -addext basicConstraints=critical,CA:FALSE \
                  -keyout mail.key -out mail.pem 2> openssl.said";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(lab.path(""))
        .status();
    assert!(made.expect("run openssl").success());
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// What the mail server printed: the first line says that it is ready.
fn mails(lab: &Lab) -> Vec<Value> {
    let text = std::fs::read_to_string(lab.path("mails")).unwrap_or_default();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap_or_default()
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "it took too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn mail_tells_what_failed_and_what_to_do() {
    let jobs = JobLab::new("sample-forest/clean");
    let Some(server) = MailServer::start(&jobs) else {
        return;
    };
    let password = jobs.path("smtp.password");
    write_secret(&password, "mail secret\n");
    let settings = |more: &str| {
        format!(
            "notify = [\"operator\"]\n[notify.operator]\non = [\"failure\", \"success\"]\n\
             [notify.operator.mail]\nserver = \"localhost\"\nport = {}\n\
             from = \"dsbackup@dc1.example\"\n\
             to = [\"Administrators <admins@example.com>\", \"b@example.com\"]\n\
             user = \"dsbackup\"\npassword_file = {password:?}\n{more}",
            server.port
        )
    };
    let trusted = format!("ca_file = {:?}", jobs.path("mail.pem"));
    jobs.configure(&["local"], &settings(&trusted));

    // No repository yet.
    let failed = jobs.run(&["run", "nightly"]);
    assert_eq!(failed.code, Some(1), "{failed}");
    let mail = mails(&jobs).pop().expect("a mail");
    assert_eq!(mail["tls"], true, "{mail:#}");
    assert_eq!(mail["user"], "dsbackup", "{mail:#}");
    assert_eq!(mail["from"], "dsbackup@dc1.example", "{mail:#}");
    assert_eq!(
        mail["to"],
        serde_json::json!(["admins@example.com", "b@example.com"])
    );
    assert_eq!(mail["auto"], "auto-generated");
    let text = |mail: &Value, part: &str| mail[part].as_str().expect("text").to_owned();
    let subject = text(&mail, "subject");
    assert!(
        subject.starts_with("dsbackup: job nightly on "),
        "{subject}"
    );
    assert!(subject.ends_with("FAILED"), "{subject}");
    let body = text(&mail, "text");
    assert!(body.contains("local: no snapshot"), "{body}");
    assert!(body.contains("What to do: correct what"), "{body}");
    assert!(body.contains("dsbackup run nightly"), "{body}");

    jobs.init("local");
    jobs.succeed(&["config", "check"]);
    jobs.succeed(&["run", "nightly"]);
    let mail = mails(&jobs).pop().expect("a mail");
    assert!(text(&mail, "subject").ends_with("succeeded"), "{mail:#}");
    assert!(text(&mail, "text").contains("local: snapshot "), "{mail:#}");

    // A certificate that nobody trusts, and a wrong password: no mail, and the run has failed.
    let count = mails(&jobs).len();
    jobs.configure(&["local"], &settings(""));
    let untrusted = jobs.run(&["run", "nightly"]);
    assert_eq!(untrusted.code, Some(1), "{untrusted}");
    assert!(untrusted.stderr.contains("certificate"), "{untrusted}");
    write_secret(&password, "wrong\n");
    jobs.configure(&["local"], &settings(&trusted));
    let refused = jobs.run(&["run", "nightly"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains("notification of operator"),
        "{refused}"
    );
    assert!(!refused.stderr.contains("wrong"), "{refused}");
    assert_eq!(mails(&jobs).len(), count);

    // The password is for nobody else.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&password, open).expect("chmod");
    let checked = jobs.run(&["config", "check"]);
    assert_eq!(checked.code, Some(4), "{checked}");
    assert!(checked.stderr.contains("[notify.operator]"), "{checked}");
}

/// One request, and the answer as text.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the endpoint");
    stream.write_all(request.as_bytes()).expect("ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn the_service_tells_its_metrics_over_http() {
    let jobs = JobLab::new("sample-forest/clean");
    jobs.configure(&["local"], "drill = { every = \"7d\" }");
    jobs.init("local");
    jobs.succeed(&["run", "nightly"]);
    let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let text = std::fs::read_to_string(jobs.configuration()).expect("read");
    let service = format!(
        "[directory]\ndatabase_folder = {:?}\n[endpoint]\nsocket = {:?}\n\
         [metrics]\nlisten = \"{address}\"\nstate_folder = {:?}\n{text}",
        jobs.directory(),
        jobs.path("socket"),
        jobs.path("state"),
    );
    std::fs::write(jobs.configuration(), service).expect("write");
    jobs.succeed(&["config", "check"]);
    let mut command = jobs.command(&["serve", "--config"]);
    let mut service = command
        .arg(jobs.configuration())
        .stderr(Stdio::null())
        .spawn();
    let get = |path: &str, method: &str| {
        ask(
            address,
            &format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"),
        )
    };
    wait_until(|| TcpStream::connect(address).is_ok());
    wait_until(|| get("/metrics", "GET").starts_with("HTTP/1.1 200 "));
    let answer = get("/metrics", "GET");
    let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
    assert!(head.contains("text/plain; version=0.0.4"), "{head}");
    // The same list as in the file of the collector.
    let file = jobs.path("dsbackup.prom");
    jobs.succeed(&["status", "--prometheus", file.to_str().expect("plain")]);
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        lines.map(str::to_owned).collect()
    };
    let written = std::fs::read_to_string(file).expect("written");
    assert_eq!(names(body), names(&written));
    assert!(names(body).len() > 10, "{body}");

    assert!(get("/metrics", "POST").starts_with("HTTP/1.1 405 "));
    assert!(get("/", "GET").starts_with("HTTP/1.1 404 "));
    let long = "x".repeat(64 << 10);
    let answer = ask_anything(address, &format!("GET /{long} HTTP/1.1\r\n\r\n"));
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // More clients than it serves at a time, all silent: others are answered when these time out
    // or leave.
    let silent: Vec<TcpStream> = (0..20)
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect();
    drop(silent);
    assert!(get("/metrics", "GET").starts_with("HTTP/1.1 200 "));
    let child = service.as_mut().expect("started");
    lab::signal(child.id(), "TERM");
    assert!(child.wait().expect("its end").success());
}

/// As [`ask`], for what may be cut off.
fn ask_anything(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the endpoint");
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The directory of a chain, as of one of its points.
fn at_point(chain: &lab::chain::Chain, point: usize, folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    chain.full(folder);
    for log in chain
        .later()
        .into_iter()
        .take((chain.end(point) - chain.end(0)) as usize)
    {
        log.finish_in(folder);
    }
}

#[test]
fn changed_groups_and_keys_are_an_alarm() {
    let Some(chain) = lab::chain::Chain::contoso() else {
        return;
    };
    let jobs = JobLab::empty();
    let told = jobs.path("told");
    let settings = format!(
        "alarm = {{ privileged_groups = true, groups = [\"New group 439\"], krbtgt = true, \
         scratch = {:?} }}\n\
         notify = [\"admin\"]\n[notify.admin]\non = [\"alarm\"]\ncommand = \"cat >> {}\"",
        jobs.path("scratch"),
        told.display()
    );
    jobs.configure(&["local"], &settings);
    jobs.init("local");
    at_point(&chain, 0, &jobs.directory());
    jobs.succeed(&["run", "nightly"]);
    assert!(!told.exists(), "nothing to compare with");
    at_point(&chain, 2, &jobs.directory());
    jobs.succeed(&["run", "nightly"]);
    // Other groups changed as well, and so did passwords: neither is asked for.
    let message: Value =
        serde_json::from_slice(&std::fs::read(&told).expect("told")).expect("one message");
    assert_eq!(message["event"], "alarm", "{message:#}");
    let text = message["text"].as_str().expect("a text");
    let alarms: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("privileged"))
        .collect();
    assert_eq!(alarms.len(), 1, "{text}");
    for words in [
        "privileged group New group 439 changed",
        "added: CN=José Lee,OU=HR,OU=Corp,DC=contoso,DC=example (2026-11-01 19:05:27",
        "removed: CN=Paul Gonzalez,OU=Partners",
    ] {
        assert!(alarms[0].contains(words), "{words}: {text}");
    }
    assert!(!text.contains("krbtgt"), "{text}");
    let status = jobs.run(&["status"]);
    assert_eq!(status.code, Some(1), "{status}");
    assert!(status.stdout.contains("New group 439"), "{status}");

    assert!(status.stdout.contains("accounts   users +"), "{status}");

    // What came and went, as `diff` of the two snapshots lists it.
    let repository = jobs.path("local");
    let password = jobs.path("password");
    let of_repository = |arguments: &[&str]| -> Value {
        let mut command = jobs.command(arguments);
        command.arg("--json").arg("-r").arg(&repository);
        command.arg("--password-file").arg(&password);
        command.env("DSBACKUP_CACHE", jobs.path("cache"));
        let run = lab::Run::of(&mut command);
        assert_eq!(run.code, Some(0), "{run}");
        serde_json::from_str(&run.stdout).expect("JSON")
    };
    let snapshots = of_repository(&["snapshots"]);
    let id = |number: usize| snapshots[number]["snapshot"].as_str().expect("an id");
    let named = format!("from snapshot {} to {}\n", &id(0)[..8], &id(1)[..8]);
    assert!(status.stdout.contains(&named), "{named}: {status}");
    let listed = of_repository(&["diff", id(0), id(1)]);
    let count = |kind: &str, class: &str| {
        let changes = listed["changes"].as_array().expect("changes");
        let is_of = |change: &&Value| change["kind"] == kind && change["class"] == class;
        changes.iter().filter(is_of).count()
    };
    let status = jobs.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let accounts = &status["jobs"][0]["accounts"];
    assert_eq!(accounts["since"], id(0), "{accounts:#}");
    assert_eq!(accounts["snapshot"], id(1), "{accounts:#}");
    let mut all = 0;
    for (class, name) in [
        ("user", "users"),
        ("group", "groups"),
        ("computer", "computers"),
    ] {
        let [added, deleted] = ["added", "deleted"].map(|kind| count(kind, class));
        let counted = serde_json::json!({ "added": added, "deleted": deleted });
        assert_eq!(accounts[name], counted, "{class}: {status:#}");
        all += added + deleted;
    }
    assert!(all > 0, "nothing came or went: {accounts:#}");

    // A drill replays the logs, and counts.
    of_repository(&["check", "--drill", "--all"]);
    let status = jobs.run(&["status"]);
    let named = format!("compared with snapshot {}\n", &id(0)[..8]);
    assert!(status.stdout.contains(&named), "{named}: {status}");
}
