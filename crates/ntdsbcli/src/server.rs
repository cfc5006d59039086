//! The addresses of backup services.

use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;

use contract::{Error, Result, ResultCode, server_name};
use tokio::io::{AsyncRead, AsyncWrite};
use wire::tls::DEFAULT_PORT;

use crate::local::computer_name;
use crate::remote::{Remote, TlsOptions};

/// The socket of the service on this computer, on Windows its named pipe, unless
/// [`SOCKET_VARIABLE`] names another.
pub const DEFAULT_SOCKET: &str = match cfg!(windows) {
    true => r"\\.\pipe\dsbackup",
    false => "/run/dsbackup/dsbackup.sock",
};

/// The environment variable that names the socket of the service on this computer.
pub const SOCKET_VARIABLE: &str = "DSBACKUP_SOCKET";

/// A backup service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    way: Way,
}

/// The transport to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// Over a Unix socket, on this computer.
    Socket(PathBuf),
    /// Over TLS.
    Network(Remote),
    /// Within this process.
    Hosted(Hosted),
}

/// Bytes to and from a service in this process.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections to a service in this process.
#[derive(Clone)]
pub(crate) struct Hosted(Arc<dyn Fn() -> io::Result<Box<dyn Stream>> + Send + Sync>);

impl Hosted {
    pub(crate) fn connect(&self) -> io::Result<Box<dyn Stream>> {
        (self.0)()
    }
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hosted")
    }
}

/// The same service.
impl PartialEq for Hosted {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Hosted {}

impl Server {
    /// The service on this computer.
    pub fn local() -> Self {
        let socket = std::env::var_os(SOCKET_VARIABLE).filter(|value| !value.is_empty());
        Self::at_socket(socket.unwrap_or_else(|| DEFAULT_SOCKET.into()))
    }

    /// The service that listens on a Unix socket.
    pub fn at_socket(socket: impl Into<PathBuf>) -> Self {
        Self {
            way: Way::Socket(socket.into()),
        }
    }

    /// A service hosted by this process. `connect` makes connections to it: bytes in memory, or a
    /// pair of sockets.
    pub fn hosted<S>(connect: impl Fn() -> io::Result<S> + Send + Sync + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connect = move || connect().map(|stream| Box::new(stream) as Box<dyn Stream>);
        Self {
            way: Way::Hosted(Hosted(Arc::new(connect))),
        }
    }

    /// The service on the named computer; leading backslashes are optional. This computer's service
    /// is reached over its Unix socket, another's over TLS with the options of the environment
    /// ([`TlsOptions::from_environment`]).
    ///
    /// # Errors
    /// `hrCouldNotConnect` for a malformed name, `hrInvalidParam` for an unusable environment.
    pub fn named(name: &str) -> Result<Self> {
        Self::find(name, TlsOptions::from_environment)
    }

    /// The service on the named computer, over TLS unless it is this computer and no port is given.
    /// Names are `\\name`, `name`, `name:port`, or an address; an IPv6 address before a port is in
    /// brackets.
    ///
    /// # Errors
    /// `hrCouldNotConnect` for a malformed name.
    pub fn named_with(name: &str, tls: TlsOptions) -> Result<Self> {
        Self::find(name, || Ok(tls))
    }

    fn find(name: &str, tls: impl FnOnce() -> Result<TlsOptions>) -> Result<Self> {
        let name = server_name(name)?;
        let (host, port) = split(name)?;
        if port.is_none() && is_this_computer(host) {
            return Ok(Self::local());
        }
        Ok(Self {
            way: Way::Network(Remote {
                host: host.to_owned(),
                port: port.unwrap_or(DEFAULT_PORT),
                tls: tls()?,
            }),
        })
    }

    /// Whether this process hosts the service.
    pub fn is_hosted(&self) -> bool {
        matches!(self.way, Way::Hosted(_))
    }

    /// Whether the service is reached over the network. Its paths are then not of this computer.
    pub fn is_remote(&self) -> bool {
        matches!(self.way, Way::Network(_))
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }
}

/// The socket's path, or host and port.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Socket(socket) => socket.display().fmt(f),
            Way::Network(remote) => remote.fmt(f),
            Way::Hosted(_) => f.write_str("this process"),
        }
    }
}

/// Host and port of `host`, `host:port`, `[address]:port` and bare addresses.
fn split(name: &str) -> Result<(&str, Option<u16>)> {
    let malformed = || {
        Error::new(
            ResultCode::COULD_NOT_CONNECT,
            format!("{name:?} is not a server name: expected HOST, HOST:PORT or [ADDRESS]:PORT"),
        )
    };
    if name.parse::<Ipv6Addr>().is_ok() {
        return Ok((name, None));
    }
    let (host, port) = match name.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(malformed)?;
            host.parse::<Ipv6Addr>().map_err(|_| malformed())?;
            match port {
                "" => (host, None),
                port => (host, Some(port.strip_prefix(':').ok_or_else(malformed)?)),
            }
        }
        None => match name.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (name, None),
        },
    };
    if host.is_empty() {
        return Err(malformed());
    }
    match port.map(str::parse::<u16>) {
        None => Ok((host, None)),
        Some(Ok(port)) if port != 0 => Ok((host, Some(port))),
        Some(_) => Err(malformed()),
    }
}

/// Whether a name is this computer's. Always false outside Unix, where no local service is known.
fn is_this_computer(name: &str) -> bool {
    let own = computer_name();
    let short = |name: &str| name.split('.').next().unwrap_or(name).to_lowercase();
    let is_own = name.eq_ignore_ascii_case(&own)
        || (!(name.contains('.') && own.contains('.')) && short(name) == short(&own));
    is_own || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_by_its_names() {
        let own = computer_name();
        for name in ["localhost", "\\\\LOCALHOST"] {
            assert_eq!(Server::named(name), Ok(Server::local()));
        }
        if !own.contains('_') {
            assert_eq!(Server::named(&format!("\\\\{own}")), Ok(Server::local()));
        }
    }

    #[test]
    fn other_computers_by_name_and_address() {
        for (name, host, port, shown) in [
            ("\\\\dc01", "dc01", DEFAULT_PORT, "dc01:18390"),
            (
                "dc01.corp.example:7000",
                "dc01.corp.example",
                7000,
                "dc01.corp.example:7000",
            ),
            ("localhost:18390", "localhost", 18390, "localhost:18390"),
            ("10.0.0.7:1", "10.0.0.7", 1, "10.0.0.7:1"),
            (
                "2001:db8::7",
                "2001:db8::7",
                DEFAULT_PORT,
                "[2001:db8::7]:18390",
            ),
            ("[2001:db8::7]:9", "2001:db8::7", 9, "[2001:db8::7]:9"),
            ("[::1]", "::1", DEFAULT_PORT, "[::1]:18390"),
        ] {
            let server = Server::named_with(name, TlsOptions::default()).unwrap();
            let Way::Network(remote) = server.way() else {
                panic!("{name} is reached over {server}");
            };
            assert_eq!((remote.host.as_str(), remote.port), (host, port), "{name}");
            assert_eq!(server.to_string(), shown);
        }
    }

    #[test]
    fn malformed_names() {
        for name in [
            "",
            "\\\\",
            "dc_01",
            ":1",
            "dc01:",
            "dc01:0",
            "dc01:65536",
            "dc01:x",
            "a:b:c",
            "[dc01]:1",
            "[::1",
            "[::1]1",
        ] {
            let error = Server::named_with(name, TlsOptions::default()).unwrap_err();
            assert_eq!(error.code, ResultCode::COULD_NOT_CONNECT, "{name}");
        }
    }

    #[test]
    fn nobody_is_believed_without_a_reason() {
        let server = Server::named_with("dc01.example", TlsOptions::default()).unwrap();
        let Way::Network(remote) = server.way() else {
            panic!("{server}");
        };
        let error = remote.prepare().err().unwrap();
        assert_eq!(error.code, ResultCode::COULD_NOT_CONNECT);
        assert!(error.reason.contains("--pin"), "{error}");
    }
}
