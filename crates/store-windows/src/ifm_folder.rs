//! An "Install From Media" folder: what a whole one holds, and its files.
//!
//! ```text
//! Active Directory\ntds.dit      the database, in clean shutdown: it needs no logs
//! registry\SYSTEM, SECURITY      the hives with the keys of the database's secrets
//! SYSVOL\DOMAIN\...              group policies and scripts
//! ```

use std::io::Read;
use std::path::{Path, PathBuf};

use contract::{Error, FileType, Result, ResultCode};
use ese::header::DatabaseHeaders;
use store::disk_error;

use crate::state_file::{self, StateFile};

/// The database's name in the folder, whatever it is on the server.
pub const DATABASE_FILE: &str = "ntds.dit";
/// The hives that a whole folder holds.
const HIVES: [&str; 2] = ["SYSTEM", "SECURITY"];
/// The length of a hive's header, which is followed by its data.
const HIVE_HEADER: u64 = 4096;

/// What the replication of SYSVOL keeps there for itself: a link out of the folder, and what it put
/// aside.
const PRIVATE: [&str; 2] = ["DfsrPrivate", "DO_NOT_REMOVE_NtFrs_PreInstall_Directory"];

/// A whole folder.
#[derive(Debug)]
pub struct IfmFolder {
    /// The folder of the database.
    pub database_folder: PathBuf,
    /// The hives and the files of SYSVOL.
    pub state: Vec<StateFile>,
    /// What is in the folder and cannot be stored, in words.
    pub warnings: Vec<String>,
}

/// Where the files have their places on the server, for people.
#[derive(Debug, Clone)]
pub struct Originals {
    /// The folder of the registry's hives.
    pub hives: String,
    /// The folder of SYSVOL.
    pub sysvol: String,
}

impl IfmFolder {
    /// Opens a folder that is whole.
    ///
    /// # Errors
    /// `hrDatabaseNotFound`, `hrDatabaseInconsistent`, `hrFileNotFound`, `hrDatabaseCorrupted` with
    /// what is missing or cut off; `hrDiskIO`.
    pub fn open(folder: &Path, originals: &Originals) -> Result<Self> {
        let database_folder = folder.join("Active Directory");
        check_database(&database_folder.join(DATABASE_FILE))?;
        let mut state = Vec::new();
        let mut warnings = Vec::new();
        let registry = folder.join("registry");
        for hive in HIVES {
            let path = registry.join(hive);
            check_hive(&path)?;
            let original = format!("{}\\{hive}", originals.hives);
            let place = format!("registry/{hive}");
            state.push(StateFile::of(path, original, place, FileType::STATE)?);
        }
        let sysvol = folder.join("SYSVOL");
        let before = state.len();
        add_tree(
            &sysvol,
            &originals.sysvol,
            "SYSVOL",
            &mut state,
            &mut warnings,
        )?;
        if state.len() == before {
            return Err(missing(&sysvol, "no file of SYSVOL"));
        }
        Ok(Self {
            database_folder,
            state,
            warnings,
        })
    }
}

/// Adds the files beneath a folder. Links are not followed.
///
/// # Errors
/// `hrFileNotFound` if the folder does not exist, `hrDiskIO`.
pub fn add_tree(
    folder: &Path,
    original: &str,
    place: &str,
    state: &mut Vec<StateFile>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let mut waiting = vec![(folder.to_path_buf(), original.to_owned(), place.to_owned())];
    while let Some((folder, original, place)) = waiting.pop() {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(&folder, "the folder"),
            _ => disk_error(&folder, &error),
        };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                warnings.push(format!(
                    "{}: the name is not Unicode: not stored",
                    path.display()
                ));
                continue;
            };
            if PRIVATE.iter().any(|other| name.eq_ignore_ascii_case(other)) {
                continue;
            }
            let original = format!("{original}\\{name}");
            let place = format!("{place}/{name}");
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                waiting.push((path, original, place));
            } else if kind.is_file() {
                state.push(StateFile::of(path, original, place, FileType::SHARED)?);
            } else {
                warnings.push(format!("{original}: neither file nor folder: not stored"));
            }
        }
    }
    Ok(())
}

/// Refuses a database that is not there or was not finished.
fn check_database(path: &Path) -> Result<()> {
    if !path.is_file() {
        return Err(Error::new(
            ResultCode::DATABASE_NOT_FOUND,
            format!("{}: there is no database", path.display()),
        ));
    }
    let headers = DatabaseHeaders::read(path)
        .map_err(|error| Error::new(ResultCode::DATABASE_CORRUPTED, error.to_string()))?;
    match headers.header.is_clean() {
        true => Ok(()),
        false => Err(Error::new(
            ResultCode::DATABASE_INCONSISTENT,
            format!(
                "{}: the database is in the state {:?}: it was not finished",
                path.display(),
                headers.header.state()
            ),
        )),
    }
}

/// Refuses a hive that is not there or is shorter than its header says.
///
/// # Errors
/// `hrFileNotFound`, `hrDatabaseCorrupted`, `hrDiskIO`.
pub fn check_hive(path: &Path) -> Result<()> {
    let mut file = state_file::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => missing(path, "the hive"),
        _ => disk_error(path, &error),
    })?;
    let size = file
        .metadata()
        .map_err(|error| disk_error(path, &error))?
        .len();
    // `regf` at 0; the length of the data behind the header at 40, little-endian.
    let mut start = Vec::new();
    let read = (&mut file).take(44).read_to_end(&mut start);
    read.map_err(|error| disk_error(path, &error))?;
    let length = start.get(40..44).and_then(|bytes| bytes.try_into().ok());
    let length = length
        .map(u32::from_le_bytes)
        .filter(|_| start.starts_with(b"regf"));
    match length {
        Some(length) if size >= HIVE_HEADER + u64::from(length) => Ok(()),
        _ => Err(Error::new(
            ResultCode::DATABASE_CORRUPTED,
            format!(
                "{}: no whole registry hive: {size} bytes, {}",
                path.display(),
                match length {
                    Some(length) => format!("expected {}", HIVE_HEADER + u64::from(length)),
                    None => "without its header".into(),
                }
            ),
        )),
    }
}

fn missing(path: &Path, what: &str) -> Error {
    Error::new(
        ResultCode::FILE_NOT_FOUND,
        format!("{}: {what} is missing", path.display()),
    )
}
