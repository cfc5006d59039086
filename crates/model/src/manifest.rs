//! The manifest of a snapshot: the directory, its files, and the facts that a restore needs.
//!
//! Stored as `manifest.json` in the snapshot. Every reader must refuse a `format` that it does not
//! know.

use std::collections::BTreeMap;

use contract::{FileType, Generations};
use serde::{Deserialize, Serialize};

use crate::{Damage, DirectoryIdentity};

/// The manifest's path in a snapshot.
pub const MANIFEST_PATH: &str = "manifest.json";

/// The expiry token's path in a snapshot.
pub const TOKEN_PATH: &str = "expiry-token";

/// The format that this release writes, and the highest that it reads.
pub const FORMAT: u32 = 1;

/// The content of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that made the backup, with its version.
    pub tool: String,
    /// When the backup began, RFC 3339, UTC.
    pub created: String,
    /// The end of the time in which it may be restored, RFC 3339, UTC.
    pub expires: String,
    /// The tombstone lifetime in days, as the service knew it.
    pub tombstone_lifetime_days: u32,
    /// The directory server.
    pub server: String,
    /// The kind of store, such as `ese-folder`.
    pub store: String,
    /// The database.
    pub database: Database,
    /// The directory in the database; absent if the database holds none, or was not shut down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub directory: Option<DirectoryIdentity>,
    /// The base name of logs and checkpoint, such as `edb`.
    pub log_base_name: String,
    /// The generations of the logs in the snapshot.
    pub logs: Option<LogRange>,
    /// The files, in the order of reading.
    pub files: Vec<File>,
    /// Whether the snapshot holds damage that the backup allowed.
    pub damaged: bool,
    /// Of a backup of logs alone: the id of the snapshot that its logs continue.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub continues: Option<String>,
    /// Of a backup of logs alone: whether they were read while the directory was in use, each as
    /// soon as it was finished.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub shipped: bool,
}

/// The facts in the database's header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// The signature, 28 bytes in hex.
    pub signature: String,
    /// `Clean Shutdown`, `Dirty Shutdown` and so on.
    pub state: String,
    /// Bytes in a page.
    pub page_size: u32,
    /// The log generations that recovery needs. `None` for a clean database.
    pub required: Option<LogRange>,
}

/// A closed range of log generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The lowest generation.
    pub lowest: u32,
    /// The highest generation.
    pub highest: u32,
}

/// One file of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// The word of its type.
    #[serde(rename = "type")]
    pub file_type: String,
    /// Its path in the snapshot.
    pub path: String,
    /// Its path on the server.
    pub original: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of its content, hex.
    pub sha256: String,
    /// The time of the last change, RFC 3339, UTC.
    pub modified: String,
    /// A log's generation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub generation: Option<u32>,
    /// Damage that the backup allowed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub damage: Option<Damage>,
    /// Fields of later releases, kept unchanged.
    #[serde(flatten)]
    pub more: BTreeMap<String, serde_json::Value>,
}

impl From<Generations> for LogRange {
    fn from(generations: Generations) -> Self {
        Self {
            lowest: generations.low,
            highest: generations.high,
        }
    }
}

impl From<LogRange> for Generations {
    fn from(range: LogRange) -> Self {
        Self {
            low: range.lowest,
            high: range.highest,
        }
    }
}

impl File {
    /// The BFT type.
    pub fn file_type(&self) -> FileType {
        FileType::from_word(&self.file_type).unwrap_or(FileType::UNKNOWN)
    }

    /// Whether the file is none of the database's and its logs: a key, a registry hive, a file of a
    /// share. Its path in the snapshot says where it goes.
    pub fn is_state(&self) -> bool {
        matches!(self.file_type(), FileType::STATE | FileType::SHARED)
    }

    /// The name without the folder that it has in the snapshot.
    pub fn base_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not the JSON of a manifest.
    #[error("{MANIFEST_PATH} of the snapshot cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Made by a later release.
    #[error(
        "the snapshot's manifest is of format {found}, this release knows up to {FORMAT}: use a \
         newer dsbackup"
    )]
    Newer {
        /// The format found.
        found: u32,
    },
    /// A file's path or name would leave the folder it is restored into.
    #[error(
        "the snapshot's manifest names {path:?}, which is no plain file name: the snapshot is not \
         used"
    )]
    UnsafeName {
        /// The offending path.
        path: String,
    },
}

impl Manifest {
    /// Whether the paths in the snapshot are those of a restore: the state of a server, with a
    /// listing of everything but the files. Otherwise each file's type determines its destination.
    pub fn is_tree(&self) -> bool {
        self.files
            .iter()
            .any(|file| file.file_type() == FileType::LISTING)
    }

    /// The database files.
    pub fn databases(&self) -> impl Iterator<Item = &File> {
        self.files
            .iter()
            .filter(|file| file.file_type() == FileType::DATABASE)
    }

    /// Whether the snapshot is no backup by itself: it holds logs, and no database or server state.
    pub fn is_logs_only(&self) -> bool {
        self.newest_log().is_some() && self.databases().next().is_none() && !self.is_tree()
    }

    /// The log of the highest generation.
    pub fn newest_log(&self) -> Option<&File> {
        (self.files.iter())
            .filter(|file| file.file_type() == FileType::LOG)
            .max_by_key(|file| file.generation)
    }

    /// The paths of the logs that recovery of this database does not require. Only these may be
    /// truncated.
    pub fn logs_below_the_required(&self) -> impl Iterator<Item = &str> {
        let required = self.database.required.map(|required| required.lowest);
        (self.files.iter())
            .filter(|file| file.file_type() == FileType::LOG)
            .filter(move |file| match (file.generation, required) {
                (Some(generation), Some(lowest)) => generation < lowest,
                (generation, _) => generation.is_some(),
            })
            .map(|file| file.path.as_str())
    }

    /// Reads a manifest, and refuses one whose names are not plain.
    ///
    /// # Errors
    /// See [`ManifestError`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        /// The one field of every format.
        #[derive(Deserialize)]
        struct AnyFormat {
            format: u32,
        }
        let AnyFormat { format } = serde_json::from_slice(bytes)?;
        if format > FORMAT {
            return Err(ManifestError::Newer { found: format });
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        for file in &manifest.files {
            let name = file.base_name();
            let plain = !name.is_empty()
                && name != "."
                && name != ".."
                && !name.contains(['\\', '\0', ':'])
                && file
                    .path
                    .split('/')
                    .all(|part| part != ".." && !part.is_empty());
            if !plain {
                return Err(ManifestError::UnsafeName {
                    path: file.path.clone(),
                });
            }
        }
        Ok(manifest)
    }

    /// The manifest as it is stored.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self)
            .expect("a manifest of strings and numbers becomes JSON");
        json.push(b'\n');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: FORMAT,
            tool: "dsbackup 0.1.0".into(),
            created: "2026-11-22T10:00:00Z".into(),
            expires: "2027-01-21T10:00:00Z".into(),
            tombstone_lifetime_days: 60,
            server: "dc01".into(),
            store: "ese-folder".into(),
            database: Database {
                signature: "00".repeat(28),
                state: "Dirty Shutdown".into(),
                page_size: 8192,
                required: Some(LogRange {
                    lowest: 6,
                    highest: 7,
                }),
            },
            directory: None,
            log_base_name: "edb".into(),
            logs: None,
            files: vec![File {
                file_type: "database".into(),
                path: "database/ntds.dit".into(),
                original: "/var/lib/ntds/ntds.dit".into(),
                size: 8_388_608,
                sha256: "ab".repeat(32),
                modified: "2026-11-22T09:00:00Z".into(),
                generation: None,
                damage: None,
                more: BTreeMap::new(),
            }],
            damaged: false,
            continues: None,
            shipped: false,
        }
    }

    #[test]
    fn json_leads_back_to_the_manifest() {
        let read = Manifest::from_json(&manifest().to_json()).expect("readable");
        assert_eq!(read, manifest());
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let json = br#"{"format": 2, "everything": "else may differ"}"#;
        let error = Manifest::from_json(json).unwrap_err();
        assert!(
            matches!(error, ManifestError::Newer { found: 2 }),
            "{error}"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_manifest_or_refused(
            text: String,
            position: proptest::sample::Index,
            byte: u8,
        ) {
            let _ = Manifest::from_json(text.as_bytes());
            let mut json = manifest().to_json();
            let position = position.index(json.len());
            json[position] = byte;
            if let Ok(manifest) = Manifest::from_json(&json) {
                let mut names = manifest.files.iter().map(File::base_name);
                proptest::prop_assert!(names.all(|name| !name.contains('/') && name != ".."));
            }
        }
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for path in [
            "../ntds.dit",
            "database/..",
            "database/",
            "/etc/passwd",
            "a/../../b",
            "x\\y",
        ] {
            let mut manifest = manifest();
            manifest.files[0].path = path.into();
            let error = Manifest::from_json(&manifest.to_json()).unwrap_err();
            assert!(
                matches!(error, ManifestError::UnsafeName { .. }),
                "{path}: {error}"
            );
        }
    }
}
