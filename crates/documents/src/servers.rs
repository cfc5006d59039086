//! Who made a change when.

use std::collections::HashMap;

use comparison::Stamp;
use objects::{Guid, Result, Source};
use serde_json::{Map, Value as Json};

/// The servers of both directories, by the lives of their databases.
pub struct Servers(HashMap<Guid, String>);

impl Servers {
    /// Reads their names.
    ///
    /// # Errors
    /// Where a directory is damaged.
    pub fn of(sources: [&dyn Source; 2]) -> Result<Self> {
        let mut servers = HashMap::new();
        for source in sources {
            servers.extend(objects::servers::names(source)?);
        }
        Ok(Self(servers))
    }

    /// A change in a few words: when, and on which server.
    pub fn in_words(&self, stamp: &Stamp) -> String {
        let server = self.0.get(&stamp.invocation_id);
        let server = server
            .cloned()
            .unwrap_or_else(|| stamp.invocation_id.to_string());
        format!("{} UTC on {server}", stamp.changed)
    }

    /// Notes a change in an object for machines.
    pub fn note(&self, stamp: Option<&Stamp>, object: &mut Map<String, Json>) {
        let Some(stamp) = stamp else { return };
        let server = self.0.get(&stamp.invocation_id);
        object.insert("changed".into(), stamp.changed.generalized().into());
        object.insert("server".into(), server.cloned().into());
        object.insert(
            "invocation_id".into(),
            stamp.invocation_id.to_string().into(),
        );
        object.insert("version".into(), stamp.version.into());
        object.insert("originating_usn".into(), stamp.originating_usn.into());
    }
}
