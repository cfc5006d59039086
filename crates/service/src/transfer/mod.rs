//! File content, at the speed of the slower side. `download` reads ahead for a backup, and `body`
//! passes the pieces to the connection without a copy. `upload` writes the pieces of a restore.
//! `rate_limiter` caps both on the network.

pub(crate) mod body;
pub(crate) mod download;
pub(crate) mod rate_limiter;
pub(crate) mod upload;
