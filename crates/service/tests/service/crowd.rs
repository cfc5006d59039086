//! Thousands of connections, and the memory that they take in the service, which runs alone in a
//! process.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use service::Mode;

use crate::host::Host;
use crate::world::{World, back_up, prepare, server};

/// Bytes of memory that this process uses, the service included.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() << 10
}

#[test]
fn thousands_of_connections_take_little_memory() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crowd::part_alone", "--nocapture", "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let noted = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{noted}"
    );
    eprint!("{noted}");
}

/// Not a test of its own: the work of the process that has nothing else in its memory.
#[test]
#[ignore = "a part of thousands_of_connections_take_little_memory"]
fn part_alone() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let mut configuration = world.configuration(vec![entry]);
    let remote = configuration.remote.as_mut().unwrap();
    remote.max_connections = 64;
    remote.max_connections_per_address = 32;
    remote.failures_per_minute = 100_000;
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let server = server(&host, world.tls(Some(&client)));
    let running = prepare(&server).unwrap();
    let before = memory();
    let mut most = 0;
    for _ in 0..10 {
        let mut connections = Vec::new();
        for number in 0..400 {
            let Ok(mut stream) = TcpStream::connect(host.addresses[0]) else {
                continue;
            };
            // Some send nothing, some begin a handshake, some send garbage.
            let _ = match number % 3 {
                0 => Ok(()),
                1 => stream.write_all(&[22, 3, 1, 2, 0, 1]),
                _ => stream.write_all(&[0x41; 500]),
            };
            connections.push(stream);
        }
        most = most.max(memory());
        running.database_names().unwrap();
    }
    let grown = most.saturating_sub(before);
    eprintln!("4000 connections: {} KiB more", grown >> 10);
    assert!(grown < 64 << 20, "{grown} bytes more");
    running.end().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while ntdsbcli::is_ntds_online(&server) != Ok(true) {
        assert!(Instant::now() < deadline, "the service is free again");
        std::thread::sleep(Duration::from_millis(100));
    }
    back_up(&server);
}
