//! Measures how fast a database streams, verified, from the service to a client: over the Unix
//! socket and over TLS on loopback. For comparison: a plain TLS copy of the same file (read, sent,
//! received, nothing else), TLS with bytes from memory, and `openssl s_time`, which fetches the
//! file from `openssl s_server`.
//!
//! The database is a fixture's, its pages repeated under new page numbers up to 1 GiB.

#[path = "../tests/service/certificates.rs"]
#[allow(dead_code, reason = "tests use the rest of it")]
mod certificates;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certificates::{Authority, Issued};
use ntdsbcli::{BackupContext, BackupOptions, Server, TlsOptions};
use service::{ClientConfiguration, Configuration, Mode, RemoteConfiguration, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use wire::tls;

const SIZE: u64 = 1 << 30;
const PAGE: usize = 8192;

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let directory = folder.path().join("directory");
    testkit::find("sample-forest/clean")
        .expect("a fixture that ships with the project")
        .unpack_into(&directory);
    grow(&directory.join("ntds.dit"));
    let authority = Authority::new();
    let issued = authority.service(folder.path(), "service");
    let client = authority.client(folder.path(), "client");
    let mut configuration = Configuration::for_folder(&directory);
    configuration.endpoint.socket = folder.path().join("run/s.sock");
    configuration.remote = Some(RemoteConfiguration {
        clients: vec![ClientConfiguration {
            name: "client".into(),
            fingerprint: Some(client.fingerprint()),
            subject: None,
            backup: true,
            restore: false,
        }],
        ..RemoteConfiguration::new(
            "127.0.0.1:0".parse().expect("an address"),
            &issued.certificate,
            &issued.key,
        )
    });
    let service = Service::start(&configuration, Mode::Normal).expect("the service starts");
    let address = service.addresses()[0];
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.spawn(service.serve(std::future::pending()));
    let local = Server::at_socket(&configuration.endpoint.socket);
    let tls = TlsOptions {
        ca_file: Some(authority.file(folder.path(), "ca.pem")),
        pin: Some(issued.pin()),
        client_certificate: Some(client.certificate.clone()),
        client_key: Some(client.key.clone()),
    };
    let remote = Server::named_with(&address.to_string(), tls).expect("a server");
    let plain = |content| plain_tls(&runtime, &authority, &issued, folder.path(), content);
    let database = directory.join("ntds.dit");
    println!("GB/s: Unix socket, TLS, plain TLS copy of the file, of memory, openssl s_time");
    let mut shares = Vec::new();
    for _ in 0..10 {
        let [unix, network, copy, memory, openssl] = [
            stream(&local),
            stream(&remote),
            plain(Content::File(database.clone())),
            plain(Content::Memory),
            openssl_s_time(&issued, &database),
        ];
        println!(
            "{unix:.2}, {network:.2}, {copy:.2}, {memory:.2}, {openssl:.2}: TLS is {:.0} % of the \
             plain copy, {:.0} % of memory's, {:.0} % of openssl's",
            network / copy * 100.0,
            network / memory * 100.0,
            network / openssl * 100.0,
        );
        shares.push(network / copy * 100.0);
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    println!("TLS is {mean:.0} % of the plain copy on average");
}

/// The content of a plain copy.
enum Content {
    /// A file, piece by piece.
    File(PathBuf),
    /// The same number of bytes, from one repeated buffer.
    Memory,
}

/// Copies the database's length over TLS and does nothing else; GB/s.
fn plain_tls(
    runtime: &tokio::runtime::Runtime,
    authority: &Authority,
    issued: &Issued,
    folder: &Path,
    content: Content,
) -> f64 {
    let chain = tls::read_certificates(&issued.certificate).expect("a certificate");
    let key = tls::read_private_key(&issued.key).expect("a key");
    let served = rustls::ServerConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::VERSIONS)
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate and its key");
    let mut roots = rustls::RootCertStore::empty();
    let ca = authority.file(folder, "ca.pem");
    for certificate in tls::read_certificates(&ca).expect("an authority") {
        roots.add(certificate).expect("an authority");
    }
    let trusting = rustls::ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(tls::VERSIONS)
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let mut stream = TlsAcceptor::from(Arc::new(served))
                .accept(stream)
                .await
                .expect("a handshake");
            let mut piece = vec![7; wire::PIECE];
            let mut file = match content {
                Content::File(path) => Some(std::fs::File::open(path).expect("the database")),
                Content::Memory => None,
            };
            for _ in 0..SIZE / wire::PIECE as u64 {
                if let Some(file) = &mut file {
                    file.read_exact(&mut piece).expect("the database");
                }
                stream.write_all(&piece).await.expect("a reader");
            }
            stream.shutdown().await.expect("an end");
        });
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("a server");
        let mut stream = TlsConnector::from(Arc::new(trusting))
            .connect("localhost".try_into().expect("a name"), stream)
            .await
            .expect("a handshake");
        let began = Instant::now();
        let (mut buffer, mut bytes) = (vec![0; wire::PIECE], 0);
        loop {
            match stream.read(&mut buffer).await.expect("bytes") {
                0 => break,
                length => bytes += length,
            }
        }
        bytes as f64 / began.elapsed().as_secs_f64() / 1e9
    })
}

/// The result of openssl's benchmark against its own server with the same file; GB/s.
fn openssl_s_time(issued: &Issued, database: &Path) -> f64 {
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        free.local_addr().expect("an address").port()
    };
    let mut server = Command::new("openssl")
        .args(["s_server", "-WWW", "-tls1_3", "-accept", &port.to_string()])
        .arg("-cert")
        .arg(&issued.certificate)
        .arg("-key")
        .arg(&issued.key)
        .current_dir(database.parent().expect("its folder"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let began = Instant::now();
    let output = Command::new("openssl")
        .args(["s_time", "-new", "-time", "1", "-www", "/ntds.dit"])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .output()
        .expect("openssl");
    // Its own clock counts whole seconds.
    let seconds = began.elapsed().as_secs_f64();
    server.kill().and_then(|()| server.wait()).expect("its end");
    // "3 connections in 1.10 real seconds, 1073741901 bytes read per connection", after the
    // processor's time.
    let said = String::from_utf8_lossy(&output.stdout);
    let number = |before: &str, after: &str| -> f64 {
        let line = said.lines().find(|line| line.contains("real seconds"));
        let text = line
            .and_then(|line| line.split_once(after))
            .map(|(text, _)| text);
        let text = text.map(|text| text.rsplit_once(before).map_or(text, |(_, text)| text));
        text.and_then(|text| text.trim().parse().ok())
            .unwrap_or_else(|| panic!("{said}"))
    };
    let connections = number("\n", "connections in");
    connections * number(", ", "bytes read per connection") / seconds / 1e9
}

/// Reads the database once; GB/s.
fn stream(server: &Server) -> f64 {
    let mut backup = BackupContext::prepare(server, BackupOptions::full()).expect("a backup");
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

/// Repeats the pages after the headers, each with its new number and checksum.
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
