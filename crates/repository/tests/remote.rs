//! Repositories that lie elsewhere.
//!
//! A REST server is started from rclone where that is installed; `sftp.rs` has those behind SFTP. More places can be
//! named, separated by spaces, in
//! `DSBACKUP_REMOTE_REPOSITORIES` (such as `s3:http://localhost:9000/bucket/new sftp:user@host:/new`); each must be
//! empty, and is left with a snapshot in it.
#![cfg(feature = "remote")]

mod common;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::*;

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
    round_trip(
        &format!("rest:http://127.0.0.1:{port}/"),
        &Default::default(),
    );
}

#[test]
fn the_named_places_keep_a_repository() {
    let Ok(places) = std::env::var("DSBACKUP_REMOTE_REPOSITORIES") else {
        eprintln!("note: DSBACKUP_REMOTE_REPOSITORIES names no stores; S3 is not tested");
        return;
    };
    let places = places.split_whitespace();
    places.for_each(|place| round_trip(place, &Default::default()));
}
