//! What a structural verification reports.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;

use crate::Error;
use crate::page::{Fault, PageSize, Pgno};

/// A place where the structure of a database contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Bytes from the start of the file to the page.
    pub offset: u64,
    /// What the page belongs to, such as `table datatable, index PDNT_index`.
    pub object: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where in the page it is, what is expected there and what was found.
    pub fault: Fault,
}

/// How bad a finding is. The line between damage and the rest is the engine's: what its own
/// integrity check rejects is damage, what it accepts is not (docs/verification.md says which of
/// its checks each finding follows).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Out of the ordinary, but the engine's integrity check accepts it.
    Note,
    /// Something is lost that nothing needs: the engine warns of it, and reads and writes such a
    /// database.
    Leak,
    /// The engine's integrity check rejects the database.
    Damage,
}

/// What was seen and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pages of the database, without headers.
    pub pages: u64,
    /// Pages that hold nodes of trees.
    pub used_pages: u64,
    /// Pages that hold nodes of space trees.
    pub space_pages: u64,
    /// Pages that are available to a tree, or kept for the growth of space trees.
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
    /// Nodes that were deleted and wait for clean-up.
    pub deleted_nodes: u64,
    /// Trees of which pages could not be read, so that what depends on all of their nodes was not
    /// checked.
    pub incomplete_trees: u64,
    /// Findings that are damage.
    pub damages: u64,
    /// Findings that are leaks.
    pub leaks: u64,
    /// Findings that are notes.
    pub notes: u64,
}

impl Summary {
    /// Whether the structure holds together.
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
    /// The error to show to a user.
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

/// How many findings of each severity were reported.
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

    /// How many findings were reported.
    pub fn counts(&self) -> Counts {
        let sink = self
            .sink
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        sink.counts
    }
}
