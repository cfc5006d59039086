//! The backup application without its command line: what becomes of snapshots in a repository.
//!
//! Knows what a snapshot of a directory is and what a verdict on it says. Knows no command line and prints nothing.
#![deny(unsafe_code)]

pub mod choice;
pub mod retention;
pub mod survey;
pub mod verdicts;

pub use verdicts::{Verdict, Verdicts};
