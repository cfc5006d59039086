//! The comparison of two snapshots: in numbers, as a list, one object, as a file.

pub mod detail;
pub mod download;
pub mod list;

use std::sync::Arc;

use serde::Deserialize;

use crate::console::Console;
use crate::differences::{Differences, Row};
use crate::directories::Directory;
use crate::problem::Problem;
use crate::text::in_address;

/// Two snapshots, and which of their differences are shown.
#[derive(Clone, Default, Deserialize)]
pub struct Wanted {
    /// Repository and id of a snapshot, joined by a slash.
    #[serde(default)]
    before: String,
    #[serde(default)]
    after: String,
    /// Only objects that differ so.
    #[serde(default)]
    what: String,
    /// Only objects of this class.
    #[serde(default)]
    class: String,
    /// Only objects with this in their names.
    #[serde(default)]
    name: String,
    #[serde(default)]
    from: usize,
}

impl Wanted {
    fn is_whole(&self) -> bool {
        !self.before.is_empty() && !self.after.is_empty()
    }

    /// The part of the address that names the two snapshots.
    fn pair(&self) -> String {
        format!(
            "before={}&after={}",
            in_address(&self.before),
            in_address(&self.after)
        )
    }

    fn fits(&self, row: &Row) -> bool {
        (self.what.is_empty() || row.what().contains(self.what.as_str()))
            && (self.class.is_empty() || row.class == self.class)
            && (self.name.is_empty() || row.dn.to_lowercase().contains(&self.name.to_lowercase()))
    }
}

/// Opens one of the two directories.
///
/// # Errors
/// If there is none, or it is damaged.
fn open(console: &Console, name: &str) -> Result<Arc<Directory>, Problem> {
    let (repository, id) = (name.split_once('/'))
        .ok_or_else(|| Problem::wrong(format!("{name}: expected REPOSITORY/SNAPSHOT")))?;
    let configuration = console.configuration()?;
    let cache = &console.settings.cache;
    (console.directories).open(&console.library, &configuration, cache, repository, id)
}

/// The differences, kept for a while.
///
/// # Errors
/// If a directory cannot be read.
fn differences(console: &Console, wanted: &Wanted) -> Result<Arc<Differences>, Problem> {
    let key = format!("{} {}", wanted.before, wanted.after);
    let [before, after] = [
        open(console, &wanted.before)?,
        open(console, &wanted.after)?,
    ];
    (console.differences).get(&key, || Differences::between(&**before, &**after))
}
