//! A whole controller: the page says how, and the console does it only where a service waits for it.

use axum::http::StatusCode;
use service::{Configuration, Mode, Service};
use tokio::sync::oneshot;
use web_console::{Settings, site};

use crate::lab::{Browser, Lab, work};

/// A service for the lab's directory. It ends when the value is dropped.
struct Serving {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Serving {
    fn start(lab: &Lab, mode: Mode) -> Self {
        let mut configuration = Configuration::for_folder(lab.path("directory"));
        configuration.endpoint.socket = lab.path("service.sock");
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("threads");
            runtime.block_on(async {
                let service = Service::start(&configuration, mode).expect("a service");
                ready.send(()).expect("somebody waits");
                let end = async { drop(stopped.await) };
                service.serve(end).await.expect("served");
            });
        });
        is_ready.recv().expect("the service starts");
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_controller_comes_back_only_where_a_service_waits_for_it() {
    let lab = Lab::with_backups(1);
    let id = lab.snapshots().remove(0);
    let page = format!("/snapshots/local/{id}/whole");
    let unnamed = lab.console();
    let mut browser = Browser::of(&unnamed, "anna").await;
    let steps = browser.get(&page).await;
    steps
        .shows(&format!("dsbackup restore {id} -r "))
        .shows("--new-invocation-id by-registry")
        .shows("the configuration names none");
    assert!(!steps.body.contains("to confirm"), "{}", steps.body);
    let (_, title) = steps
        .body
        .split_once("<h1>Restore of <bdi>")
        .expect("a title");
    let server = title.split('<').next().expect("a name").to_owned();

    let settings = Settings {
        service: Some(lab.path("service.sock")),
        ..lab.settings()
    };
    let site = site(lab.shared_with(settings));
    let mut browser = Browser::of(&site, "anna").await;
    browser.get(&page).await.shows("does not answer");
    let right = [("name", server.as_str()), ("invocation_id", "keep")];
    let refused = browser.act(&page, &right).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    let online = Serving::start(&lab, Mode::Normal);
    browser
        .get(&page)
        .await
        .shows("is online. Stop the directory service");
    let refused = browser.act(&page, &right).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    drop(online);

    let database = lab.path("directory/ntds.dit");
    let before = std::fs::read(&database).expect("a database");
    std::fs::remove_file(&database).expect("lost");
    let waiting = Serving::start(&lab, Mode::Restore);
    let mut otto = Browser::of(&site, "otto").await;
    let seen = otto.get(&page).await;
    seen.shows("is in restore mode, and waits");
    assert!(!seen.body.contains("to confirm"), "{}", seen.body);
    browser.get(&page).await.shows("to confirm");
    for (fields, status) in [
        (vec![("name", "other")], StatusCode::BAD_REQUEST),
        (vec![], StatusCode::UNPROCESSABLE_ENTITY),
        (
            vec![("name", server.as_str()), ("invocation_id", "x")],
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let refused = browser.act(&page, &fields).await;
        assert_eq!(refused.status, status, "{fields:?}");
    }
    assert!(!database.exists());
    let begun = browser.act(&page, &right).await;
    let ended = work(&mut browser, &begun).await;
    ended
        .shows("DsRestoreRegisterComplete")
        .shows("every file has the SHA-256 of the backup");
    assert_eq!(std::fs::read(&database).expect("a database"), before);
    drop(waiting);
    let audit = lab.audit();
    assert!(audit.contains("whole restore ended"), "{audit}");
}
