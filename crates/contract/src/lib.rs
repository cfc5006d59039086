//! The published contract of the directory backup functions, shared by the service and its clients:
//! result codes, file types, rules for names and sizes, and the expiry token that ties a backup to
//! its lifetime.
//!
//! Sources: Microsoft's documentation of the directory backup functions and the public-domain
//! headers `ntdsbcli.h` and `ntdsbmsg.h` of mingw-w64. Nothing here does input or output.
#![forbid(unsafe_code)]

mod code;
mod file_type;
mod generations;
mod rules;
mod token;

pub use code::{Error, Result, ResultCode};
pub use file_type::{FileType, TypedName};
pub use generations::Generations;
pub use rules::{
    BackupType, HIGHEST_REGISTERED_GENERATION, READ_SIZE_MINIMUM, READ_SIZE_UNIT, RestoreType,
    check_read_size, server_name,
};
pub use token::{DatabaseSignature, ExpiryToken};
