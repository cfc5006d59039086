//! Transaction logs: one file a generation, each a header, then segments (older engines: sectors)
//! that hold records.
//!
//! [`verify`] reads a file, [`LogStream`] takes the bytes as they pass by; both say whether the log
//! is sound, where its written part ends, and what links it to the log before it.
//!
//! Facts from the public engine source: `inc/log.hxx`, `inc/_logstream.hxx`, `inc/logapi.hxx`,
//! `ese/_log/logread.cxx` and `ese/_log/logread_legacy.cxx`.

pub(crate) mod ahead;
mod head;
mod listing;
mod reader;
pub mod record;
mod sectors;
mod segment;
mod sound;
mod verify;

pub use head::LogIdentity;
pub use listing::{ListedRecord, describe};
pub use reader::{Entry, LogReader, OpenLog, Records};
pub use sound::{FlippedBit, LogKind, SoundLog, Tail};
pub use verify::{LogStream, verify};
