//! The reader of a Samba domain controller's databases: `sam.ldb` and its partitions.
//!
//! ```text
//! files (records) ─▶ Index (names, identities, tree) ─▶ schema ─▶ values ─▶ Entry
//!                                              └─▶ census (facts, counts)
//! ```
//!
//! One pass over all records makes the index. Values are read from the files on demand.

mod census;
mod facts;
mod index;
mod schema;
mod tables;
mod values;

use std::path::{Path, PathBuf};

use ::samba::{PinnedDirectory, PointInTime, ldb};

use self::index::{Index, Number, Open};
pub use self::tables::Partition;
use crate::schema::Schema;
use crate::{
    Entries, Entry, Error, Facts, Ids, Lookup, ObjectId, Result, Scope, Source, State, Wanted,
};

/// A directory in Samba's databases.
pub struct Samba {
    index: Index,
    schema: Schema,
    facts: Facts,
}

/// Whether `path` is the database folder of a Samba domain controller (`private/`), the folder
/// around it, or its `sam.ldb`.
pub fn is_samba(path: &Path) -> bool {
    folder_of(path).is_some()
}

/// The database folder (`private/`) for such a path.
pub fn folder_of(path: &Path) -> Option<PathBuf> {
    let candidates = match path.is_dir() {
        true => vec![path.to_path_buf(), path.join("private")],
        false if path.ends_with("sam.ldb") => vec![path.parent()?.to_path_buf()],
        false => Vec::new(),
    };
    let mut candidates = candidates.into_iter();
    candidates.find(|folder| folder.join("sam.ldb").is_file())
}

impl Samba {
    /// Opens the databases in the folder `path` (`private/`), or those of a `sam.ldb`. Nobody may
    /// write to them meanwhile.
    ///
    /// # Errors
    /// Fails if a file is missing or damaged.
    pub fn open(path: &Path) -> Result<Self> {
        Self::with(path, &ldb::File::open)
    }

    /// Opens the databases in the folder of a running domain controller, pinned.
    ///
    /// # Errors
    /// Same as [`Self::open`].
    pub fn pinned(path: &Path, pinned: &PinnedDirectory) -> Result<Self> {
        Self::with(path, &|path| pinned.records(path))
    }

    /// Opens the databases of a backup.
    ///
    /// # Errors
    /// Same as [`Self::open`].
    pub fn in_backup(path: &Path, point: &PointInTime) -> Result<Self> {
        Self::with(path, &|path| {
            let mut files = point.files();
            match files.find(|file| file.original == path) {
                Some(file) => file.records(),
                None => ldb::File::open(path),
            }
        })
    }

    fn with(path: &Path, open: Open<'_>) -> Result<Self> {
        let folder = folder_of(path).unwrap_or_else(|| path.to_path_buf());
        let index = Index::read(&folder.join("sam.ldb"), open)?;
        let schema = schema::read(&index)?;
        let facts = facts::read(&index)?;
        Ok(Self {
            index,
            schema,
            facts,
        })
    }

    /// Identity, progress and counts of the directory. Reads all objects, and calls `watch` for
    /// each.
    ///
    /// # Errors
    /// Fails if a record is damaged, or the directory lacks its own server or domain.
    pub fn census(&self, watch: &dyn Fn()) -> Result<::ntds::Facts> {
        census::take(self, watch)
    }

    /// The partitions, with what they hold. Reads all records.
    ///
    /// # Errors
    /// Fails if a file is damaged.
    pub fn tables(&self) -> Result<Vec<Partition>> {
        tables::list(&self.index)
    }

    #[cold]
    fn lacks(&self, what: &str) -> Error {
        let file = self.index.files().first();
        let reason = format!("the directory does not hold {what}");
        Error::Samba(::samba::Error::Damaged {
            path: file.map(|(path, _)| path.clone()).unwrap_or_default(),
            reason,
        })
    }

    fn entry_of(&self, number: Number, wanted: &Wanted) -> Result<Option<Entry>> {
        let Some(object) = self.index.get(number) else {
            return Ok(None);
        };
        let bytes = self.index.bytes(object)?;
        let record = ldb::Record::parse(&bytes).map_err(|malformed| {
            self.index
                .damaged(object, &format!("{}: {malformed}", object.dn))
        })?;
        let mut entry = Entry {
            id: id_of(number),
            dn: object.dn.clone(),
            guid: object.guid,
            sid: object.sid.clone(),
            parent: object.parent.map(id_of),
            naming_context: object.context.map(id_of),
            state: State::of(object.marks, self.facts.recycle_bin_enabled),
            is_hidden: object.marks.is_deleted,
            attributes: Vec::new(),
            links: Vec::new(),
            metadata: Vec::new(),
        };
        values::fill(&mut entry, &record, &self.index, &self.schema, wanted).map_err(|reason| {
            self.index
                .damaged(object, &format!("{}: {reason}", object.dn))
        })?;
        Ok(Some(entry))
    }

    /// Those of the objects, perhaps without deleted ones.
    fn visible<'s>(
        &'s self,
        numbers: impl IntoIterator<Item = Number> + 's,
        deleted: bool,
    ) -> impl Iterator<Item = Number> + 's {
        numbers.into_iter().filter(move |number| {
            let object = self.index.get(*number);
            deleted || object.is_some_and(|object| !object.marks.is_deleted)
        })
    }

    /// The numbers of the objects of a scan.
    fn numbers(
        &self,
        base: ObjectId,
        scope: Scope,
        deleted: bool,
    ) -> impl Iterator<Item = Number> + '_ {
        let base = Number::try_from(base.0).unwrap_or(Number::MAX);
        let numbers = match scope {
            Scope::Base => vec![base],
            Scope::Children => self.index.children(base).to_vec(),
            Scope::OneLevel => self.index.beneath(base, 1),
            Scope::Subtree => self.index.beneath(base, usize::MAX),
        };
        let deleted = deleted || matches!(scope, Scope::Base | Scope::Children);
        self.visible(numbers, deleted)
    }
}

impl Source for Samba {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn find(&self, what: &Lookup<'_>) -> Result<Vec<ObjectId>> {
        Ok(self.index.find(what).into_iter().map(id_of).collect())
    }

    fn entry(&self, id: ObjectId, wanted: &Wanted) -> Result<Option<Entry>> {
        match Number::try_from(id.0) {
            Ok(number) => self.entry_of(number, wanted),
            Err(_) => Ok(None),
        }
    }

    fn scan<'s>(&'s self, base: ObjectId, scope: Scope, wanted: &'s Wanted) -> Result<Entries<'s>> {
        let numbers = self.numbers(base, scope, wanted.deleted);
        let entries = numbers.map(move |number| self.entry_of(number, wanted));
        Ok(Box::new(entries.filter_map(Result::transpose)))
    }

    fn scan_ids<'s>(
        &'s self,
        base: ObjectId,
        scope: Scope,
        deleted: bool,
    ) -> Result<Option<Ids<'s>>> {
        let numbers = self.numbers(base, scope, deleted);
        Ok(Some(Box::new(numbers.map(|number| Ok(id_of(number))))))
    }

    fn all<'s>(&'s self, wanted: &'s Wanted) -> Result<Entries<'s>> {
        let numbers = self.visible(self.index.numbers(), wanted.deleted);
        let entries = numbers.map(move |number| self.entry_of(number, wanted));
        Ok(Box::new(entries.filter_map(Result::transpose)))
    }

    fn estimated_objects(&self) -> Result<Option<u64>> {
        Ok(Some(self.index.numbers().end.into()))
    }
}

fn id_of(number: Number) -> ObjectId {
    ObjectId(number.into())
}
