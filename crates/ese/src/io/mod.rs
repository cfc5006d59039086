//! Reads and writes files: at any position, only regular ones, durably.

mod durable;
mod regular_file;
mod source;

pub(crate) use durable::{beside, sync_folder, write_all_at};
pub(crate) use regular_file::open;
pub(crate) use source::Watched;
pub use source::{Seekable, Source};
