//! Identifiers of a directory, each in its stored form and as administrators write it.
//!
//! | type | stored | written |
//! | --- | --- | --- |
//! | [`Guid`] | 16 bytes, three fields little-endian | `3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18` |
//! | [`Sid`] | \[MS-DTYP\] 2.4.2.2 | `S-1-5-32-551` |
//! | [`DomainSid`] | as [`Sid`] | `S-1-5-21-1847206351-2960417783-740391256` |
//!
//! [`hex`] writes and reads other bytes as hexadecimal digits.
#![forbid(unsafe_code)]

mod domain_sid;
mod guid;
pub mod hex;
mod sid;

pub use domain_sid::DomainSid;
pub use guid::Guid;
pub use sid::Sid;

/// The error for text that is no such identifier, with the text and the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: expected {expected}")]
pub struct ParseError {
    text: String,
    expected: &'static str,
}

impl ParseError {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}
