//! The section `[remote]` of the service's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use contract::Result;
use serde::Deserialize;
use store::unusable;

use crate::caller::kerberos_rule::KerberosConfiguration;

/// The endpoint for clients on other computers, and who they are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteConfiguration {
    /// Addresses with ports.
    pub listen: Vec<SocketAddr>,
    /// The service's certificate and its chain to the authority (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The authority of the clients' certificates (PEM); required if a client is mapped by its
    /// subject.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// The most network connections at the same time.
    #[serde(default = "default_connections")]
    pub max_connections: u32,
    /// The most connections at the same time from one IPv4 address or one IPv6 network (/64).
    #[serde(default = "default_connections_per_address")]
    pub max_connections_per_address: u32,
    /// Failed authentications after which an address or network is blocked for up to a minute.
    #[serde(default = "default_failures")]
    pub failures_per_minute: u32,
    /// The cap on files over the network, in KiB per second for all connections together; none when
    /// absent.
    #[serde(default)]
    pub bandwidth_limit_kib_s: Option<u32>,
    /// The rule for Kerberos tickets; none are accepted when absent.
    #[serde(default)]
    pub kerberos: Option<KerberosConfiguration>,
    /// The known clients.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientConfiguration>,
}

/// A client that is identified by its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfiguration {
    /// The client's name in logs.
    pub name: String,
    /// The certificate's SHA-256; an alternative to the subject.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// The certificate's subject, as RFC 4514 writes it: `CN=backup,O=Example`.
    #[serde(default)]
    pub subject: Option<String>,
    /// Whether the client holds SE_BACKUP_NAME.
    #[serde(default)]
    pub backup: bool,
    /// Whether the client holds SE_RESTORE_NAME.
    #[serde(default)]
    pub restore: bool,
}

impl RemoteConfiguration {
    /// An address, a certificate with its key, and defaults for the rest: no client is known.
    pub fn new(
        listen: SocketAddr,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        Self {
            listen: vec![listen],
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            max_connections: default_connections(),
            max_connections_per_address: default_connections_per_address(),
            failures_per_minute: default_failures(),
            bandwidth_limit_kib_s: None,
            kerberos: None,
            clients: Vec::new(),
        }
    }

    /// # Errors
    /// `hrInvalidParam` with the key and the expected value.
    pub(crate) fn check(&self) -> Result<()> {
        if self.listen.is_empty() {
            return Err(unusable(
                "listen",
                "[]",
                "at least one address with its port",
            ));
        }
        for (key, value) in [
            ("max_connections", self.max_connections),
            (
                "max_connections_per_address",
                self.max_connections_per_address,
            ),
            ("failures_per_minute", self.failures_per_minute),
            (
                "bandwidth_limit_kib_s",
                self.bandwidth_limit_kib_s.unwrap_or(1),
            ),
        ] {
            if value == 0 {
                return Err(unusable(key, 0, "at least 1"));
            }
        }
        Ok(())
    }
}

fn default_failures() -> u32 {
    30
}

fn default_connections() -> u32 {
    64
}

fn default_connections_per_address() -> u32 {
    16
}
