//! Logins by the certificate of a browser, over real TLS.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use web_console::{ClientSettings, Server};

use crate::lab::{Browser, Lab, escaped};

/// Sends a request over TLS, with the certificate of this name, and returns the answer.
fn ask(lab: &Lab, address: &str, certificate: Option<&str>, request: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-tls1_3", "-connect", address]);
    if let Some(name) = certificate {
        command.args([
            "-cert",
            &format!("{name}.pem"),
            "-key",
            &format!("{name}.key"),
        ]);
    }
    let mut client = command
        .current_dir(lab.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let mut input = client.stdin.take().expect("piped");
    input.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    let mut output = client.stdout.take().expect("piped");
    output.read_to_string(&mut answer).expect("answered");
    drop(input);
    let _ = client.wait();
    answer
}

fn get(path: &str, cookies: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookies}\r\nConnection: close\r\n\r\n"
    )
}

/// What stands between two texts.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = (text.split_once(start)).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split(end).next().expect("a part")
}

/// Loads the login page and sends its form, as a browser with this certificate.
fn log_in(lab: &Lab, address: &str, shown: &str, sent: Option<&str>) -> (String, String) {
    let page = ask(lab, address, Some(shown), &get("/login", ""));
    let cookie = format!("dsbackup-form={}", between(&page, "dsbackup-form=", ";"));
    let body = format!(
        "word={}",
        escaped(between(&page, "name=\"word\" value=\"", "\""))
    );
    let request = format!(
        "POST /login/certificate HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    (page, ask(lab, address, sent, &request))
}

#[test]
fn a_certificate_of_a_user_logs_in_and_another_does_not() {
    let lab = Lab::new();
    lab.certificate("console");
    let mut settings = lab.settings();
    settings.certificate = Some(lab.path("console.pem"));
    settings.key = Some(lab.path("console.key"));
    for (name, view) in [("anna", false), ("otto", true)] {
        let fingerprint = lab.certificate(name);
        settings
            .client
            .insert(name.into(), ClientSettings { fingerprint, view });
    }
    lab.certificate("eve");
    let console = lab.shared_with(settings);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let server = runtime
        .block_on(Server::listen(&console.settings))
        .expect("listen");
    let address = server
        .address()
        .trim_start_matches("https://")
        .trim_end_matches('/')
        .to_owned();
    runtime.spawn(server.run(console, std::future::pending()));

    for (name, may_act) in [("anna", true), ("otto", false)] {
        let (page, begun) = log_in(&lab, &address, name, Some(name));
        assert!(
            page.contains(&format!("Log in as {name}, by certificate")),
            "{page}"
        );
        assert!(begun.starts_with("HTTP/1.1 303 "), "{begun}");
        let cookie = format!(
            "__Host-dsbackup={}",
            between(&begun, "__Host-dsbackup=", ";")
        );
        let overview = ask(&lab, &address, None, &get("/", &cookie));
        assert!(
            overview.contains(&format!("<bdi>{name}</bdi>")),
            "{overview}"
        );
        assert_eq!(
            overview.contains("/jobs/nightly/run"),
            may_act,
            "{overview}"
        );
    }
    for (shown, sent) in [("eve", Some("eve")), ("anna", None), ("anna", Some("eve"))] {
        let (page, refused) = log_in(&lab, &address, shown, sent);
        assert_eq!(page.contains("by certificate"), shown == "anna", "{page}");
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    }
    let audit = lab.audit();
    assert!(audit.contains("POST /login/certificate"), "{audit}");
    assert!(!audit.contains("eve"), "{audit}");
}

#[tokio::test]
async fn without_a_keytab_no_ticket_is_taken() {
    let lab = Lab::new();
    let mut browser = Browser::new(&lab.console());
    let answer = browser.get("/login/kerberos").await;
    assert_eq!(answer.status, axum::http::StatusCode::NOT_FOUND);
    let page = browser.get("/login").await;
    assert!(!page.body.contains("Kerberos"), "{}", page.body);
}
