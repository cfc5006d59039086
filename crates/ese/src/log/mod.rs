//! Transaction logs: one file per generation, with a header, then segments (older engines: sectors)
//! of records.
//!
//! [`verify`] reads a file, [`LogStream`] verifies bytes as they are streamed; both return the end
//! of a sound log's written part and its link to the log before it.
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
