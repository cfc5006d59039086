//! A service on another computer: its address, its authentication, and the TLS connection to it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wire::known_server::KnownServer;
use wire::tls::{self, Fingerprint};

use crate::local::{self, NetworkStream};

/// The timeout for connecting to a service and authenticating it.
const CONNECT: Duration = Duration::from_secs(20);

/// The environment variable that names the file of the certification authority's certificates
/// (PEM).
pub const CA_FILE_VARIABLE: &str = "DSBACKUP_CA_FILE";
/// The environment variable that holds the SHA-256 of the service's public key.
pub const PIN_VARIABLE: &str = "DSBACKUP_PIN";
/// The environment variable that names the file of this client's certificate (PEM).
pub const CLIENT_CERTIFICATE_VARIABLE: &str = "DSBACKUP_CLIENT_CERTIFICATE";
/// The environment variable that names the file of this client's private key (PEM).
pub const CLIENT_KEY_VARIABLE: &str = "DSBACKUP_CLIENT_KEY";

/// The authentication of a service on another computer, and of this client.
///
/// The service is authenticated by a certification authority or by its key; if both are given, by
/// both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// The certificates of the authority that issued the service's (PEM). Then the service's
    /// certificate must hold its name and must not have expired.
    pub ca_file: Option<PathBuf>,
    /// The SHA-256 of the service's public key; the service writes it to its log when it starts.
    pub pin: Option<Fingerprint>,
    /// This client's certificate, which the service maps to privileges, and its chain to the
    /// authority (PEM).
    pub client_certificate: Option<PathBuf>,
    /// The private key of the client's certificate (PEM).
    pub client_key: Option<PathBuf>,
}

impl TlsOptions {
    /// Reads the options from the environment variables: the functions have no parameters for them.
    ///
    /// # Errors
    /// `hrInvalidParam` for a malformed pin.
    pub fn from_environment() -> Result<Self> {
        let path = |variable| {
            std::env::var_os(variable)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let pin = path(PIN_VARIABLE)
            .map(|pin| pin.to_string_lossy().parse())
            .transpose()
            .map_err(|error: Error| {
                Error::new(error.code, format!("{PIN_VARIABLE}: {}", error.reason))
            })?;
        Ok(Self {
            ca_file: path(CA_FILE_VARIABLE),
            pin,
            client_certificate: path(CLIENT_CERTIFICATE_VARIABLE),
            client_key: path(CLIENT_KEY_VARIABLE),
        })
    }
}

/// A service on another computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: TlsOptions,
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The address and the TLS configuration of a connection.
pub(crate) struct Prepared {
    host: String,
    port: u16,
    name: ServerName<'static>,
    configuration: Arc<ClientConfig>,
}

impl Remote {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// `hrCouldNotConnect` for an invalid name, and with neither authority nor key of the service;
    /// `hrInvalidParam` for unusable files.
    pub(crate) fn prepare(&self) -> Result<Prepared> {
        let name = ServerName::try_from(self.host.clone()).map_err(|error| {
            Error::new(
                ResultCode::COULD_NOT_CONNECT,
                format!("{:?}: {error}", self.host),
            )
        })?;
        let builder = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(tls::VERSIONS)
            .map_err(|error| Error::new(ResultCode::ERROR, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.known_server()?));
        let mut configuration = match (&self.tls.client_certificate, &self.tls.client_key) {
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(
                    tls::read_certificates(certificate)?,
                    tls::read_private_key(key)?,
                )
                .map_err(|error| {
                    Error::new(
                        ResultCode::INVALID_PARAM,
                        format!("{} and its key: {error}", certificate.display()),
                    )
                })?,
            (None, None) => builder.with_no_client_auth(),
            _ => {
                return Err(Error::new(
                    ResultCode::INVALID_PARAM,
                    "a client certificate requires its private key, and the key its certificate: \
                     name both files, or neither",
                ));
            }
        };
        configuration.alpn_protocols = vec![tls::ALPN.to_vec()];
        Ok(Prepared {
            host: self.host.clone(),
            port: self.port,
            name,
            configuration: Arc::new(configuration),
        })
    }
}

impl Remote {
    fn known_server(&self) -> Result<KnownServer> {
        let TlsOptions { ca_file, pin, .. } = &self.tls;
        if ca_file.is_none() && pin.is_none() {
            return Err(Error::new(
                ResultCode::COULD_NOT_CONNECT,
                format!(
                    "nothing authenticates the service on {self}: name the file of its \
                     certification authority (--ca-file, {CA_FILE_VARIABLE}) or the SHA-256 of its \
                     key (--pin, {PIN_VARIABLE})"
                ),
            ));
        }
        KnownServer::new(ca_file.as_deref(), *pin)
    }
}

impl Prepared {
    /// Connects, and authenticates the service.
    pub(crate) async fn connect(&self) -> io::Result<TlsStream<NetworkStream>> {
        let connect = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(self.configuration.clone())
                .connect(self.name.clone(), local::network(stream))
                .await
        };
        tokio::time::timeout(CONNECT, connect)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}
