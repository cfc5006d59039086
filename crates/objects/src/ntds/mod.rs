//! The reader of `ntds.dit`.
//!
//! ```text
//! Tables ─▶ schema ─▶ Names (DNT to name) ─▶ columns (bytes to values) ─▶ rows, links ─▶ Entry
//! ```

mod columns;
mod core;
mod descriptors;
mod facts;
mod link_table;
mod links;
mod lookup;
mod names;
mod rows;
mod scan;
mod schema;
mod tables;
mod text_index;

use std::path::{Path, PathBuf};

use ese::Database;

use self::core::Core;
use crate::schema::{AttributeSchema, Schema};
use crate::{Entries, Entry, Facts, Ids, Lookup, ObjectId, Reader, Result, Scope, Source, Wanted};

/// A directory in `ntds.dit`.
pub struct Ntds {
    core: Core,
    facts: Facts,
}

/// The paths of the database beneath a folder: of a backup or a server, or of "Install From Media"
/// (IFM).
const PLACES: [&str; 3] = ["ntds.dit", "Active Directory/ntds.dit", "NTDS/ntds.dit"];

/// The path of the database for `path`: the file itself, or the one in a folder. `None` if the
/// folder has none.
pub fn database_at(path: &Path) -> Option<PathBuf> {
    if !path.is_dir() {
        return Some(path.to_path_buf());
    }
    PLACES
        .iter()
        .map(|place| path.join(place))
        .find(|file| file.is_file())
}

impl Ntds {
    /// Opens the database at `path`: a file, or a folder that contains one.
    ///
    /// # Errors
    /// Fails if there is none, if it is no directory's, and if it is dirty: then the logs hold
    /// committed changes.
    pub fn open(path: &Path) -> Result<Self> {
        let file = database_at(path).unwrap_or_else(|| path.join(PLACES[0]));
        Self::over(Database::open(file)?)
    }

    /// Opens the directory in a database.
    ///
    /// # Errors
    /// Same as [`Self::open`].
    pub fn over(database: Database) -> Result<Self> {
        let mut core = Core::over(database)?;
        let facts = facts::read(&mut core)?;
        Ok(Self { core, facts })
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.core.tables.database
    }
}

impl Source for Ntds {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn schema(&self) -> &Schema {
        &self.core.vocabulary.schema
    }

    fn find(&self, what: &Lookup<'_>) -> Result<Vec<ObjectId>> {
        lookup::find(&self.core, what)
    }

    fn find_in_index(
        &self,
        attribute: &AttributeSchema,
        value: &[u8],
    ) -> Result<Option<Vec<ObjectId>>> {
        lookup::find_in_index(&self.core, attribute, value)
    }

    fn entry(&self, id: ObjectId, wanted: &Wanted) -> Result<Option<Entry>> {
        let selection = self.core.select(wanted);
        self.core.entry(id, &selection)
    }

    fn reader<'s>(&'s self, wanted: &'s Wanted) -> Reader<'s> {
        let selection = self.core.select(wanted);
        let mut rows = self.core.rows();
        Box::new(move |id| self.core.entry_at(&mut rows, id, &selection))
    }

    fn scan<'s>(&'s self, base: ObjectId, scope: Scope, wanted: &'s Wanted) -> Result<Entries<'s>> {
        scan::scan(&self.core, base, scope, wanted)
    }

    fn scan_ids<'s>(
        &'s self,
        base: ObjectId,
        scope: Scope,
        _deleted: bool,
    ) -> Result<Option<Ids<'s>>> {
        scan::ids(&self.core, base, scope).map(Some)
    }

    fn scan_reader<'s>(
        &'s self,
        base: ObjectId,
        scope: Scope,
        wanted: &'s Wanted,
    ) -> Result<Reader<'s>> {
        scan::reader(&self.core, base, scope, wanted)
    }

    fn all<'s>(&'s self, wanted: &'s Wanted) -> Result<Entries<'s>> {
        Ok(scan::all(&self.core, wanted))
    }

    fn estimated_objects(&self) -> Result<Option<u64>> {
        scan::estimated_objects(&self.core).map(Some)
    }
}
