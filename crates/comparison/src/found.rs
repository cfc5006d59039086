//! One object in several directories.

use ids::Guid;
use objects::schema::Schema;
use objects::{Entry, Lookup, Source, Wanted};

use crate::compare::Seen;

/// An object as one directory has it.
#[derive(Debug)]
pub struct Found {
    /// The object, with all that a comparison looks at.
    pub entry: Entry,
    /// The objectGUID of the object above it.
    pub parent: Option<Guid>,
}

impl Found {
    /// The object with this objectGUID, deleted or not; `None` if the directory has no trace of it.
    ///
    /// # Errors
    /// If the directory is damaged, or a server does not answer.
    pub fn of(source: &dyn Source, guid: Guid) -> objects::Result<Option<Self>> {
        let wanted = Wanted::everything();
        let entry = match source.find(&Lookup::Guid(guid))?.first() {
            Some(id) => source.entry(*id, &wanted)?,
            None => None,
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        let above = match entry.parent {
            Some(parent) => source.entry(parent, &Wanted::names())?,
            None => None,
        };
        Ok(Some(Self {
            entry,
            parent: above.and_then(|above| above.guid),
        }))
    }

    /// For [`crate::compare`], with the schema of its directory.
    pub fn seen<'f>(&'f self, schema: &'f Schema) -> Seen<'f> {
        Seen {
            entry: &self.entry,
            parent: self.parent,
            schema,
        }
    }
}
