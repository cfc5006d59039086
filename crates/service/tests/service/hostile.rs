//! Hostile peers: other callers notice nothing, and nothing is served without privilege. `crowd.rs`
//! measures their memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use contract::ResultCode;
use ntdsbcli::Server;
use service::Mode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::v1::OpenFileRequest;

use crate::client::on;
use crate::host::{Host, PATIENCE};
use crate::world::{World, back_up, by_fingerprint, prepare, server};

fn is_free(server: &Server) -> bool {
    ntdsbcli::is_ntds_online(server) == Ok(true)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_callers_handle_is_good_for_nothing() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let thief = world.authority.client(world.path(), "thief");
    let host = world.host(vec![entry, by_fingerprint(&thief, true, true)]);
    let mut owner = world.raw(&host, &client).await;
    let handle = owner.prepare().await.unwrap().handle;
    let database = owner.database_files(&handle).await.unwrap().remove(0).name;
    // By another caller, and by the same one over another connection.
    for identity in [&thief, &client] {
        let mut other = world.raw(&host, identity).await;
        let invalid = ResultCode::INVALID_HANDLE;
        assert_eq!(other.ping(&handle).await.unwrap_err().code, invalid);
        assert_eq!(
            other.open(&handle, &database).await.unwrap_err().code,
            invalid
        );
        assert_eq!(
            other.begin_reading(&handle).await.err().unwrap().code,
            invalid
        );
        assert_eq!(other.truncate(&handle).await.unwrap_err().code, invalid);
        assert_eq!(other.end(&handle).await.unwrap_err().code, invalid);
    }
    owner.fetch_all(&handle).await.unwrap();
    owner.end(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn oversize_and_half_messages_hurt_only_their_sender() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let host = world.host(vec![entry]);
    let mut hostile = world.raw(&host, &client).await;
    let handle = hostile.prepare().await.unwrap().handle;
    for length in [5_000, 60_000, 70_000, 4 << 20, 64 << 20] {
        let request = OpenFileRequest {
            handle: handle.clone(),
            name: "x".repeat(length),
            read_hint: 1 << 20,
        };
        let status = hostile
            .backup
            .hr_r_backup_open_file(request)
            .await
            .unwrap_err();
        let code = wire::from_status(&status).code;
        let expected = if length <= 60_000 {
            ResultCode::FILE_NOT_FOUND
        } else {
            ResultCode::COMMUNICATION_ERROR
        };
        assert_eq!(code, expected, "{length}: {status}");
    }
    // Garbage inside TLS, and headers without end.
    for garbage in [
        vec![0xff; 1 << 20],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x01\x00\0\0\0\x01".to_vec(),
    ] {
        let mut stream = world.connect(&host, &client).await;
        let _ = stream.write_all(&garbage).await;
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(30), end)
            .await
            .unwrap();
        assert!(answer.len() < 4096);
    }
    hostile.ping(&handle).await.unwrap();
    hostile.fetch_all(&handle).await.unwrap();
    hostile.end(&handle).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_hold_nobody_up_and_lose_their_context() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let mut configuration = world.configuration(vec![entry]);
    configuration.endpoint.ping_timeout_ms = 3000;
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let mut slow = world.raw(&host, &client).await;
    let handle = slow.prepare().await.unwrap().handle;
    let database = slow.database_files(&handle).await.unwrap().remove(0);
    slow.open(&handle, &database.name).await.unwrap();
    let stream = slow.begin_reading(&handle).await.unwrap();
    let other = server(&host, world.tls(Some(&client)));
    let began = Instant::now();
    assert!(
        tokio::task::spawn_blocking({
            let other = other.clone();
            move || is_free(&other)
        })
        .await
        .unwrap()
    );
    assert!(began.elapsed() < PATIENCE);
    // Nothing reads the stream: the context is released, and the next one may begin.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        slow.ping(&handle).await.unwrap_err().code,
        ResultCode::INVALID_HANDLE
    );
    tokio::task::spawn_blocking(move || back_up(&other))
        .await
        .unwrap();
    drop(stream);
}

#[test]
fn who_fails_too_often_is_shut_out() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let mut configuration = world.configuration(vec![entry]);
    let audit = world.path().join("audit.jsonl");
    configuration.audit.file = Some(audit.clone());
    configuration.remote.as_mut().unwrap().failures_per_minute = 5;
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let server = server(&host, world.tls(Some(&client)));
    let running = prepare(&server).unwrap();
    let count = |call: &str| {
        let log = std::fs::read_to_string(&audit).unwrap();
        log.matches(call).count()
    };
    for attempt in 1..=20 {
        let mut stream = TcpStream::connect(host.addresses[0]).unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
        let _ = stream.read(&mut [0; 64]);
        // A failure counts a moment after its peer is refused.
        let deadline = Instant::now() + PATIENCE;
        let noted = || match attempt {
            1..5 => count("TlsHandshake") == attempt,
            _ => count("ShutOut") == 1,
        };
        while !noted() {
            assert!(Instant::now() < deadline, "failure {attempt} is not noted");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(!is_free(&server), "nobody from there is heard for a while");
    // Existing connections stay, and the log is not flooded.
    running.database_names().unwrap();
    assert_eq!((count("ShutOut"), count("TlsHandshake")), (1, 5));
    assert!(is_free(&Server::at_socket(host.socket())));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_asking_without_privilege_loses_the_connection() {
    let world = World::new();
    let stranger = world.authority.client(world.path(), "stranger");
    let host = world.host(vec![]);
    let mut client = world.raw(&host, &stranger).await;
    let mut denied = 0;
    let last = loop {
        let status = client
            .backup
            .hr_r_backup_ping(on(&[0; 16]))
            .await
            .unwrap_err();
        match wire::from_status(&status).code {
            ResultCode::ACCESS_DENIED => denied += 1,
            other => break other,
        }
        assert!(denied < 100);
    };
    assert_eq!(last, ResultCode::COMMUNICATION_ERROR);
}

#[test]
fn a_cap_on_the_bandwidth_holds() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let mut configuration = world.configuration(vec![entry]);
    let size: u64 = world
        .directory
        .names()
        .iter()
        .map(|name| std::fs::metadata(world.directory.file(name)).unwrap().len())
        .sum();
    configuration.remote.as_mut().unwrap().bandwidth_limit_kib_s = Some((size >> 11) as u32);
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let began = Instant::now();
    back_up(&server(&host, world.tls(Some(&client))));
    let took = began.elapsed();
    assert!(
        took > Duration::from_millis(1200),
        "{took:?}, expected about 2 s"
    );
    // The local socket has no cap.
    back_up(&Server::at_socket(host.socket()));
}
