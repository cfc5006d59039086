//! Snapshots: list, details, drill, removal.

use axum::http::StatusCode;
use backup::words::short_id;

use crate::lab::{Browser, Lab};

#[tokio::test]
async fn snapshots_are_listed_filtered_and_shown_with_their_files() {
    let lab = Lab::with_backups(2);
    let ids = lab.snapshots();
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let list = browser.get("/snapshots").await;
    list.shows("2 snapshots")
        .shows("not drilled")
        .shows("<rect");
    for id in &ids {
        list.shows(&format!("href=\"/snapshots/local/{id}\""));
    }
    let none = browser.get("/snapshots?server=OTHER").await;
    none.shows("There is no such snapshot.");
    browser
        .get("/snapshots?from=18446744073709551615")
        .await
        .shows("2 snapshots");

    let detail = browser.get(&format!("/snapshots/local/{}", ids[0])).await;
    detail
        .shows("ntds.dit")
        .shows("May be restored until")
        .shows("Nobody has restored this snapshot yet");
    assert!(!detail.body.contains("Drill now"), "otto may only look");
    let manifest = format!("/snapshots/local/{}/manifest", ids[0]);
    detail.shows(&format!("href=\"{manifest}\""));
    let manifest = browser.get(&manifest).await;
    assert_eq!(manifest.header("content-type"), "application/json");
    manifest.shows("\"format\":").shows("ntds.dit");
    for missing in [
        "/snapshots/local/00",
        "/snapshots/other/00",
        "/snapshots/local",
    ] {
        assert_eq!(
            browser.get(missing).await.status,
            StatusCode::NOT_FOUND,
            "{missing}"
        );
    }
}

#[tokio::test]
async fn a_drill_tells_its_progress_and_proves_the_snapshot() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let page = format!("/snapshots/local/{id}");
    browser.get("/").await.shows("no snapshot yet");
    browser.get(&page).await.shows("Drill now");
    let begun = browser.act(&format!("{page}/drill"), &[]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{begun:?}");
    let work = begun.header("location").to_owned();
    assert!(work.starts_with("/work/"), "{work}");
    // The stream ends with the work.
    let events = browser.get(&format!("{work}/events")).await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    // Browsers drop an event without data.
    events.shows("event: line").shows("event: end\ndata: ended");
    browser.get(&work).await.shows("done").shows("proven");
    browser
        .get(&page)
        .await
        .shows("rows,")
        .shows("badge proven");
    browser.get("/").await.shows("yes, this one");
    browser
        .get("/work")
        .await
        .shows("drill of snapshot")
        .shows("anna");
    let audit = lab.audit();
    let line = format!(r#""call":"POST {page}/drill","what":"local {id}","result":"ok""#);
    assert!(audit.contains(&line), "{audit}");
    assert_eq!(
        browser.get("/work/0123").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_snapshot_is_removed_once_its_name_is_typed() {
    let lab = Lab::with_backups(2);
    let ids = lab.snapshots();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let [old, new] = [0, 1].map(|index| format!("/snapshots/local/{}/forget", ids[index]));
    let protected = browser.get(&new).await;
    protected.shows("problem");
    assert!(
        !protected.body.contains("name=\"name\""),
        "{}",
        protected.body
    );
    let typed = [("name", short_id(&ids[1]))];
    assert_eq!(
        browser.act(&new, &typed).await.status,
        StatusCode::FORBIDDEN
    );

    browser
        .get(&old)
        .await
        .shows("1 snapshot would be removed, 1 kept");
    let wrong = browser.act(&old, &[("name", "yes")]).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(lab.snapshots().len(), 2);
    let done = browser.act(&old, &[("name", short_id(&ids[0]))]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{done:?}");
    assert_eq!(lab.snapshots(), [ids[1].clone()]);
    browser.get("/snapshots").await.shows("1 snapshot");
    let audit = lab.audit();
    assert!(
        audit.contains(&format!(r#""what":"local {}""#, ids[0])),
        "{audit}"
    );
}

#[tokio::test]
async fn a_job_is_run_from_the_overview() {
    let lab = Lab::with_backups(1);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    browser.get("/").await.shows("Run <bdi>nightly</bdi> now");
    let begun = browser.act("/jobs/nightly/run", &[]).await;
    let work = begun.header("location").to_owned();
    browser
        .get(&format!("{work}/events"))
        .await
        .shows("event: end");
    browser.get(&work).await.shows("all was done");
    assert_eq!(lab.snapshots().len(), 2);
    let missing = browser.act("/jobs/other/run", &[]).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_follows_a_job_that_goes_on() {
    let lab = Lab::with_backups(1);
    let go_on = lab.path("go-on");
    let slow = format!(
        "before = 'until [ -e {} ]; do sleep 0.05; done'\nafter = 'sleep 1'\n",
        go_on.display()
    );
    let text = std::fs::read_to_string(lab.configuration()).unwrap();
    std::fs::write(lab.configuration(), text + &slow).unwrap();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let begun = browser.act("/jobs/nightly/run", &[]).await;
    let work = begun.header("location").to_owned();
    let live = format!("data-events=\"{work}/events\"");
    browser.get("/").await.shows("goes on, by").shows(&live);
    std::fs::write(&go_on, "").unwrap();
    browser
        .get(&format!("{work}/events"))
        .await
        .shows("event: end");
    let ended = browser.get("/").await;
    assert!(!ended.body.contains("data-events"), "{}", ended.body);

    // The same job, begun by its timer.
    std::fs::remove_file(&go_on).unwrap();
    std::thread::scope(|scope| {
        let timer = scope.spawn(|| lab.run());
        let state = lab.state();
        while jobs::progress::going(&state, "nightly").is_none() {
            assert!(!timer.is_finished(), "it waits");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let live = "data-events=\"/jobs/nightly/events\"";
                browser.get("/").await.shows(live);
                std::fs::write(&go_on, "").unwrap();
                let events = browser.get("/jobs/nightly/events").await;
                events
                    .shows("data: job nightly, repository local")
                    .shows("event: end");
            });
        });
        timer.join().unwrap();
    });
    let ended = browser.get("/").await;
    assert!(!ended.body.contains("data-events"), "{}", ended.body);
    ended.shows("Size of the last 3 backups");
}

#[tokio::test]
async fn a_repository_that_takes_long_to_open_keeps_no_other_one_waiting() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let go_on = lab.path("go-on");
    let slow = format!(
        "[repository.slow]\nlocation = '/nowhere'\n\
         password_command = 'until [ -e {} ]; do sleep 0.05; done; echo x'\n",
        go_on.display()
    );
    let text = std::fs::read_to_string(lab.configuration()).unwrap();
    std::fs::write(lab.configuration(), text + &slow).unwrap();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let mut other = browser.clone();
    let waits = tokio::spawn(async move { other.get("/snapshots/slow/00").await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let address = format!("/snapshots/local/{id}");
    let page = browser.get(&address);
    let page = tokio::time::timeout(std::time::Duration::from_secs(30), page).await;
    page.expect("it does not wait").shows("ntds.dit");
    assert!(!waits.is_finished(), "the other one opens still");
    std::fs::write(&go_on, "").unwrap();
    let opened = waits.await.expect("no panic");
    assert!(opened.status.is_server_error(), "{opened:?}");
}
