//! What the commands that read a database have in common.

use std::path::{Path, PathBuf};

use backup::Progress as _;
use ese::Database;
use ese::catalog::{Catalog, TableEntry};
use ese::header::{DatabaseHeaders, FileKind};

use crate::failure::{Failure, Result};
use crate::report::{self, Bar};
use crate::samba_file;

/// The database of the storage engine at a path: the file, or the one in a folder. `None` if nothing
/// is there, a directory in Samba's databases, or an image of a disk.
pub fn at(source: &Path) -> Option<PathBuf> {
    match source.symlink_metadata().is_ok()
        && !objects::samba::is_samba(source)
        && !may_be_image(source)
    {
        true => objects::ntds::database_at(source),
        false => None,
    }
}

/// Whether a path may name an image of a disk, or a folder of images: what is no file of the engine,
/// nor of Samba, and no folder with a database.
pub fn may_be_image(source: &Path) -> bool {
    match source.is_dir() {
        true => objects::ntds::database_at(source).is_none(),
        false => {
            matches!(FileKind::of_file(source), Ok(FileKind::Unknown))
                // Whoever opens it says what is wrong with it.
                && !matches!(windows_disk::images_at(source), Ok(images) if images.is_empty())
        }
    }
}

/// Refuses what is no database. `doing` is what cannot be done with a temporary one.
///
/// # Errors
/// [`Failure::NoDatabase`], and where the file cannot be read.
pub fn check(path: &Path, doing: &str) -> Result<()> {
    check_kind(path)?;
    let headers = DatabaseHeaders::read(path);
    if headers.is_ok_and(|headers| headers.header.is_temporary()) {
        return Err(Failure::NoDatabase(format!(
            "{}: a temporary database of the engine; nothing to {doing}",
            path.display()
        )));
    }
    Ok(())
}

/// Refuses what is no database of the engine.
///
/// # Errors
/// [`Failure::NoDatabase`], and where the file cannot be read.
pub fn check_kind(path: &Path) -> Result<()> {
    match FileKind::of_file(path)? {
        FileKind::Database => Ok(()),
        FileKind::Unknown => {
            samba_file::refuse(path)?;
            Err(Failure::no_engine_file(path))
        }
        kind => Err(Failure::NoDatabase(format!(
            "{}: this is a {kind}, no database (dsbackup inspect says more of it)",
            path.display()
        ))),
    }
}

/// Opens a database, and says what is not as it should be: then it is read as it lies there.
///
/// # Errors
/// For a file that is no database, or one whose header is damaged.
pub fn open(path: &Path) -> Result<Database> {
    check(path, "read")?;
    looked_at(path, Database::open(path)?)
}

/// As [`open`], for work that reads all of it, which the bar shows.
///
/// # Errors
/// As [`open`].
pub fn open_watched(path: &Path, bar: Bar) -> Result<Database> {
    check(path, "read")?;
    bar.set_total(size_of(path));
    let database = Database::open_watched(path, move |read| bar.advance(read))?;
    looked_at(path, database)
}

/// Of the file, for the progress; 0 if that cannot be told.
pub fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn looked_at(path: &Path, database: Database) -> Result<Database> {
    let database = database.verifying_checksums();
    let header = &database.headers().header;
    let warn = |text: &str| tracing::warn!("{}: {text}", path.display());
    if let Some(state) = header.bad_state() {
        warn(&format!("{state}; it is read as far as it makes sense"));
    } else if !database.is_clean() {
        warn(&format!(
            "{}: changes that only its logs hold are missing, changes that were never committed \
             may show",
            header.state()
        ));
    }
    if let Some(format) = header.newer_format() {
        warn(&format!(
            "{format}: what is new in it may be read wrongly, or not at all"
        ));
    }
    // Where neither can be read, whoever needs the catalog says so.
    if let Some(fault) = database.catalog().ok().and_then(Catalog::fault) {
        report::warn(format!(
            "{}: the catalog is damaged ({fault}); its copy, MSysObjectsShadow, is read instead \
             (dsbackup verify-db lists all damage)",
            path.display()
        ));
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
