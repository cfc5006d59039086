//! The pages in a real browser: they work, break no rule of their policy, and axe-core finds no
//! obstacle in them, light or dark; nothing is cut off at twice the size or on paper; the keyboard
//! reaches everything.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use web_console::{Addresses, Server};

use crate::lab::{Lab, PASSWORD};
use crate::webdriver::{Chromium, ENTER, TAB};

/// axe-core 4.14.1, unchanged (MPL-2.0, `axe/LICENSE`); only for this test.
const AXE: &str = include_str!("axe/axe.min.js");

/// A console that listens. It ends when the value is dropped.
struct Running {
    address: String,
    _runtime: tokio::runtime::Runtime,
}

fn start(lab: &Lab) -> Running {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let console = lab.shared();
    let server = runtime
        .block_on(Server::listen(&console.settings))
        .expect("listen");
    let address = server.address().to_owned();
    runtime.spawn(server.run(Arc::clone(&console), std::future::pending()));
    Running {
        address,
        _runtime: runtime,
    }
}

/// The longest page, in characters.
const LONGEST: u64 = 300 << 10;

/// What is no page: files, events, the answer to a ticket. A group policy is in the test on a real
/// domain controller.
const NO_PAGE: &[&str] = &[
    "/login/kerberos",
    "/snapshots/{repository}/{id}/manifest",
    "/directory/{repository}/{id}/ldif",
    "/directory/{repository}/{id}/object/{object}/files",
    "/compare/html",
    "/compare/csv",
    "/compare/ldif",
    "/jobs/{job}/events",
    "/work/{work}/events",
    "/assets/{asset}",
];

/// Whether a page has an address of this form.
fn is_of(page: &str, form: &str) -> bool {
    let mut parts = page.split('/').zip(form.split('/'));
    page.split('/').count() == form.split('/').count()
        && parts.all(|(part, wanted)| part == wanted || wanted.starts_with('{'))
}

/// What a keyboard reaches.
const REACHED: &str = "[...document.querySelectorAll('a[href], button, select, summary, [tabindex=\"0\"], \
    input:not([type=hidden])')].filter(one => one.checkVisibility() && !one.disabled\
    && (one.type !== 'radio' || one.checked))";

/// Checks the page that is shown, and keeps a picture of it where one is wanted.
fn look(chromium: &Chromium, name: &str) {
    let complaints = chromium.complaints();
    assert!(complaints.is_empty(), "{name}: {complaints:?}");
    let length = chromium.run("return document.documentElement.outerHTML.length");
    assert!(length.as_u64() < Some(LONGEST), "{name}: {length}");
    chromium.run(AXE);
    assert_eq!(obstacles(chromium, "{}"), serde_json::json!([]), "{name}");
    if let Some(folder) = std::env::var_os("DSBACKUP_SCREENSHOTS") {
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        chromium.picture(&folder.join(format!("console-{name}.png")));
    }
    chromium.emulate("screen", "dark");
    let contrast = obstacles(chromium, "{ runOnly: ['color-contrast'] }");
    assert_eq!(contrast, serde_json::json!([]), "{name}, dark");
    // Somebody who likes it dark prints black on white, and all of it.
    chromium.emulate("print", "dark");
    let printed = chromium.run(
        "const style = one => getComputedStyle(one);\
         return style(document.body).color === 'rgb(0, 0, 0)'\
             && style(document.body).backgroundColor === 'rgb(255, 255, 255)'\
             && [...document.querySelectorAll('header, button')].every(one => !one.checkVisibility())\
             && [...document.querySelectorAll('.scroll, .plan, .lines')]\
                 .every(one => style(one).overflowY === 'visible')",
    );
    assert_eq!(printed, true, "{name}, printed");
    chromium.emulate("", "light");
    chromium.zoom(700);
    let widths = chromium
        .run("const page = document.documentElement; return [page.scrollWidth, page.clientWidth]");
    assert!(
        widths[0].as_u64() <= widths[1].as_u64(),
        "{name}, at twice the size: {widths}"
    );
    chromium.unzoom();
}

/// What axe-core finds.
fn obstacles(chromium: &Chromium, options: &str) -> serde_json::Value {
    chromium.run_to_end(&format!(
        "const done = arguments[arguments.length - 1];\
         axe.run({options}).then(result => done(result.violations.map(violation => \
         violation.id + ': ' + violation.nodes.map(node => node.html).join(' | '))))\
         .catch(error => done([String(error)]));"
    ))
}

/// The tabulator reaches all that can be used, and shows where it is.
fn walk_through(chromium: &Chromium, name: &str) {
    // From the beginning of the page, wherever a click has led.
    chromium.run(
        "document.body.tabIndex = -1; document.body.focus();\
         document.body.removeAttribute('tabindex')",
    );
    let count = chromium.run(&format!("return {REACHED}.length"));
    let count = count.as_u64().expect("a number");
    assert!(count > 0, "{name}");
    for _ in 0..count {
        chromium.press(TAB);
        let outline = chromium.run(
            "const one = document.activeElement; one.dataset.reached = 1;\
             return getComputedStyle(one).outlineStyle",
        );
        assert_ne!(outline, "none", "{name}");
    }
    let missed = chromium.run(&format!(
        "return {REACHED}.filter(one => !one.dataset.reached).map(one => one.outerHTML)"
    ));
    assert_eq!(missed, serde_json::json!([]), "{name}");
}

/// Waits until an object is shown as it was, is now, or differs.
fn arrive(chromium: &Chromium, view: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let current = "const current = document.querySelector('nav.views a[aria-current]');\
                   return current ? current.textContent : ''";
    while chromium.run(current) != view {
        assert!(std::time::Instant::now() < deadline, "no {view}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_browser_shows_every_page_without_an_obstacle() {
    let Some(chromium) = Chromium::start() else {
        return;
    };
    let mut lab = Lab::with_backups(2);
    lab.serve("sample-forest/dirty");
    let running = start(&lab);
    let id = lab.snapshots().remove(1);
    let seen = RefCell::new(Vec::new());
    let look = |chromium: &Chromium, name: &str| {
        look(chromium, name);
        let address = chromium.address();
        let page = (address.strip_prefix(&running.address)).expect("a page of the console");
        let page = page.split('?').next().unwrap_or_default();
        seen.borrow_mut().push(format!("/{page}"));
    };
    let go = |path: &str| chromium.go(&format!("{}{path}", running.address));

    go("");
    chromium.wait_for("Log in");
    look(&chromium, "login");
    // She logs in without a mouse.
    go("login");
    chromium.wait_for("Log in");
    chromium.press(&format!("anna{TAB}{PASSWORD}{ENTER}"));
    chromium.wait_for("Everything is as promised.");
    look(&chromium, "overview");
    walk_through(&chromium, "overview");

    chromium.click("nav a[href='/snapshots']");
    chromium.wait_for("2 snapshots");
    look(&chromium, "snapshots");
    go(&format!("snapshots/local/{id}"));
    chromium.wait_for("Nobody has restored this snapshot yet");
    // Its progress comes by events, and the page is loaded again at its end.
    chromium.click("form[action$='/drill'] button");
    chromium.wait_for("proven");
    chromium.wait_for("done");
    look(&chromium, "work");
    go("work");
    chromium.wait_for("drill of snapshot");
    look(&chromium, "works");
    go(&format!("snapshots/local/{id}"));
    chromium.wait_for("proven");
    look(&chromium, "snapshot");
    walk_through(&chromium, "snapshot");
    go(&format!("snapshots/local/{id}/whole"));
    chromium.wait_for("recovery-plan");
    look(&chromium, "controller");
    go(&format!("snapshots/local/{id}/forget"));
    look(&chromium, "forget");

    go(&format!("directory/local/{id}"));
    chromium.wait_for("Choose a container in the tree.");
    chromium.type_into("input[type=search]", "administrator");
    chromium.click("form[role=search] button");
    chromium.wait_for("Distinguished name");
    look(&chromium, "search");
    chromium.click("section[aria-label=Result] td a");
    chromium.wait_for("sAMAccountName");
    // Another object: only its part of the page is exchanged.
    chromium.run("window.isTheSamePage = true");
    let before = chromium.address();
    chromium.click("#list tbody tr:last-child td a");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while chromium.address() == before {
        assert!(std::time::Instant::now() < deadline, "the address stays");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(chromium.run("return window.isTheSamePage === true"), true);
    look(&chromium, "directory");
    chromium.click("#object a[href$='/acl']");
    chromium.wait_for("Permissions of");
    look(&chromium, "permissions");
    chromium.run("history.back()");
    chromium.wait_for("sAMAccountName");
    chromium.click("#object a[href$='/members']");
    chromium.wait_for("Memberships of");
    look(&chromium, "memberships");
    chromium.click("a[href$='/deleted']");
    chromium.wait_for("Deleted objects");
    look(&chromium, "deleted");

    let ids = lab.snapshots();
    go(&format!(
        "compare?before=local/{}&after=local/{}",
        ids[0], ids[1]
    ));
    chromium.wait_for("objects were compared");
    look(&chromium, "compare");

    // The running directory: then, now, what differs; what is lost comes into the basket.
    go(&format!(
        "compare?before=local/{id}&after=@now/corp&what=deleted"
    ));
    chromium.wait_for("Put the ticked into the basket");
    look(&chromium, "compare-now");
    chromium.click("section[aria-label=Objects] td a");
    chromium.wait_for("It lives only in the first directory.");
    look(&chromium, "difference");
    go(&format!(
        "compare?before=local/{id}&after=@now/corp&what=deleted"
    ));
    chromium.click("input[name=object]");
    chromium.click("form[action='/restore/add'] button");
    chromium.wait_for("Make the plan");
    chromium.click("input[name=force]");
    look(&chromium, "basket");
    walk_through(&chromium, "basket");
    chromium.click("form.choices button");
    chromium.wait_for("What would be done");
    look(&chromium, "plan");
    chromium.type_into("input[name=name]", "corp");
    chromium.click("form[action='/restore/run'] button");
    // This server takes no changes.
    chromium.wait_for("the server refused");
    look(&chromium, "restored");
    chromium.click("a[href^='/restores/']");
    chromium.wait_for("Take back");
    look(&chromium, "journal");
    go(&format!(
        "compare?before=local/{id}&after=@now/corp&what=changed"
    ));
    chromium.wait_for("objects were compared");
    let guid = chromium.run("return document.querySelector('input[name=object]').value");
    let guid = guid.as_str().expect("a GUID");
    go(&format!("directory/local/{id}?object={guid}"));
    chromium.run("window.isTheSamePage = true");
    chromium.click("nav.views a[href$='view=now']");
    arrive(&chromium, "Now");
    chromium.click("nav.views a[href$='view=difference']");
    arrive(&chromium, "Difference");
    assert_eq!(chromium.run("return window.isTheSamePage === true"), true);
    look(&chromium, "then-and-now");
    chromium.click("nav.views a[href$='/history']");
    chromium.wait_for("History of");
    look(&chromium, "history");
    chromium.click("form.who button");
    chromium.wait_for("Password");

    for form in Addresses::all().pages {
        let was_seen = seen.borrow().iter().any(|page| is_of(page, form));
        assert!(
            was_seen || NO_PAGE.contains(&form),
            "{form} was not looked at"
        );
    }
}
