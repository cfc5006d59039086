//! The backup application without its command line: it walks the nine steps of a backup and the seven of a restore,
//! proves snapshots by drills, and says which of them a repository may lose.
//!
//! Each piece of work is a function: what it works on and a request go in, a report comes out as a value, and a
//! [`Report`] hears of it meanwhile. The crate knows no command line, prints nothing and waits for no signal; a program
//! that is ended by one calls [`leftover::remove_all`] first.
//!
//! A service may run in the same program: [`hosting::Hosting`] starts one.
#![deny(unsafe_code)]

pub mod backup;
pub mod choice;
pub mod drill;
mod error;
pub mod hosting;
pub mod leftover;
mod report;
pub mod restore;
pub mod retention;
pub mod scratch;
pub mod selection;
mod snapshot;
pub mod survey;
pub mod time;
pub mod verdicts;
pub mod words;

pub use error::{Error, Result};
pub use report::{Progress, Report, Silent};
pub use snapshot::Snapshot;
pub use verdicts::{Verdict, Verdicts};

/// The program and its version, as snapshots name them.
pub const PROGRAM: &str = concat!("dsbackup ", env!("CARGO_PKG_VERSION"));
