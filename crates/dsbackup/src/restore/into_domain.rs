//! A restore as the first domain controller of a recovered domain, when all others are gone too.

use std::path::{Path, PathBuf};

use samba::{NewServer, Tree};

use super::{Restorable, into_folder};
use crate::cli::NewServerOptions;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// Restores beside the target, makes the new server's state of it in the target, and returns the target's name.
///
/// # Errors
/// When the snapshot is not of a Samba domain controller, when the target is not empty, and what samba-tool says.
pub fn run(
    snapshot: &Restorable,
    target: &Path,
    name: &str,
    options: &NewServerOptions,
    report: Report,
) -> Result<String> {
    if !snapshot.manifest.is_tree() {
        return Err(Failure::Refused(format!(
            "the snapshot is of the kind {}; the first domain controller of a recovered domain can be made of a Samba \
             domain controller's snapshot only",
            snapshot.manifest.store
        )));
    }
    let is_empty = std::fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none());
    if !is_empty {
        return Err(Failure::Refused(format!(
            "{}: the folder is not empty; name one that is empty or does not exist",
            target.display()
        )));
    }
    let scratch = Scratch::beside(target)?;
    into_folder::run(snapshot, &scratch.0, false, report)?;
    report.step(format!(
        "samba-tool makes {name} the first domain controller of the recovered domain"
    ));
    Tree::open(&scratch.0)?.recover_domain(
        &NewServer {
            name,
            address: options.host_ip,
            site: options.site.as_deref(),
        },
        target,
    )?;
    Ok(target.display().to_string())
}

/// A folder that holds secrets, and is gone in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn beside(target: &Path) -> Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".dsbackup-{}", std::process::id()));
        let folder = target.with_file_name(name);
        std::fs::create_dir(&folder).map_err(Failure::io("create the scratch folder", &folder))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the scratch folder, which holds secrets, cannot be removed");
        }
    }
}
