//! A client that sends a file to be restored, but slower than it may.

use std::time::{Duration, Instant};

use contract::ResultCode;
use ntdsbcli::Server;
use service::Mode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio_stream::StreamExt;
use wire::v1::{DatabaseMap, RestoreFileContent, RestoreFileStart, RestoreRegisterRequest};

use crate::client::Client;
use crate::host::{Directory, Host, PATIENCE};
use crate::in_memory::{Backup, announced};
use crate::world::{World, by_fingerprint, server};

/// Forwards written bytes at 20 KiB per second.
fn slowly(mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> DuplexStream {
    let (near, mut far) = tokio::io::duplex(2048);
    tokio::spawn(async move {
        let (mut out, mut back) = (vec![0; 2048], vec![0; 2048]);
        loop {
            let done = tokio::select! {
                read = far.read(&mut out) => match read {
                    Ok(length @ 1..) => {
                        let sent = stream.write_all(&out[..length]).await;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        sent.and(stream.flush().await).is_err()
                    }
                    _ => true,
                },
                read = stream.read(&mut back) => match read {
                    Ok(length @ 1..) => far.write_all(&back[..length]).await.is_err(),
                    _ => true,
                },
            };
            if done {
                return;
            }
        }
    });
    near
}

#[test]
fn a_slow_sender_loses_its_file_and_holds_nobody_up() {
    let source = Directory::of("sample-forest/clean");
    let backup = {
        let host = source.host();
        Backup::of(&Server::at_socket(host.socket()))
    };
    let world = World::of(source);
    let restorer = world.authority.client(world.path(), "restorer");
    let mut configuration = world.configuration(vec![by_fingerprint(&restorer, false, true)]);
    configuration.endpoint.piece_timeout_s = 1;
    let host = Host::start(&configuration, Mode::Restore).unwrap();
    let good = server(&host, world.tls(Some(&restorer)));
    let context = backup.register(&good, &world.directory);
    context.clear(backup.size()).unwrap();
    context.end().unwrap();
    let (database, content) = &backup.files[0];
    let announced = announced(database, content);
    // Content that does not come, and content that comes a little at a time.
    for piece in [0, 256 << 10] {
        let began = Instant::now();
        // The connection ends with it.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let error = runtime.block_on(async {
            let stream = world.connect(&host, &restorer).await;
            let mut client = Client::over(slowly(stream)).await;
            let token = Some(backup.token.as_slice());
            let handle = client.prepare_restore(token).await.unwrap();
            let folder = world.directory.path().display().to_string();
            let registration = RestoreRegisterRequest {
                handle: handle.clone(),
                checkpoint_directory: folder.clone(),
                log_directory: folder.clone(),
                databases: vec![DatabaseMap {
                    old_path: database.name.clone(),
                    new_path: world.directory.listed("ntds.dit"),
                }],
                backup_log_directory: folder,
                generation_low: backup.generations.low,
                generation_high: backup.generations.high,
            };
            client.register(registration).await.unwrap();
            let start = RestoreFileStart {
                handle,
                file_type: announced.file_type.0.into(),
                name: announced.name.clone(),
                size: announced.size,
                sha256: announced.sha256.to_vec(),
                modified_ms: 0,
            };
            let first = RestoreFileContent {
                start: Some(start),
                ..RestoreFileContent::default()
            };
            let second = RestoreFileContent {
                start: None,
                data: content[..piece].to_vec().into(),
            };
            let messages = [first, second].into_iter().take(1 + piece.min(1));
            let messages = tokio_stream::iter(messages).chain(tokio_stream::pending());
            let writing = client.restore.hr_r_restore_write_file(messages);
            let status = tokio::time::timeout(Duration::from_secs(30), writing)
                .await
                .unwrap()
                .unwrap_err();
            wire::from_status(&status)
        });
        assert_eq!(error.code, ResultCode::COMMUNICATION_ERROR, "{error}");
        assert!(error.reason.contains("piece_timeout_s"), "{error}");
        assert!(began.elapsed() < PATIENCE);
        drop(runtime);
        assert!(!world.directory.file("ntds.dit").exists());
        assert_eq!(ntdsbcli::is_ntds_online(&good), Ok(false));
    }
    // The next one restores, as soon as the service has seen the end of the last connection.
    std::thread::sleep(Duration::from_millis(500));
    backup.restore(&good, &world.directory);
}
