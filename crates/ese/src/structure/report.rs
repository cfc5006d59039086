//! The findings and the summary of a structural verification.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;

use crate::Error;
use crate::page::{Fault, PageSize, Pgno};

/// A contradiction in the structure of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The offset of the page in bytes from the start of the file.
    pub offset: u64,
    /// The owner of the page, such as `table datatable, index PDNT_index`.
    pub object: String,
    /// The severity.
    pub severity: Severity,
    /// The place in the page, the expected and the actual content.
    pub fault: Fault,
}

/// The severity of a finding. The line between damage and the rest is the engine's: damage is what
/// its own integrity check rejects (docs/verification.md names the check behind each finding).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Unusual, but the engine's integrity check accepts it.
    Note,
    /// Something unneeded is lost: the engine warns of it, and reads and writes such a database.
    Leak,
    /// The engine's integrity check rejects the database.
    Damage,
}

/// The counts of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pages of the database, without headers.
    pub pages: u64,
    /// Pages that hold nodes of trees.
    pub used_pages: u64,
    /// Pages that hold nodes of space trees.
    pub space_pages: u64,
    /// Pages available to a tree, or reserved for the growth of space trees.
    pub available_pages: u64,
    /// Pages that a tree owns but neither uses nor has available.
    pub leaked_pages: u64,
    /// Pages after the end of the database's space, such as the patch page of a backup.
    pub pages_beyond_space: u64,
    /// Trees: tables, indices, long values.
    pub trees: u64,
    /// Rows of tables.
    pub rows: u64,
    /// Entries of secondary indices.
    pub index_entries: u64,
    /// Separated long values.
    pub long_values: u64,
    /// Long values that no row refers to.
    pub orphaned_long_values: u64,
    /// Deleted nodes that await clean-up.
    pub deleted_nodes: u64,
    /// Trees with unreadable pages; checks that need all of their nodes were skipped.
    pub incomplete_trees: u64,
    /// Findings that are damage.
    pub damages: u64,
    /// Findings that are leaks.
    pub leaks: u64,
    /// Findings that are notes.
    pub notes: u64,
}

impl Summary {
    /// Whether there is no damage.
    pub fn is_sound(&self) -> bool {
        self.damages == 0
    }

    pub(super) fn add(&mut self, other: &Summary) {
        let pairs = [
            (&mut self.pages, other.pages),
            (&mut self.used_pages, other.used_pages),
            (&mut self.space_pages, other.space_pages),
            (&mut self.available_pages, other.available_pages),
            (&mut self.leaked_pages, other.leaked_pages),
            (&mut self.pages_beyond_space, other.pages_beyond_space),
            (&mut self.trees, other.trees),
            (&mut self.rows, other.rows),
            (&mut self.index_entries, other.index_entries),
            (&mut self.long_values, other.long_values),
            (&mut self.orphaned_long_values, other.orphaned_long_values),
            (&mut self.deleted_nodes, other.deleted_nodes),
            (&mut self.incomplete_trees, other.incomplete_trees),
            (&mut self.damages, other.damages),
            (&mut self.leaks, other.leaks),
            (&mut self.notes, other.notes),
        ];
        for (own, more) in pairs {
            *own += more;
        }
    }
}

impl Finding {
    /// Converts the finding to the error for users.
    pub fn in_file(&self, file: &Path, size: PageSize) -> Error {
        match self.fault.clone().in_file(file, size) {
            Error::Damaged {
                file,
                offset,
                structure,
                expected,
                found,
            } => Error::Damaged {
                file,
                offset,
                structure: format!("{}: {structure}", self.object),
                expected,
                found,
            },
            other => other,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "offset {:#x}: {}: {}",
            self.offset, self.object, self.fault
        )
    }
}

/// Passes findings on, from any thread, and counts them.
pub(super) struct Reporter<'r> {
    size: PageSize,
    sink: Mutex<Sink<'r>>,
}

struct Sink<'r> {
    on_finding: &'r mut (dyn FnMut(Finding) + Send),
    counts: Counts,
}

/// The number of findings of each severity.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub damages: u64,
    pub leaks: u64,
    pub notes: u64,
}

impl<'r> Reporter<'r> {
    pub fn new(size: PageSize, on_finding: &'r mut (dyn FnMut(Finding) + Send)) -> Self {
        Self {
            size,
            sink: Mutex::new(Sink {
                on_finding,
                counts: Counts::default(),
            }),
        }
    }

    #[cold]
    pub fn damage(&self, object: &str, fault: Fault) {
        self.report(object, Severity::Damage, fault);
    }

    #[cold]
    pub fn note(&self, object: &str, fault: Fault) {
        self.report(object, Severity::Note, fault);
    }

    #[cold]
    pub fn report(&self, object: &str, severity: Severity, fault: Fault) {
        let finding = Finding {
            offset: self.size.offset_of(fault.page() as Pgno),
            object: object.to_owned(),
            severity,
            fault,
        };
        let mut sink = self
            .sink
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        match severity {
            Severity::Damage => sink.counts.damages += 1,
            Severity::Leak => sink.counts.leaks += 1,
            Severity::Note => sink.counts.notes += 1,
        }
        (sink.on_finding)(finding);
    }

    /// The number of findings.
    pub fn counts(&self) -> Counts {
        let sink = self
            .sink
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        sink.counts
    }
}
