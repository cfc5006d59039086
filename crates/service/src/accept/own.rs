//! Connections that a process makes to the service that it hosts itself: bytes in memory, no socket
//! and no network.

use std::io;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::acceptor::Acceptor;
use crate::caller::local_rule::LocalRule;
use crate::caller::{Identity, Origin, Privileges};

/// Bytes that may wait in each direction of a connection.
const BUFFER: usize = 1 << 20;

/// Connections that may wait until they are let in.
const WAITING: usize = 16;

/// The way to a service in this process. It leads nowhere once the service has ended.
#[derive(Debug, Clone)]
pub struct OwnConnections {
    newcomers: mpsc::Sender<DuplexStream>,
}

impl OwnConnections {
    /// The way, and where it ends.
    pub(crate) fn new() -> (Self, mpsc::Receiver<DuplexStream>) {
        let (newcomers, incoming) = mpsc::channel(WAITING);
        (Self { newcomers }, incoming)
    }

    /// Connects.
    ///
    /// # Errors
    /// `ConnectionRefused` when the service has ended, or too many connections wait to be let in.
    pub fn connect(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
        self.newcomers.try_send(theirs).map_err(refused)?;
        Ok(ours)
    }
}

/// Lets this process in. Its user hosts the directory, and so holds both privileges.
pub(crate) async fn accept_own(mut incoming: mpsc::Receiver<DuplexStream>, acceptor: Acceptor) {
    let uid = rustix::process::geteuid().as_raw();
    let origin = Origin::Local {
        uid,
        pid: Some(std::process::id() as i32),
    };
    let identity = Arc::new(Identity {
        name: LocalRule::name_of(uid),
        privileges: Privileges::ALL,
    });
    while let Some(stream) = incoming.recv().await {
        let stream = Box::new(stream);
        acceptor.enter(stream, origin, identity.clone(), None).await;
    }
}
