//! What the commands that read a database have in common.

use std::path::Path;

use ese::Database;
use ese::catalog::TableEntry;
use ese::header::FileKind;

use crate::failure::{Failure, Result};
use crate::samba_file;

/// Opens a database, and says so where it is dirty: then it is read as it lies there.
///
/// # Errors
/// For a file that is no database, or one whose header is damaged.
pub fn open(path: &Path) -> Result<Database> {
    samba_file::refuse(path)?;
    match FileKind::of_file(path)? {
        FileKind::Database | FileKind::Unknown => {}
        kind => {
            return Err(Failure::NotFound(format!(
                "{}: this is a {kind}, no database (dsbackup inspect says more of it)",
                path.display()
            )));
        }
    }
    let database = Database::open(path)?.verifying_checksums();
    if !database.is_clean() {
        tracing::warn!(
            "{}: {}: changes that only its logs hold are missing, changes that were never committed may show",
            path.display(),
            database.headers().header.state()
        );
    }
    Ok(database)
}

/// The table with this name.
///
/// # Errors
/// Where there is none.
pub fn table<'d>(database: &'d Database, name: &str) -> Result<&'d TableEntry> {
    database.catalog()?.entry(name).ok_or_else(|| {
        Failure::NotFound(format!(
            "{}: there is no table {name} (dsbackup tables lists them)",
            database.file().display()
        ))
    })
}
