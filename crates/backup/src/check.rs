//! The check of a repository: its structure, its content, and drills of its snapshots.

use repository::Repository;
use serde::Serialize;

use crate::choice;
use crate::drill::{Drill, DrillRequest, drill};
use crate::error::Result;
use crate::lineage;
use crate::report::Report;
use crate::shown::Shown;
use crate::survey::Survey;
use crate::words::short_id;

/// What is checked.
#[derive(Debug, Default)]
pub struct CheckRequest<'a> {
    /// Every byte of the content, not only the structure.
    pub read_data: bool,
    /// Snapshots to prove.
    pub drill: Option<DrillRequest<'a>>,
}

/// What a check found.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// Whether nothing is known to be damaged.
    pub sound: bool,
    /// Whether the content was read.
    pub read_data: bool,
    /// Damage, in words.
    pub problems: Vec<String>,
    /// What is no damage, such as content that no snapshot needs.
    pub notes: Vec<String>,
    /// Snapshots that cannot be restored in full.
    pub damaged_snapshots: Vec<String>,
    /// The verdicts of the drills.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drills: Vec<Drill>,
}

impl CheckReport {
    /// Whether this machine could not prove a snapshot.
    pub fn is_not_proven(&self) -> bool {
        let mut drills = self.drills.iter();
        drills.any(|drill| drill.verdict.not_proven.is_some())
    }
}

/// Checks a repository.
///
/// # Errors
/// If it cannot be read at all, and as [`drill`]. Damage is in the report.
pub fn check(
    repository: &Repository,
    request: &CheckRequest<'_>,
    report: &dyn Report,
) -> Result<CheckReport> {
    let mut shown = Shown::new(report, "reading packs");
    let found = repository.check(request.read_data, &mut |work, done, total| {
        shown.set(work, done, total);
    });
    drop(shown);
    let mut found = found?;
    // A repository that is damaged may not tell what continues what.
    if found.is_sound() {
        let subjects = Survey::of(repository)?.subjects(repository, report)?;
        for (orphan, missing) in choice::orphans(&subjects) {
            let (name, reason) = (short_id(&orphan.id), lineage::in_words(missing));
            found.problems.push(format!("snapshot {name}: {reason}"));
            found.damaged_snapshots.push(orphan.id.clone());
        }
    }
    let drills = match &request.drill {
        Some(request) => drill(repository, request, report)?,
        None => Vec::new(),
    };
    Ok(CheckReport {
        sound: found.is_sound() && !drills.iter().any(Drill::is_failed),
        read_data: request.read_data,
        problems: found.problems,
        notes: found.notes,
        damaged_snapshots: found.damaged_snapshots,
        drills,
    })
}
