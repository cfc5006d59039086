//! Backup file types (BFT): the kind of a name in a list, and the folder that a restore puts the
//! file into.

use std::fmt;

/// A BFT value: the first character of each name in the lists that the functions return.
///
/// The high bits give the destination folder of a file, the low four its kind. Values 1 to 5 are
/// published. The copy of an idle directory has two more files, the checkpoint and the flush map.
/// They have values of our own, whose high bits tell other applications where they belong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileType(pub u8);

impl FileType {
    /// Set if the name is a folder.
    pub const DIRECTORY: u8 = 0x80;
    /// Set if the file belongs into the database's folder.
    pub const DATABASE_DIRECTORY: u8 = 0x40;
    /// Set if the file belongs into the log folder.
    pub const LOG_DIRECTORY: u8 = 0x20;

    /// `BFT_LOG`: a transaction log.
    pub const LOG: Self = Self(0x01 | Self::LOG_DIRECTORY);
    /// `BFT_LOG_DIR`: the folder of the logs.
    pub const LOG_DIR: Self = Self(0x02 | Self::DIRECTORY);
    /// `BFT_CHECKPOINT_DIR`: the folder of the checkpoint.
    pub const CHECKPOINT_DIR: Self = Self(0x03 | Self::DIRECTORY);
    /// `BFT_NTDS_DATABASE`: a database file.
    pub const DATABASE: Self = Self(0x04 | Self::DATABASE_DIRECTORY);
    /// `BFT_PATCH_FILE`: pages that changed while an old engine's database was being copied.
    pub const PATCH_FILE: Self = Self(0x05 | Self::LOG_DIRECTORY);
    /// Ours: the checkpoint file of a directory that was idle while it was copied.
    pub const CHECKPOINT: Self = Self(0x06 | Self::LOG_DIRECTORY);
    /// Ours: the flush map beside a database.
    pub const FLUSH_MAP: Self = Self(0x07 | Self::DATABASE_DIRECTORY);
    /// Ours: a file of a server's state that is no database, such as a key or a configuration.
    pub const STATE: Self = Self(0x08 | Self::DATABASE_DIRECTORY);
    /// Ours: a file of a domain controller's shares.
    pub const SHARED: Self = Self(0x09 | Self::DATABASE_DIRECTORY);
    /// Ours: the listing of folders, owners and attributes of a server's state.
    pub const LISTING: Self = Self(0x0a | Self::DATABASE_DIRECTORY);
    /// Ours: the folder to which the paths of a server's state are relative.
    pub const STATE_DIR: Self = Self(0x0b | Self::DIRECTORY);
    /// `BFT_UNKNOWN`.
    pub const UNKNOWN: Self = Self(0x0f);

    /// Whether the name is a folder.
    pub const fn is_directory(self) -> bool {
        self.0 & Self::DIRECTORY != 0
    }

    /// Whether the file belongs into the database's folder.
    pub const fn belongs_to_database_directory(self) -> bool {
        self.0 & Self::DATABASE_DIRECTORY != 0
    }

    /// Whether the file belongs into the log folder.
    pub const fn belongs_to_log_directory(self) -> bool {
        self.0 & Self::LOG_DIRECTORY != 0
    }

    /// The word for this type in manifests and in JSON, the inverse of [`FileType::from_word`].
    pub const fn word(self) -> &'static str {
        match self {
            Self::LOG => "log",
            Self::LOG_DIR => "log-directory",
            Self::CHECKPOINT_DIR => "checkpoint-directory",
            Self::DATABASE => "database",
            Self::PATCH_FILE => "patch",
            Self::CHECKPOINT => "checkpoint",
            Self::FLUSH_MAP => "flush-map",
            Self::STATE => "state",
            Self::SHARED => "shared",
            Self::LISTING => "listing",
            Self::STATE_DIR => "state-directory",
            _ => "unknown",
        }
    }

    /// The type behind a word of [`FileType::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::LOG,
            Self::LOG_DIR,
            Self::CHECKPOINT_DIR,
            Self::DATABASE,
            Self::PATCH_FILE,
            Self::CHECKPOINT,
            Self::FLUSH_MAP,
            Self::STATE,
            Self::SHARED,
            Self::LISTING,
            Self::STATE_DIR,
            Self::UNKNOWN,
        ]
        .into_iter()
        .find(|file_type| file_type.word() == word)
    }
}

impl fmt::Debug for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.word(), self.0)
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One entry of a list: a path on the service's machine, and its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedName {
    /// The type of the name.
    pub file_type: FileType,
    /// The path. Pass it to DsBackupOpenFile unchanged.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        // ntdsbcli.h of mingw-w64.
        assert_eq!(FileType::LOG.0, 0x21);
        assert_eq!(FileType::LOG_DIR.0, 0x82);
        assert_eq!(FileType::CHECKPOINT_DIR.0, 0x83);
        assert_eq!(FileType::DATABASE.0, 0x44);
        assert_eq!(FileType::PATCH_FILE.0, 0x25);
        assert_eq!(FileType::UNKNOWN.0, 0x0f);
    }

    #[test]
    fn words_lead_back_to_their_types() {
        for value in 0..=u8::MAX {
            let file_type = FileType(value);
            if file_type.word() != "unknown" {
                assert_eq!(FileType::from_word(file_type.word()), Some(file_type));
            }
        }
    }
}
