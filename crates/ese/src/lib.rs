//! The Extensible Storage Engine's files, read and checked outside Windows.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`checksum`] | checksums of pages and headers: verify, compute |
//! | [`header`] | database, log and checkpoint headers, the patch page of a streaming backup; what kind of file is this |
//! | [`verify`] | every page of a database file, as its bytes pass by or from disk |
//! | [`log_set`] | the logs of a folder by name and generation, and which of them a database needs |
//! | [`log`] | the content of transaction logs |
//! | [`page`] | the inside of a page: header, tags, nodes, keys |
//!
//! Damage is an [`Error`] or a finding that names file, offset, structure, what was expected and what was found.
#![deny(unsafe_code)]

pub mod checksum;
mod error;
pub mod header;
pub mod log;
pub mod log_set;
pub mod page;
pub mod verify;

pub use error::{Error, Result};
