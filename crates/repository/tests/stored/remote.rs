//! Remote repositories.
//!
//! The tests start a REST server from rclone and an S3 server from moto (`pip install
//! 'moto[server]'`), if installed; `sftp.rs` has the tests of SFTP. `DSBACKUP_REMOTE_REPOSITORIES`
//! may name further locations, separated by spaces (for example
//! `s3:http://localhost:9000/bucket/new sftp:user@host:/new`). Each must be empty, and has a
//! snapshot in it afterwards.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::*;
use repository::*;

/// The longest wait for a server to start on a busy computer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that ends with the test.
struct Server(Child);

impl Server {
    /// Starts a server and waits until it listens at the port. `None` if the program is not
    /// installed.
    fn start(command: &mut Command, port: u16) -> Option<Self> {
        let output = || Stdio::null();
        let started = command.stdout(output()).stderr(output()).spawn();
        let mut server = Self(started.ok()?);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.0.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(Instant::now() < deadline, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Parts of a file anywhere, read by several threads, in a repository that a round trip left.
fn random_access(location: &str, options: &BTreeMap<String, String>) {
    let place = Location::parse(location).unwrap();
    let repository = Repository::open(&place, &Password::new(PASSWORD), options).unwrap();
    let info = repository.snapshots().unwrap().remove(0);
    let snapshot = repository.open_snapshot(&info).unwrap();
    let mut expected = Vec::new();
    Noise::new(1, 40 << 20).read_to_end(&mut expected).unwrap();
    let file = snapshot.random_access("large").unwrap();
    assert_eq!(file.size(), expected.len() as u64);
    let (file, expected) = (&file, &expected);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                // From the end on, and across the borders of chunks.
                for step in 0..8 {
                    let length = 1 + step * 30_011;
                    let at = expected.len() - length - (thread * 8 + step) * 1_200_007;
                    let mut part = vec![0; length];
                    file.read_exact_at(&mut part, at as u64).unwrap();
                    assert!(part == expected[at..at + length], "{length} bytes at {at}");
                }
            });
        }
    });
}

/// Locks, forget, prune and copy, in a repository that a round trip left with two snapshots of the
/// same content. `beside` is the location of another one on the same server.
fn upkeep(location: &str, beside: Option<&str>, options: &BTreeMap<String, String>) {
    let place = Location::parse(location).unwrap();
    let repository = Repository::open(&place, &Password::new(PASSWORD), options).unwrap();
    let lock = |repository: &Repository, kind| repository.lock(kind, Duration::ZERO);

    let sharing = shared(&repository);
    let refused = lock(&repository, LockKind::Exclusive).err().unwrap();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    drop((shared(&repository), sharing));
    let alone = lock(&repository, LockKind::Exclusive).ok().unwrap();
    assert!(lock(&repository, LockKind::Shared).is_err());
    assert_eq!(repository.unlock(false).unwrap(), 0, "it is fresh");
    alone.check().unwrap();

    // Only content of the forgotten snapshot alone is removed with it.
    let first = repository.snapshots().unwrap().remove(0);
    let mut only = ListSource::new(vec![noise("only", 3, 20 << 20)]);
    drop(alone);
    let sharing = shared(&repository);
    let other = (repository.backup(&sharing, &request(), &mut only, &mut |_| {})).unwrap();
    drop(sharing);
    let alone = lock(&repository, LockKind::Exclusive).ok().unwrap();
    repository.forget(&[&first.id, &other.snapshot.id]).unwrap();
    repository.prune(&alone, false, &mut |_, _, _| ()).unwrap();
    drop(alone);
    let again = Repository::open(&place, &Password::new(PASSWORD), options).unwrap();
    let [kept] = &again.snapshots().unwrap()[..] else {
        panic!("one snapshot is left")
    };
    let report = again.check(true, &mut |_, _, _| ()).unwrap();
    assert!(report.is_sound(), "{location}: {report:?}");

    // Copied in both directions.
    let local = tempfile::tempdir().unwrap();
    let near = init(&local.path().join("near"));
    let far = beside.map(|beside| {
        let place = Location::parse(beside).unwrap();
        let new = InitOptions::default();
        Repository::init(&place, &Password::new(PASSWORD), &new, options).unwrap()
    });
    let mut copies = vec![(&again, &near)];
    copies.extend(far.as_ref().map(|far| (&near, far)));
    for (from, to) in copies {
        let snapshots = from.snapshots().unwrap();
        let copied = (from.copy_to(&snapshots, to, &shared(to), &mut |_, _, _| ())).unwrap();
        assert_eq!((copied.copied.len(), copied.damaged.len()), (1, 0));
        assert!(to.check(true, &mut |_, _, _| ()).unwrap().is_sound());
        let snapshot = to.open_snapshot(&to.snapshots().unwrap()[0]).unwrap();
        let mut expected = Vec::new();
        Noise::new(1, 40 << 20).read_to_end(&mut expected).unwrap();
        let read = snapshot.read("large", 1 << 30).unwrap();
        assert!(read == expected, "{location}: {}", kept.id);
    }
    assert!(again.locks().unwrap().is_empty());
}

#[test]
fn a_rest_server_keeps_a_repository() {
    let place = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut rclone = Command::new("rclone");
    rclone
        .args(["serve", "restic", "--addr"])
        .arg(format!("127.0.0.1:{port}"))
        .arg(place.path());
    let Some(_server) = Server::start(&mut rclone, port) else {
        eprintln!("note: rclone is not installed; repositories on REST servers are not tested");
        return;
    };
    let location = format!("rest:http://127.0.0.1:{port}/");
    round_trip(&location, &Default::default());
    random_access(&location, &Default::default());
    let beside = format!("{location}beside/");
    upkeep(&location, Some(&beside), &Default::default());
}

#[test]
fn an_s3_server_keeps_a_repository() {
    let port = free_port();
    let mut moto = Command::new("moto_server");
    moto.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let Some(_server) = Server::start(&mut moto, port) else {
        eprintln!("note: moto_server is not installed; repositories on S3 are not tested");
        return;
    };
    make_bucket(port);
    let keys = [
        ("access_key_id", "nobody"),
        ("secret_access_key", "nothing"),
        ("region", "us-east-1"),
    ];
    let options = BTreeMap::from(keys.map(|(key, value)| (key.into(), value.into())));
    let location = format!("s3:http://127.0.0.1:{port}/bucket/prefix");
    round_trip(&location, &options);
    random_access(&location, &options);
    upkeep(&location, Some(&format!("{location}-2")), &options);
}

fn make_bucket(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request =
        format!("PUT /bucket HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.lines().next().unwrap().contains(" 200 "), "{answer}");
}

#[test]
fn the_named_places_keep_a_repository() {
    let Ok(places) = std::env::var("DSBACKUP_REMOTE_REPOSITORIES") else {
        eprintln!("note: DSBACKUP_REMOTE_REPOSITORIES names no stores; no others are tested");
        return;
    };
    let places = places.split_whitespace();
    places.for_each(|place| {
        round_trip(place, &Default::default());
        random_access(place, &Default::default());
        upkeep(place, None, &Default::default());
    });
}
