//! The network endpoint: TCP, and on it TLS 1.3, never anything without.
//!
//! 1. `admission`: is there room for one more connection, from this address.
//! 2. `credentials`: the service proves who it is, with certificate and key as they lie on disk at this moment.
//! 3. `client_certificate`: who the client is, by the certificate that it showed; or `kerberos_rule`, by the ticket that it
//!    sends in its first call, with the groups that the ticket and the directory (`token_groups`) say, or said when it
//!    could still be asked (`remembered_groups`).
//!
//! `refusals` notes who fails, and `strikes` shuts out who does so too often.

mod admission;
mod client_certificate;
mod configuration;
mod credentials;
mod kerberos_rule;
mod refusals;
mod remembered_groups;
mod strikes;
mod token_groups;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wire::tls;

pub(crate) use self::admission::Admission;
use self::admission::Turnstile;
use self::client_certificate::{Mapping, Stranger};
pub use self::configuration::{ClientConfiguration, RemoteConfiguration};
use self::credentials::Credentials;
pub use self::kerberos_rule::KerberosConfiguration;
pub(crate) use self::kerberos_rule::KerberosRule;
pub(crate) use self::refusals::{Refusals, Unproven};
use self::strikes::Strikes;
use crate::audit::Audit;
use crate::caller::{Identity, Origin, Privileges};
use crate::doorkeeper::{Lobby, Network};
use store::Mode;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many connections the system keeps waiting until they are let in; it has a limit of its own.
const BACKLOG: i32 = 4096;

/// Where the service listens on the network.
pub(crate) struct RemoteEndpoint {
    listeners: Vec<TcpListener>,
    door: Arc<Door>,
}

/// What decides about every newcomer.
struct Door {
    credentials: Credentials,
    mapping: Mapping,
    turnstile: Arc<Turnstile>,
    strikes: Arc<Strikes>,
    kerberos: Option<Arc<KerberosRule>>,
    refusals: Arc<Refusals>,
}

impl RemoteEndpoint {
    /// Reads certificate, key and who is mapped to what, and listens.
    ///
    /// # Errors
    /// `hrInvalidParam` for what cannot be used, naming it.
    pub(crate) fn bind(
        configuration: &RemoteConfiguration,
        mode: Mode,
        audit: Arc<Audit>,
    ) -> Result<Self> {
        let strikes = Arc::new(Strikes::new(configuration.failures_per_minute));
        let kerberos = configuration
            .kerberos
            .as_ref()
            .map(|kerberos| KerberosRule::new(kerberos, mode).map(Arc::new))
            .transpose()?;
        let door = Arc::new(Door {
            credentials: Credentials::read(&configuration.certificate, &configuration.key)?,
            mapping: Mapping::new(configuration)?,
            turnstile: Turnstile::new(
                configuration.max_connections as usize,
                configuration.max_connections_per_address as usize,
            ),
            refusals: Refusals::new(audit, strikes.clone()),
            strikes,
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
        Ok(Self { listeners, door })
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// How tickets are judged, where that is configured.
    pub(crate) fn kerberos(&self) -> Option<Arc<KerberosRule>> {
        self.door.kerberos.clone()
    }

    /// Where it is noted who did not prove who it is.
    pub(crate) fn refusals(&self) -> Arc<Refusals> {
        self.door.refusals.clone()
    }

    /// Lets connections in for as long as the service runs.
    pub(crate) async fn accept(self, lobby: Lobby) -> io::Result<()> {
        tracing::info!(
            addresses = ?self.addresses(),
            public_key_sha256 = %self.door.credentials.pin(),
            "the backup service listens on the network"
        );
        let mut accepting = tokio::task::JoinSet::new();
        for listener in self.listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.spawn(accept(listener, self.door.clone(), lobby.clone()));
        }
        while accepting.join_next().await.is_some() {}
        Ok(())
    }
}

/// Listens on this address alone. The system would have `[::]` take the port for IPv4, too, and refuse `0.0.0.0` beside it.
fn listen(address: &SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

async fn accept(listener: tokio::net::TcpListener, door: Arc<Door>, lobby: Lobby) {
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Such as too many open files: that passes.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if door.strikes.blocks(address.ip()) {
            tracing::debug!(%address, "refused a connection after too many failures");
            continue;
        }
        let Some(admission) = Turnstile::admit(&door.turnstile, address.ip()) else {
            // One line for each would let an attacker fill the disk.
            tracing::debug!(%address, "refused a connection: too many");
            continue;
        };
        let (door, lobby) = (door.clone(), lobby.clone());
        tokio::spawn(async move {
            let entered = tokio::select! {
                entered = door.let_in(stream, address) => entered,
                () = lobby.closed() => return,
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
                    lobby
                        .enter(Box::new(stream), origin, identity, Some(network))
                        .await;
                }
                Err(error) => {
                    let reason = error.to_string();
                    door.refusals
                        .note("unknown", address, "TlsHandshake", &reason);
                }
            }
        });
    }
}

impl Door {
    async fn let_in(
        &self,
        stream: TcpStream,
        address: SocketAddr,
    ) -> io::Result<(TlsStream<TcpStream>, Arc<Identity>, Option<Unproven>)> {
        stream.set_nodelay(true)?;
        let acceptor = TlsAcceptor::from(self.credentials.current());
        let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        let shown = stream.get_ref().1.peer_certificates();
        let (identity, unproven) = match self.mapping.identify(shown.unwrap_or_default()) {
            Ok(identity) => (identity, None),
            // It may yet prove it by a ticket, where it showed no certificate.
            Err(Stranger { name, reason }) => {
                let identity = Arc::new(Identity {
                    name: name.clone(),
                    privileges: Privileges::NONE,
                });
                let refusals = self.refusals.clone();
                let unproven = Unproven::new(refusals, name, address, reason);
                (identity, Some(unproven))
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
