//! Removal of the content that no snapshot needs.

use repository::{Lock, Repository};
use serde::Serialize;

use crate::error::Result;
use crate::report::Report;
use crate::shown::Shown;

/// What a prune did, or would do.
#[derive(Debug, Clone, Serialize)]
pub struct PruneReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Packs that were removed.
    pub removed_packs: usize,
    /// Packs whose needed content was written anew.
    pub rewritten_packs: usize,
    /// Packs that stay.
    pub kept_packs: usize,
    /// Bytes that are free now.
    pub freed_bytes: u64,
    /// Bytes of all packs before.
    pub bytes_before: u64,
    /// Packs that were to be rewritten, are damaged and stay as they are.
    pub damaged: Vec<String>,
}

/// Prunes a repository. `lock` must be an exclusive one, unless with `dry_run`.
///
/// # Errors
/// If anything that tells what is needed cannot be read; then nothing is removed.
pub fn prune(
    repository: &Repository,
    lock: &Lock,
    dry_run: bool,
    report: &dyn Report,
) -> Result<PruneReport> {
    report.note("looking for content that no snapshot needs");
    let mut shown = Shown::new(report, "rewriting packs");
    let pruned = repository.prune(lock, dry_run, &mut |work, done, total| {
        shown.set(work, done, total);
    });
    drop(shown);
    let pruned = pruned?;
    Ok(PruneReport {
        dry_run,
        removed_packs: pruned.removed_packs,
        rewritten_packs: pruned.rewritten_packs,
        kept_packs: pruned.kept_packs,
        freed_bytes: pruned.freed_bytes,
        bytes_before: pruned.bytes_before,
        damaged: pruned.damaged,
    })
}
