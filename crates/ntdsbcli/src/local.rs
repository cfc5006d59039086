//! The code that differs between operating systems: this computer's name, and the connection to its
//! service.

use std::io;
use std::path::Path;

/// A connection to the service on this computer.
#[cfg(unix)]
pub(crate) type LocalStream = crate::quiet::Quiet<tokio::net::UnixStream>;

/// A connection over the network.
#[cfg(unix)]
pub(crate) type NetworkStream = crate::quiet::Quiet<tokio::net::TcpStream>;

/// Connects to the service's socket.
#[cfg(unix)]
pub(crate) async fn connect(socket: &Path) -> io::Result<LocalStream> {
    tokio::net::UnixStream::connect(socket)
        .await
        .map(crate::quiet::Quiet)
}

/// This computer's name.
#[cfg(unix)]
pub(crate) fn computer_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// Prepares a connection over the network.
#[cfg(unix)]
pub(crate) fn network(stream: tokio::net::TcpStream) -> NetworkStream {
    crate::quiet::Quiet(stream)
}

/// A connection over the network.
#[cfg(not(unix))]
pub(crate) type NetworkStream = tokio::net::TcpStream;

/// Prepares a connection over the network.
#[cfg(not(unix))]
pub(crate) fn network(stream: tokio::net::TcpStream) -> NetworkStream {
    stream
}

/// There is none: see [`connect`].
#[cfg(not(unix))]
pub(crate) type LocalStream = tokio::io::Empty;

/// Fails: the service listens on a Unix socket, which programs for this system cannot reach.
#[cfg(not(unix))]
pub(crate) async fn connect(_socket: &Path) -> io::Result<LocalStream> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "this system has no way to a Unix socket: name the server, which is reached over TLS then",
    ))
}

/// This computer's name.
#[cfg(not(unix))]
pub(crate) fn computer_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "localhost".into())
}
