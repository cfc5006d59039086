//! The running directory: then, now, the difference; the history of an object; files.

use axum::http::StatusCode;

use crate::lab::{Browser, Lab, escaped};

/// The key of the first object that a search finds.
async fn first(browser: &mut Browser, here: &str, query: &str) -> String {
    let found = browser
        .get(&format!("{here}/search?q={}", escaped(query)))
        .await;
    let (_, rest) = (found.body.split_once(&format!("href=\"{here}?object=")))
        .unwrap_or_else(|| panic!("nothing for {query}: {}", found.body));
    rest.split('"').next().expect("a key").to_owned()
}

#[tokio::test]
async fn an_object_is_shown_then_now_and_with_the_difference() {
    let mut lab = Lab::with_backups(1);
    lab.serve("sample-forest/clean");
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let here = format!("/directory/local/{id}");
    let key = first(&mut browser, &here, "administrator").await;
    let then = browser.get(&format!("{here}?object={key}")).await;
    then.shows("aria-current=\"true\">Then").shows("History");
    let now = browser.get(&format!("{here}?object={key}&view=now")).await;
    assert_eq!(now.status, StatusCode::OK);
    now.shows("sAMAccountName").shows("objectSid");
    // Links of now lead into the directory of now.
    now.shows("/directory/%40now/corp?object=");
    let difference = browser
        .get(&format!("{here}?object={key}&view=difference"))
        .await;
    difference.shows("Nothing that counts differs in this object.");
    let running = browser.get("/directory/@now/corp").await;
    running.shows("As it is now.").shows("DC=");
    let object = browser
        .get(&format!("/directory/@now/corp?object={key}"))
        .await;
    object.shows("sAMAccountName");
    assert!(!object.body.contains("History"), "{}", object.body);
    browser
        .get("/directory/@now/corp/search?q=administrator")
        .await
        .shows("Distinguished name");
    browser
        .get("/directory/@now/corp/deleted")
        .await
        .shows("Deleted objects");
    let pair = format!("before=local/{id}&after=@now/corp");
    let compared = browser.get(&format!("/compare?{pair}")).await;
    compared
        .shows("objects were compared: nothing differs")
        .shows("Look again");
    assert!(lab.audit().contains("@now corp"), "{}", lab.audit());
}

#[tokio::test]
async fn what_differs_from_now_is_listed_and_the_page_of_it_is_whole() {
    let mut lab = Lab::with_backups(1);
    lab.serve("sample-forest/dirty");
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let pair = format!("before=local/{id}&after=@now/corp");
    let found = browser.get(&format!("/compare?{pair}&fresh=1")).await;
    assert_eq!(found.status, StatusCode::OK, "{found:?}");
    let csv = browser.get(&format!("/compare/csv?{pair}")).await;
    let page = browser.get(&format!("/compare/html?{pair}")).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-disposition").starts_with("attachment"));
    assert!(page.body.ends_with("</body></html>\n"), "{}", page.body);
    assert_eq!(
        page.body.matches("<section>").count(),
        csv.body.lines().count() - 1,
        "each object is on the page"
    );
}

#[tokio::test]
async fn the_history_of_an_object_goes_through_all_snapshots() {
    let lab = Lab::with_backups(2);
    let ids = lab.snapshots();
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let here = format!("/directory/local/{}", ids[1]);
    let key = first(&mut browser, &here, "administrator").await;
    let history = browser.get(&format!("{here}/object/{key}/history")).await;
    assert_eq!(history.status, StatusCode::OK, "{history:?}");
    history
        .shows("2 snapshots")
        .shows("first snapshot:")
        .shows("no change");
    for id in &ids {
        history.shows(&format!("/directory/local/{id}?object={key}"));
    }
    let later = browser
        .get(&format!("{here}/object/{key}/history?from=10"))
        .await;
    later.shows("Newer");
}

#[tokio::test]
async fn objects_come_as_ldif_without_what_is_withheld() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let here = format!("/directory/local/{id}");
    let key = first(&mut browser, &here, "administrator").await;
    let one = browser.get(&format!("{here}/ldif?object={key}")).await;
    assert_eq!(one.status, StatusCode::OK);
    assert!(one.body.starts_with("version: 1\n\ndn: "), "{}", one.body);
    assert_eq!(one.body.matches("\ndn:").count(), 1, "{}", one.body);
    one.shows("sAMAccountName: ")
        .shows("# unicodePwd: withheld");
    let all = browser.get(&format!("{here}/ldif")).await;
    assert!(all.body.matches("\ndn:").count() > 100);
    let none = browser.get(&format!("{here}/ldif?object=~x")).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert!(lab.audit().contains("as LDIF"), "{}", lab.audit());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_and_the_snapshot_is_shown_all_the_same() {
    let mut lab = Lab::with_backups(1);
    lab.serve("sample-forest/clean");
    lab.stop_serving();
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let here = format!("/directory/local/{id}");
    let key = first(&mut browser, &here, "administrator").await;
    let now = browser.get(&format!("{here}?object={key}&view=now")).await;
    assert_eq!(now.status, StatusCode::OK);
    now.shows("corp: ").shows("problem");
    let running = browser.get("/directory/@now/corp").await;
    assert_eq!(running.status, StatusCode::INTERNAL_SERVER_ERROR);
    let unknown = browser.get("/directory/@now/other").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
