//! The directory in a snapshot: tree, objects, attributes, search.

use axum::http::StatusCode;

use crate::lab::{Answer, Browser, Lab, escaped};

/// The first link of a page that begins with `start`.
fn first_link(answer: &Answer, start: &str) -> String {
    let mark = format!("href=\"{start}");
    let (_, rest) = (answer.body.split_once(&mark))
        .unwrap_or_else(|| panic!("no link to {start} in {}", answer.body));
    let rest = rest.split('"').next().expect("an address");
    format!("{start}{rest}").replace("&amp;", "&")
}

#[tokio::test]
async fn somebody_walks_from_the_snapshot_to_an_attribute() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let here = format!("/directory/local/{id}");
    let snapshot = browser.get(&format!("/snapshots/local/{id}")).await;
    snapshot.shows("Look into the directory");
    let start = browser.get(&here).await;
    assert_eq!(start.status, StatusCode::OK, "{start:?}");
    start.shows("Choose a container in the tree.").shows("DC=");

    let found = browser.get(&format!("{here}/search?q=administrator")).await;
    found.shows("<bdi>user</bdi>");
    let object = browser
        .get(&first_link(&found, &format!("{here}?object=")))
        .await;
    object
        .shows("sAMAccountName")
        .shows("objectSid")
        .shows("withheld");
    // The object stands among its siblings, in the tree that is open there.
    object.shows("aria-current=\"true\"").shows("hx-get");
    let members = browser
        .get(&first_link(&object, &format!("{here}/object/")).replace("/history", "/members"))
        .await;
    members
        .shows("It is in these groups")
        .shows("primary group");
    let audit = lab.audit();
    assert!(audit.contains(&format!("local {id} object ")), "{audit}");
    assert!(
        audit.contains(&format!("local {id} administrator")),
        "{audit}"
    );
}

#[tokio::test]
async fn a_filter_finds_groups_and_a_wrong_one_is_explained() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let here = format!("/directory/local/{id}");
    let query = |filter: &str| format!("{here}/search?q={}", escaped(filter));
    let groups = browser
        .get(&query("(&(objectClass=group)(member=*))"))
        .await;
    let group = browser
        .get(&first_link(&groups, &format!("{here}?object=")))
        .await;
    let link = first_link(&group, &format!("{here}/object/")).replace("/history", "/members");
    browser.get(&link).await.shows("These are in it");
    let acl = browser.get(&link.replace("/members", "/acl")).await;
    acl.shows("Owner")
        .shows("allow")
        .shows("Authenticated Users");
    browser.get(&query("(&(sn=M*)")).await.shows("problem");
    browser
        .get(&query("(objectClass=nothing)"))
        .await
        .shows("Nothing was found");
    browser
        .get(&query("no such name"))
        .await
        .shows("Nothing was found");
    browser
        .get(&query(" "))
        .await
        .shows("Nothing was asked for");
    browser
        .get(&format!("{here}/deleted"))
        .await
        .shows("Deleted objects");
}

#[tokio::test]
async fn every_container_of_the_tree_opens_and_pages_are_small() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "otto").await;
    let here = format!("/directory/local/{id}");
    let start = format!("{here}?at=");
    let mut waiting = vec![here.clone()];
    let mut seen = 0;
    while let Some(page) = waiting.pop().filter(|_| seen < 40) {
        let answer = browser.get(&page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
        assert!(
            answer.body.len() < 300 << 10,
            "{page}: {} bytes",
            answer.body.len()
        );
        seen += 1;
        let (tree, _) = answer.body.split_once("id=\"list\"").expect("the list");
        for link in tree.split(&format!("href=\"{start}")).skip(1) {
            let key = link.split('"').next().expect("a key");
            let address = format!("{start}{key}");
            if seen < 8 {
                waiting.push(address);
            }
        }
    }
    assert!(seen > 5, "{seen}");
}

#[tokio::test]
async fn what_names_no_object_is_not_found() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let here = format!("/directory/local/{id}");
    for path in [
        format!("{here}?at=0"),
        format!("{here}?object=~18446744073709551615"),
        format!("{here}?object=00000000-0000-0000-0000-000000000000"),
        format!("{here}/object/~x/acl"),
        format!("{here}/object/%3Cscript%3E/members"),
        "/directory/local/00".into(),
        "/directory/none/00".into(),
    ] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.body.contains("<script>"), "{path}");
    }
}
