//! Writes the result as a new file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use crate::header::DatabaseHeader;
use crate::io::{beside, sync_folder, write_all_at};
use crate::page_store::PageStore;

/// Writes the result as the new file `target`. On failure nothing of it remains.
pub(super) fn write(
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
            // The first error matters more than a failure to remove the unfinished file.
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
    };
    store.discard_side()?;
    std::fs::rename(&unfinished, target).map_err(crate::Error::write(&unfinished))?;
    sync_folder(target)?;
    Ok(written)
}

/// The error if the target exists: no file is overwritten.
pub(super) fn exists_already(target: PathBuf) -> Error {
    let kind = io::ErrorKind::AlreadyExists;
    Error::Write {
        file: target,
        source: io::Error::new(kind, "this file exists; name another folder, or remove it"),
    }
}

/// Copies the database into the new file `copy` and writes the changed pages over it, the header
/// last.
fn write_copy(
    database: &Path,
    copy: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
) -> Result<u64> {
    let size = store.page_size();
    let write = crate::Error::write(copy);
    // The source may be read-only; the copy must not be.
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(copy)
        .map_err(&write)?;
    let mut original = File::open(database).map_err(crate::Error::io(database))?;
    io::copy(&mut original, &mut &file).map_err(&write)?;
    // Pages that were cut off and added again must not keep their former content.
    file.set_len(size.offset_of(store.base_pages() + 1))
        .map_err(&write)?;
    file.set_len(size.offset_of(store.pages() + 1))
        .map_err(&write)?;
    let changed = store.changed();
    let mut run: Vec<u8> = Vec::new();
    let mut run_start = 0;
    for number in &changed {
        let follows = size.offset_of(run_start) + run.len() as u64 == size.offset_of(*number);
        if !follows || run.len() >= 1 << 20 {
            write_all_at(&file, &run, size.offset_of(run_start)).map_err(&write)?;
            run.clear();
            run_start = *number;
        }
        store.read_changed(*number, &mut run)?;
    }
    write_all_at(&file, &run, size.offset_of(run_start)).map_err(&write)?;
    header.write_to(&file).map_err(&write)?;
    Ok(changed.len() as u64)
}
