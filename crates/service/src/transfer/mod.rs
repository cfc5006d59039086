//! Content of files, at the speed of the slower side: `download` reads ahead for a backup, and
//! `body` carries the pieces to the connection without a copy; `upload` writes those of a restore.
//! `rate_limiter` caps both on the network.

pub(crate) mod body;
pub(crate) mod download;
pub(crate) mod rate_limiter;
pub(crate) mod upload;
