//! A service that goes away: an error, never a signal that kills programs in other languages.
#![cfg(unix)]

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use ntdsbcli::{Server, TlsOptions};
use tokio::signal::unix::{SignalKind, signal};

#[test]
fn nobody_hears_of_it_but_by_the_result() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut pipe = runtime.block_on(async { signal(SignalKind::pipe()).unwrap() });
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let local = UnixListener::bind(&socket).unwrap();
    let network = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = network.local_addr().unwrap().port();
    // Both close every connection at once.
    std::thread::spawn(move || local.incoming().for_each(drop));
    std::thread::spawn(move || network.incoming().for_each(drop));
    let tls = TlsOptions {
        pin: Some("00".repeat(32).parse().unwrap()),
        ..TlsOptions::default()
    };
    for server in [
        Server::at_socket(&socket),
        Server::named_with(&format!("localhost:{port}"), tls).unwrap(),
    ] {
        for _ in 0..300 {
            ntdsbcli::is_ntds_online(&server).unwrap_err();
        }
    }
    let signalled = runtime
        .block_on(async { tokio::time::timeout(Duration::from_millis(200), pipe.recv()).await });
    assert!(signalled.is_err(), "SIGPIPE was raised");
}
