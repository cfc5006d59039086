//! The logs that are deleted after a backup. Each rule is a test.

use contract::ResultCode;
use wire::v1::TruncateLogsResponse;

use crate::client::{Client, file_name};
use crate::host::Directory;

/// Backs up everything and truncates.
async fn back_up_and_truncate(directory: &Directory) -> contract::Result<TruncateLogsResponse> {
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare_as(1, true).await?.handle;
    client.fetch_all(&handle).await?;
    client.truncate(&handle).await
}

/// The names of the deleted logs, checked against the folder.
async fn deleted(directory: &Directory) -> (Vec<String>, String) {
    // Without the record of the next backup of logs.
    let names = || {
        let mut names = directory.names();
        names.retain(|name| name != "dsbackup.current-log.json");
        names
    };
    let before = names();
    let answer = back_up_and_truncate(directory).await.unwrap();
    let deleted: Vec<String> = answer
        .deleted
        .iter()
        .map(|name| file_name(name).to_owned())
        .collect();
    let mut expected = before;
    expected.retain(|name| !deleted.contains(name));
    assert_eq!(names(), expected);
    (deleted, answer.kept_because)
}

fn numbered(generations: std::ops::RangeInclusive<u32>) -> Vec<String> {
    generations
        .map(|generation| format!("edb{generation:05X}.log"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_a_dirty_database_requires_stay() {
    // The database requires 6 and 7; 7 is in use.
    let directory = Directory::of("sample-forest/dirty");
    let (deleted, because) = deleted(&directory).await;
    assert_eq!(deleted, numbered(1..=5));
    assert!(because.contains("0x6"), "{because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_from_the_checkpoint_on_stay() {
    // The checkpoint of an earlier state is below the logs that the database requires.
    let directory = Directory::of("sample-forest/dirty");
    set_checkpoint(&directory, 3);
    let (deleted, because) = deleted(&directory).await;
    assert_eq!(deleted, numbered(1..=2));
    assert!(because.contains("checkpoint"), "{because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dirty_database_without_a_checkpoint_keeps_what_it_requires() {
    let directory = Directory::of("sample-forest/dirty");
    std::fs::remove_file(directory.file("edb.chk")).unwrap();
    assert_eq!(deleted(&directory).await.0, numbered(1..=5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_database_keeps_the_logs_from_the_checkpoint_on() {
    let directory = Directory::of("sample-forest/clean");
    let (deleted, because) = deleted(&directory).await;
    assert_eq!(deleted, numbered(1..=4), "{because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_database_without_a_checkpoint_keeps_all() {
    let directory = Directory::of("sample-forest/clean");
    std::fs::remove_file(directory.file("edb.chk")).unwrap();
    let (deleted, because) = deleted(&directory).await;
    assert!(deleted.is_empty(), "{deleted:?}");
    assert!(because.contains("checkpoint"), "{because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_stops_truncation() {
    let directory = Directory::of("sample-forest/clean");
    directory.flip("edb.chk", 100);
    directory.flip("edb.chk", 4196);
    let before = directory.names();
    let refusal = back_up_and_truncate(&directory).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::FULL_BACKUP_NOT_TAKEN);
    assert_eq!(directory.names(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strange_log_stops_truncation() {
    let directory = Directory::of("sample-forest/dirty");
    // A finished log of another forest's sequence, of a generation that is free.
    let other = Directory::of("ese/chain-ad2016:backup-0");
    std::fs::remove_file(directory.file("edb00001.log")).unwrap();
    std::fs::copy(other.file("edb00001.log"), directory.file("edb00001.log")).unwrap();
    let (deleted, because) = deleted(&directory).await;
    assert!(deleted.is_empty(), "{deleted:?}");
    assert!(because.contains("another sequence"), "{because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_directory_is_not_truncated() {
    // A streaming backup has no log in use.
    let directory = Directory::of("ese/chain-ad2016:backup-0");
    let (deleted, because) = deleted(&directory).await;
    assert!(deleted.is_empty(), "{deleted:?}");
    assert!(because.contains("copy"), "{because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_before_everything_was_read() {
    let directory = Directory::of("sample-forest/dirty");
    let before = directory.names();
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    // A file with an abandoned stream does not count.
    client
        .open(&handle, &directory.listed("ntds.dit"))
        .await
        .unwrap();
    drop(client.begin_reading(&handle).await.unwrap());
    client.close(&handle).await.unwrap();
    let mut files = client.log_files(&handle).await.unwrap();
    files.extend(client.database_files(&handle).await.unwrap());
    for file in &files {
        let refusal = client.truncate(&handle).await.unwrap_err();
        assert_eq!(refusal.code, ResultCode::FULL_BACKUP_NOT_TAKEN);
        client.fetch(&handle, &file.name).await.unwrap();
    }
    assert_eq!(directory.names(), before);
    assert_eq!(client.truncate(&handle).await.unwrap().deleted.len(), 5);
    // The files of the backup can still be read.
    client
        .fetch(&handle, &directory.listed("edb00001.log"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_replaced_is_not_deleted() {
    let directory = Directory::of("sample-forest/dirty");
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    client.fetch_all(&handle).await.unwrap();
    let replaced = directory.file("edb00004.log");
    std::fs::copy(&replaced, directory.file("copy")).unwrap();
    std::fs::rename(directory.file("copy"), &replaced).unwrap();
    let before = directory.names();
    let refusal = client.truncate(&handle).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::DATABASE_IN_USE);
    assert_eq!(directory.names(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deletion_leaves_a_chain() {
    let directory = Directory::of("sample-forest/dirty");
    let log = std::fs::File::open(directory.file("edb00003.log")).unwrap();
    let flags = rustix::fs::ioctl_getflags(&log);
    let immutable = flags.and_then(|flags| {
        rustix::fs::ioctl_setflags(&log, flags | rustix::fs::IFlags::IMMUTABLE).map(|()| flags)
    });
    let Ok(flags) = immutable else {
        eprintln!("note: this user or file system cannot make a file undeletable; skipped");
        return;
    };
    let result = back_up_and_truncate(&directory).await;
    rustix::fs::ioctl_setflags(&log, flags).unwrap();
    let error = result.unwrap_err();
    assert_eq!(error.code, ResultCode::DISK_IO);
    assert!(error.reason.contains("edb00003.log"), "{}", error.reason);
    let names = directory.names();
    for generation in 1..=6 {
        let kept = names.contains(&format!("edb{generation:05X}.log"));
        assert_eq!(kept, generation >= 3, "{generation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_works_after_truncation() {
    let directory = Directory::of("sample-forest/dirty");
    assert_eq!(deleted(&directory).await.0.len(), 5);
    assert_eq!(deleted(&directory).await.0.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_database_keeps_the_logs_from_its_last_consistent_position_on() {
    // Older than its logs, which attach it again.
    let directory = Directory::of("sample-forest/clean");
    set_in_headers(&directory, "ntds.dit", LAST_CONSISTENT_GENERATION, 3);
    let (deleted, because) = deleted(&directory).await;
    assert_eq!(deleted, numbered(1..=2), "{because}");
    assert!(because.contains("0x3"), "{because}");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_that_another_database_in_the_folder_needs_stay() {
    let copied = |name: &str, change: &dyn Fn(&Directory)| {
        let directory = Directory::of("sample-forest/dirty");
        std::fs::copy(directory.file("ntds.dit"), directory.file(name)).unwrap();
        change(&directory);
        directory
    };
    let requires_4 = |directory: &Directory| {
        set_in_headers(directory, "second.edb", MIN_REQUIRED, 4);
    };
    let (gone, because) = deleted(&copied("second.edb", &requires_4)).await;
    assert_eq!(gone, numbered(1..=3));
    assert!(because.contains("second.edb"), "{because}");

    let backed_up_from_2 = |directory: &Directory| {
        set_in_headers(directory, "second.edb", CURRENT_FULL_BACKUP_LOW, 2);
    };
    let (gone, because) = deleted(&copied("second.edb", &backed_up_from_2)).await;
    assert_eq!(gone, numbered(1..=1), "{because}");

    let clean_since_5 = |directory: &Directory| {
        set_in_headers(directory, "second.edb", STATE, 3);
        set_in_headers(directory, "second.edb", LAST_CONSISTENT_GENERATION, 5);
    };
    let (gone, because) = deleted(&copied("second.edb", &clean_since_5)).await;
    assert_eq!(gone, numbered(1..=4), "{because}");

    let unreadable = |directory: &Directory| {
        std::fs::write(directory.file("second.edb"), [7; 70_000]).unwrap();
    };
    let (gone, because) = deleted(&copied("second.edb", &unreadable)).await;
    assert!(
        gone.is_empty() && because.contains("second.edb"),
        "{because}"
    );

    // The engine creates its temporary database anew at every start.
    let for_sorting = |directory: &Directory| {
        set_in_headers(directory, "temp.edb", MIN_REQUIRED, 2);
    };
    assert_eq!(
        deleted(&copied("temp.edb", &for_sorting)).await.0,
        numbered(1..=5)
    );
}

/// Offsets in a database's header, in bytes.
const STATE: usize = std::mem::offset_of!(ese::header::DatabaseHeader, state);
const LAST_CONSISTENT_GENERATION: usize =
    std::mem::offset_of!(ese::header::DatabaseHeader, last_consistent) + 4;
const MIN_REQUIRED: usize = std::mem::offset_of!(ese::header::DatabaseHeader, min_required);
/// After the position and the time, of eight bytes each.
const CURRENT_FULL_BACKUP_LOW: usize =
    std::mem::offset_of!(ese::header::DatabaseHeader, current_full_backup) + 16;

/// Changes a number in a database's header and its copy.
fn set_in_headers(directory: &Directory, name: &str, offset: usize, value: u32) {
    let mut file = std::fs::read(directory.file(name)).unwrap();
    let page = ese::header::DatabaseHeader::parse(&file)
        .unwrap()
        .page_size()
        .bytes();
    for copy in file.chunks_exact_mut(page).take(2) {
        copy[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        let checksum = ese::checksum::header_checksum(copy);
        copy[..4].copy_from_slice(&checksum.to_le_bytes());
    }
    std::fs::write(directory.file(name), file).unwrap();
}

/// Moves the checkpoint to a generation, in both copies.
fn set_checkpoint(directory: &Directory, generation: u32) {
    let mut file = std::fs::read(directory.file("edb.chk")).unwrap();
    for copy in file.chunks_exact_mut(4096).take(2) {
        // The checkpoint's position lies behind the checksum and the last full backup's: byte,
        // segment, generation.
        copy[16..20].copy_from_slice(&generation.to_le_bytes());
        let checksum = ese::checksum::header_checksum(copy);
        copy[..4].copy_from_slice(&checksum.to_le_bytes());
    }
    std::fs::write(directory.file("edb.chk"), file).unwrap();
}
