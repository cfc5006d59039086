//! A directory whose service listens on the network, and an authority for both sides.

use std::path::Path;
use std::sync::Arc;

use contract::Error;
use ntdsbcli::{BackupContext, BackupOptions, Server, TlsOptions};
use rustls::pki_types::ServerName;
use service::{ClientConfiguration, Configuration, Mode, RemoteConfiguration};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificates::{Authority, Issued};
use crate::client::Client;
use crate::host::{Directory, Host};

/// A directory whose service listens on the network, and an authority for both sides.
pub struct World {
    pub directory: Directory,
    pub authority: Authority,
    pub service: Issued,
    folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::of(Directory::of("sample-forest/clean"))
    }

    pub fn of(directory: Directory) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        Self {
            directory,
            service: authority.service(folder.path(), "service"),
            authority,
            folder,
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn configuration(&self, clients: Vec<ClientConfiguration>) -> Configuration {
        let mut configuration = self.directory.configuration();
        configuration.remote = Some(RemoteConfiguration {
            client_ca: Some(self.authority.file(self.path(), "clients-ca.pem")),
            failures_per_minute: 1000,
            clients,
            ..RemoteConfiguration::new(
                "127.0.0.1:0".parse().unwrap(),
                &self.service.certificate,
                &self.service.key,
            )
        });
        configuration
    }

    pub fn host(&self, clients: Vec<ClientConfiguration>) -> Host {
        Host::start(&self.configuration(clients), Mode::Normal).unwrap()
    }

    /// Trust in the authority, and a certificate of the client's own.
    pub fn tls(&self, client: Option<&Issued>) -> TlsOptions {
        TlsOptions {
            ca_file: Some(self.authority.file(self.path(), "ca.pem")),
            pin: None,
            client_certificate: client.map(|client| client.certificate.clone()),
            client_key: client.map(|client| client.key.clone()),
        }
    }

    /// A TLS connection of our own, as this client.
    pub async fn connect(&self, host: &Host, client: &Issued) -> TlsStream<tokio::net::TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        let ca = self.authority.file(self.path(), "ca.pem");
        for certificate in wire::tls::read_certificates(&ca).unwrap() {
            roots.add(certificate).unwrap();
        }
        let mut configuration = rustls::ClientConfig::builder_with_provider(wire::tls::provider())
            .with_protocol_versions(wire::tls::VERSIONS)
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(
                wire::tls::read_certificates(&client.certificate).unwrap(),
                wire::tls::read_private_key(&client.key).unwrap(),
            )
            .unwrap();
        configuration.alpn_protocols = vec![wire::tls::ALPN.to_vec()];
        let stream = tokio::net::TcpStream::connect(host.addresses[0])
            .await
            .unwrap();
        TlsConnector::from(Arc::new(configuration))
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .unwrap()
    }

    /// A client that sends exactly the calls of a test.
    pub async fn raw(&self, host: &Host, client: &Issued) -> Client {
        Client::over(self.connect(host, client).await).await
    }

    /// A client that may back up, and its entry.
    pub fn backup_client(&self) -> (Issued, ClientConfiguration) {
        let client = self.authority.client(self.path(), "backup-host");
        let entry = by_fingerprint(&client, true, false);
        (client, entry)
    }
}

pub fn by_fingerprint(client: &Issued, backup: bool, restore: bool) -> ClientConfiguration {
    ClientConfiguration {
        name: "by fingerprint".into(),
        fingerprint: Some(client.fingerprint()),
        subject: None,
        backup,
        restore,
    }
}

pub fn by_subject(subject: &str) -> ClientConfiguration {
    ClientConfiguration {
        name: "by subject".into(),
        fingerprint: None,
        subject: Some(subject.into()),
        backup: true,
        restore: true,
    }
}

pub fn server(host: &Host, tls: TlsOptions) -> Server {
    let port = host.addresses[0].port();
    Server::named_with(&format!("localhost:{port}"), tls).unwrap()
}

pub fn prepare(server: &Server) -> Result<BackupContext, Error> {
    BackupContext::prepare(server, BackupOptions::full())
}

pub fn refused(server: &Server) -> Error {
    prepare(server).err().expect("a refusal")
}

/// Opens a file, reads it by its size, and closes it.
pub fn read_whole(backup: &mut BackupContext, name: &str) -> Vec<u8> {
    let size = backup.open_file(name, 1 << 20).unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut content = Vec::new();
    while (content.len() as u64) < size {
        let length = backup.read(&mut buffer).unwrap();
        content.extend_from_slice(&buffer[..length]);
    }
    backup.close().unwrap();
    content
}

/// Reads every listed file of a backup, and compares it with the directory.
pub fn back_up(server: &Server) {
    let mut backup = prepare(server).unwrap();
    let mut files = backup.database_names().unwrap();
    files.extend(backup.backup_logs().unwrap());
    assert!(!files.is_empty());
    for file in files {
        assert!(
            read_whole(&mut backup, &file.name) == std::fs::read(&file.name).unwrap(),
            "{}",
            file.name
        );
    }
    backup.end().unwrap();
}
