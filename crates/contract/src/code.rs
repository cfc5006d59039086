//! Result codes: the HRESULT and Win32 values that the functions are documented to return.

use std::fmt;

/// One HRESULT or plain Win32/RPC code, as the functions return it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResultCode(pub u32);

macro_rules! codes {
    ($($constant:ident, $name:literal, $value:literal, $meaning:literal;)*) => {
        impl ResultCode {
            $(
                #[doc = concat!("`", $name, "`: ", $meaning, ".")]
                pub const $constant: Self = Self($value);
            )*

            /// The published name and the meaning of the code; `None` for a code that this project
            /// does not use.
            fn known(self) -> Option<(&'static str, &'static str)> {
                match self.0 {
                    $($value => Some(($name, $meaning)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    OK, "S_OK", 0, "success";
    ACCESS_DENIED, "ERROR_ACCESS_DENIED", 5,
        "the caller does not hold the privilege that the call needs";
    NOT_ENOUGH_MEMORY, "ERROR_NOT_ENOUGH_MEMORY", 8, "not enough memory";
    HANDLE_EOF, "ERROR_HANDLE_EOF", 38, "the end of the file has been reached";
    INVALID_PARAMETER, "ERROR_INVALID_PARAMETER", 87, "a parameter is not valid";
    INVALID_BINDING, "RPC_S_INVALID_BINDING", 1702, "the binding handle is not valid";
    NOT_YET_IMPLEMENTED, "hrNyi", 0xC000_0001, "the service does not offer this";
    INVALID_PARAM, "hrInvalidParam", 0xC7FF_0001, "a parameter is not valid";
    ERROR, "hrError", 0xC7FF_0002, "the service met an error of its own";
    INVALID_HANDLE, "hrInvalidHandle", 0xC7FF_0003,
        "the context handle is not valid, or not for this call in its state";
    RESTORE_IN_PROGRESS, "hrRestoreInProgress", 0xC7FF_0004, "a restore is in progress";
    ALREADY_OPEN, "hrAlreadyOpen", 0xC7FF_0005, "a file is already open on this handle";
    COULD_NOT_CONNECT, "hrCouldNotConnect", 0xC7FF_0007, "the backup service cannot be reached";
    RESTORE_MAP_EXISTS, "hrRestoreMapExists", 0xC7FF_0008, "this restore is registered already";
    INCREMENTAL_BACKUP_DISABLED, "hrIncrementalBackupDisabled", 0xC7FF_0009,
        "incremental backups are disabled until the next full backup";
    LOG_FILE_NOT_FOUND, "hrLogFileNotFound", 0xC7FF_000A, "a log file is missing";
    CIRCULAR_LOGGING, "hrCircularLogging", 0xC7FF_000B, "circular logging is on";
    NO_FULL_RESTORE, "hrNoFullRestore", 0xC7FF_000C,
        "no full backup has been restored on this machine";
    COMMUNICATION_ERROR, "hrCommunicationError", 0xC7FF_000D,
        "the connection to the backup service broke";
    FULL_BACKUP_NOT_TAKEN, "hrFullBackupNotTaken", 0xC7FF_000E,
        "a complete full backup must be taken first";
    MISSING_EXPIRY_TOKEN, "hrMissingExpiryToken", 0xC7FF_000F,
        "the restore was prepared without the backup's expiry token";
    UNKNOWN_EXPIRY_TOKEN_FORMAT, "hrUnknownExpiryTokenFormat", 0xC7FF_0010,
        "the expiry token is of an unknown format";
    CONTENTS_EXPIRED, "hrContentsExpired", 0xC7FF_0011,
        "the backup is older than the tombstone lifetime";
    LOG_FILE_CORRUPT, "hrLogFileCorrupt", 0xC800_01F5, "a log file is damaged";
    BACKUP_IN_PROGRESS, "hrBackupInProgress", 0xC800_01F9, "a backup is in progress";
    MISSING_PREVIOUS_LOG_FILE, "hrMissingPreviousLogFile", 0xC800_01FD,
        "the log file before this one is missing";
    BAD_LOG_VERSION, "hrBadLogVersion", 0xC800_0202, "a log file is of an unknown version";
    MISSING_LOG_FILE, "hrMissingLogFile", 0xC800_0210, "a log file is missing";
    BAD_LOG_SIGNATURE, "hrBadLogSignature", 0xC800_0212,
        "a log file belongs to another set of logs";
    BAD_DB_SIGNATURE, "hrBadDbSignature", 0xC800_0213, "the database's signature does not fit";
    CHECKPOINT_CORRUPT, "hrCheckpointCorrupt", 0xC800_0215, "the checkpoint file is damaged";
    DATABASE_INCONSISTENT, "hrDatabaseInconsistent", 0xC800_0226, "the database is not consistent";
    MISSING_RESTORE_LOG_FILES, "hrMissingRestoreLogFiles", 0xC800_022D,
        "log files that the restore needs are missing";
    READ_VERIFY_FAILURE, "hrReadVerifyFailure", 0xC800_03FA, "a database page failed its checksum";
    DISK_IO, "hrDiskIO", 0xC800_03FE, "the disk failed";
    INVALID_PATH, "hrInvalidPath", 0xC800_03FF, "the path is not valid";
    DATABASE_IN_USE, "hrDatabaseInUse", 0xC800_04B2, "the directory is in use by another process";
    DATABASE_NOT_FOUND, "hrDatabaseNotFound", 0xC800_04B3, "the database does not exist";
    DATABASE_CORRUPTED, "hrDatabaseCorrupted", 0xC800_04B6, "the database is damaged";
    DISK_FULL, "hrDiskFull", 0xC800_0710, "the disk is full";
    FILE_NOT_FOUND, "hrFileNotFound", 0xC800_0713, "no file of that name belongs to the backup";
}

impl ResultCode {
    /// The code of an error of the storage engine: `0xC8000000 | -error`, as the service's
    /// interfaces map them.
    pub const fn from_engine_error(jet_error: i32) -> Self {
        Self(0xC800_0000 | jet_error.unsigned_abs() & 0xFFFF)
    }

    /// Whether the code means success. Only `S_OK` does; warnings do not.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// The published name, such as `hrInvalidHandle`; `None` for a code that this project never
    /// creates.
    pub fn name(self) -> Option<&'static str> {
        self.known().map(|(name, _)| name)
    }

    /// The meaning of the code, as half a sentence.
    pub fn meaning(self) -> &'static str {
        self.known()
            .map_or("a code from elsewhere", |(_, meaning)| meaning)
    }
}

/// `hrInvalidHandle (0xC7FF0003)`.
impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:08X})", self.name().unwrap_or("HRESULT"), self.0)
    }
}

impl fmt::Debug for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A documented code together with the reason in words: the event, the file, and the next step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} [{code}]")]
pub struct Error {
    /// The documented code.
    pub code: ResultCode,
    /// The reason in words.
    pub reason: String,
}

/// The result of a call of the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with its reason.
    pub fn new(code: ResultCode, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code, reason }
    }
}

/// The code, with its meaning as the reason.
impl From<ResultCode> for Error {
    fn from(code: ResultCode) -> Self {
        Self::new(code, code.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_errors_map_into_their_facility() {
        // The published pairs of ntdsbmsg.h.
        for (jet_error, code) in [
            (-501, ResultCode::LOG_FILE_CORRUPT),
            (-528, ResultCode::MISSING_LOG_FILE),
            (-1018, ResultCode::READ_VERIFY_FAILURE),
            (-1808, ResultCode::DISK_FULL),
            (-1811, ResultCode::FILE_NOT_FOUND),
        ] {
            assert_eq!(ResultCode::from_engine_error(jet_error), code);
        }
    }

    #[test]
    fn errors_show_reason_name_and_number() {
        let error = Error::new(ResultCode::ALREADY_OPEN, "ntds.dit is open: close it first");
        assert_eq!(
            error.to_string(),
            "ntds.dit is open: close it first [hrAlreadyOpen (0xC7FF0005)]"
        );
        assert_eq!(ResultCode(0x8007_0000).to_string(), "HRESULT (0x80070000)");
    }
}
