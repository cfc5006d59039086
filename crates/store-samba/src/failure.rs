//! Maps errors of a domain controller's files to documented codes.

use std::io::ErrorKind;

use contract::{Error, ResultCode};

/// Adds the documented code to an error; the text stays.
pub(crate) fn code(error: samba::Error) -> Error {
    let code = match &error {
        samba::Error::Io { source, .. } => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ResultCode::DISK_FULL,
            ErrorKind::PermissionDenied => ResultCode::ACCESS_DENIED,
            ErrorKind::OutOfMemory => ResultCode::NOT_ENOUGH_MEMORY,
            _ => ResultCode::DISK_IO,
        },
        samba::Error::Configuration { .. } => ResultCode::INVALID_PARAM,
        samba::Error::Damaged { .. } => ResultCode::READ_VERIFY_FAILURE,
        samba::Error::Locked { .. }
        | samba::Error::Stuck { .. }
        | samba::Error::Changed { .. }
        | samba::Error::Running(_) => ResultCode::DATABASE_IN_USE,
        samba::Error::Refused(_) => ResultCode::INVALID_PARAM,
        samba::Error::Directory { .. }
        | samba::Error::Unavailable { .. }
        | samba::Error::Tool { .. } => ResultCode::ERROR,
    };
    Error::new(code, error.to_string())
}
