//! How fast a database streams from the service to a client, verified: over the Unix socket, over TLS on loopback, and
//! beside them what TLS alone does with bytes that nobody reads from a disk or verifies.
//!
//! The database is a fixture's, its pages repeated under new page numbers up to 1 GiB.

#[path = "../tests/service/certificates.rs"]
#[allow(dead_code, reason = "tests use the rest of it")]
mod certificates;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

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
    for _ in 0..5 {
        let [unix, network, plain] = [
            stream(&local),
            stream(&remote),
            plain_tls(&runtime, &authority, &issued, folder.path()),
        ];
        println!(
            "Unix socket {unix:.2} GB/s, TLS {network:.2} GB/s, plain TLS copy {plain:.2} GB/s: TLS is {:.0} % of the plain \
             copy",
            network / plain * 100.0
        );
    }
}

/// Copies as many bytes over TLS and does nothing else; GB/s.
fn plain_tls(
    runtime: &tokio::runtime::Runtime,
    authority: &Authority,
    issued: &Issued,
    folder: &Path,
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
            let piece = vec![7; wire::PIECE];
            for _ in 0..SIZE / wire::PIECE as u64 {
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
