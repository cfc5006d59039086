//! The network endpoint: TLS 1.3 over TCP, never plain TCP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use socket2::{Domain, Socket, Type};
use store::Mode;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wire::tls;

use super::acceptor::{Acceptor, Network};
use super::connection_limiter::ConnectionLimiter;
use super::credentials::Credentials;
use crate::audit::Audit;
use crate::caller::client_certificate::{Mapping, Stranger};
use crate::caller::failure_limiter::FailureLimiter;
use crate::caller::kerberos_rule::KerberosRule;
use crate::caller::refusals::{Refusals, UnprovenPeer};
use crate::caller::{Identity, Origin, Privileges, Unproven};
use crate::configuration::remote::RemoteConfiguration;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that the system queues before they are accepted; the system's own limit applies too.
const BACKLOG: i32 = 4096;

/// Where the service listens on the network.
pub(crate) struct RemoteEndpoint {
    listeners: Vec<TcpListener>,
    policy: Arc<Policy>,
}

/// The rules for admitting a connection.
struct Policy {
    credentials: Credentials,
    mapping: Mapping,
    connections: Arc<ConnectionLimiter>,
    failures: Arc<FailureLimiter>,
    kerberos: Option<Arc<KerberosRule>>,
    refusals: Arc<Refusals>,
}

impl RemoteEndpoint {
    /// Reads certificate, key and the client mapping, and listens.
    ///
    /// # Errors
    /// `hrInvalidParam` with the unusable value.
    pub(crate) fn bind(
        configuration: &RemoteConfiguration,
        mode: Mode,
        audit: Arc<Audit>,
    ) -> Result<Self> {
        let failures = Arc::new(FailureLimiter::new(configuration.failures_per_minute));
        let kerberos = configuration
            .kerberos
            .as_ref()
            .map(|kerberos| KerberosRule::new(kerberos, mode).map(Arc::new))
            .transpose()?;
        let policy = Arc::new(Policy {
            credentials: Credentials::read(&configuration.certificate, &configuration.key)?,
            mapping: Mapping::new(configuration)?,
            connections: ConnectionLimiter::new(
                configuration.max_connections as usize,
                configuration.max_connections_per_address as usize,
            ),
            refusals: Refusals::new(audit, failures.clone()),
            failures,
            kerberos,
        });
        let listeners = configuration
            .listen
            .iter()
            .map(|address| {
                listen(address).map_err(|error| {
                    Error::new(
                        ResultCode::INVALID_PARAM,
                        format!("listen = \"{address}\": {error}"),
                    )
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { listeners, policy })
    }

    /// The addresses that it listens on.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// The rule for Kerberos tickets, if configured.
    pub(crate) fn kerberos(&self) -> Option<Arc<KerberosRule>> {
        self.policy.kerberos.clone()
    }

    /// The record of failed authentications.
    pub(crate) fn refusals(&self) -> Arc<Refusals> {
        self.policy.refusals.clone()
    }

    /// Accepts connections for as long as the service runs.
    pub(crate) async fn accept(self, acceptor: Acceptor) -> io::Result<()> {
        tracing::info!(
            addresses = ?self.addresses(),
            public_key_sha256 = %self.policy.credentials.pin(),
            "the backup service listens on the network"
        );
        let mut accepting = tokio::task::JoinSet::new();
        for listener in self.listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.spawn(accept(listener, self.policy.clone(), acceptor.clone()));
        }
        while accepting.join_next().await.is_some() {}
        Ok(())
    }
}

/// Listens on this address alone. The system would have `[::]` take the port for IPv4, too, and
/// refuse `0.0.0.0` beside it.
fn listen(address: &SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // On Windows this would let another program take the port.
    socket.set_reuse_address(cfg!(unix))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&(*address).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn accept(listener: tokio::net::TcpListener, policy: Arc<Policy>, acceptor: Acceptor) {
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // A passing condition, such as too many open files.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if policy.failures.blocks(address.ip()) {
            tracing::debug!(%address, "refused a connection after too many failures");
            continue;
        }
        let Some(admission) = ConnectionLimiter::admit(&policy.connections, address.ip()) else {
            // Logged at debug level: with a warning for each, an attacker could fill the disk.
            tracing::debug!(%address, "refused a connection: too many");
            continue;
        };
        let (policy, acceptor) = (policy.clone(), acceptor.clone());
        tokio::spawn(async move {
            let entered = tokio::select! {
                entered = policy.let_in(stream, address) => entered,
                () = acceptor.closed() => return,
            };
            match entered {
                Ok((stream, identity, unproven)) => {
                    let origin = Origin::Network(address);
                    let channel = match tls::channel_binding(stream.get_ref().1) {
                        Ok(channel) => channel,
                        Err(error) => {
                            tracing::error!(%address, %error, "the TLS channel has no name");
                            return;
                        }
                    };
                    let network = Network {
                        admission,
                        channel,
                        unproven,
                    };
                    acceptor
                        .enter(Box::new(stream), origin, identity, Some(network))
                        .await;
                }
                Err(error) => {
                    let reason = error.to_string();
                    policy
                        .refusals
                        .note("unknown", address, "TlsHandshake", &reason);
                }
            }
        });
    }
}

impl Policy {
    async fn let_in(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> io::Result<(
        TlsStream<TcpStream>,
        Arc<Identity>,
        Option<Box<dyn Unproven>>,
    )> {
        stream.set_nodelay(true)?;
        let acceptor = TlsAcceptor::from(self.credentials.current());
        let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        let shown = stream.get_ref().1.peer_certificates();
        let (identity, unproven) = match self.mapping.identify(shown.unwrap_or_default()) {
            Ok(identity) => (identity, None),
            // A client without a certificate may still authenticate by a ticket.
            Err(Stranger { name, reason }) => {
                let identity = Arc::new(Identity {
                    name: name.clone(),
                    privileges: Privileges::NONE,
                });
                let refusals = self.refusals.clone();
                let unproven = UnprovenPeer::new(refusals, name, address, reason);
                (identity, Some(Box::new(unproven) as Box<dyn Unproven>))
            }
        };
        Ok((stream, identity, unproven))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn both_families_share_a_port_as_the_sample_configuration_has_it() {
        let four = listen(&(Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        let port = four.local_addr().unwrap().port();
        if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
            eprintln!("note: this computer has no IPv6; skipped");
            return;
        }
        let six = listen(&(Ipv6Addr::UNSPECIFIED, port).into()).unwrap();
        for (listener, address) in [
            (four, (Ipv4Addr::LOCALHOST, port).into()),
            (six, (Ipv6Addr::LOCALHOST, port).into()),
        ] {
            let address: SocketAddr = address;
            let client = std::net::TcpStream::connect(address).unwrap();
            let (_, peer) = listener.accept().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
    }
}
