//! The part `[remote]` of the service's configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use contract::Result;
use serde::Deserialize;
use store::unusable;

use crate::caller::kerberos_rule::KerberosConfiguration;

/// Where clients on other computers reach the service, and which of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteConfiguration {
    /// Addresses with ports.
    pub listen: Vec<SocketAddr>,
    /// The service's certificate, and those that lead to its authority (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The authority of the clients' certificates (PEM); needed where one is mapped by its subject.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// Connections over the network at the same time.
    #[serde(default = "default_connections")]
    pub max_connections: u32,
    /// Connections at the same time from one IPv4 address or one IPv6 network (/64).
    #[serde(default = "default_connections_per_address")]
    pub max_connections_per_address: u32,
    /// Failures to say who one is, from one address or network, after which it is shut out for up
    /// to a minute.
    #[serde(default = "default_failures")]
    pub failures_per_minute: u32,
    /// KiB per second of files over the network, all connections together; no cap when absent.
    #[serde(default)]
    pub bandwidth_limit_kib_s: Option<u32>,
    /// How Kerberos tickets are accepted; not at all when absent.
    #[serde(default)]
    pub kerberos: Option<KerberosConfiguration>,
    /// The certificates that are known.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientConfiguration>,
}

/// A client that is known by its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfiguration {
    /// The name that logs show.
    pub name: String,
    /// The certificate's SHA-256; either this or the subject.
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
    /// One address, a certificate with its key, and everything else at its default: no client is
    /// known.
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
    /// `hrInvalidParam` with the key and what it should hold.
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
