//! One client: reading, writing, time limits, StartTLS.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::answer;
use crate::frame::{Framed, frame};
use crate::limits::Limits;
use crate::sasl::Bound;
use crate::search::Search;
use crate::served::Served;
use crate::session::{Effect, Session};

/// Wrong passwords until a connection is closed.
const WRONG_PASSWORDS: u32 = 3;
/// The pause before a wrong password is refused.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages that wait for a client to read them.
const WAITING: usize = 32;
/// Bytes read at a time.
const PIECE: usize = 4096;

/// How a connection ends.
pub enum End<S> {
    /// It is closed.
    Closed,
    /// TLS begins.
    StartTls(S),
    /// From now on all messages are sealed.
    Seal(S, Box<Bound>),
}

/// How a conversation ends.
enum Next {
    Close,
    StartTls,
    Seal(Box<Bound>),
}

/// A message to the client.
struct Message {
    bytes: Vec<u8>,
    /// The places of a search that ends with this message: it has them until the client takes it,
    /// so that results wait in memory for only so many clients.
    _places: Option<[OwnedSemaphorePermit; 2]>,
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            _places: None,
        }
    }
}

/// A connection's searches in progress: the number of the message, and whether it is abandoned.
/// All are when the connection ends.
#[derive(Default)]
struct Searches(Vec<(u32, Weak<AtomicBool>)>);

impl Searches {
    fn add(&mut self, search: &Search) {
        self.0.retain(|(_, other)| other.strong_count() > 0);
        self.0
            .push((search.id, Arc::downgrade(&search.is_abandoned)));
    }

    fn abandon(&self, is_meant: impl Fn(u32) -> bool) {
        let meant = self.0.iter().filter(|(id, _)| is_meant(*id));
        for search in meant.filter_map(|(_, search)| search.upgrade()) {
            search.store(true, Relaxed);
        }
    }
}

impl Drop for Searches {
    fn drop(&mut self) {
        self.abandon(|_| true);
    }
}

/// Talks to a client until it or the server ends the connection.
pub async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    session: &mut Session,
    served: &Served,
) -> End<S> {
    let (mut reading, writing) = tokio::io::split(stream);
    let (sender, receiver) = mpsc::channel(WAITING);
    let mut writer = tokio::spawn(write(writing, receiver, served.limits.unfinished));
    let next = tokio::select! {
        next = converse(&mut reading, session, served, sender) => next,
        // The client takes no more.
        _ = &mut writer => return End::Closed,
    };
    // What is in the channel is still sent; searches in progress are abandoned.
    match (writer.await, next) {
        (Ok(Ok(writing)), Next::StartTls) => End::StartTls(reading.unsplit(writing)),
        (Ok(Ok(writing)), Next::Seal(bound)) => End::Seal(reading.unsplit(writing), bound),
        _ => End::Closed,
    }
}

/// Writes messages until all senders are gone.
async fn write<S: AsyncWrite>(
    mut stream: WriteHalf<S>,
    mut messages: mpsc::Receiver<Message>,
    most: Duration,
) -> io::Result<WriteHalf<S>> {
    while let Some(message) = messages.recv().await {
        within(most, stream.write_all(&message.bytes)).await?;
        if messages.is_empty() {
            within(most, stream.flush()).await?;
        }
    }
    Ok(stream)
}

async fn within(most: Duration, work: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(most, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Handles messages until the connection ends, or changes.
async fn converse<S: AsyncRead>(
    stream: &mut ReadHalf<S>,
    session: &mut Session,
    served: &Served,
    sender: mpsc::Sender<Message>,
) -> Next {
    let limits = &served.limits;
    let mut buffer = Vec::new();
    let mut running = Searches::default();
    let places = Arc::new(Semaphore::new(limits.searches));
    let mut wrong = 0;
    loop {
        let length = match next(stream, &mut buffer, session.is_bound(), limits).await {
            Ok(Some(length)) => length,
            Ok(None) => return Next::Close,
            Err(reason) => {
                let _ = sender.send(answer::disconnection(reason).into()).await;
                return Next::Close;
            }
        };
        let effect = session.take(buffer.get(..length).unwrap_or_default());
        buffer.drain(..length);
        let sent = match effect {
            Effect::Answer(bytes) => sender.send(bytes.into()).await,
            Effect::Delayed(bytes) => {
                sleep(PAUSE).await;
                wrong += 1;
                let sent = sender.send(bytes.into()).await;
                if wrong == WRONG_PASSWORDS {
                    return Next::Close;
                }
                sent
            }
            Effect::Search(search) => {
                // The client waits until one of its searches ends.
                let Ok(place) = places.clone().acquire_owned().await else {
                    return Next::Close;
                };
                running.add(&search);
                start(search, sender.clone(), served.threads.clone(), place);
                Ok(())
            }
            Effect::Abandon(id) => {
                running.abandon(|other| other == id);
                Ok(())
            }
            Effect::StartTls(_) | Effect::Seal(..)
                // What came before must not count as sent within TLS, or sealed.
                if !buffer.is_empty() || places.available_permits() != limits.searches =>
            {
                return Next::Close;
            }
            Effect::StartTls(bytes) => {
                let _ = sender.send(bytes.into()).await;
                return Next::StartTls;
            }
            Effect::Seal(bytes, bound) => {
                let _ = sender.send(bytes.into()).await;
                return Next::Seal(bound);
            }
            Effect::Close(bytes) => {
                if !bytes.is_empty() {
                    let _ = sender.send(bytes.into()).await;
                }
                return Next::Close;
            }
        };
        if sent.is_err() {
            return Next::Close;
        }
    }
}

/// Runs a search on a thread of its own, as soon as one is free.
fn start(
    search: Box<Search>,
    sender: mpsc::Sender<Message>,
    threads: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
) {
    tokio::spawn(async move {
        let Ok(thread) = threads.acquire_owned().await else {
            return;
        };
        tokio::task::spawn_blocking(move || {
            let last = search.run(|message| sender.blocking_send(message.into()).is_ok());
            let _ = sender.blocking_send(Message {
                bytes: last.unwrap_or_default(),
                _places: Some([thread, place]),
            });
        });
    });
}

/// The length of the next message, at the start of the buffer. `None` at the end of the stream, and
/// if the client is silent for too long.
async fn next<S: AsyncRead>(
    stream: &mut ReadHalf<S>,
    buffer: &mut Vec<u8>,
    is_bound: bool,
    limits: &Limits,
) -> Result<Option<usize>, &'static str> {
    let (largest, idle) = match is_bound {
        true => (limits.message, limits.idle),
        false => (limits.anonymous_message, limits.anonymous_idle),
    };
    let now = Instant::now();
    let mut until = match buffer.is_empty() {
        true => now + idle,
        false => now + limits.unfinished,
    };
    let mut piece = [0; PIECE];
    loop {
        match frame(buffer, largest) {
            Framed::Message(length) => return Ok(Some(length)),
            Framed::Malformed => return Err("the message is malformed or too large"),
            Framed::Incomplete => {}
        }
        let was_empty = buffer.is_empty();
        match timeout_at(until, stream.read(&mut piece)).await {
            Ok(Ok(count)) if count > 0 => {
                buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
            }
            _ => return Ok(None),
        }
        if was_empty {
            until = Instant::now() + limits.unfinished;
        }
    }
}
