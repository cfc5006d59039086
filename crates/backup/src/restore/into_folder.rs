//! A restore into a plain folder, to look at or to host later.

use std::borrow::Cow;
use std::path::Path;
use std::time::UNIX_EPOCH;

use contract::{ExpiryToken, ResultCode};
use ese::recovery::{Stop, recover};
use model::Manifest;
use store::FolderLock;
use store::restore_marker::{RESTORE_MARKER, RestoreMarker};

use super::plan::{Places, Plan};
use super::{copy, plan};
use crate::chain;
use crate::error::{Error, Result};
use crate::leftover::{self, Leftover};
use crate::report::Report;
use crate::snapshot::Snapshot;

/// A folder with a restored snapshot.
pub struct Done {
    /// Its name.
    pub folder: String,
    /// The generations that were replayed, if that was asked for.
    pub replayed: Option<String>,
    /// Removes the folder's content if the process ends before the caller has finished.
    pub leftover: Leftover,
}

/// Restores into the folder, and replays the logs up to a point where one is given.
///
/// # Errors
/// When the folder holds anything but an incomplete restore, or is in use; when the token does not
/// permit the restore. After that, an error leaves a folder from which no directory starts.
pub fn run(
    snapshot: &Snapshot,
    target: &Path,
    ignore_expiry: bool,
    until: Option<Stop>,
    report: &dyn Report,
) -> Result<Done> {
    if until.is_some() && snapshot.manifest.is_tree() {
        return Err(Error::Refused(
            "the snapshot is of a Samba domain controller, which has no transaction logs: a restore \
             is possible to the time of each snapshot only"
                .into(),
        ));
    }
    let token = check_token(&token_at(snapshot, until), ignore_expiry, report)?;
    let made = match target.exists() {
        true => None,
        false => Some(Leftover::make_folder(target)?),
    };
    let target =
        &platform::file::canonical(target).map_err(Error::io("look at the folder", target))?;
    let _lock = FolderLock::acquire(&[target]).map_err(Error::at("target folder"))?;
    check_empty(target)?;
    files::check_trusted(target, files::Owner::Own)
        .map_err(|untrusted| Error::Refused(untrusted.to_string()))?;
    let plan = Plan::new(
        &snapshot.manifest,
        &Places::in_one_folder(&snapshot.manifest, target),
    )?;
    plan.check_space()?;
    let leftover = match (made, target.join(RESTORE_MARKER).exists()) {
        (Some(made), _) => made,
        (None, false) => Leftover::content(target)?,
        // The marker of the restore that was not completed stays, and what else is there.
        (None, true) => Leftover::files(
            (plan.files.iter())
                .map(|planned| planned.place.path())
                .collect(),
        ),
    };

    let failed = Error::at("restore marker");
    RestoreMarker::begin(&token.signature, plan::generations(&snapshot.manifest))
        .write(target)
        .map_err(failed)?;
    copy::carry_out(&plan, &snapshot.content, report).inspect_err(|_| {
        report.warn(&format!(
            "{}: the restore is not complete; no directory starts from this folder until one is",
            target.display()
        ));
    })?;
    if snapshot.manifest.is_tree() {
        shape(target, report)?;
    }
    let replayed = match until {
        Some(stop) => Some(replay(&snapshot.manifest, target, stop, report)?),
        None => None,
    };
    {
        let _writing = leftover::writing();
        RestoreMarker::clear(target).map_err(Error::at("restore marker"))?;
    }
    Ok(Done {
        folder: target.display().to_string(),
        replayed,
        leftover,
    })
}

/// Replays the logs of a restored database, and returns the generations.
fn replay(manifest: &Manifest, target: &Path, stop: Stop, report: &dyn Report) -> Result<String> {
    report.note(&format!(
        "replaying the logs until {}",
        chain::in_words(stop)
    ));
    let recovery = super::recovery(manifest, target, report);
    let summary = recover(recovery.archive_logs(true).until(stop))?;
    Ok(match summary.generations {
        Some(range) => {
            let (low, high) = (*range.start(), *range.end());
            contract::Generations { low, high }.to_string()
        }
        None => "none".into(),
    })
}

/// Makes what a tree has beside its files. Only root can give files to others; who only looks at
/// them need not.
fn shape(target: &Path, report: &dyn Report) -> Result<()> {
    let tree = samba::Tree::open(target)?;
    for withheld in tree.withheld() {
        report.warn(&withheld);
    }
    match tree.shape() {
        Err(error) if !platform::process::is_root() => {
            report.warn(&format!(
                "{error}; without root the files do not get back their owners and access rights"
            ));
            Ok(())
        }
        shaped => Ok(shaped?),
    }
}

/// The bytes of the snapshot's token. A directory as of an earlier time expires that much earlier.
fn token_at(snapshot: &Snapshot, until: Option<Stop>) -> Cow<'_, [u8]> {
    let time = match until {
        Some(Stop::Time(time)) => time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs(),
        _ => u64::MAX,
    };
    match ExpiryToken::from_bytes(&snapshot.token) {
        Ok(mut token) if time < token.created => {
            token.created = time;
            token.to_bytes().into()
        }
        // One that cannot be read is refused as it is.
        _ => (&*snapshot.token).into(),
    }
}

fn check_token(token: &[u8], ignore_expiry: bool, report: &dyn Report) -> Result<ExpiryToken> {
    match ntdsbcli::check_expiry_token(token) {
        Err(contract::Error { code, reason })
            if code == ResultCode::CONTENTS_EXPIRED && ignore_expiry =>
        {
            report.warn(&format!(
                "{reason}. Restoring it to look at it only: this directory must never go online"
            ));
            ExpiryToken::from_bytes(token)
        }
        checked => checked,
    }
    .map_err(Error::at("expiry token"))
}

/// A folder may hold nothing, or a restore that was not completed.
fn check_empty(target: &Path) -> Result<()> {
    let mut entries = std::fs::read_dir(target).map_err(Error::io("list the folder", target))?;
    if entries.next().is_none() || target.join(RESTORE_MARKER).exists() {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "{}: the folder is not empty; name one that is empty or does not exist",
        target.display()
    )))
}
