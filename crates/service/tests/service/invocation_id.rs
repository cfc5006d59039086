//! A restored NTDS needs a new invocation id, whichever program restored it: the service writes the
//! instructions, and detects a directory that went on under its old id.

use std::path::Path;

use contract::ResultCode;
use ese::Database;
use ese::header::DbTime;
use service::Mode;
use store::restore_marker::RestoreMarker;

use crate::audit_log::{lines, of_call};
use crate::client::Client;
use crate::host::{Directory, Host};
use crate::restore::back_up;

const REGISTRY_FILE: &str = "dsbackup.restored-from-backup.reg";
const INSTRUCTIONS_FILE: &str = "dsbackup.restored-from-backup.txt";
const NOTE: &str = "dsbackup.restored-from-backup.json";

fn invocation_id(directory: &Directory) -> String {
    let database = Database::open(directory.file("ntds.dit")).unwrap();
    ntds::invocation_id(&database).unwrap().to_string()
}

/// Changes the database as an engine does in use.
fn go_on(database: &Path) {
    let mut content = std::fs::read(database).unwrap();
    let mut header = Database::open(database).unwrap().headers().header.clone();
    header.dbtime = DbTime::new(header.dbtime.get() + 100);
    let page = header.to_page();
    content[..page.len()].copy_from_slice(&page);
    content[page.len()..2 * page.len()].copy_from_slice(&page);
    std::fs::write(database, content).unwrap();
}

/// The warnings of a backup, what its truncation deleted, and why it kept the rest.
async fn warnings_and_truncation(directory: &Directory) -> (String, Vec<String>, String) {
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let prepared = client.prepare().await.unwrap();
    client.fetch_all(&prepared.handle).await.unwrap();
    let truncated = client.truncate(&prepared.handle).await.unwrap();
    client.end(&prepared.handle).await.unwrap();
    let warnings = prepared.facts.unwrap().warnings;
    (
        warnings.join("\n"),
        truncated.deleted,
        truncated.kept_because,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_restores_an_ntds_finds_how_it_gets_a_new_one() {
    for fixture in ["sample-forest/clean", "sample-forest/dirty"] {
        let directory = Directory::of(fixture);
        let former = invocation_id(&directory);
        let backup = back_up(&directory).await;
        let mut configuration = directory.configuration();
        let audit = tempfile::tempdir().unwrap();
        configuration.audit.file = Some(audit.path().join("audit.jsonl"));
        let host = Host::start(&configuration, Mode::Restore).unwrap();
        let mut client = Client::connect(host.socket()).await;
        let handle = backup.register(&mut client, &directory).await;
        backup.copy_into(&directory);
        client.complete(&handle, ResultCode::OK).await.unwrap();
        client.end_restore(&handle).await.unwrap();
        host.stop().unwrap();

        let registry = std::fs::read(directory.file(REGISTRY_FILE)).unwrap();
        assert_eq!(registry[..2], [0xff, 0xfe], "UTF-16, as regedit reads it");
        let text = std::fs::read_to_string(directory.file(INSTRUCTIONS_FILE)).unwrap();
        assert!(text.contains(&former) && text.contains("1109"), "{text}");
        let lines = lines(&audit.path().join("audit.jsonl"));
        let completed = of_call(&lines, "HrRRestoreRegisterComplete");
        let files: Vec<&str> = (completed[0]["files"].as_array().unwrap().iter())
            .map(|file| file.as_str().unwrap())
            .collect();
        let expected = [REGISTRY_FILE, INSTRUCTIONS_FILE, NOTE].map(|name| directory.listed(name));
        assert_eq!(files, expected, "{fixture}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_silent_is_refused() {
    let directory = Directory::of("sample-forest/clean");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = backup.register(&mut client, &directory).await;
    backup.copy_into(&directory);
    // The instructions cannot be written.
    std::fs::create_dir(directory.file(INSTRUCTIONS_FILE)).unwrap();
    let refused = client.complete(&handle, ResultCode::OK).await.unwrap_err();
    assert_eq!(refused.code, ResultCode::DISK_IO, "{refused}");
    let marker = RestoreMarker::read(&directory.path()).unwrap();
    assert!(marker.is_some(), "the directory stays locked");
    std::fs::remove_dir(directory.file(INSTRUCTIONS_FILE)).unwrap();
    client.complete(&handle, ResultCode::OK).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_sees_that_a_restored_directory_went_on_in_its_old_life() {
    let directory = Directory::of("sample-forest/clean");
    let (before, would_go, _) = {
        let other = Directory::of("sample-forest/clean");
        warnings_and_truncation(&other).await
    };
    assert_eq!(before, "");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = backup.register(&mut client, &directory).await;
    backup.copy_into(&directory);
    client.complete(&handle, ResultCode::OK).await.unwrap();
    host.stop().unwrap();

    // It is unchanged since the restore.
    let (warnings, deleted, _) = warnings_and_truncation(&directory).await;
    let former = invocation_id(&directory);
    for word in ["reg import", REGISTRY_FILE, &former] {
        assert!(warnings.contains(word), "{warnings}");
    }
    assert_eq!(deleted.len(), would_go.len());

    backup.copy_into(&directory);
    go_on(&directory.file("ntds.dit"));
    let (warnings, deleted, kept_because) = warnings_and_truncation(&directory).await;
    assert!(warnings.contains("USN rollback"), "{warnings}");
    assert!(kept_because.contains("USN rollback"), "{kept_because}");
    assert!(deleted.is_empty());

    // In a lab, the administrator removes the note to accept this.
    std::fs::remove_file(directory.file(NOTE)).unwrap();
    let (warnings, deleted, _) = warnings_and_truncation(&directory).await;
    assert_eq!(warnings, "");
    assert_eq!(deleted.len(), would_go.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_no_directory_gets_nothing() {
    let directory = Directory::of("ese/p16384-timer");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare_restore(Some(&backup.token)).await.unwrap();
    let mut registration = backup.registration(&handle, &directory);
    registration.databases[0].new_path = directory.listed("test.edb");
    client.register(registration).await.unwrap();
    backup.copy_into(&directory);
    client.complete(&handle, ResultCode::OK).await.unwrap();
    for name in [REGISTRY_FILE, INSTRUCTIONS_FILE, NOTE] {
        assert!(!directory.file(name).exists(), "{name}");
    }
}
