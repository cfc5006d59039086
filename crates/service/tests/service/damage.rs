//! Flipped bits: a backup stops at them, or stores and reports them.

use contract::{Result, ResultCode};
use wire::v1::FileEnd;

use crate::client::Client;
use crate::host::Directory;

/// Backs up one file of a directory in which something was changed.
async fn fetch(
    directory: &Directory,
    name: &str,
    allow_corrupt: bool,
) -> Result<(Vec<u8>, FileEnd)> {
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare_as(1, allow_corrupt).await?.handle;
    client.fetch(&handle, &directory.listed(name)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_page_stops_the_backup() {
    let directory = Directory::of("sample-forest/clean");
    // Page 30 follows two headers and 29 pages.
    directory.flip("ntds.dit", 31 * 8192 + 1000);
    let refusal = fetch(&directory, "ntds.dit", false).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::READ_VERIFY_FAILURE);
    for part in [
        "ntds.dit",
        "page 30",
        "expected checksum 0x",
        "found checksum 0x",
        "Check the disk",
    ] {
        assert!(
            refusal.reason.contains(part),
            "{part:?} in {}",
            refusal.reason
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_damage_is_stored_and_reported() {
    let directory = Directory::of("sample-forest/clean");
    for page in 40..65 {
        directory.flip("ntds.dit", (page + 1) * 8192 + 1000);
    }
    let (content, end) = fetch(&directory, "ntds.dit", true).await.unwrap();
    assert!(content == std::fs::read(directory.file("ntds.dit")).unwrap());
    assert_eq!(end.damaged, 25);
    assert_eq!(end.damage.len(), 20);
    assert!(end.damage[0].contains("page 40"), "{}", end.damage[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_log_stops_the_backup() {
    let directory = Directory::of("sample-forest/dirty");
    directory.flip("edb00003.log", 5 * 4096 + 100);
    let refusal = fetch(&directory, "edb00003.log", false).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::LOG_FILE_CORRUPT);
    assert!(
        refusal.reason.contains("edb00003.log"),
        "{}",
        refusal.reason
    );
    let (content, end) = fetch(&directory, "edb00003.log", true).await.unwrap();
    assert!(content == std::fs::read(directory.file("edb00003.log")).unwrap());
    assert_eq!(end.damaged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_under_another_generations_name_is_damage() {
    let directory = Directory::of("sample-forest/dirty");
    std::fs::copy(
        directory.file("edb00002.log"),
        directory.file("edb00003.log"),
    )
    .unwrap();
    let refusal = fetch(&directory, "edb00003.log", false).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::LOG_FILE_CORRUPT);
    assert!(
        refusal.reason.contains("generation 0x3"),
        "{}",
        refusal.reason
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_checkpoint_stops_the_backup() {
    let directory = Directory::of("sample-forest/dirty");
    // Both copies.
    directory.flip("edb.chk", 100);
    directory.flip("edb.chk", 4196);
    let refusal = fetch(&directory, "edb.chk", false).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::CHECKPOINT_CORRUPT);
    let (_, end) = fetch(&directory, "edb.chk", true).await.unwrap();
    assert_eq!(end.damaged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_cut_short_is_damage() {
    let directory = Directory::of("sample-forest/clean");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.file("ntds.dit"))
        .unwrap();
    file.set_len(1_000_000).unwrap();
    let refusal = fetch(&directory, "ntds.dit", false).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::READ_VERIFY_FAILURE);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_truncated_after_damage() {
    let directory = Directory::of("sample-forest/dirty");
    directory.flip("ntds.dit", 31 * 8192 + 1000);
    let before = directory.names();
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare_as(1, true).await.unwrap().handle;
    client.fetch_all(&handle).await.unwrap();
    let refusal = client.truncate(&handle).await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::FULL_BACKUP_NOT_TAKEN);
    assert!(refusal.reason.contains("damaged"), "{}", refusal.reason);
    assert_eq!(directory.names(), before);
}
