//! Sockets on which a broken connection is an error, not a signal.
//!
//! A Rust program ignores SIGPIPE. A program in another language that loads this library does not:
//! the signal would kill it if the service went away during a write.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket whose writes never raise the signal.
pub(crate) struct Quiet<S>(pub(crate) S);

/// The common traits of tokio's sockets.
pub(crate) trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin {
    fn poll_ready(&self, task: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn attempt(&self, write: impl FnMut() -> io::Result<usize>) -> io::Result<usize>;
}

impl Socket for TcpStream {
    fn poll_ready(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(task)
    }

    fn attempt(&self, write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, write)
    }
}

impl Socket for UnixStream {
    fn poll_ready(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(task)
    }

    fn attempt(&self, write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        self.try_io(Interest::WRITABLE, write)
    }
}

impl<S: Socket> AsyncRead for Quiet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, buffer)
    }
}

impl<S: Socket> AsyncWrite for Quiet<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(task, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_ready(task))?;
            let sent = self.0.attempt(|| {
                let mut nothing = SendAncillaryBuffer::default();
                Ok(sendmsg(&self.0, pieces, &mut nothing, SendFlags::NOSIGNAL)?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}
