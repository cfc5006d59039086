//! A connection whose messages are sealed by an exchange of tickets (RFC 4422, 3.7).
//!
//! A piece: number of bytes (4, big-endian), sealed bytes.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kerberos::Accepting;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::time::timeout;

use crate::sasl::{Bound, LARGEST};

/// The most bytes that are sealed at once.
const PIECE: usize = 32 << 10;

/// What the client says and hears, in clear. `most`: the time for a piece to be sent.
pub fn sealed<S>(stream: S, bound: Bound, most: Duration) -> DuplexStream
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let piece = bound.piece.min(PIECE);
    let (clear, ours) = duplex(PIECE);
    tokio::spawn(async move {
        let exchange = Mutex::new(bound.accepting);
        let (from_client, to_client) = split(stream);
        let (from_server, to_server) = split(ours);
        // The server ends the connection, whoever wanted to.
        let opening = async {
            let _ = open(from_client, to_server, &exchange).await;
            std::future::pending().await
        };
        tokio::select! {
            _ = seal(from_server, to_client, &exchange, piece, most) => (),
            () = opening => (),
        }
    });
    clear
}

/// Opens the client's pieces until there are no more.
async fn open(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    exchange: &Mutex<Accepting>,
) -> io::Result<()> {
    let opened = async {
        loop {
            let length = from.read_u32().await?;
            if length > LARGEST {
                return Err(io::Error::other("the piece is too large"));
            }
            let mut piece = Vec::new();
            let read = (&mut from)
                .take(length.into())
                .read_to_end(&mut piece)
                .await?;
            if read < length as usize {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let opened = with(exchange, |exchange| exchange.open(&piece))?;
            to.write_all(&opened).await?;
        }
    };
    let ended: io::Result<()> = opened.await;
    to.shutdown().await?;
    ended
}

/// Seals what the server says until it ends.
async fn seal(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    exchange: &Mutex<Accepting>,
    piece: usize,
    most: Duration,
) -> io::Result<()> {
    let mut buffer = vec![0; piece];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let clear = buffer.get(..read).unwrap_or_default();
        let sealed = with(exchange, |exchange| exchange.seal(clear))?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        let bytes = [&length.to_be_bytes(), sealed.as_slice()].concat();
        timeout(most, async {
            to.write_all(&bytes).await?;
            to.flush().await
        })
        .await??;
    }
}

fn with<T>(
    exchange: &Mutex<Accepting>,
    work: impl FnOnce(&mut Accepting) -> kerberos::Result<T>,
) -> io::Result<T> {
    let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
    work(&mut exchange).map_err(io::Error::other)
}
