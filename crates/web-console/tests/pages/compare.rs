//! The comparison of two snapshots.

use axum::http::StatusCode;

use crate::lab::{Browser, Lab};

#[tokio::test]
async fn two_snapshots_of_one_forest_are_compared() {
    let lab = Lab::with_backups(2);
    let ids = lab.snapshots();
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let choice = browser.get("/compare").await;
    choice
        .shows("Choose two snapshots")
        .shows(&format!("local/{}", ids[0]));
    let pair = format!("before=local/{}&after=local/{}", ids[0], ids[1]);
    let same = browser.get(&format!("/compare?{pair}")).await;
    same.shows("objects were compared: nothing differs")
        .shows("There is no such object.");
    let csv = browser.get(&format!("/compare/csv?{pair}")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.body, "what,class,object,objectGUID,attributes\r\n");
    let audit = lab.audit();
    assert!(
        audit.contains(&format!("compare local/{} local/{}", ids[0], ids[1])),
        "{audit}"
    );
}

#[tokio::test]
async fn what_changed_between_two_backups_is_listed_with_its_attributes() {
    let lab = Lab::with_backups(1);
    lab.replace_directory("sample-forest/dirty");
    lab.run();
    let ids = lab.snapshots();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let pair = format!("before=local/{}&after=local/{}", ids[0], ids[1]);
    let found = browser.get(&format!("/compare?{pair}")).await;
    assert_eq!(found.status, StatusCode::OK, "{found:?}");
    found.shows("objects were compared:").shows("All as CSV");
    let csv = browser.get(&format!("/compare/csv?{pair}")).await;
    let records = browser.get(&format!("/compare/ldif?{pair}")).await;
    assert!(
        records.header("content-disposition").contains(".ldif"),
        "{records:?}"
    );
    assert!(records.body.starts_with("version: 1\n\n"), "{records:?}");
    records.shows("\nchangetype: ");
    // Each object of the list has a page of its own.
    for line in csv.body.lines().skip(1).take(3) {
        let guid = line.split("\",\"").nth(3).expect("a GUID");
        let object = browser.get(&format!("/compare/object/{guid}?{pair}")).await;
        assert_eq!(object.status, StatusCode::OK, "{object:?}");
        object.shows("Attribute");
    }
}

#[tokio::test]
async fn what_names_no_snapshot_is_refused() {
    let lab = Lab::with_backups(1);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    for (path, status) in [
        ("/compare?before=local&after=local", StatusCode::BAD_REQUEST),
        (
            "/compare?before=local/00&after=local/00",
            StatusCode::NOT_FOUND,
        ),
        (
            "/compare/csv?before=%3Cscript%3E/1&after=a/b",
            StatusCode::NOT_FOUND,
        ),
        (
            "/compare/object/0?before=a/b&after=a/b",
            StatusCode::NOT_FOUND,
        ),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!answer.body.contains("<script>"), "{path}");
    }
}
