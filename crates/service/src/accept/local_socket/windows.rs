//! The named pipe, in place of a socket. Its access list lets users of this computer connect; what
//! they may do the privileges in their tokens say.

use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::windows::named_pipe::NamedPipeServer;
use windows_host::{caller, pipe};

use crate::accept::acceptor::Acceptor;
use crate::caller::local_rule::LocalRule;
use crate::caller::{Identity, Origin, Privileges};

/// How long a client may take to say its first byte.
const INTRODUCTION: Duration = Duration::from_secs(60);
/// The pause after a passing failure of the system.
const PAUSE: Duration = Duration::from_millis(100);

/// A pipe that waits for clients.
#[derive(Debug)]
pub struct LocalSocket {
    path: PathBuf,
    /// The first instance, until connections are admitted.
    first: Mutex<Option<NamedPipeServer>>,
}

impl LocalSocket {
    /// Makes the pipe. To be called within a runtime.
    ///
    /// # Errors
    /// `hrInvalidPath` with the name: another service has this pipe, or the system refuses.
    pub fn bind(path: &Path, _group: Option<u32>) -> Result<Self> {
        let first = pipe::listen(path.as_os_str(), true).map_err(|error| {
            let reason = match error.kind() {
                ErrorKind::PermissionDenied => {
                    "another service has it; stop it first, or choose another name".into()
                }
                _ => format!("cannot make it: {error}; expected a name such as \\\\.\\pipe\\name"),
            };
            Error::new(
                ResultCode::INVALID_PATH,
                format!("pipe {}: {reason}", path.display()),
            )
        })?;
        Ok(Self {
            path: path.to_path_buf(),
            first: Mutex::new(Some(first)),
        })
    }

    /// Admits connections, with the privileges of their processes' tokens.
    ///
    /// # Errors
    /// If they are admitted already.
    pub(crate) fn accept(
        &self,
        _: LocalRule,
        acceptor: Acceptor,
    ) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first.take().ok_or(ErrorKind::AddrInUse)?;
        Ok(accept(first, self.path.clone(), acceptor))
    }

    /// The pipe's name.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One instance always waits, so that the pipe exists as long as the service does.
async fn accept(mut waiting: NamedPipeServer, path: PathBuf, acceptor: Acceptor) {
    loop {
        if let Err(error) = waiting.connect().await {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let next = loop {
            match pipe::listen(path.as_os_str(), false) {
                Ok(next) => break next,
                Err(error) => {
                    tracing::warn!(%error, "cannot wait for another connection");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        tokio::spawn(admit(mem::replace(&mut waiting, next), acceptor.clone()));
    }
}

/// Admits a client after its first bytes, before which the system does not tell who it is.
async fn admit(mut pipe: NamedPipeServer, acceptor: Acceptor) {
    let mut start = vec![0; 1024];
    let length = match tokio::time::timeout(INTRODUCTION, pipe.read(&mut start)).await {
        Ok(Ok(length @ 1..)) => length,
        _ => return,
    };
    start.truncate(length);
    let caller = match caller::identify(&pipe) {
        Ok(caller) => caller,
        Err(error) => {
            tracing::warn!(%error, "refused a connection whose user the system does not tell");
            return;
        }
    };
    let origin = Origin::Local {
        uid: None,
        pid: Some(caller.process as i32),
    };
    let identity = Identity {
        name: caller.name,
        privileges: Privileges {
            backup: caller.backup,
            restore: caller.restore,
        },
    };
    if identity.privileges == Privileges::NONE {
        tracing::warn!(%origin, user = identity.name, "a user without privileges connected");
    }
    let stream = Begun { start, pipe };
    acceptor
        .enter(Box::new(stream), origin, Arc::new(identity), None)
        .await;
}

/// A pipe of which the beginning was read already.
struct Begun {
    start: Vec<u8>,
    pipe: NamedPipeServer,
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start.is_empty() {
            return Pin::new(&mut self.pipe).poll_read(task, buffer);
        }
        let length = self.start.len().min(buffer.remaining());
        buffer.put_slice(&self.start[..length]);
        self.start.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.pipe).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(task)
    }
}
