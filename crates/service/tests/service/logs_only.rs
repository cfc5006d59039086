//! Beyond the original: backups of the logs alone, which continue an earlier backup.

use std::path::Path;

use contract::ResultCode;
use ese::recovery::{Options, recover};

use crate::client::{Client, Fetched};
use crate::host::Directory;

const FULL: u32 = 1;
const LOGS_ONLY: u32 = 2;

/// Backs up and truncates; writes the read files into a folder, over existing ones.
async fn back_up(
    directory: &Directory,
    backup_type: u32,
    into: &Path,
) -> contract::Result<Vec<Fetched>> {
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare_as(backup_type, false).await?.handle;
    let fetched = client.fetch_all(&handle).await?;
    for file in &fetched {
        std::fs::write(into.join(file.file_name()), &file.content).unwrap();
    }
    client.truncate(&handle).await?;
    client.end(&handle).await?;
    Ok(fetched)
}

fn names(fetched: &[Fetched]) -> Vec<&str> {
    fetched.iter().map(Fetched::file_name).collect()
}

/// The directory goes on: the log in use grows, is closed under its number, and others follow. The
/// fixture has only closed logs, so its last one stands for the one in use.
fn works_on(directory: &Directory, fixture: &str, current: u32) {
    let source = Directory::of(fixture);
    let _ = std::fs::remove_file(directory.file("edb.log"));
    for name in source.names() {
        let to = match name == format!("edb{current:05X}.log") {
            true => "edb.log",
            false => &name,
        };
        std::fs::copy(source.file(&name), directory.file(to)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_backup_and_the_logs_since_lead_to_the_last_moment() {
    const CHAIN: &str = "ese/chain-ad2016";
    let (directory, kept) = (Directory::empty(), tempfile::tempdir().unwrap());
    works_on(&directory, &format!("{CHAIN}:backup-0"), 2);
    let full = back_up(&directory, FULL, kept.path()).await.unwrap();
    assert_eq!(names(&full), ["test.edb", "edb00001.log", "edb.log"]);

    works_on(&directory, &format!("{CHAIN}:backup-1"), 4);
    let logs = back_up(&directory, LOGS_ONLY, kept.path()).await.unwrap();
    assert_eq!(names(&logs), ["edb00002.log", "edb00003.log", "edb.log"]);

    works_on(&directory, &format!("{CHAIN}:backup-2"), 6);
    let logs = back_up(&directory, LOGS_ONLY, kept.path()).await.unwrap();
    assert_eq!(names(&logs), ["edb00004.log", "edb00005.log", "edb.log"]);

    let out = tempfile::tempdir().unwrap();
    let summary = recover(Options::new(kept.path()).into_folder(out.path())).unwrap();
    let database = ese::Database::open(&summary.database).unwrap();
    let mut dump = Vec::new();
    ese::dump::Dump::new()
        .with_indexes(true)
        .write(&database, &mut dump)
        .unwrap();
    let fixture = testkit::find(&format!("{CHAIN}:backup-2")).unwrap();
    let expected = fixture.companion("expected-2.jsonl.zst").unwrap();
    assert!(dump == expected, "the dump differs from the engine's");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_alone_need_a_backup_that_they_continue() {
    let (directory, kept) = (
        Directory::of("sample-forest/dirty"),
        tempfile::tempdir().unwrap(),
    );
    let refusal = async || {
        let refused = back_up(&directory, LOGS_ONLY, kept.path()).await;
        refused.err().expect("a refusal").code
    };
    assert_eq!(refusal().await, ResultCode::FULL_BACKUP_NOT_TAKEN);
    back_up(&directory, FULL, kept.path()).await.unwrap();
    let logs = back_up(&directory, LOGS_ONLY, kept.path()).await.unwrap();
    assert_eq!(names(&logs), ["edb.log"], "the one in use may have grown");

    // The directory goes on, and a log that no backup holds is deleted.
    std::fs::remove_file(directory.file("edb.log")).unwrap();
    assert_eq!(refusal().await, ResultCode::LOG_FILE_NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_another_sequence_continue_nothing() {
    let (directory, kept) = (
        Directory::of("ese/p16384-timer"),
        tempfile::tempdir().unwrap(),
    );
    back_up(&directory, FULL, kept.path()).await.unwrap();
    for name in directory.names() {
        if !name.ends_with(".json") {
            std::fs::remove_file(directory.file(&name)).unwrap();
        }
    }
    // Of the same base name, and with more generations.
    let other = Directory::of("sample-forest/dirty");
    for name in other.names() {
        std::fs::copy(other.file(&name), directory.file(&name)).unwrap();
    }
    let refused = back_up(&directory, LOGS_ONLY, kept.path()).await;
    assert_eq!(
        refused.err().expect("a refusal").code,
        ResultCode::FULL_BACKUP_NOT_TAKEN
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_may_say_where_the_logs_begin() {
    let (directory, kept) = (
        Directory::of("sample-forest/dirty"),
        tempfile::tempdir().unwrap(),
    );
    for (number, expected) in [(3, Some(5)), (7, Some(1)), (8, None), (0, None)] {
        let host = directory.host();
        let mut client = Client::connect(host.socket()).await;
        let request = wire::v1::SetCurrentLogNumberRequest {
            current_log: number,
        };
        client
            .restore
            .hr_r_restore_set_current_log_number(request)
            .await
            .unwrap();
        let prepared = client.prepare_as(LOGS_ONLY, false).await;
        let Some(expected) = expected else {
            assert_eq!(
                prepared.unwrap_err().code,
                ResultCode::LOG_FILE_NOT_FOUND,
                "{number}"
            );
            continue;
        };
        let handle = prepared.unwrap().handle;
        assert_eq!(client.database_files(&handle).await.unwrap(), []);
        let logs = client.log_files(&handle).await.unwrap();
        assert_eq!(logs.len(), expected, "from generation {number} to 7");
        // It serves no file that it does not list.
        let database = client.open(&handle, &directory.listed("ntds.dit")).await;
        assert_eq!(database.unwrap_err().code, ResultCode::FILE_NOT_FOUND);
        client.end(&handle).await.unwrap();
    }
    back_up(&directory, FULL, kept.path()).await.unwrap();
}
