//! The comparison of two snapshots, or one and a running server: in numbers, as a list, one object, as a file.

pub mod detail;
pub mod download;
#[cfg(test)]
mod hostile;
pub mod ldif;
pub mod list;
pub mod page;

use std::sync::Arc;

use serde::Deserialize;

use crate::console::Console;
use crate::differences::{Differences, Row};
use crate::directories::{Directory, NOW};
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
    /// Whether what is known of a running server is to be forgotten.
    #[serde(default)]
    fresh: String,
}

impl Wanted {
    fn is_whole(&self) -> bool {
        !self.before.is_empty() && !self.after.is_empty()
    }

    /// Whether one of the two is a running server.
    fn is_of_now(&self) -> bool {
        [&self.before, &self.after]
            .iter()
            .any(|name| is_of_now(name))
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

fn is_of_now(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(repository, _)| repository == NOW)
}

/// Opens one of the two directories.
///
/// # Errors
/// If there is none, or it is damaged.
fn open(console: &Console, name: &str) -> Result<Arc<Directory>, Problem> {
    let (repository, id) = (name.split_once('/'))
        .ok_or_else(|| Problem::wrong(format!("{name}: expected REPOSITORY/SNAPSHOT")))?;
    console.directory(repository, id)
}

/// Opens both directories.
///
/// # Errors
/// As [`open`].
fn both(console: &Console, wanted: &Wanted) -> Result<[Arc<Directory>; 2], Problem> {
    Ok([
        open(console, &wanted.before)?,
        open(console, &wanted.after)?,
    ])
}

/// The differences, kept for a while.
///
/// # Errors
/// If a directory cannot be read.
fn differences(console: &Console, wanted: &Wanted) -> Result<Arc<Differences>, Problem> {
    let key = format!("{} {}", wanted.before, wanted.after);
    if !wanted.fresh.is_empty() && wanted.is_of_now() {
        console.differences.forget(&key);
    }
    let [before, after] = both(console, wanted)?;
    (console.differences).get(&key, || Differences::between(&**before, &**after))
}
