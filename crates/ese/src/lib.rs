//! The Extensible Storage Engine's files, read and checked outside Windows.
#![deny(unsafe_code)]

pub mod checksum;
mod error;
pub mod header;
pub mod log;
pub mod page;

pub use error::{Error, Result};
