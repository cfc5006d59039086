//! The bytes of a connection.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::sealed::Sealed;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a server may be silent: it searches before it answers.
const SILENCE: Duration = Duration::from_secs(120);

/// A connection.
pub enum Stream {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
    Sealed(Box<Sealed>),
    /// While TLS begins.
    Closed,
}

impl Stream {
    /// Over TCP, to the first address of the host that answers.
    pub fn tcp(host: &str, port: u16) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(SILENCE))?;
                    stream.set_write_timeout(Some(SILENCE))?;
                    return Ok(Self::Tcp(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A socket of this computer.
    #[cfg(unix)]
    pub fn unix(path: &std::path::Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        Ok(Self::Unix(stream))
    }

    /// Begins TLS, and authenticates the server.
    pub fn begin_tls(&mut self, host: &str, configuration: Arc<ClientConfig>) -> io::Result<()> {
        let Self::Tcp(stream) = std::mem::replace(self, Self::Closed) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(configuration, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        *self = Self::Tls(Box::new(stream));
        Ok(())
    }

    /// Seals all that follows, as the exchange of tickets agreed.
    pub fn seal(&mut self, exchange: kerberos::Initiator) -> io::Result<()> {
        let Self::Tcp(stream) = std::mem::replace(self, Self::Closed) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        *self = Self::Sealed(Box::new(Sealed::new(stream, exchange)));
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            Self::Sealed(stream) => stream.read(buffer),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(bytes),
            Self::Sealed(stream) => stream.write(bytes),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.flush(),
            Self::Sealed(stream) => stream.flush(),
            Self::Closed => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
