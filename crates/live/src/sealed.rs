//! A connection whose messages are sealed by an exchange of tickets (RFC 4422 3.7).
//!
//! A piece: number of bytes (4, big-endian), sealed bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The largest piece that is read, in bytes. Servers send at most as much as was agreed, 16 MiB.
const LARGEST: usize = 16 << 20;
/// Bytes that are sealed at once.
const PIECE: usize = 32 << 10;

/// The connection.
pub struct Sealed {
    stream: TcpStream,
    exchange: kerberos::Initiator,
    /// What was opened and not read yet, from `at` on.
    opened: Vec<u8>,
    at: usize,
}

impl Sealed {
    /// After the exchange.
    pub fn new(stream: TcpStream, exchange: kerberos::Initiator) -> Self {
        Self {
            stream,
            exchange,
            opened: Vec::new(),
            at: 0,
        }
    }

    fn open_piece(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > LARGEST {
            let text = format!("a sealed piece of {length} bytes, more than {LARGEST}");
            return Err(io::Error::other(text));
        }
        let mut piece = Vec::new();
        let read = Read::by_ref(&mut self.stream)
            .take(length as u64)
            .read_to_end(&mut piece)?;
        if read < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.opened = self.exchange.open(&piece).map_err(io::Error::other)?;
        self.at = 0;
        Ok(())
    }
}

impl Read for Sealed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A piece may be empty.
        while self.at >= self.opened.len() {
            self.open_piece()?;
        }
        let mut rest = self.opened.get(self.at..).unwrap_or_default();
        let read = rest.read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

impl Write for Sealed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        let sealed = self.exchange.seal(piece).map_err(io::Error::other)?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.stream.write_all(&length.to_be_bytes())?;
        self.stream.write_all(&sealed)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
