//! Backup jobs: what a computer backs up by itself, and how it went.
//!
//! `dsbackup.toml` describes repositories and jobs ([`Configuration`]). [`run::run`] does all steps
//! of a job into each of its repositories, one after another, and keeps a durable [`record`] of it.
//! [`status`] compares records and repositories with what the jobs promise.
//!
//! The crate prints nothing: progress goes to a [`backup::Report`], results are values.
#![deny(unsafe_code)]

pub mod accounts;
mod alarm;
pub mod configuration;
mod error;
mod hook;
mod mail;
pub mod metrics;
pub mod notify;
pub mod progress;
pub mod record;
pub mod run;
pub mod ship;
pub mod span;
pub mod status;

pub use configuration::Configuration;
pub use error::{Error, Result};
