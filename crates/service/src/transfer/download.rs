//! Sends a pinned file to the client. A blocking thread reads and verifies ahead; a short channel
//! slows it to the receiver's speed.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use contract::{Error, ResultCode};
use model::Damage;
use store::FileReader;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use wire::v1::FileContent;

use crate::audit::Visit;
use crate::convert;
use crate::sessions::life::Life;
use crate::transfer::rate_limiter::RateLimiter;

/// Pieces that may wait for the client, besides those in the connection's buffers.
const PIECES_AHEAD: usize = 4;

/// The progress of reading an open file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Progress {
    /// The client takes pieces.
    Reading,
    /// The client has taken everything.
    Ended(Damage),
    /// The stream failed, or the client gave it up.
    BrokenOff,
}

/// An item from the reading thread.
enum Piece {
    Data(Bytes),
    End(Damage),
}

/// The progress of a file, shared by its context and its stream.
pub(crate) type SharedProgress = Arc<Mutex<Progress>>;

/// The stream of an open file's content.
pub(crate) struct Transfer {
    pieces: mpsc::Receiver<Result<Piece, Error>>,
    life: Arc<Life>,
    progress: SharedProgress,
    /// Ends the reading thread, even while the client takes nothing.
    reading: CancellationToken,
    over: bool,
    /// Bytes that the client took.
    taken: u64,
    /// The call, for the audit log.
    visit: Option<Visit>,
}

impl Transfer {
    /// Begins to read. Cancelling `reading` ends the transfer early.
    pub(crate) fn begin(
        reader: Box<dyn FileReader>,
        life: Arc<Life>,
        reading: CancellationToken,
        progress: SharedProgress,
        rate_limiter: Option<Arc<RateLimiter>>,
    ) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let (runtime, cancelled) = (Handle::current(), reading.clone());
        tokio::task::spawn_blocking(move || {
            read_ahead(
                reader,
                &sender,
                &runtime,
                &cancelled,
                rate_limiter.as_deref(),
            );
        });
        Self {
            pieces,
            life,
            progress,
            reading,
            over: false,
            taken: 0,
            visit: None,
        }
    }

    /// Has the audit log record the end.
    pub(crate) fn audited(mut self, visit: Visit) -> Self {
        self.visit = Some(visit);
        self
    }

    fn end(&mut self, code: ResultCode) {
        self.over = true;
        if let Some(mut visit) = self.visit.take() {
            visit.bytes(self.taken);
            visit.end(code);
        }
    }

    fn note(&self, progress: Progress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// The reason why the pieces ended before the file did.
    fn interrupted(&self) -> Error {
        match self.life.release() {
            Some(release) => release.error(),
            None => Error::new(
                ResultCode::INVALID_HANDLE,
                "the file was closed while it was being read",
            ),
        }
    }
}

impl Stream for Transfer {
    type Item = Result<FileContent, Status>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.poll_recv(task));
        // The connection polls for the next piece only after the client took earlier ones.
        self.life.work();
        let item = match piece {
            Some(Ok(Piece::Data(data))) => {
                self.taken += data.len() as u64;
                Ok(FileContent { data, end: None })
            }
            Some(Ok(Piece::End(damage))) => {
                self.end(ResultCode::OK);
                self.note(Progress::Ended(damage.clone()));
                Ok(FileContent {
                    data: Bytes::new(),
                    end: Some(convert::file_end(damage)),
                })
            }
            Some(Err(error)) => Err(error),
            None => Err(self.interrupted()),
        };
        Poll::Ready(Some(item.map_err(|error| {
            self.end(error.code);
            self.note(Progress::BrokenOff);
            wire::to_status(&error)
        })))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.reading.cancel();
        if !self.over {
            self.note(Progress::BrokenOff);
            self.end(ResultCode::COMMUNICATION_ERROR);
        }
    }
}

/// Reads the file to its end, unless the transfer is dropped or cancelled.
fn read_ahead(
    mut reader: Box<dyn FileReader>,
    sender: &mpsc::Sender<Result<Piece, Error>>,
    runtime: &Handle,
    cancelled: &CancellationToken,
    rate_limiter: Option<&RateLimiter>,
) {
    let send = |content: Result<Piece, Error>| -> bool {
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = cancelled.cancelled() => false,
                sent = sender.send(content) => sent.is_ok(),
            }
        })
    };
    loop {
        match reader.next_piece() {
            Ok(Some(data)) => {
                let length = data.len();
                if !send(Ok(Piece::Data(data))) {
                    return;
                }
                if let Some(rate_limiter) = rate_limiter {
                    let pause = rate_limiter.delay_after(length);
                    runtime.block_on(async {
                        tokio::select! {
                            () = cancelled.cancelled() => (),
                            () = tokio::time::sleep(pause) => (),
                        }
                    });
                }
            }
            Ok(None) => break,
            Err(error) => {
                send(Err(error));
                return;
            }
        }
    }
    send(reader.finish().map(Piece::End));
}
