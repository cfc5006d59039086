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

/// A connection to the service on this computer, over its named pipe.
#[cfg(windows)]
pub(crate) type LocalStream = tokio::net::windows::named_pipe::NamedPipeClient;

/// Connects to the service's pipe. The service may identify this process, not act as it.
#[cfg(windows)]
pub(crate) async fn connect(pipe: &Path) -> io::Result<LocalStream> {
    /// All instances of the pipe are taken.
    const BUSY: i32 = 231;
    const ATTEMPTS: u32 = 100;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
    for _ in 1..ATTEMPTS {
        match windows_host::pipe::connect(pipe) {
            Err(error) if error.raw_os_error() == Some(BUSY) => tokio::time::sleep(PAUSE).await,
            opened => return opened.and_then(of_the_system),
        }
    }
    windows_host::pipe::connect(pipe).and_then(of_the_system)
}

/// The pipe, if the system or its administrators made it: any program may make a pipe of this name
/// before the service starts.
#[cfg(windows)]
fn of_the_system(pipe: LocalStream) -> io::Result<LocalStream> {
    /// SYSTEM and Administrators.
    const TRUSTED: [&str; 4] = ["SY", "BA", "S-1-5-18", "S-1-5-32-544"];
    let owner = platform::owner_of_pipe(&pipe)?;
    match owner.strip_prefix("O:") {
        Some(owner) if TRUSTED.contains(&owner) => Ok(pipe),
        owner => Err(io::Error::other(format!(
            "its pipe belongs to the account {}, neither to SYSTEM nor to Administrators, so that another program \
             may pose as the service",
            owner.unwrap_or("(none)")
        ))),
    }
}

/// This computer's name.
#[cfg(not(unix))]
pub(crate) fn computer_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "localhost".into())
}
