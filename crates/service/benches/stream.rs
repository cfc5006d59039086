//! How fast a database streams from the service to a client, verified, over the socket: bytes a second.
//!
//! The database is a fixture's, its pages repeated under new page numbers up to 1 GiB.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use ntdsbcli::{BackupContext, BackupOptions, Server};
use service::{Configuration, Mode, Service};

const SIZE: u64 = 1 << 30;
const PAGE: usize = 8192;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let directory = folder.path().join("directory");
    testkit::find("sample-forest/clean")
        .expect("a fixture that ships with the project")
        .unpack_into(&directory);
    grow(&directory.join("ntds.dit"));
    let mut configuration = Configuration::for_folder(&directory);
    configuration.endpoint.socket = folder.path().join("run/s.sock");
    let service = Service::start(&configuration, Mode::Normal).expect("the service starts");
    std::thread::spawn(move || {
        tokio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(service.serve(std::future::pending()))
    });
    for _ in 0..5 {
        println!("{:.2} GB/s", stream(&configuration.endpoint.socket));
    }
}

/// Reads the database once; GB/s.
fn stream(socket: &Path) -> f64 {
    let server = Server::at_socket(socket);
    let mut backup = BackupContext::prepare(&server, BackupOptions::full()).expect("a backup");
    let database = backup.database_names().expect("a list").remove(0);
    let mut buffer = vec![0; wire::PIECE];
    backup
        .open_file(&database.name, wire::PIECE as u32)
        .expect("the database");
    let began = Instant::now();
    let mut bytes = 0;
    while let Ok(length) = backup.read(&mut buffer) {
        bytes += length;
    }
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(bytes as u64, database.size);
    backup.end().expect("the end");
    bytes as f64 / seconds / 1e9
}

/// Repeats the pages behind the headers, each sealed under its new number.
fn grow(database: &Path) {
    let original = std::fs::read(database).expect("the database");
    let pages: Vec<&[u8]> = original.chunks_exact(PAGE).skip(2).collect();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(database)
        .map(std::io::BufWriter::new)
        .expect("the database");
    let first = pages.len() as u32 + 1;
    let last = (SIZE / PAGE as u64) as u32 - 2;
    for (number, page) in (first..=last).zip(pages.iter().cycle()) {
        let mut page = page.to_vec();
        if !ese::checksum::is_zero(&page) {
            ese::checksum::seal_page(&mut page, number);
        }
        file.write_all(&page).expect("room for the database");
    }
    file.flush().expect("room for the database");
}
