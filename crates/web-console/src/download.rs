//! Files that are written while they are sent: none of them is whole in memory.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::console::Console;

/// Bytes that are sent at once.
const PIECE: usize = 64 << 10;

/// Pieces that wait for the browser.
const WAITING: usize = 4;

/// How long a browser may take for a piece.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends what `write` writes, as a file of this name.
pub fn file(
    console: &Arc<Console>,
    kind: &'static str,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Response {
    let (send, receive) = mpsc::channel::<io::Result<Bytes>>(WAITING);
    let console = Arc::clone(console);
    tokio::spawn(async move {
        let Ok(_room) = console.downloads.acquire().await else {
            return;
        };
        let written = tokio::task::spawn_blocking(move || {
            let pipe = Pipe(send, Handle::current());
            let mut out = BufWriter::with_capacity(PIECE, pipe);
            let done = write(&mut out).and_then(|()| out.flush());
            if let Err(error) = done {
                // The browser sees that the file is not whole.
                tracing::warn!(%error, "a download ended in the middle");
                let _ = out.into_parts().0.send(Err(error));
            }
        });
        let _ = written.await;
    });
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    let body = Body::from_stream(ReceiverStream::new(receive));
    (headers, body).into_response()
}

/// The end of a download where bytes are put in.
struct Pipe(mpsc::Sender<io::Result<Bytes>>, Handle);

impl Pipe {
    fn send(&self, piece: io::Result<Bytes>) -> io::Result<()> {
        let sent = self.1.block_on(self.0.send_timeout(piece, PATIENCE));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Ok(Bytes::copy_from_slice(bytes)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
