//! Restores: the basket, the plan, what stands in the way, the journal. The server of these tests
//! takes no changes; tests/samba (scenario console) brings objects back.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use axum::http::StatusCode;

use crate::lab::{Answer, Browser, Lab, escaped, work};

/// The object that the tests bring back.
const OBJECT: &str = "(&(objectClass=user)(!(objectClass=computer))(description=*))";

async fn found(browser: &mut Browser, here: &str, filter: &str) -> String {
    let found = browser
        .get(&format!("{here}/search?q={}", escaped(filter)))
        .await;
    let (_, rest) = (found.body.split_once(&format!("href=\"{here}?object=")))
        .unwrap_or_else(|| panic!("nothing for {filter}: {}", found.body));
    rest.split('"').next().expect("a key").to_owned()
}

async fn add(browser: &mut Browser, id: &str, keys: &[&str]) -> Answer {
    let mut fields = vec![("repository", "local"), ("id", id)];
    fields.extend(keys.iter().map(|key| ("object", *key)));
    browser.act("/restore/add", &fields).await
}

#[tokio::test]
async fn objects_come_into_the_basket_and_leave_it() {
    let lab = Lab::with_backups(2);
    let ids = lab.snapshots();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let here = format!("/directory/local/{}", ids[0]);
    let key = found(&mut browser, &here, OBJECT).await;
    let page = browser.get(&format!("{here}?object={key}")).await;
    page.shows("Into the basket")
        .shows("Put the ticked into the basket");
    browser.get("/restore").await.shows("Nothing is chosen.");
    let added = add(&mut browser, &ids[0], &[&key]).await;
    assert_eq!(added.header("location"), "/restore");
    let basket = browser.get("/restore").await;
    basket.shows(&key).shows("No running server is named");
    // Twice is once, and all in the basket are of one snapshot.
    add(&mut browser, &ids[0], &[&key, &key]).await;
    let basket = browser.get("/restore").await;
    assert_eq!(basket.body.matches("name=\"object\"").count(), 1);
    let other = add(&mut browser, &ids[1], &[&key]).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    browser.act("/restore/remove", &[("object", &key)]).await;
    browser.get("/restore").await.shows("Nothing is chosen.");
    let other = add(&mut browser, &ids[1], &[&key]).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
    browser.act("/restore/remove", &[]).await;
    browser.get("/restore").await.shows("Nothing is chosen.");
    // A basket belongs to its login.
    add(&mut browser, &ids[0], &[&key]).await;
    let mut second = Browser::of(&site, "anna").await;
    second.get("/restore").await.shows("Nothing is chosen.");
    // Who may only look sees no ticks.
    let mut otto = Browser::of(&site, "otto").await;
    let page = otto.get(&format!("{here}?object={key}")).await;
    assert!(!page.body.contains("basket"), "{}", page.body);
}

#[tokio::test]
async fn what_is_no_object_of_the_snapshot_does_not_come_into_the_basket() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    for (fields, status) in [
        (vec![], StatusCode::BAD_REQUEST),
        (vec![("object", "<script>")], StatusCode::BAD_REQUEST),
        (
            vec![("object", "00000000-0000-0000-0000-000000000000")],
            StatusCode::NOT_FOUND,
        ),
        (
            vec![
                ("object", "00000000-0000-0000-0000-000000000000"),
                ("deleted", "1"),
            ],
            StatusCode::NOT_FOUND,
        ),
    ] {
        let fields = [vec![("repository", "local"), ("id", &id)], fields].concat();
        let answer = browser.act("/restore/add", &fields).await;
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(!answer.body.contains("<script>"), "{fields:?}");
    }
    let many: Vec<String> = (0..501u128)
        .map(|number| format!("00000000-0000-0000-0000-{number:012}"))
        .collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = add(&mut browser, &id, &many).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    browser.get("/restore").await.shows("Nothing is chosen.");
}

/// The GUID of an object that lives in a snapshot and is deleted now.
async fn lost(browser: &mut Browser, id: &str) -> String {
    let pair = format!("before=local/{id}&after=@now/corp");
    let csv = browser.get(&format!("/compare/csv?{pair}")).await;
    let mut lines = csv.body.lines().map(|line| line.split("\",\""));
    let found = lines.find_map(|mut fields| match fields.next()? {
        "\"deleted" => fields.nth(2).map(str::to_owned),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing is deleted: {}", csv.body))
}

#[tokio::test]
async fn a_plan_is_shown_confirmed_and_carried_out_with_a_journal() {
    let mut lab = Lab::with_backups(1);
    lab.serve("sample-forest/dirty");
    let id = lab.snapshots().remove(0);
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let key = lost(&mut browser, &id).await;
    let pair = format!("before=local/{id}&after=@now/corp");
    let compared = browser.get(&format!("/compare?{pair}&what=deleted")).await;
    compared.shows(&format!("name=\"object\" value=\"{key}\""));
    // It comes from the last snapshot in which it lives, too.
    let gone = browser.get("/directory/@now/corp/deleted").await;
    gone.shows(&format!("name=\"object\" value=\"{key}\""));
    add(&mut browser, &id, &[&key]).await;
    browser.get("/restore").await.shows("Make the plan");
    for (fields, status) in [
        (
            vec![("server", "corp"), ("passwords", "keep")],
            StatusCode::BAD_REQUEST,
        ),
        (
            vec![("server", "corp"), ("passwords", "x")],
            StatusCode::BAD_REQUEST,
        ),
        (
            vec![("server", "corp"), ("attributes", "noSuch")],
            StatusCode::BAD_REQUEST,
        ),
        (vec![("server", "other")], StatusCode::NOT_FOUND),
    ] {
        let refused = browser.act("/restore/plan", &fields).await;
        assert_eq!(refused.status, status, "{fields:?}");
    }
    let plan = browser.act("/restore/plan", &[("server", "corp")]).await;
    assert_eq!(plan.status, StatusCode::OK, "{plan:?}");
    // The account may not write there, as the server says.
    plan.shows("reanimate: ")
        .shows("In the way")
        .shows("yields to force");
    assert!(!plan.body.contains("to confirm"), "{}", plan.body);
    let all_the_same = [("server", "corp"), ("force", "1")];
    let plan = browser.act("/restore/plan", &all_the_same).await;
    plan.shows("reanimate: ").shows("Type corp to confirm");
    let digest = plan.hidden("plan");

    let wrong = [("name", "Corp"), ("plan", digest.as_str())];
    let refused = browser.act("/restore/run", &wrong).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    refused.shows("nothing was written");
    let other = browser
        .act("/restore/run", &[("name", "corp"), ("plan", "0")])
        .await;
    work(&mut browser, &other)
        .await
        .shows("the plan is another one");
    let begun = [("name", "corp"), ("plan", digest.as_str())];
    let begun = browser.act("/restore/run", &begun).await;
    let ended = work(&mut browser, &begun).await;
    // This server takes no changes.
    ended
        .shows("failed")
        .shows("the server refused: ")
        .shows("The journal, and how to take it back");

    let (_, link) = ended
        .body
        .split_once("href=\"/restores/")
        .expect("the journal");
    let name = link.split('"').next().expect("a name");
    let folder = lab.path("state/restored-objects");
    let mode = |path: &std::path::Path| path.metadata().expect("there").permissions().mode();
    assert_eq!(mode(&folder) & 0o777, 0o700);
    assert_eq!(mode(&folder.join(format!("{name}.jsonl"))) & 0o777, 0o600);
    browser.get("/restore").await.shows(name);
    let journal = browser.get(&format!("/restores/{name}")).await;
    journal
        .shows("came back")
        .shows("refused")
        .shows("Take back");
    let file = folder.join(format!("{name}.jsonl"));
    goes_on(&lab, &mut browser, name, &file).await;

    let undo = format!("/restores/{name}/undo");
    let refused = browser.act(&undo, &[("name", "other")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let undone = browser.act(&undo, &[("name", "corp")]).await;
    work(&mut browser, &undone)
        .await
        .shows("0 objects deleted again");
    browser
        .get(&format!("/restores/{name}"))
        .await
        .shows("taken back")
        .shows("by anna");
    let audit = lab.audit();
    for line in ["POST /restore/run", "restore ended", "undo ended", &key] {
        assert!(audit.contains(line), "{line}: {audit}");
    }
    // Whoever only looks sees the journal, and no button.
    let mut otto = Browser::of(&site, "otto").await;
    let journal = otto.get(&format!("/restores/{name}")).await;
    assert!(!journal.body.contains("Take back"), "{}", journal.body);
}

/// A journal without its end goes on: with a plan of what is left, once more confirmed.
async fn goes_on(lab: &Lab, browser: &mut Browser, name: &str, file: &std::path::Path) {
    let [page, plan, resume] =
        ["", "/plan", "/resume"].map(|part| format!("/restores/{name}{part}"));
    let whole = std::fs::read_to_string(file).expect("a journal");
    let (start, last) = whole.trim_end().rsplit_once('\n').expect("lines");
    assert!(last.contains("\"ended\""), "{last}");
    for action in [&plan, &resume] {
        let fields = [("name", "corp"), ("plan", "0")];
        let refused = browser.act(action, &fields).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{action}");
    }
    std::fs::write(file, format!("{start}\n")).expect("write");
    browser.get("/restore").await.shows("not ended");
    let shown = browser.get(&page).await;
    shown
        .shows("It did not come to its end")
        .shows("Plan the rest");
    let shown = browser.act(&plan, &[]).await;
    shown.shows("reanimate: ").shows("Type corp to confirm");
    let digest = shown.hidden("plan");
    let wrong = [("name", "other"), ("plan", digest.as_str())];
    let refused = browser.act(&resume, &wrong).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let other = browser
        .act(&resume, &[("name", "corp"), ("plan", "0")])
        .await;
    work(browser, &other).await.shows("the plan is another one");
    let begun = [("name", "corp"), ("plan", digest.as_str())];
    let begun = browser.act(&resume, &begun).await;
    work(browser, &begun).await.shows("the server refused: ");
    let lines = std::fs::read_to_string(file).expect("a journal");
    assert!(lines.contains("{\"record\":\"resumed\"}"), "{lines}");
    let shown = browser.get(&page).await;
    assert!(!shown.body.contains("Plan the rest"), "{}", shown.body);
    assert!(lab.audit().contains("resume ended"), "{}", lab.audit());
}

#[tokio::test]
async fn a_deleted_object_comes_from_the_last_snapshot_in_which_it_lives() {
    let mut lab = Lab::with_backups(2);
    lab.serve("sample-forest/dirty");
    let ids = lab.snapshots();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let key = lost(&mut browser, &ids[0]).await;
    let fields = [
        ("repository", "@now"),
        ("id", "corp"),
        ("deleted", "1"),
        ("object", &key),
    ];
    // The objects of the fixture were deleted long before these backups were made.
    let answer = browser.act("/restore/add", &fields).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
    answer.shows("snapshots of before the deletion");
}

#[tokio::test]
async fn the_progress_of_a_work_ends_with_the_login() {
    let lab = Lab::new();
    let go_on = lab.path("go-on");
    let text = std::fs::read_to_string(lab.configuration()).unwrap();
    let before = format!(
        "before = \"until [ -e {} ]; do sleep 0.05; done\"\n",
        go_on.display()
    );
    std::fs::write(lab.configuration(), text + &before).unwrap();
    let site = lab.console();
    let mut browser = Browser::of(&site, "anna").await;
    let begun = browser.act("/jobs/nightly/run", &[]).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{begun:?}");
    let address = begun.header("location").to_owned();
    let mut other = browser.clone();
    let events = format!("{address}/events");
    let followed = tokio::spawn(async move { other.get(&events).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!followed.is_finished(), "the work goes on");
    browser.act("/logout", &[]).await;
    let ended = tokio::time::timeout(Duration::from_secs(30), followed).await;
    let ended = ended.expect("the stream ends").expect("no panic");
    assert!(!ended.body.contains("event: end"), "{ended:?}");
    // The work itself goes on, for the next login to see.
    let mut again = Browser::of(&site, "anna").await;
    again.get(&address).await.shows("goes on");
    std::fs::write(&go_on, "").unwrap();
    work(&mut again, &begun).await;
}
