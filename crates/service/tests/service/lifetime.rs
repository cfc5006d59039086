//! How the service starts, refuses to start, and ends.

use std::time::{Duration, Instant};

use contract::ResultCode;
use service::{Mode, Service};
use store::FolderLock;

use crate::client::{Client, take};
use crate::contexts::grow;
use crate::host::{Directory, Host, PATIENCE};

fn refusal(directory: &Directory, mode: Mode) -> contract::Error {
    match Host::start(&directory.configuration(), mode) {
        Ok(_) => panic!("the service starts"),
        Err(error) => error,
    }
}

#[test]
fn a_second_host_is_refused_in_either_mode() {
    let directory = Directory::of("sample-forest/clean");
    for first in [Mode::Normal, Mode::Restore] {
        let host = Host::start(&directory.configuration(), first).unwrap();
        for second in [Mode::Normal, Mode::Restore] {
            let mut configuration = directory.configuration();
            configuration.endpoint.socket = directory.socket().with_extension("second");
            let error = Service::start(&configuration, second)
                .err()
                .expect("refused");
            assert_eq!(error.code, ResultCode::DATABASE_IN_USE);
            let folder = directory.path();
            assert!(
                error.reason.contains(folder.to_str().unwrap()),
                "{}",
                error.reason
            );
        }
        // The same lock excludes a restore into the folder without the service.
        assert!(FolderLock::acquire(&[directory.path()]).is_err());
        host.stop().unwrap();
        FolderLock::acquire(&[directory.path()]).unwrap();
    }
}

#[test]
fn no_sound_database_no_normal_start() {
    let directory = Directory::empty();
    assert_eq!(
        refusal(&directory, Mode::Normal).code,
        ResultCode::DATABASE_NOT_FOUND
    );
    std::fs::write(directory.file("ntds.dit"), "no database").unwrap();
    assert_eq!(
        refusal(&directory, Mode::Normal).code,
        ResultCode::DATABASE_CORRUPTED
    );
    std::fs::write(directory.file("ntds.dit"), vec![0; 1 << 20]).unwrap();
    assert_eq!(
        refusal(&directory, Mode::Normal).code,
        ResultCode::DATABASE_CORRUPTED
    );
    directory.host_for_restore().stop().unwrap();
}

#[test]
fn the_socket_stays_out_of_the_directory() {
    let directory = Directory::of("sample-forest/clean");
    let mut configuration = directory.configuration();
    configuration.endpoint.socket = directory.file("s.sock");
    let error = Host::start(&configuration, Mode::Normal)
        .err()
        .expect("refused");
    assert_eq!(error.code, ResultCode::INVALID_PARAM);
    assert!(error.reason.contains("outside"), "{}", error.reason);
}

#[test]
fn hosting_leaves_nothing_behind() {
    let directory = Directory::of("sample-forest/dirty");
    let before = directory.names();
    let host = directory.host();
    assert_eq!(directory.names(), before);
    assert!(directory.socket().exists());
    host.stop().unwrap();
    assert_eq!(directory.names(), before);
    assert!(!directory.socket().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_ends_in_time_while_a_client_streams_and_another_is_stopped() {
    let directory = Directory::of("sample-forest/dirty");
    grow(&directory.file("ntds.dit"), 256);
    let host = directory.host();
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    client
        .open(&handle, &directory.listed("ntds.dit"))
        .await
        .unwrap();
    let stream = client.begin_reading(&handle).await.unwrap();
    // This one neither reads nor writes.
    let idle = tokio::net::UnixStream::connect(host.socket())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let stopped = tokio::task::spawn_blocking(move || host.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    let error = take(stream, &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.code, ResultCode::COMMUNICATION_ERROR);
    stopped.await.unwrap().unwrap();
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    assert!(!directory.socket().exists());
    drop(idle);
    // Everything is free again.
    directory.host().stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_current_logs_number_survives_a_restart() {
    let directory = Directory::of("sample-forest/dirty");
    let set = async |host: &Host, current_log| {
        let mut client = Client::connect(host.socket()).await;
        let request = wire::v1::SetCurrentLogNumberRequest { current_log };
        client
            .restore
            .hr_r_restore_set_current_log_number(request)
            .await
            .unwrap();
    };
    let incremental = async |host: &Host| {
        let mut client = Client::connect(host.socket()).await;
        client.prepare_as(4, false).await.unwrap_err().code
    };
    let host = directory.host();
    assert_eq!(incremental(&host).await, ResultCode::INVALID_PARAMETER);
    set(&host, u32::MAX).await;
    assert_eq!(
        incremental(&host).await,
        ResultCode::INCREMENTAL_BACKUP_DISABLED
    );
    host.stop().unwrap();
    let host = directory.host();
    assert_eq!(
        incremental(&host).await,
        ResultCode::INCREMENTAL_BACKUP_DISABLED
    );
    // A full backup, complete with truncation, lifts it.
    let mut client = Client::connect(host.socket()).await;
    let handle = client.prepare().await.unwrap().handle;
    let fetched = client.fetch_all(&handle).await.unwrap();
    assert_eq!(fetched.len(), 10, "the number is in no backup");
    client.truncate(&handle).await.unwrap();
    assert_eq!(incremental(&host).await, ResultCode::INVALID_PARAMETER);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_checked_for_gaps() {
    let directory = Directory::of("sample-forest/dirty");
    let check = async |host: &Host, generation_low| {
        let mut client = Client::connect(host.socket()).await;
        let request = wire::v1::CheckLogsForBackupRequest { generation_low };
        let answer = client
            .restore
            .hr_r_restore_check_logs_for_backup(request)
            .await;
        answer
            .map(drop)
            .map_err(|status| wire::from_status(&status))
    };
    let host = directory.host();
    for low in 1..=7 {
        assert_eq!(check(&host, low).await, Ok(()));
    }
    for low in [0, 8, u32::MAX] {
        let error = check(&host, low).await.unwrap_err();
        assert_eq!(error.code, ResultCode::LOG_FILE_NOT_FOUND);
    }
    std::fs::remove_file(directory.file("edb00004.log")).unwrap();
    let error = check(&host, 2).await.unwrap_err();
    assert_eq!(error.code, ResultCode::LOG_FILE_NOT_FOUND);
    assert!(error.reason.contains("0x4"), "{}", error.reason);
    assert_eq!(check(&host, 5).await, Ok(()));
}
