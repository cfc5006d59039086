//! Login and logout.

use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::lab::{Browser, Lab, PASSWORD};

#[tokio::test]
async fn a_user_logs_in_looks_and_logs_out() {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::new(&site);
    let first = browser.get("/snapshots?server=DC1").await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    assert_eq!(
        first.header("location"),
        "/login?next=%2Fsnapshots%3Fserver%3DDC1"
    );
    let form = browser.get(first.header("location")).await;
    let (word, next) = (form.hidden("word"), form.hidden("next"));
    let fields = [
        ("user", "anna"),
        ("password", PASSWORD),
        ("word", word.as_str()),
        ("next", next.as_str()),
    ];
    let done = browser.post("/login", &fields).await;
    assert_eq!(done.header("location"), "/snapshots?server=DC1");
    let cookies: Vec<&str> = (done.headers.get_all("set-cookie").iter())
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    assert!(cookies[0].starts_with("dsbackup="), "{cookies:?}");
    assert!(
        cookies[0].ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookies:?}"
    );

    browser.get("/").await.shows("anna");
    let out = browser.act("/logout", &[]).await;
    assert_eq!(out.header("location"), "/login");
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
    let audit = lab.audit();
    assert!(
        audit.contains(r#""caller":"anna","from":"127.0.0.1","call":"POST /login","result":"ok""#),
        "{audit}"
    );
    assert!(audit.contains("POST /logout"), "{audit}");
    assert!(!audit.contains(PASSWORD));
}

#[tokio::test]
async fn an_ended_session_stays_ended_whatever_the_browser_keeps() {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let stolen = browser.cookie("dsbackup").unwrap().to_owned();
    browser.act("/logout", &[]).await;
    let mut thief = Browser::new(&site);
    let header = format!("dsbackup={stolen}");
    let answer = thief
        .send(
            axum::http::Method::GET,
            "/",
            &[("cookie", &header)],
            String::new(),
        )
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_recorded() {
    for _ in 0..20 {
        if guess_and_wait().await {
            return;
        }
    }
    panic!("the wait was over each time before it was looked at");
}

/// `false` if it took so long that the wait, of one second, may be over.
async fn guess_and_wait() -> bool {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::new(&site);
    let mut begin = Instant::now();
    for number in 0..4 {
        begin = Instant::now();
        let answer = browser.log_in("anna", &format!("guess {number}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        answer.shows("User or password is wrong.");
    }
    // The right one does not help now, and neither does another name from the same place.
    let answers = [
        browser.log_in("anna", PASSWORD).await,
        browser.log_in("otto", PASSWORD).await,
    ];
    if begin.elapsed() > Duration::from_millis(900) {
        return false;
    }
    for answer in answers {
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
        assert!(!answer.header("retry-after").is_empty());
    }
    let audit = lab.audit();
    let failed = audit
        .matches(r#""call":"POST /login","result":"Forbidden""#)
        .count();
    assert_eq!(failed, 4, "{audit}");
    assert!(
        audit.contains("Too Many Requests") && !audit.contains("guess"),
        "{audit}"
    );
    true
}

#[tokio::test]
async fn a_login_form_of_another_browser_is_refused() {
    let lab = Lab::new();
    let site = lab.console();
    let mut attacker = Browser::new(&site);
    let word = attacker.get("/login").await.hidden("word");
    let fields = [
        ("user", "anna"),
        ("password", PASSWORD),
        ("word", word.as_str()),
    ];
    let mut victim = Browser::new(&site);
    assert_eq!(
        victim.post("/login", &fields).await.status,
        StatusCode::FORBIDDEN
    );
    victim.get("/login").await;
    assert_eq!(
        victim.post("/login", &fields).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(victim.cookie("dsbackup"), None);
    assert_eq!(
        attacker.post("/login", &fields).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn of_a_thousand_attempts_few_are_looked_at_and_the_right_password_works_after_the_pause() {
    let lab = Lab::new();
    let site = lab.console();
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let mut browser = Browser::new(&site);
        attempts.spawn(async move {
            // One name, and many from the same place.
            let user = match number % 2 {
                0 => "anna".to_owned(),
                _ => format!("nobody {number}"),
            };
            browser.log_in(&user, "a guess").await.status
        });
    }
    let answers = attempts.join_all().await;
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    let wrong = count(StatusCode::FORBIDDEN);
    assert!((4..=12).contains(&wrong), "{wrong} were looked at");
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 1000 - wrong);
    let mut browser = Browser::new(&site);
    let mut answer = browser.log_in("anna", PASSWORD).await;
    // The longest wait is 300 s.
    let deadline = Instant::now() + Duration::from_secs(400);
    while answer.status == StatusCode::TOO_MANY_REQUESTS {
        assert!(Instant::now() < deadline, "{answer:?}");
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        tokio::time::sleep(Duration::from_secs(wait)).await;
        answer = browser.log_in("anna", PASSWORD).await;
    }
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
}
