//! Repositories that lie elsewhere.
//!
//! A REST server is started from rclone where that is installed. More places can be named, separated by spaces, in
//! `DSBACKUP_REMOTE_REPOSITORIES` (such as `s3:http://localhost:9000/bucket/new sftp:user@host:/new`); each must be
//! empty, and is left with a snapshot in it.
#![cfg(feature = "remote")]

mod common;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::*;
use repository::*;

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn round_trip(location: &str) {
    let place = Location::parse(location).unwrap();
    let password = Password::new(PASSWORD);
    let none = || Repository::open(&place, &password, &Default::default()).err();
    assert!(
        matches!(none(), Some(Error::Missing { .. })),
        "{:?}",
        none()
    );
    let repository = Repository::init(
        &place,
        &password,
        &InitOptions::default(),
        &Default::default(),
    )
    .unwrap();
    let again = Repository::init(
        &place,
        &password,
        &InitOptions::default(),
        &Default::default(),
    );
    assert!(
        matches!(again.err(), Some(Error::Exists { .. })),
        "{location}"
    );
    for added in [40 << 20, 0] {
        let files = vec![noise("large", 1, 40 << 20), noise("folder/small", 2, 10)];
        let backup = repository
            .backup(
                &shared(&repository),
                &request(),
                &mut ListSource::new(files),
                &mut |_| {},
            )
            .unwrap();
        assert!(
            backup.new_bytes >= added && backup.new_bytes <= added + 10,
            "{location}"
        );
    }
    let repository = Repository::open(&place, &password, &Default::default()).unwrap();
    assert_eq!(repository.snapshots().unwrap().len(), 2);
    let snapshot = repository
        .open_snapshot(&repository.snapshot("latest").unwrap())
        .unwrap();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    Noise::new(1, 40 << 20).read_to_end(&mut expected).unwrap();
    snapshot
        .open("large")
        .unwrap()
        .read_to_end(&mut found)
        .unwrap();
    assert!(expected == found, "{location}");
    assert!(repository.check(true).unwrap().is_sound(), "{location}");
}

#[test]
fn a_rest_server_keeps_a_repository() {
    let place = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let started = Command::new("rclone")
        .args(["serve", "restic", "--addr"])
        .arg(format!("127.0.0.1:{port}"))
        .arg(place.path())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = started else {
        eprintln!("note: rclone is not installed; repositories on REST servers are not tested");
        return;
    };
    let _server = Server(server);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    round_trip(&format!("rest:http://127.0.0.1:{port}/"));
}

#[test]
fn the_named_places_keep_a_repository() {
    let Ok(places) = std::env::var("DSBACKUP_REMOTE_REPOSITORIES") else {
        eprintln!("note: DSBACKUP_REMOTE_REPOSITORIES names no stores; S3 and SFTP are not tested");
        return;
    };
    places.split_whitespace().for_each(round_trip);
}
