//! What a SOURCE on the command line names.

use std::path::Path;

use ese::Database;
use objects::ntds::{Ntds, database_at};
use objects::samba::{Samba, is_samba};
use objects::{Lookup, ObjectId, Source};

use crate::database;
use crate::failure::{Failure, Result};

/// Opens the directory at a path.
///
/// # Errors
/// Where there is none, where it was not shut down, and where it is damaged.
pub fn open(path: &Path) -> Result<Box<dyn Source>> {
    if is_samba(path) {
        return Ok(Box::new(Samba::open(path)?));
    }
    let Some(file) = database_at(path) else {
        return Err(Failure::NotFound(format!(
            "{}: this folder holds neither ntds.dit nor Samba's sam.ldb",
            path.display()
        )));
    };
    database::check(&file, "look into")?;
    let database = Database::open(&file)?.verifying_checksums();
    Ok(Box::new(Ntds::over(database)?))
}

/// The object with a distinguished name.
///
/// # Errors
/// [`Failure::NotFound`] where there is none.
pub fn at(source: &dyn Source, dn: &str) -> Result<ObjectId> {
    let found = source.find(&Lookup::Dn(dn))?;
    found
        .first()
        .copied()
        .ok_or_else(|| Failure::NotFound(format!("{dn}: the directory has no object of this name")))
}
