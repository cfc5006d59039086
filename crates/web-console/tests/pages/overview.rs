//! The overview.

use crate::lab::{Browser, Lab};

#[tokio::test]
async fn the_overview_shows_each_server_and_what_needs_attention() {
    let lab = Lab::with_backups(2);
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let page = browser.get("/").await;
    page.shows("Everything is as promised.")
        .shows("s ago")
        .shows("no snapshot yet")
        .shows("days of the tombstone lifetime")
        .shows("Size of the last 2 backups")
        .shows("(since the backup before: +0 and +0 deleted)");
    assert!(
        !page.body.contains("What needs attention</h2>"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn a_repository_that_is_gone_comes_first() {
    let lab = Lab::with_backups(1);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    browser.get("/").await.shows("Everything is as promised.");
    std::fs::rename(lab.path("repository"), lab.path("elsewhere")).unwrap();
    // The last look is still shown; after a while a new one may be asked for.
    browser.get("/").await.shows("Everything is as promised.");
    tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
    browser
        .get("/?fresh=1")
        .await
        .shows("What needs attention")
        .shows("badge critical")
        .shows("cannot be read")
        .shows("See that the repository can be reached");
}

#[tokio::test]
async fn a_job_that_never_ran_is_named_with_the_command() {
    let lab = Lab::new();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let page = browser.get("/").await;
    page.shows("job nightly").shows("cannot be read");
    std::fs::write(lab.configuration(), "").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
    browser
        .get("/?fresh=1")
        .await
        .shows("The configuration has no jobs");
}
