//! Carrying the result over into a new file, and what every way of writing it shares. [`journal`](super::journal) does it
//! in place.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::store::PageStore;
use crate::header::DatabaseHeader;

/// Writes the result as the new file `target`. If that fails, nothing of it stays.
pub(super) fn into_new_file(
    database: &Path,
    target: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
) -> Result<u64> {
    if target.exists() {
        return Err(exists_already(target.to_path_buf()));
    }
    let unfinished = beside(target, ".recovering");
    let written = write_copy(database, &unfinished, store, header);
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            // What failed matters more than what may be left of it.
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
    };
    store.discard_side()?;
    std::fs::rename(&unfinished, target).map_err(|source| Error::Write {
        file: unfinished,
        source,
    })?;
    sync_folder(target)?;
    Ok(written)
}

/// Nothing is overwritten.
pub(super) fn exists_already(target: PathBuf) -> Error {
    let kind = io::ErrorKind::AlreadyExists;
    Error::Write {
        file: target,
        source: io::Error::new(kind, "this file exists; name another folder, or remove it"),
    }
}

/// Copies the database into the new file `copy` and lays the changed pages over it, the header last.
fn write_copy(
    database: &Path,
    copy: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
) -> Result<u64> {
    let size = store.page_size();
    let write = |source| Error::Write {
        file: copy.to_path_buf(),
        source,
    };
    // Evidence may be read-only; its copy is not.
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(copy)
        .map_err(write)?;
    let mut original = File::open(database).map_err(|source| crate::Error::Io {
        file: database.to_path_buf(),
        source,
    })?;
    io::copy(&mut original, &mut &file).map_err(write)?;
    // Pages that were cut off and came back hold nothing of what they once held.
    file.set_len(size.offset_of(store.base_pages() + 1))
        .map_err(write)?;
    file.set_len(size.offset_of(store.pages() + 1))
        .map_err(write)?;
    let changed = store.changed();
    let mut run: Vec<u8> = Vec::new();
    let mut run_start = 0;
    for number in &changed {
        let follows = size.offset_of(run_start) + run.len() as u64 == size.offset_of(*number);
        if !follows || run.len() >= 1 << 20 {
            write_all_at(&file, &run, size.offset_of(run_start)).map_err(write)?;
            run.clear();
            run_start = *number;
        }
        store.read_changed(*number, &mut run)?;
    }
    write_all_at(&file, &run, size.offset_of(run_start)).map_err(write)?;
    write_header(&file, header).map_err(write)?;
    Ok(changed.len() as u64)
}

/// Writes both copies of the header, one after the other, so that one is whole at any moment.
pub(super) fn write_header(file: &File, header: &DatabaseHeader) -> io::Result<()> {
    let page = header.to_page();
    file.sync_all()?;
    write_all_at(file, &page, 0)?;
    file.sync_all()?;
    write_all_at(file, &page, page.len() as u64)?;
    file.sync_all()
}

/// Removes what a recovery that was stopped before its end left behind.
pub(super) fn remove_remains(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write {
            file: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}

/// Makes a new name in the folder of `file` last.
pub(super) fn sync_folder(file: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| Error::Write {
            file: folder.to_path_buf(),
            source,
        })
}

/// Where changed pages wait while the recovery runs.
pub(super) fn side_file(database: &Path) -> PathBuf {
    beside(database, ".recovery-pages")
}

/// A file beside the database, by the ending of its name.
pub(super) fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    database.with_file_name(name)
}
