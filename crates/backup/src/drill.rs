//! Drills: proves snapshots before they are needed. Each is restored into a scratch folder, its
//! logs are replayed, and the database is verified as a whole; of a Samba domain controller, all
//! databases, by Samba's own check too. What this machine lacks, such as Samba's tools or room on
//! the disk, is no damage: the snapshot is then not proven.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ese::recovery::{self, recover};
use model::DirectoryIdentity;
use repository::{Lock, LockKind, Repository, SnapshotInfo};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::report::Report;
use crate::restore;
use crate::scratch::Scratch;
use crate::selection::{self, LATEST};
use crate::snapshot::Snapshot;
use crate::verdicts::{Verdict, Verdicts};
use crate::{PROGRAM, time};

/// How many findings a verdict keeps in words.
const FINDINGS: usize = 100;

/// Moves verdicts that earlier releases stored as backups to where they count as none. What fails
/// is only said: the command has done its work.
pub fn move_verdicts(repository: &Repository, lock: &Lock, report: &dyn Report) {
    if let Err(error) = crate::verdicts::move_over(repository, lock, PROGRAM) {
        report.warn(&format!(
            "verdicts of earlier releases stay where they are: {error}"
        ));
    }
}

/// Which snapshots are drilled, and where.
#[derive(Debug)]
pub struct DrillRequest<'a> {
    /// These, by the beginning of their ids, or [`LATEST`] for the newest of each server; where
    /// none is named all that have no fresh verdict.
    pub snapshots: &'a [String],
    /// Those with a fresh verdict, too.
    pub all: bool,
    /// For how many days a verdict is fresh.
    pub fresh_for: u32,
    /// Below which folder the scratch folders are made.
    pub scratch: &'a Path,
}

/// A snapshot's verdict.
#[derive(Debug, Serialize)]
pub struct Drill {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Whether it is of an earlier drill, and fresh.
    pub earlier: bool,
}

impl Drill {
    /// Whether the snapshot is known to be damaged.
    pub fn is_failed(&self) -> bool {
        !self.verdict.proven && self.verdict.not_proven.is_none()
    }
}

/// Drills the snapshots that are asked for, or all that have no fresh verdict.
///
/// # Errors
/// When a snapshot that is named is none, and as [`prove`].
pub fn drill(
    repository: &Repository,
    request: &DrillRequest<'_>,
    report: &dyn Report,
) -> Result<Vec<Drill>> {
    let mut verdicts = Verdicts::read(repository, &repository.snapshots()?);
    let prove = |snapshot: &SnapshotInfo, verdicts: &mut Verdicts| -> Result<Drill> {
        let verdict = prove(repository, snapshot, verdicts, request.scratch, report)?;
        let earlier = false;
        Ok(Drill { verdict, earlier })
    };
    if !request.snapshots.is_empty() {
        let mut named = Vec::new();
        for name in request.snapshots {
            match name.as_str() {
                LATEST => named.extend(selection::latest_of_each_server(repository)?),
                id => named.push(selection::find(repository, id, None)?),
            }
        }
        return (named.iter())
            .map(|snapshot| prove(snapshot, &mut verdicts))
            .collect();
    }
    let now = SystemTime::now();
    (selection::backups(repository)?.iter())
        .map(|snapshot| match verdicts.of(snapshot) {
            Some(verdict) if !request.all && verdict.is_fresh(request.fresh_for, now) => {
                let earlier = true;
                Ok(Drill { verdict, earlier })
            }
            _ => prove(snapshot, &mut verdicts),
        })
        .collect()
}

/// Proves one snapshot in a folder below `scratch`, and stores the verdict beside the others.
///
/// # Errors
/// When there is no scratch folder, or the verdict cannot be stored. A snapshot that does not pass,
/// or of which this machine cannot tell, is a verdict.
pub fn prove(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    verdicts: &mut Verdicts,
    scratch: &Path,
    report: &dyn Report,
) -> Result<Verdict> {
    report.note(&format!(
        "drill of snapshot {}: restore, replay, verify",
        snapshot.short_id()
    ));
    let folder = Scratch::within(scratch)?;
    let verdict = in_scratch_folder(repository, snapshot, folder.path(), report);
    drop(folder);
    let verdict = verdict?;
    verdicts.add(&verdict);
    let lock = repository.lock(LockKind::Shared, Duration::ZERO)?;
    verdicts.store(repository, &lock, PROGRAM)?;
    Ok(verdict)
}

fn in_scratch_folder(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    folder: &Path,
    report: &dyn Report,
) -> Result<Verdict> {
    let mut verdict = Verdict {
        snapshot: snapshot.id.clone(),
        time: time::from_system(SystemTime::now()),
        tool: PROGRAM.to_owned(),
        proven: false,
        findings: Vec::new(),
        not_proven: None,
        notes: Vec::new(),
        corrected: Vec::new(),
        generations: None,
        records: 0,
        rows: 0,
        index_entries: 0,
        objects: None,
        directory: None,
    };
    match restore_and_verify(repository, snapshot, folder, &mut verdict, report) {
        Ok(()) => {}
        Err(failure) if is_of_the_snapshot(&failure) => verdict.findings.push(failure.to_string()),
        Err(failure) => verdict.not_proven = Some(failure.to_string()),
    }
    // Damage is proven, whatever else could not be looked at.
    if !verdict.findings.is_empty() {
        verdict.not_proven = None;
    }
    verdict.proven = verdict.findings.is_empty() && verdict.not_proven.is_none();
    Ok(verdict)
}

/// Whether a failure says something of the snapshot, and not of the machine that drills: a full
/// disk, a missing privilege or tool, a network that is down.
fn is_of_the_snapshot(failure: &Error) -> bool {
    match failure {
        Error::Io { .. } | Error::Refused(_) | Error::Contract { .. } => false,
        Error::Samba(error) => matches!(
            error,
            samba::Error::Damaged { .. } | samba::Error::Refused(_)
        ),
        Error::Repository(error) => matches!(
            error,
            repository::Error::Damaged { .. } | repository::Error::NoSuchFile { .. }
        ),
        Error::Recovery(error) => !matches!(
            error,
            recovery::Error::Write { .. }
                | recovery::Error::Incomplete { .. }
                | recovery::Error::Read(ese::Error::Io { .. })
        ),
        Error::Database(error) | Error::Directory(ntds::Error::Engine(error)) => {
            !matches!(error, ese::Error::Io { .. })
        }
        _ => true,
    }
}

fn drill_watched(tree: &samba::Tree, report: &dyn Report) -> Result<samba::Drill> {
    let begin = |total| {
        let bar = match total {
            // It loads the schema before it says how many objects there are.
            0 => report.begin(0),
            total => report.count(total),
        };
        bar.item("dbcheck of the restored databases");
        bar
    };
    let mut shown = (0, begin(0));
    let drill = tree.drill(&mut |done, total| {
        if shown.0 != total {
            shown = (total, begin(total));
        }
        shown.1.set(done);
    })?;
    Ok(drill)
}

fn restore_and_verify(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    folder: &Path,
    verdict: &mut Verdict,
    report: &dyn Report,
) -> Result<()> {
    let restorable = Snapshot::open(repository, snapshot)?;
    report.detail(&restorable.in_words());
    restore::copy_into(&restorable, folder, report)?;
    let manifest = &restorable.manifest;
    if manifest.is_tree() {
        let drill = drill_watched(&samba::Tree::open(folder)?, report)?;
        verdict.findings = drill.findings;
        verdict.findings.truncate(FINDINGS);
        verdict.notes = drill.notes;
        verdict.notes.truncate(FINDINGS);
        verdict.not_proven = drill.not_proven;
        verdict.objects = Some(drill.entries);
        return Ok(());
    }
    let summary = recover(restore::recovery(manifest, folder, report))?;
    verdict.generations = summary.generations.as_ref().map(|range| {
        let (low, high) = (*range.start(), *range.end());
        contract::Generations { low, high }.to_string()
    });
    verdict.records = summary.counts.records;
    verdict.corrected = (summary.corrected_pages.iter())
        .map(|page| format!("page {page} of the database"))
        .chain((summary.corrected_log_bits.iter()).map(ToString::to_string))
        .collect();

    let bar = report.begin(std::fs::metadata(&summary.database).map_or(0, |file| file.len()));
    bar.item("checking how all fits together");
    let database = ese::Database::open_watched(&summary.database, move |read| bar.advance(read))?;
    let mut total = 0u64;
    let path = summary.database.as_path();
    let findings = &mut verdict.findings;
    let structure = ese::structure::verify_structure(&database, &mut |finding| {
        if finding.severity == ese::structure::Severity::Damage {
            total += 1;
            if findings.len() < FINDINGS {
                findings.push(finding.in_file(path, database.page_size()).to_string());
            }
        }
    })?;
    if total as usize > FINDINGS {
        verdict
            .findings
            .push(format!("and {} more findings", total as usize - FINDINGS));
    }
    verdict.rows = structure.rows;
    verdict.index_entries = structure.index_entries;
    match ntds::Directory::of(&database).and_then(|directory| directory.facts()) {
        Ok(facts) => {
            let found = store::identity(&facts);
            if let Some(recorded) = &manifest.directory {
                verdict.findings.extend(differences(recorded, &found));
            }
            verdict.directory = Some(found);
        }
        Err(ntds::Error::NotADirectory { .. }) if manifest.directory.is_none() => {}
        Err(error @ ntds::Error::Engine(ese::Error::Io { .. })) => return Err(error.into()),
        Err(error) => verdict.findings.push(error.to_string()),
    }
    Ok(())
}

/// What the recovered directory says of itself other than the backup did.
fn differences(recorded: &DirectoryIdentity, found: &DirectoryIdentity) -> Vec<String> {
    let fields = |directory| match serde_json::to_value(directory) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let found = fields(found);
    (fields(recorded).into_iter())
        .filter(|(name, value)| found.get(name) != Some(value))
        .map(|(name, value)| {
            let found = found.get(&name).unwrap_or(&serde_json::Value::Null);
            format!(
                "{name} of the directory: {value} when it was backed up, {found} after recovery"
            )
        })
        .collect()
}
