//! What differs between two directories, in a form for lists.

use std::collections::BTreeMap;

use comparison::{Comparison, Kind, ObjectChange, Options};
use objects::Source;

use crate::problem::Problem;

/// The objects that are listed at most. All are counted.
const LISTED: usize = 50_000;

/// What differs.
pub struct Differences {
    /// When they were found, RFC 3339, UTC.
    pub time: String,
    /// The objects compared in each directory.
    pub objects: [usize; 2],
    /// Objects that differ, in the order of the tree; the first of them if there are very many.
    pub rows: Vec<Row>,
    /// How many objects of each class came, went, came back and changed.
    pub classes: BTreeMap<String, Counts>,
    /// The same for all classes.
    pub total: Counts,
}

/// Numbers of objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Only the second directory has them.
    pub added: usize,
    /// They live only in the first one.
    pub deleted: usize,
    /// Deleted in the first one, alive in the second one.
    pub restored: usize,
    /// Both have them.
    pub changed: usize,
}

/// An object that differs.
pub struct Row {
    /// Its objectGUID.
    pub guid: String,
    /// How it differs.
    pub kind: Kind,
    /// Whether it has another name or is beneath another object.
    pub is_elsewhere: bool,
    /// Its name.
    pub dn: String,
    /// Its class.
    pub class: String,
    /// The attributes that differ, of a changed object.
    pub attributes: Vec<String>,
}

impl Row {
    /// Whether the first directory has it alive, so that it can come back from there.
    pub fn is_of_before(&self) -> bool {
        matches!(self.kind, Kind::Deleted | Kind::Changed)
    }

    /// How it differs, in a word or two.
    pub fn what(&self) -> &'static str {
        match (self.kind, self.is_elsewhere, self.attributes.is_empty()) {
            (Kind::Added, _, _) => "added",
            (Kind::Deleted, _, _) => "deleted",
            (Kind::Restored, _, _) => "restored",
            (Kind::Changed, true, true) => "moved",
            (Kind::Changed, true, false) => "moved and changed",
            (Kind::Changed, false, _) => "changed",
        }
    }
}

impl Counts {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Added => self.added += 1,
            Kind::Deleted => self.deleted += 1,
            Kind::Restored => self.restored += 1,
            Kind::Changed => self.changed += 1,
        }
    }

    /// In words, such as `2 added, 1 deleted, 0 restored, 4 changed`.
    pub fn in_words(self) -> String {
        match self.sum() {
            0 => "nothing differs".into(),
            _ => format!(
                "{} added, {} deleted, {} restored, {} changed",
                self.added, self.deleted, self.restored, self.changed
            ),
        }
    }

    /// All of them.
    pub fn sum(self) -> usize {
        self.added + self.deleted + self.restored + self.changed
    }
}

impl Differences {
    /// Compares two directories.
    ///
    /// # Errors
    /// If one of them is damaged.
    pub fn between(before: &dyn Source, after: &dyn Source) -> Result<Self, Problem> {
        let comparison =
            Comparison::new(before, after, Options::default()).map_err(Problem::failed)?;
        let mut found = Self {
            time: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            objects: comparison.objects(),
            rows: Vec::new(),
            classes: BTreeMap::new(),
            total: Counts::default(),
        };
        for change in comparison.changes() {
            found.add(&change.map_err(Problem::failed)?);
        }
        Ok(found)
    }

    fn add(&mut self, change: &ObjectChange) {
        let class = change
            .identity()
            .and_then(|identity| identity.class.clone());
        let class = class.unwrap_or_else(|| "?".into());
        self.total.add(change.kind);
        self.classes
            .entry(class.clone())
            .or_default()
            .add(change.kind);
        if self.rows.len() < LISTED {
            let names = change
                .attributes
                .iter()
                .filter(|_| change.kind == Kind::Changed);
            self.rows.push(Row {
                guid: change.guid.to_string(),
                kind: change.kind,
                is_elsewhere: change.is_moved || change.is_renamed,
                dn: change.dn().to_owned(),
                class,
                attributes: names
                    .map(|change| change.attribute.name.to_string())
                    .collect(),
            });
        }
    }
}
