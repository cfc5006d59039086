//! Finds the databases in a folder.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::options::Options;
use crate::header::{DatabaseHeaders, Signature};

/// The database file chosen by the options.
pub(super) fn find_database(options: &Options) -> Result<PathBuf> {
    let folder = &options.folder;
    if let Some(name) = &options.database {
        let path = folder.join(name);
        // Only a plain file name is valid: the caller may use no other folder.
        let is_plain = Path::new(name).file_name() == Some(name.as_ref());
        return match is_plain && path.is_file() {
            true => Ok(path),
            false => Err(Error::NoDatabase { folder: path }),
        };
    }
    let mut found = databases_in(folder)?;
    match found.len() {
        0 => Err(Error::NoDatabase {
            folder: folder.clone(),
        }),
        1 => Ok(found.remove(0)),
        _ => Err(Error::SeveralDatabases {
            folder: folder.clone(),
            names: (found.iter())
                .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
                .collect(),
        }),
    }
}

/// The databases in the folder: the files with a database's extension, or else those with a
/// database's header.
fn databases_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = crate::Error::io(folder);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(&io)? {
        let path = entry.map_err(&io)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    let is_named = |path: &&PathBuf| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        kind.is_some_and(|kind| {
            kind.eq_ignore_ascii_case("edb") || kind.eq_ignore_ascii_case("dit")
        })
    };
    let mut found: Vec<PathBuf> = files.iter().filter(is_named).cloned().collect();
    if found.is_empty() {
        found = files;
        found.retain(|path| DatabaseHeaders::read(path).is_ok());
    }
    found.sort();
    // The engine deletes its temporary database when it starts, so it needs no recovery.
    if found.len() > 1 {
        found.retain(|path| !is_temporary(path));
    }
    Ok(found)
}

/// Whether this is the engine's default name for its temporary database.
fn is_temporary(database: &Path) -> bool {
    let name = database.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| ["temp.edb", "tmp.edb"].contains(&name.to_ascii_lowercase().as_str()))
}

/// Finds another database in the same folder that needs the same logs.
pub(super) fn other_in_need(database: &Path, sequence: &Signature) -> Result<Option<PathBuf>> {
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let needs_logs = |path: &PathBuf| {
        let header = DatabaseHeaders::read(path).map(|headers| headers.header);
        header.is_ok_and(|header| !header.is_clean() && header.log_signature == *sequence)
    };
    let others = databases_in(folder)?.into_iter();
    Ok(others
        .filter(|path| path.file_name() != database.file_name())
        .find(needs_logs))
}
