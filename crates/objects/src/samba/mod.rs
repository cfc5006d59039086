//! The reader of a Samba domain controller's databases: `sam.ldb` and its partitions.
//!
//! ```text
//! files (records) ─▶ Index (names, identities, tree) ─▶ schema ─▶ values ─▶ Entry
//! ```
//!
//! One pass over all records makes the index. Values are read from the files on demand.

mod facts;
mod index;
mod schema;
mod values;

use std::path::Path;

use ::samba::ldb;

use self::index::{Index, Number};
use crate::schema::Schema;
use crate::{Entries, Entry, Facts, Lookup, ObjectId, Result, Scope, Source, State, Wanted};

/// A directory in Samba's databases.
pub struct Samba {
    index: Index,
    schema: Schema,
    facts: Facts,
}

/// Whether `path` is the database folder of a Samba domain controller (`private/`), or its
/// `sam.ldb`.
pub fn is_samba(path: &Path) -> bool {
    sam(path).is_file() && (path.is_dir() || path.ends_with("sam.ldb"))
}

fn sam(path: &Path) -> std::path::PathBuf {
    match path.is_dir() {
        true => path.join("sam.ldb"),
        false => path.to_path_buf(),
    }
}

impl Samba {
    /// Opens the databases in the folder `path` (`private/`), or those of a `sam.ldb`. Nobody may
    /// write to them meanwhile.
    ///
    /// # Errors
    /// Fails if a file is missing or damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let sam = sam(path);
        let index = Index::read(&sam)?;
        let schema = schema::read(&index)?;
        let facts = facts::read(&index)?;
        Ok(Self {
            index,
            schema,
            facts,
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

    fn entries<'s>(
        &'s self,
        numbers: Vec<Number>,
        wanted: &'s Wanted,
        deleted: bool,
    ) -> Entries<'s> {
        let entries = numbers.into_iter().filter(move |number| {
            let object = self.index.get(*number);
            let state =
                object.map(|object| State::of(object.marks, self.facts.recycle_bin_enabled));
            deleted || state.is_some_and(|state| !state.is_deleted())
        });
        Box::new(entries.filter_map(move |number| self.entry_of(number, wanted).transpose()))
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
        let base = Number::try_from(base.0).unwrap_or(Number::MAX);
        let numbers = match scope {
            Scope::Base => vec![base],
            Scope::Children => self.index.children(base).to_vec(),
            Scope::OneLevel => self.index.beneath(base, 1),
            Scope::Subtree => self.index.beneath(base, usize::MAX),
        };
        let deleted = wanted.deleted || matches!(scope, Scope::Base | Scope::Children);
        Ok(self.entries(numbers, wanted, deleted))
    }

    fn all<'s>(&'s self, wanted: &'s Wanted) -> Result<Entries<'s>> {
        let numbers = self.index.numbers().collect();
        Ok(self.entries(numbers, wanted, wanted.deleted))
    }
}

fn id_of(number: Number) -> ObjectId {
    ObjectId(number.into())
}
