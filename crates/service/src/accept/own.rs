//! In-process connections to a hosted service: bytes in memory, no socket and no network.

use std::io;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::acceptor::Acceptor;
use crate::caller::local_rule::LocalRule;
use crate::caller::{Identity, Origin, Privileges};

/// Buffered bytes in each direction of a connection.
const BUFFER: usize = 1 << 20;

/// Connections that may wait to be accepted.
const WAITING: usize = 16;

/// A connector to a service in this process. It fails once the service has ended.
#[derive(Debug, Clone)]
pub struct OwnConnections {
    newcomers: mpsc::Sender<DuplexStream>,
}

impl OwnConnections {
    /// The connector and its receiving end.
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

/// Admits this process. Its user hosts the directory, so it holds both privileges.
pub(crate) async fn accept_own(mut incoming: mpsc::Receiver<DuplexStream>, acceptor: Acceptor) {
    let origin = Origin::Local {
        uid: platform::process::own_number(),
        pid: Some(std::process::id() as i32),
    };
    let identity = Arc::new(Identity {
        name: LocalRule::own_name(),
        privileges: Privileges::ALL,
    });
    while let Some(stream) = incoming.recv().await {
        let stream = Box::new(stream);
        acceptor.enter(stream, origin, identity.clone(), None).await;
    }
}
