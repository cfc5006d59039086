//! Limits on what clients may use.

use std::time::Duration;

/// Limits on what clients may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at the same time; further ones are closed at once.
    pub connections: usize,
    /// Bytes in a message of a client that has not bound.
    pub anonymous_message: usize,
    /// Bytes in a message.
    pub message: usize,
    /// The time for the rest of a message after its first byte, for a TLS handshake, and for the
    /// client to accept a result.
    pub unfinished: Duration,
    /// The time between two messages of a client that has not bound.
    pub anonymous_idle: Duration,
    /// The time between two messages.
    pub idle: Duration,
    /// The time of a search; a client may ask for less.
    pub search: Duration,
    /// Searches of a connection at the same time.
    pub searches: usize,
    /// Searches of all connections at the same time; further ones wait.
    pub all_searches: usize,
    /// Objects in a result without pages, and in a page (MaxPageSize); 0 for any number.
    pub results: usize,
    /// Paged searches that a connection may have open; the oldest is dropped.
    pub pages: usize,
    /// Objects in the open paged searches of all connections.
    pub paged: usize,
    /// Values of an attribute in one result (MaxValRange).
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2048,
            anonymous_message: 16 << 10,
            message: 1 << 20,
            unfinished: Duration::from_secs(30),
            anonymous_idle: Duration::from_secs(60),
            idle: Duration::from_secs(900),
            search: Duration::from_secs(120),
            searches: 8,
            all_searches: 16,
            results: 1000,
            pages: 4,
            paged: 16 << 20,
            values: 1500,
        }
    }
}
