//! A program that hosts a directory, backs it up, proves the snapshot and restores it, all by
//! itself.

use std::sync::Mutex;
use std::time::Duration;

use backup::backup::{BackupRequest, backup};
use backup::restore::{Destination, RestoreRequest, restore};
use backup::{Progress, Report, Silent, Snapshot, Verdicts, drill, selection};
use ntdsbcli::Server;
use repository::{InitOptions, Location, LockKind, Password, Repository};
use service::{Configuration, Mode, Service};
use tokio::sync::oneshot;

/// Keeps the numbers of the steps.
#[derive(Default)]
struct Steps(Mutex<Vec<u8>>);

impl Report for Steps {
    fn step(&self, number: u8, of: u8, _: &str) {
        assert_eq!(of, 9);
        self.0.lock().unwrap().push(number);
    }

    fn detail(&self, _: &str) {}

    fn note(&self, _: &str) {}

    fn warn(&self, text: &str) {
        panic!("{text}");
    }

    fn begin(&self, total: u64) -> Box<dyn Progress> {
        Silent.begin(total)
    }

    fn count(&self, total: u64) -> Box<dyn Progress> {
        Silent.count(total)
    }
}

#[test]
fn one_program_backs_up_proves_and_restores_without_a_socket() {
    let Some(fixture) = testkit::find("ese/p8192-clean") else {
        eprintln!("note: the fixture ese/p8192-clean is missing; skipped");
        return;
    };
    let directory = fixture.unpack();
    let scene = tempfile::tempdir().unwrap();
    let mut configuration = Configuration::for_folder(directory.path());
    let hosted = configuration.directory_mut().expect("a folder");
    hosted.database_file = "test.edb".into();
    let (service, connections) = Service::in_process(&configuration, Mode::Normal).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(service.serve(async { drop(stopped.await) }))
    });
    let server = Server::hosted(move || connections.connect());

    let repository = Repository::init(
        &Location::parse(scene.path().join("repository").to_str().unwrap()).unwrap(),
        &Password::new("correct horse"),
        &InitOptions::default(),
        &Default::default(),
    )
    .unwrap();
    let lock = repository.lock(LockKind::Shared, Duration::ZERO).unwrap();
    let steps = Steps::default();
    let request = BackupRequest {
        keep_logs: true,
        tags: vec!["once".into()],
        ..BackupRequest::default()
    };
    let done = backup(&repository, &lock, &server, &request, &steps).unwrap();
    let mut numbers = steps.0.into_inner().unwrap();
    numbers.dedup();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    drop(stop);
    serving.join().unwrap().unwrap();

    let found = selection::find(&repository, selection::LATEST, None).unwrap();
    assert_eq!(found.id, done.snapshot);
    let mut verdicts = Verdicts::default();
    let scratch = scene.path().join("scratch");
    let verdict = drill::prove(&repository, &found, &mut verdicts, &scratch, &Silent).unwrap();
    assert!(verdict.proven, "{verdict:?}");

    let snapshot = Snapshot::open(&repository, &found).unwrap();
    let target = scene.path().join("restored");
    let request = RestoreRequest {
        destination: Destination::Folder {
            path: &target,
            ignore_expiry: false,
            until: None,
        },
        new_invocation_id: None,
    };
    let restored = restore(&snapshot, &request, &Silent).unwrap();
    assert_eq!(restored.files, done.files);
    for file in &snapshot.manifest.files {
        let original = std::fs::read(&file.original).unwrap();
        let restored = std::fs::read(target.join(file.base_name())).unwrap();
        assert!(original == restored, "{}", file.path);
    }
}
