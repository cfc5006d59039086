//! The life of a context's client, and the reason of its release.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use contract::{Error, ResultCode};
use tokio_util::sync::CancellationToken;

/// Why a context was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// Its client ended it.
    Ended,
    /// Its client's connection is gone.
    Disconnected,
    /// Its client was silent for too long.
    Silent,
    /// Its client did nothing with it for too long.
    Idle,
    /// It existed for too long.
    TooOld,
    /// The service stops.
    Stopping,
}

impl Release {
    /// The error for a call that was under way.
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Ended => Error::new(ResultCode::INVALID_HANDLE, "the context was ended"),
            Self::Disconnected => Error::new(
                ResultCode::INVALID_HANDLE,
                "the connection that made the context is gone",
            ),
            Self::Silent => Error::new(
                ResultCode::INVALID_HANDLE,
                "the context was released, because nothing was heard from its client for longer \
                 than the ping timeout; begin again",
            ),
            Self::Idle => Error::new(
                ResultCode::INVALID_HANDLE,
                "the context was released, because its client did nothing with it for longer than \
                 the service allows (idle_timeout_s)",
            ),
            Self::TooOld => Error::new(
                ResultCode::INVALID_HANDLE,
                "the context was released, because it existed for longer than the service allows \
                 (total_timeout_s)",
            ),
            Self::Stopping => Error::new(
                ResultCode::COMMUNICATION_ERROR,
                "the backup service is stopping; begin again when it runs",
            ),
        }
    }
}

/// The signs of life of a context's client, and the end of that life.
pub(crate) struct Life {
    started: Instant,
    /// Milliseconds after `started`.
    last_sign: AtomicU64,
    /// Milliseconds after `started`, of the last call other than a life sign.
    last_work: AtomicU64,
    calls: AtomicUsize,
    release: OnceLock<Release>,
    released: CancellationToken,
}

impl Life {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            last_sign: AtomicU64::new(0),
            last_work: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            release: OnceLock::new(),
            released: CancellationToken::new(),
        })
    }

    /// Records a sign of life.
    pub(crate) fn sign(&self) {
        let now = self.started.elapsed().as_millis() as u64;
        self.last_sign.fetch_max(now, Ordering::Relaxed);
    }

    /// Records progress of the client's work.
    pub(crate) fn work(&self) {
        self.sign();
        let now = self.started.elapsed().as_millis() as u64;
        self.last_work.fetch_max(now, Ordering::Relaxed);
    }

    /// How long the client has sent nothing but life signs.
    pub(super) fn idle(&self) -> Duration {
        let last = Duration::from_millis(self.last_work.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    /// How long the client has been silent; zero while a call is under way.
    pub(super) fn silence(&self) -> Duration {
        if self.calls.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let last = Duration::from_millis(self.last_sign.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    /// Ends the life, once.
    pub(super) fn end(&self, release: Release) {
        self.release.get_or_init(|| release);
        self.released.cancel();
    }

    /// The age of the context.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// A call begins. Until it ends, the client counts as alive.
    pub(super) fn begin_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has ended.
    pub(super) fn end_call(&self) {
        self.sign();
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// Cancelled when the context is released; children may end earlier.
    pub(crate) fn released(&self) -> &CancellationToken {
        &self.released
    }

    /// Why the context was released, if it was.
    pub(crate) fn release(&self) -> Option<Release> {
        self.release.get().copied()
    }
}
