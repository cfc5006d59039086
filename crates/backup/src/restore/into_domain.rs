//! A restore as the first domain controller of a recovered domain, when all others are gone too.

use std::path::Path;

use samba::{NewServer, Tree};

use super::into_folder;
use crate::error::{Error, Result};
use crate::leftover::Leftover;
use crate::report::Report;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;

/// Restores beside the target, makes the new server's state of it in the target, and returns the
/// target's name.
///
/// # Errors
/// When the snapshot is not of a Samba domain controller, when the target is not empty, and what
/// samba-tool says.
pub fn run(
    snapshot: &Snapshot,
    target: &Path,
    server: &NewServer<'_>,
    report: &dyn Report,
) -> Result<String> {
    if !snapshot.manifest.is_tree() {
        return Err(Error::Refused(format!(
            "the snapshot is of the kind {}; the first domain controller of a recovered domain can \
             be made of a Samba domain controller's snapshot only",
            snapshot.manifest.store
        )));
    }
    let is_empty = std::fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        return Err(Error::Refused(format!(
            "{}: the folder is not empty; name one that is empty or does not exist",
            target.display()
        )));
    }
    let scratch = Scratch::within(parent_of(target))?;
    let folder = scratch.path().join("snapshot");
    drop(into_folder::run(snapshot, &folder, false, None, report)?);
    // samba-tool makes the folder, or finds it empty.
    let made = match target.exists() {
        true => Leftover::content(target)?,
        false => Leftover::folder(target),
    };
    report.note(&format!(
        "samba-tool makes {} the first domain controller of the recovered domain",
        server.name
    ));
    Tree::open(&folder)?.recover_domain(server, target)?;
    drop(scratch);
    made.finished();
    Ok(target.display().to_string())
}

/// The folder beside the target: on the same disk, which the user chose for its size.
fn parent_of(target: &Path) -> &Path {
    let parent = target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
