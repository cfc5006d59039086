//! Backup jobs on the command line: setup, run, status, config.

pub mod config;
pub mod run;
pub mod setup;
pub mod status;
