//! The restore walk-through, and the marker that keeps an unfinished one from starting.

use contract::{ExpiryToken, FileType, Result, ResultCode};
use service::{Mode, Service};
use store::restore_marker::{RESTORE_MARKER, RestoreMarker, RestoreState};
use wire::v1::{DatabaseMap, RestoreRegisterRequest};

use crate::client::{Client, Fetched};
use crate::host::{Directory, Host};

/// The files and facts of a directory that a backup application kept.
pub struct Backup {
    pub token: Vec<u8>,
    files: Vec<Fetched>,
    generations: (u32, u32),
}

pub async fn back_up(directory: &Directory) -> Backup {
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let prepared = client.prepare().await.unwrap();
    let files = client.fetch_all(&prepared.handle).await.unwrap();
    let facts = prepared.facts.unwrap();
    Backup {
        token: prepared.expiry_token,
        files,
        generations: (facts.generation_low, facts.generation_high),
    }
}

impl Backup {
    /// Step 5: empties the folder, sparing the marker, and copies the files.
    pub fn copy_into(&self, directory: &Directory) {
        for name in directory.names() {
            if name != RESTORE_MARKER {
                std::fs::remove_file(directory.file(&name)).unwrap();
            }
        }
        for file in &self.files {
            std::fs::write(directory.file(file.file_name()), &file.content).unwrap();
        }
    }

    pub fn registration(&self, handle: &[u8], directory: &Directory) -> RestoreRegisterRequest {
        let folder = directory.path().to_str().unwrap().to_owned();
        RestoreRegisterRequest {
            handle: handle.to_vec(),
            checkpoint_directory: folder.clone(),
            log_directory: folder.clone(),
            databases: vec![DatabaseMap {
                old_path: "C:\\Windows\\NTDS\\ntds.dit".into(),
                new_path: directory.listed("ntds.dit"),
            }],
            backup_log_directory: folder,
            generation_low: self.generations.0,
            generation_high: self.generations.1,
        }
    }

    /// Steps 2 and 4.
    pub async fn register(&self, client: &mut Client, directory: &Directory) -> Vec<u8> {
        let handle = client.prepare_restore(Some(&self.token)).await.unwrap();
        client
            .register(self.registration(&handle, directory))
            .await
            .unwrap();
        handle
    }
}

pub fn starts(directory: &Directory) -> Result<()> {
    Service::start(&directory.configuration(), Mode::Normal).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_comes_back_byte_identical() {
    let source = Directory::of("sample-forest/dirty");
    let backup = back_up(&source).await;
    // The state to replace: a broken database and logs that no longer belong.
    let target = Directory::empty();
    std::fs::write(target.file("ntds.dit"), "broken").unwrap();
    std::fs::write(target.file("edb00099.log"), "old").unwrap();

    let host = target.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    assert_eq!(client.is_online().await, Ok(false));
    let handle = client.prepare_restore(Some(&backup.token)).await.unwrap();
    let locations: Vec<_> = client
        .locations(&handle)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| (FileType(entry.file_type as u8), entry.name))
        .collect();
    let folder = target.path().to_str().unwrap().to_owned();
    assert_eq!(
        locations,
        [
            (FileType::DATABASE, target.listed("ntds.dit")),
            (FileType::LOG_DIR, folder.clone()),
            (FileType::CHECKPOINT_DIR, folder),
        ]
    );
    client
        .register(backup.registration(&handle, &target))
        .await
        .unwrap();
    let marker = RestoreMarker::read(&target.path())
        .unwrap()
        .expect("a marker");
    assert_eq!(marker.state, RestoreState::InProgress);
    assert_eq!((marker.generation_low, marker.generation_high), (1, 7));
    backup.copy_into(&target);
    client.complete(&handle, ResultCode::OK).await.unwrap();
    client.end_restore(&handle).await.unwrap();
    host.stop().unwrap();

    assert_eq!(target.names(), source.names());
    for name in source.names() {
        let (original, restored) = (source.file(&name), target.file(&name));
        assert!(
            std::fs::read(original).unwrap() == std::fs::read(restored).unwrap(),
            "{name}"
        );
    }
    starts(&target).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fixture_passes_the_check_after_a_restore() {
    for fixture in testkit::every() {
        let source = Directory::empty();
        fixture.unpack_into(&source.path());
        let database = match source.file("test.edb").exists() {
            true => "test.edb",
            false => "ntds.dit",
        };
        if !source.file(database).exists() {
            continue;
        }
        let backup = back_up(&source).await;
        let target = Directory::empty();
        let mut configuration = target.configuration();
        configuration
            .directory_mut()
            .expect("a folder")
            .database_file = database.into();
        let host = Host::start(&configuration, Mode::Restore).unwrap();
        let mut client = Client::connect(host.socket()).await;
        let handle = client.prepare_restore(Some(&backup.token)).await.unwrap();
        let mut registration = backup.registration(&handle, &target);
        registration.databases[0].new_path = target.listed(database);
        client.register(registration).await.unwrap();
        backup.copy_into(&target);
        let completed = client.complete(&handle, ResultCode::OK).await;
        assert_eq!(completed, Ok(()), "{}", fixture.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_restore_cannot_start_and_another_can_finish_it() {
    let directory = Directory::of("sample-forest/dirty");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut lost = Client::connect(host.socket()).await;
    backup.register(&mut lost, &directory).await;
    drop(lost);
    host.stop().unwrap();
    assert_eq!(
        starts(&directory).unwrap_err().code,
        ResultCode::RESTORE_IN_PROGRESS
    );

    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = backup.register(&mut client, &directory).await;
    backup.copy_into(&directory);
    client.complete(&handle, ResultCode::OK).await.unwrap();
    host.stop().unwrap();
    starts(&directory).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_restore_cannot_start() {
    let directory = Directory::of("sample-forest/dirty");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = backup.register(&mut client, &directory).await;
    client
        .complete(&handle, ResultCode::DISK_FULL)
        .await
        .unwrap();
    let marker = RestoreMarker::read(&directory.path())
        .unwrap()
        .expect("a marker");
    assert_eq!(marker.state, RestoreState::Failed);
    // The registration is over; the same handle may begin again.
    let over = client.complete(&handle, ResultCode::OK).await.unwrap_err();
    assert_eq!(over.code, ResultCode::INVALID_HANDLE);
    client
        .register(backup.registration(&handle, &directory))
        .await
        .unwrap();
    client.end_restore(&handle).await.unwrap();
    host.stop().unwrap();
    assert_eq!(
        starts(&directory).unwrap_err().code,
        ResultCode::RESTORE_IN_PROGRESS
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_restore_at_a_time() {
    let directory = Directory::of("sample-forest/dirty");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let (mut first, mut second) = (
        Client::connect(host.socket()).await,
        Client::connect(host.socket()).await,
    );
    let handle = backup.register(&mut first, &directory).await;
    let again = first
        .register(backup.registration(&handle, &directory))
        .await;
    assert_eq!(again.unwrap_err().code, ResultCode::RESTORE_MAP_EXISTS);
    let other = second.prepare_restore(Some(&backup.token)).await.unwrap();
    let refused = second
        .register(backup.registration(&other, &directory))
        .await;
    assert_eq!(refused.unwrap_err().code, ResultCode::RESTORE_IN_PROGRESS);
    first.end_restore(&handle).await.unwrap();
    second
        .register(backup.registration(&other, &directory))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_the_application_sweeps_away_comes_back() {
    let directory = Directory::of("sample-forest/dirty");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = backup.register(&mut client, &directory).await;
    for round in 0..2 {
        std::fs::remove_file(directory.file(RESTORE_MARKER)).unwrap();
        match round {
            // While the restore runs, and when it ends without completion.
            0 => tokio::time::sleep(std::time::Duration::from_millis(2500)).await,
            _ => client.end_restore(&handle).await.unwrap(),
        }
        assert!(
            RestoreMarker::read(&directory.path()).unwrap().is_some(),
            "{round}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_decide() {
    let directory = Directory::of("sample-forest/clean");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let mut tampered = backup.token.clone();
    tampered[13] ^= 1;
    let token = ExpiryToken::from_bytes(&backup.token).unwrap();
    let expired = ExpiryToken {
        created: token.created - (u64::from(token.tombstone_lifetime_days) + 1) * 24 * 60 * 60,
        ..token
    };
    for (token, code) in [
        (&b""[..], ResultCode::MISSING_EXPIRY_TOKEN),
        (
            b"a token of another product",
            ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT,
        ),
        (&tampered, ResultCode::INVALID_PARAM),
        (&expired.to_bytes(), ResultCode::CONTENTS_EXPIRED),
    ] {
        let refusal = client.prepare_restore(Some(token)).await.unwrap_err();
        assert_eq!(refusal.code, code);
    }
    // A restricted handle allows only the locations.
    let restricted = client.prepare_restore(None).await.unwrap();
    assert_eq!(client.locations(&restricted).await.unwrap().len(), 3);
    for refused in [
        client
            .register(backup.registration(&restricted, &directory))
            .await,
        client.complete(&restricted, ResultCode::OK).await,
    ] {
        assert_eq!(refused.unwrap_err().code, ResultCode::MISSING_EXPIRY_TOKEN);
    }
    assert_eq!(RestoreMarker::read(&directory.path()), Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_must_fit_the_directory() {
    let directory = Directory::of("sample-forest/clean");
    let elsewhere = Directory::of("sample-forest/clean");
    let backup = back_up(&directory).await;
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare_restore(Some(&backup.token)).await.unwrap();
    let not_registered = client.complete(&handle, ResultCode::OK).await;
    assert_eq!(not_registered.unwrap_err().code, ResultCode::INVALID_HANDLE);

    type Change = fn(&mut RestoreRegisterRequest, &Directory);
    let wrong: [(Change, ResultCode); 9] = [
        (
            |r, _| (r.generation_low, r.generation_high) = (3, 2),
            ResultCode::INVALID_PARAMETER,
        ),
        (
            |r, _| r.generation_high = 0x10_0000,
            ResultCode::INVALID_PARAMETER,
        ),
        (|r, _| r.databases.clear(), ResultCode::INVALID_PARAMETER),
        (
            |r, _| r.databases.push(r.databases[0].clone()),
            ResultCode::INVALID_PARAMETER,
        ),
        (
            |r, e| r.databases[0].new_path = e.listed("ntds.dit"),
            ResultCode::INVALID_PATH,
        ),
        (
            |r, _| r.databases[0].new_path.push('x'),
            ResultCode::INVALID_PATH,
        ),
        (
            |r, _| r.databases[0].new_path = "ntds.dit".into(),
            ResultCode::INVALID_PATH,
        ),
        (
            |r, e| r.log_directory = e.listed(""),
            ResultCode::INVALID_PATH,
        ),
        (
            |r, _| r.checkpoint_directory = "/nowhere".into(),
            ResultCode::INVALID_PATH,
        ),
    ];
    for (number, (change, code)) in wrong.into_iter().enumerate() {
        let mut request = backup.registration(&handle, &directory);
        change(&mut request, &elsewhere);
        let refusal = client.register(request).await.unwrap_err();
        assert_eq!(refusal.code, code, "{number}: {}", refusal.reason);
        assert_eq!(RestoreMarker::read(&directory.path()), Ok(None));
    }
    // Another spelling of the same places fits.
    let mut request = backup.registration(&handle, &directory);
    request.log_directory.push_str("/.");
    client.register(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_keep_backups_and_restores_apart() {
    let directory = Directory::of("sample-forest/clean");
    let backup = back_up(&directory).await;
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let refusal = client
        .prepare_restore(Some(&backup.token))
        .await
        .unwrap_err();
    assert_eq!(refusal.code, ResultCode::DATABASE_IN_USE);
    assert!(refusal.reason.contains("online"), "{}", refusal.reason);
    host.stop().unwrap();
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let refusal = client.prepare().await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::RESTORE_IN_PROGRESS);
    assert!(refusal.reason.contains("offline"), "{}", refusal.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_there_is_checked_before_the_directory_is_unlocked() {
    let directory = Directory::of("sample-forest/dirty");
    let backup = back_up(&directory).await;
    let stranger = Directory::of("ese/chain-ad2016:backup-0");
    let host = directory.host_for_restore();
    let mut client = Client::connect(host.socket()).await;
    let handle = backup.register(&mut client, &directory).await;

    let invalid_log_sequence = ResultCode(0xC800_0203);
    type Fault = fn(&Directory, &Directory);
    let faults: [(Fault, ResultCode); 9] = [
        (
            |d, _| std::fs::remove_file(d.file("ntds.dit")).unwrap(),
            ResultCode::DATABASE_NOT_FOUND,
        ),
        (
            |d, _| std::fs::write(d.file("ntds.dit"), [0; 65536]).unwrap(),
            ResultCode::DATABASE_CORRUPTED,
        ),
        (|d, _| cut(d, "ntds.dit"), ResultCode::DATABASE_CORRUPTED),
        (
            |d, s| replace(d, "ntds.dit", s, "test.edb"),
            ResultCode::BAD_DB_SIGNATURE,
        ),
        (
            |d, _| std::fs::remove_file(d.file("edb00006.log")).unwrap(),
            ResultCode::MISSING_RESTORE_LOG_FILES,
        ),
        (
            |d, _| d.flip("edb00002.log", 20),
            ResultCode::LOG_FILE_CORRUPT,
        ),
        (
            |d, s| replace(d, "edb00001.log", s, "edb00001.log"),
            ResultCode::BAD_LOG_SIGNATURE,
        ),
        (
            // A log from before the restore, of a later generation.
            |d, _| later_log(d),
            invalid_log_sequence,
        ),
        (
            |d, _| std::fs::write(d.file("edb00003.log.partial"), "half").unwrap(),
            ResultCode::INVALID_PATH,
        ),
    ];
    for (number, (fault, code)) in faults.into_iter().enumerate() {
        backup.copy_into(&directory);
        fault(&directory, &stranger);
        let refusal = client.complete(&handle, ResultCode::OK).await.unwrap_err();
        assert_eq!(refusal.code, code, "{number}: {}", refusal.reason);
        let marker = RestoreMarker::read(&directory.path())
            .unwrap()
            .expect("a marker");
        assert_eq!(marker.state, RestoreState::Failed);
    }
    // Repaired, it passes.
    backup.copy_into(&directory);
    client.complete(&handle, ResultCode::OK).await.unwrap();
    assert_eq!(RestoreMarker::read(&directory.path()), Ok(None));
}

fn replace(directory: &Directory, name: &str, other: &Directory, other_name: &str) {
    std::fs::copy(other.file(other_name), directory.file(name)).unwrap();
}

fn cut(directory: &Directory, name: &str) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.file(name))
        .unwrap();
    file.set_len(1_000_000).unwrap();
}

/// Makes a log of generation 8 out of that of generation 6.
fn later_log(directory: &Directory) {
    let mut log = std::fs::read(directory.file("edb00006.log")).unwrap();
    log[4..8].copy_from_slice(&8u32.to_le_bytes());
    let checksum = ese::checksum::header_checksum(&log[..4096]);
    log[..4].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(directory.file("edb00008.log"), log).unwrap();
}
