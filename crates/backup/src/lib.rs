//! The backup application without its command line: the nine steps of a backup, the seven of a
//! restore, drills, retention, and the care of repositories.
//!
//! Each piece of work is a function. It takes what it works on and a request, returns a report, and
//! tells a [`Report`] of its progress. The crate knows no command line, prints nothing and handles no
//! signal; a program that is ended by one calls [`leftover::remove_all`] first.
//!
//! A service may run in the same program: [`hosting::Hosting`] starts one.
#![deny(unsafe_code)]

pub mod backup;
pub mod beside;
pub mod chain;
pub mod check;
pub mod choice;
pub mod copy;
mod cut;
pub mod drill;
mod error;
pub mod forget;
pub mod hosting;
pub mod leftover;
mod lineage;
pub mod list;
pub mod lock;
pub mod password;
pub mod prune;
mod report;
pub mod restore;
pub mod retention;
pub mod scratch;
pub mod selection;
pub mod ship;
mod shown;
mod snapshot;
pub mod survey;
pub mod time;
mod tip;
pub mod verdicts;
pub mod view;
pub mod watched;
pub mod words;

pub use error::{Error, Result};
pub use report::{Progress, Report, Silent, of_recovery};
pub use shown::Shown;
pub use snapshot::{Part, Snapshot};
pub use verdicts::{Verdict, Verdicts};
pub use view::View;

/// The program and its version, as snapshots name them.
pub const PROGRAM: &str = concat!("dsbackup ", env!("CARGO_PKG_VERSION"));
