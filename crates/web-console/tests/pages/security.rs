//! What attackers try, with each page and action.

use axum::http::{Method, StatusCode};

use web_console::Addresses;

use crate::lab::{Browser, Lab};

/// What nobody needs a login for.
const PUBLIC: &[&str] = &[
    "/login",
    "/login/certificate",
    "/login/kerberos",
    "/assets/{asset}",
];

/// Actions that also those may do who may only look.
const HARMLESS: &[&str] = &["/logout"];

/// Pages with questions that attack, beside all pages without one.
const ATTACKS: &[&str] = &[
    "/?fresh=1",
    "/snapshots?server=%3Cscript%3E&tag=%22%3E%3Cb%3E",
    "/directory/local/ID?at=%3Cscript%3E",
    "/directory/local/ID/search?q=%3Cb%3E",
    "/directory/local/ID/object/~1/files?path=%3Cscript%3E",
    "/directory/local/ID?object=~1&view=now",
    "/directory/local/ID?object=~1&view=%3Cscript%3E",
    "/directory/local/ID/ldif?object=%3Cscript%3E",
    "/directory/@now/%3Cscript%3E",
    "/compare?before=local/ID&after=local/ID&class=%3Cb%3E",
    "/compare/csv?before=local/ID&after=local/ID",
    "/compare/ldif?before=local/ID&after=local/ID",
    "/compare/html?before=local/ID&after=@now/%3Cscript%3E",
    "/compare/object/ID?before=local/ID&after=local/ID",
    "/restores/..%2F..%2Fusers",
];

/// An address with its parts filled in.
fn filled(address: &str, object: &str) -> String {
    let parts = [
        ("{repository}", "local"),
        ("{id}", "ID"),
        ("{object}", object),
        ("{name}", "restore-1"),
        ("{work}", "0123"),
        ("{job}", "nightly"),
    ];
    let address = (parts.iter()).fold(address.to_owned(), |address, (part, value)| {
        address.replace(part, value)
    });
    assert!(!address.contains('{'), "{address}: no value for a part");
    address
}

fn need_a_login(addresses: Vec<&'static str>) -> Vec<&'static str> {
    let mut addresses = addresses;
    addresses.retain(|address| !PUBLIC.contains(address));
    addresses
}

/// Every page that needs a login.
fn pages() -> Vec<String> {
    let all = need_a_login(Addresses::all().pages);
    let all = all.into_iter().map(|address| filled(address, "~1"));
    all.chain(ATTACKS.iter().map(|page| (*page).to_owned()))
        .collect()
}

/// Every action that needs a login.
fn actions() -> Vec<String> {
    let all = need_a_login(Addresses::all().actions);
    all.into_iter()
        .map(|address| filled(address, "~1"))
        .collect()
}

/// Those that a user who may only look is refused.
fn operations() -> Vec<String> {
    let mut operations = actions();
    operations.retain(|action| !HARMLESS.contains(&action.as_str()));
    operations
}

#[tokio::test]
async fn without_a_login_no_page_is_shown_and_nothing_is_done() {
    let lab = Lab::new();
    let site = lab.console();
    for cookie in ["", "dsbackup=", "dsbackup=00", "dsbackup=../../etc"] {
        let mut browser = Browser::new(&site);
        for page in pages().iter().map(String::as_str).chain(["/no-such-page"]) {
            let headers = [("cookie", cookie)];
            let answer = browser
                .send(Method::GET, page, &headers, String::new())
                .await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{page}");
            assert!(
                answer.header("location").starts_with("/login?next="),
                "{page}"
            );
            assert_eq!(answer.body, "", "{page}");
        }
        for action in &actions() {
            let answer = browser.post_with(action, &[("cookie", cookie)], &[]).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{action}");
        }
        let part = browser
            .send(Method::GET, "/", &[("hx-request", "true")], String::new())
            .await;
        assert_eq!(part.status, StatusCode::UNAUTHORIZED);
        assert_eq!(part.header("hx-redirect"), "/login");
    }
}

#[tokio::test]
async fn an_action_needs_the_word_of_its_own_login() {
    let lab = Lab::new();
    let site = lab.console();
    let mut other = Browser::of(&site, "anna").await;
    let foreign = other.word().await;
    let mut browser = Browser::of(&site, "anna").await;
    let own = browser.word().await;
    assert_ne!(own, foreign);
    for action in &actions() {
        for word in ["", "0", &foreign, &own[1..], &own.to_uppercase()] {
            let answer = browser.post(action, &[("csrf", word)]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action} {word}");
            let header = [("x-csrf-token", word)];
            let answer = browser.post_with(action, &header, &[("csrf", &own)]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action} {word}");
        }
        assert_eq!(
            browser.post(action, &[]).await.status,
            StatusCode::FORBIDDEN
        );
        for (header, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:7481"),
        ] {
            let answer = browser
                .post_with(action, &[(header, value)], &[("csrf", &own)])
                .await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{action} {header} {value}"
            );
        }
    }
    // Nothing of this ended the login.
    browser.get("/").await.shows("Overview");
    let answer = browser
        .post_with("/logout", &[("x-csrf-token", &own)], &[])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn who_may_only_look_does_nothing() {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    for action in &operations() {
        let answer = browser.act(action, &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{action}");
        answer.shows("this user may look");
    }
    assert_eq!(
        browser.act("/logout", &[]).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn every_action_leaves_a_line_whatever_came_of_it() {
    let lab = Lab::new();
    let site = lab.console();
    let mut anna = Browser::of(&site, "anna").await;
    let mut otto = Browser::of(&site, "otto").await;
    let mut stranger = Browser::new(&site);
    let lines = |caller: &str, action: &str, result: &str| {
        let line = format!(r#""caller":"{caller}","from":"127.0.0.1","call":"POST {action}","#);
        let log = lab.audit();
        let lines = log.lines().filter(|known| known.contains(&line));
        lines.filter(|line| line.contains(result)).count()
    };
    for action in &operations() {
        stranger.post(action, &[]).await;
        assert_eq!(lines("", action, "Unauthorized"), 1, "{action}");
        otto.act(action, &[]).await;
        assert_eq!(lines("otto", action, "Forbidden"), 1, "{action}");
        anna.post(action, &[("csrf", "0")]).await;
        anna.post_with(action, &[("origin", "https://evil.example")], &[])
            .await;
        assert_eq!(lines("anna", action, "Forbidden"), 2, "{action}");
        anna.act(action, &[]).await;
        assert_eq!(lines("anna", action, ""), 3, "{action}");
    }
}

#[tokio::test]
async fn every_look_into_a_directory_leaves_a_line() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut otto = Browser::of(&site, "otto").await;
    let found = (otto.get(&format!("/directory/local/{id}/search?q=administrator"))).await;
    let (_, key) = (found.body.split_once("?object=")).expect("an object");
    let key = key.split('"').next().expect("its key");
    let mut looks = 0;
    for address in Addresses::all().pages {
        if !address.starts_with("/directory/") && !address.starts_with("/compare/") {
            continue;
        }
        let page = filled(address, key).replace("ID", &id);
        let answer = (otto.get(&format!("{page}?before=local/{id}&after=local/{id}"))).await;
        // What shows nothing is no look: a user has no settings files.
        if answer.status != StatusCode::OK {
            continue;
        }
        looks += 1;
        let line = format!(r#""caller":"otto","from":"127.0.0.1","call":"GET {page}""#);
        assert!(lab.audit().contains(&line), "{page}");
    }
    assert!(looks > 8, "{looks}");
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused() {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    for own in [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:7480",
        "[::1]:7480",
        "backup.corp.example",
    ] {
        browser.host = own.into();
        assert_eq!(browser.get("/").await.status, StatusCode::OK, "{own}");
    }
    for foreign in [
        "",
        "evil.example",
        "127.0.0.1.evil.example:7480",
        "localhost.evil.example",
        "192.0.2.1",
        "backup.corp.example.",
        "a:b:c",
    ] {
        browser.host = foreign.into();
        for path in ["/", "/login", "/assets/style.css"] {
            let answer = browser.get(path).await;
            assert_eq!(
                answer.status,
                StatusCode::MISDIRECTED_REQUEST,
                "{foreign} {path}"
            );
        }
    }
}

#[tokio::test]
async fn every_answer_has_the_policy_and_no_page_breaks_it() {
    let lab = Lab::with_backups(2);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let others = [
        "/login",
        "/no-such-page",
        "/assets/none",
        "/assets/htmx-2.0.11.min.js",
    ];
    for page in pages().iter().map(String::as_str).chain(others) {
        let answer = browser.get(&page.replace("ID", &id)).await;
        assert!(!answer.status.is_server_error(), "{page}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';"),
            "{page}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{page}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{page}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{page}");
        if page.starts_with("/assets/") {
            continue;
        }
        assert_eq!(answer.header("cache-control"), "no-store", "{page}");
        // What the browser saves is no page.
        if answer
            .header("content-disposition")
            .starts_with("attachment")
        {
            continue;
        }
        assert!(
            answer.body.len() < 300 << 10,
            "{page}: {} bytes",
            answer.body.len()
        );
        for forbidden in [
            " style=",
            "<style",
            " onclick=",
            "javascript:",
            "<script>",
            "<b>",
        ] {
            assert!(!answer.body.contains(forbidden), "{page}: {forbidden}");
        }
    }
}

#[tokio::test]
async fn other_methods_and_long_forms_are_refused() {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    for method in [Method::PUT, Method::DELETE, Method::TRACE, Method::OPTIONS] {
        let answer = browser.send(method, "/", &[], String::new()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let long = "x".repeat(65 << 10);
    let answer = browser.post("/logout", &[("csrf", &long)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let mut stranger = Browser::new(&site);
    let answer = stranger.log_in("anna", &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused() {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    // The log is moved away, and something that is no file takes its place.
    std::fs::rename(lab.path("audit"), lab.path("audit.1")).unwrap();
    std::fs::create_dir(lab.path("audit")).unwrap();
    let mut other = Browser::of(&site, "anna").await;
    let answer = other.act("/logout", &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    browser.get("/").await.shows("Overview");
    std::fs::remove_dir(lab.path("audit")).unwrap();
    assert_eq!(
        other.act("/logout", &[]).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(lab.audit().contains("AuditResumed"));
}
