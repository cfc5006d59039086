//! A client's connection: its caller, and its cleanup.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::connection_limiter::Admission;
use crate::caller::Caller;
use crate::sessions::contexts::Contexts;

/// Bytes to and from a client.
pub(crate) type Stream = Box<dyn Bytes>;

/// The traits of a byte stream.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection. Dropping it releases its contexts.
pub(crate) struct Connection {
    stream: Stream,
    caller: Caller,
    contexts: Arc<Contexts>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    disconnect: CancellationToken,
    /// Its slot in the connection limiter.
    _admission: Option<Admission>,
}

impl Connection {
    /// Wraps a connection. It breaks when `disconnect` is cancelled, and cancels `disconnect` when
    /// it ends.
    pub(crate) fn new(
        stream: Stream,
        caller: Caller,
        contexts: Arc<Contexts>,
        disconnect: CancellationToken,
        admission: Option<Admission>,
    ) -> Self {
        contexts.connect(caller.connection);
        Self {
            stream,
            caller,
            contexts,
            closing: Box::pin(disconnect.clone().cancelled_owned()),
            disconnect,
            _admission: admission,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.contexts.disconnect(self.caller.connection);
        self.disconnect.cancel();
        drop(self.caller.take_unproven());
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The server always waits for the client's next frame, so this wakes it even while it
        // cannot write.
        if self.closing.as_mut().poll(task).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}
