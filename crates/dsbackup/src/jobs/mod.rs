//! Backup jobs on the command line: setup, run, ship, status, config.

pub mod config;
mod questions;
pub mod run;
pub mod setup;
pub mod ship;
pub mod status;
