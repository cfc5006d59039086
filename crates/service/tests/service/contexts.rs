//! Handles: their owners, and their end.

use std::time::{Duration, Instant};

use contract::ResultCode;
use service::Mode;

use crate::client::{Client, take};
use crate::host::{Directory, Host, PATIENCE};

/// Tries to begin a backup until one ends the other's, at most for `limit`.
pub async fn prepare_within(client: &mut Client, limit: Duration) -> Vec<u8> {
    let began = Instant::now();
    loop {
        match client.prepare().await {
            Ok(prepared) => return prepared.handle,
            Err(error) => {
                assert_eq!(error.code, ResultCode::BACKUP_IN_PROGRESS);
                assert!(
                    began.elapsed() < limit,
                    "the other backup was never released"
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_at_a_time() {
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    let (mut first, mut second) = (
        Client::connect(host.socket()).await,
        Client::connect(host.socket()).await,
    );
    let handle = first.prepare().await.unwrap().handle;
    let refusal = second.prepare().await.unwrap_err();
    assert_eq!(refusal.code, ResultCode::BACKUP_IN_PROGRESS);
    first.end(&handle).await.unwrap();
    second.prepare().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_work_only_on_their_own_connection_and_for_their_own_kind() {
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    let (mut owner, mut stranger) = (
        Client::connect(host.socket()).await,
        Client::connect(host.socket()).await,
    );
    let handle = owner.prepare().await.unwrap().handle;
    assert_eq!(handle.len(), 16);
    for bad in [
        &[][..],
        &[0; 16],
        &handle[..15],
        &[handle.as_slice(), &[0]].concat(),
    ] {
        assert_eq!(
            owner.ping(bad).await.unwrap_err().code,
            ResultCode::INVALID_HANDLE
        );
        assert_eq!(
            owner.end(bad).await.unwrap_err().code,
            ResultCode::INVALID_HANDLE
        );
    }
    for result in [
        stranger.ping(&handle).await,
        stranger.end(&handle).await,
        stranger.database_files(&handle).await.map(drop),
        stranger.truncate(&handle).await.map(drop),
        owner.end_restore(&handle).await,
        owner.complete(&handle, ResultCode::OK).await,
    ] {
        assert_eq!(result.unwrap_err().code, ResultCode::INVALID_HANDLE);
    }
    owner.ping(&handle).await.unwrap();
    owner.end(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_releases_everything() {
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    let mut lost = Client::connect(host.socket()).await;
    let handle = lost.prepare().await.unwrap().handle;
    lost.open(&handle, &directory.listed("ntds.dit"))
        .await
        .unwrap();
    let stream = lost.begin_reading(&handle).await.unwrap();
    drop((stream, lost));
    let mut next = Client::connect(host.socket()).await;
    prepare_within(&mut next, PATIENCE).await;
}

/// A client that closes its sending side is gone for every purpose.
#[test]
fn a_half_open_connection_releases_everything() {
    use std::os::unix::net::UnixStream;
    let directory = Directory::of("sample-forest/clean");
    let host = directory.host();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let stream = UnixStream::connect(host.socket()).unwrap();
        let half = stream.try_clone().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut client = Client::over(tokio::net::UnixStream::from_std(stream).unwrap()).await;
        client.prepare().await.unwrap();
        half.shutdown(std::net::Shutdown::Write).unwrap();
        let mut next = Client::connect(host.socket()).await;
        prepare_within(&mut next, PATIENCE).await;
    });
}

/// Short, but not so short that a busy machine takes a client for silent.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

fn with_short_timeout(directory: &Directory, mode: Mode) -> Host {
    let mut configuration = directory.configuration();
    configuration.endpoint.ping_timeout_ms = PING_TIMEOUT.as_millis() as u32;
    Host::start(&configuration, mode).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_loses_its_context_and_a_pinging_one_keeps_it() {
    let directory = Directory::of("sample-forest/clean");
    let host = with_short_timeout(&directory, Mode::Normal);
    let mut client = Client::connect(host.socket()).await;
    let prepared = client.prepare().await.unwrap();
    assert_eq!(
        u128::from(prepared.ping_timeout_ms),
        PING_TIMEOUT.as_millis()
    );
    for _ in 0..15 {
        tokio::time::sleep(PING_TIMEOUT / 10).await;
        client.ping(&prepared.handle).await.unwrap();
    }
    tokio::time::sleep(PING_TIMEOUT * 3 / 2).await;
    let dead = client.ping(&prepared.handle).await.unwrap_err();
    assert_eq!(dead.code, ResultCode::INVALID_HANDLE);
    prepare_within(&mut client, Duration::ZERO).await;
}

/// A stopped process neither pings nor takes data, although its stream is open.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_that_nobody_takes_is_no_sign_of_life() {
    let directory = Directory::of("sample-forest/dirty");
    // Larger than every buffer on the way.
    let database = directory.file("ntds.dit");
    grow(&database, 64);
    let host = with_short_timeout(&directory, Mode::Normal);
    let mut stopped = Client::connect(host.socket()).await;
    let handle = stopped.prepare().await.unwrap().handle;
    stopped
        .open(&handle, database.to_str().unwrap())
        .await
        .unwrap();
    let stream = stopped.begin_reading(&handle).await.unwrap();
    let mut next = Client::connect(host.socket()).await;
    prepare_within(&mut next, PATIENCE).await;
    let error = take(stream, &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.code, ResultCode::INVALID_HANDLE);
    assert!(error.reason.contains("ping timeout"), "{}", error.reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_that_takes_data_keeps_its_context() {
    let directory = Directory::of("sample-forest/dirty");
    let database = directory.file("ntds.dit");
    grow(&database, 32);
    let host = with_short_timeout(&directory, Mode::Normal);
    let mut slow = Client::connect(host.socket()).await;
    let handle = slow.prepare().await.unwrap().handle;
    let size = slow
        .open(&handle, database.to_str().unwrap())
        .await
        .unwrap();
    let mut stream = slow.begin_reading(&handle).await.unwrap();
    let mut taken = 0;
    while let Some(message) = stream.message().await.unwrap() {
        taken += message.data.len() as u64;
        // 70 pieces: far longer than the timeout in all.
        tokio::time::sleep(PING_TIMEOUT / 60).await;
    }
    assert_eq!(taken, size);
    slow.ping(&handle).await.unwrap();
}

/// Appends MiB of pages that were never written.
pub fn grow(database: &std::path::Path, mebibytes: u64) {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(database)
        .unwrap();
    let size = file.metadata().unwrap().len();
    file.set_len(size + (mebibytes << 20)).unwrap();
}
