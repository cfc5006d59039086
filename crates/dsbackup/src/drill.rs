//! `dsbackup check --drill`: proves snapshots before they are needed. Each is restored into a scratch folder, its logs
//! are replayed, and the database is verified as a whole; of a Samba domain controller, all databases, by Samba's own
//! check too. What this machine lacks, such as Samba's tools or room on the disk, is no damage: the snapshot is then not
//! proven. The verdict is kept in the repository, as a small snapshot of its own that names the one that was proven.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use contract::FileType;
use ese::recovery::{self, Options, recover};
use model::DirectoryIdentity;
use repository::{
    BackupRequest, BoxError, LockKind, NewFile, Repository, SnapshotInfo, Source, SourceFile,
    StoredFile,
};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::report::Report;
use crate::restore::Restorable;
use crate::snapshots::SMALL_FILE_LIMIT;
use crate::{TOOL, time};

/// The label of the snapshots that hold verdicts.
const LABEL: &str = "dsbackup-drill";

/// The verdict's path in its snapshot.
const VERDICT_PATH: &str = "drill.json";

/// How many findings a verdict keeps in words.
const FINDINGS: usize = 100;

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The snapshot that was restored, its whole id.
    pub snapshot: String,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// The program, with its version.
    pub tool: String,
    /// Whether the snapshot gives a clean database in which everything fits together.
    pub proven: bool,
    /// What is wrong with it, in words; the first hundred.
    pub findings: Vec<String>,
    /// Why the machine that drilled could not tell: then the snapshot is neither proven nor known to be damaged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_proven: Option<String>,
    /// What was found and is no damage of the snapshot, such as what its source had too; the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// Flipped bits that recovery corrected, in words: the snapshot can be used, but a disk was not well.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub corrected: Vec<String>,
    /// The generations that were replayed.
    pub generations: Option<String>,
    /// Log records that were replayed.
    pub records: u64,
    /// Rows of all tables of the recovered database.
    pub rows: u64,
    /// Entries of all secondary indices.
    pub index_entries: u64,
    /// Objects in all partitions of a Samba domain controller.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub objects: Option<u64>,
    /// What the recovered database says of its directory, where it holds one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub directory: Option<DirectoryIdentity>,
}

impl Verdict {
    /// Whether it says something of the snapshot, and is not older than `days`. A time in the future is not old.
    pub fn is_fresh(&self, days: u32, now: SystemTime) -> bool {
        let age = jiff::Timestamp::try_from(now).ok().and_then(|now| {
            let drilled: jiff::Timestamp = self.time.parse().ok()?;
            Some(now.duration_since(drilled).as_secs())
        });
        self.not_proven.is_none() && age.is_some_and(|age| age < i64::from(days) * 86_400)
    }

    /// The verdict and its time, for lists.
    pub fn in_words(&self) -> String {
        let time = &self.time;
        match (self.proven, &self.not_proven) {
            (true, _) if !self.corrected.is_empty() => format!("proven {time} with corrected bits"),
            (true, _) => format!("proven {time}"),
            (false, Some(_)) => format!("not proven {time}"),
            (false, None) => format!("FAILED its drill {time}"),
        }
    }
}

/// Whether a snapshot holds a verdict instead of a directory.
pub fn is_verdict(snapshot: &SnapshotInfo) -> bool {
    snapshot.label == LABEL
}

/// The newest verdict on each snapshot, by the id of that snapshot. One that says nothing does not replace one that does.
///
/// # Errors
/// When the repository cannot be read.
pub fn verdicts(
    repository: &Repository,
    snapshots: &[SnapshotInfo],
) -> Result<HashMap<String, Verdict>> {
    let mut verdicts: HashMap<String, Verdict> = HashMap::new();
    let mut sorted: Vec<_> = snapshots
        .iter()
        .filter(|snapshot| is_verdict(snapshot))
        .collect();
    sorted.sort_by_key(|snapshot| snapshot.time);
    for snapshot in sorted {
        let json = repository
            .open_snapshot(snapshot)?
            .read(VERDICT_PATH, SMALL_FILE_LIMIT)?;
        // A verdict of a later release, which may say more, is no reason to show nothing.
        if let Ok(verdict) = serde_json::from_slice::<Verdict>(&json) {
            match verdicts.get(&verdict.snapshot) {
                Some(known) if verdict.not_proven.is_some() && known.not_proven.is_none() => {}
                _ => drop(verdicts.insert(verdict.snapshot.clone(), verdict)),
            }
        }
    }
    Ok(verdicts)
}

/// Proves one snapshot in a folder below `scratch`, and stores the verdict.
///
/// # Errors
/// When there is no scratch folder, or the verdict cannot be stored. A snapshot that does not pass, or of which this
/// machine cannot tell, is a verdict.
pub fn prove(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    scratch: &Path,
    report: Report,
) -> Result<Verdict> {
    report.step(format!(
        "drill of snapshot {}: restore, replay, verify",
        snapshot.short_id()
    ));
    let folder = scratch.join(format!(
        "dsbackup-drill-{}-{}",
        snapshot.short_id(),
        std::process::id()
    ));
    std::fs::create_dir(&folder).map_err(Failure::io("create the scratch folder", &folder))?;
    let verdict = in_scratch_folder(repository, snapshot, &folder, report);
    std::fs::remove_dir_all(&folder).map_err(Failure::io("remove the scratch folder", &folder))?;
    let verdict = verdict?;
    store(repository, snapshot, &verdict)?;
    Ok(verdict)
}

fn in_scratch_folder(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    folder: &Path,
    report: Report,
) -> Result<Verdict> {
    let mut verdict = Verdict {
        snapshot: snapshot.id.clone(),
        time: time::from_system(SystemTime::now()),
        tool: TOOL.to_owned(),
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

/// Whether a failure says something of the snapshot, and not of the machine that drills: a full disk, a missing
/// privilege or tool, a network that is down.
fn is_of_the_snapshot(failure: &Failure) -> bool {
    match failure {
        Failure::Io { .. } | Failure::Refused(_) | Failure::Contract { .. } => false,
        Failure::Samba(error) => matches!(
            error,
            samba::Error::Damaged { .. } | samba::Error::Refused(_)
        ),
        Failure::Repository(error) => matches!(
            error,
            repository::Error::Damaged { .. } | repository::Error::NoSuchFile { .. }
        ),
        Failure::Recovery(error) => !matches!(
            error,
            recovery::Error::Write { .. }
                | recovery::Error::Incomplete { .. }
                | recovery::Error::Read(ese::Error::Io { .. })
        ),
        Failure::Database(error) | Failure::Directory(ntds::Error::Engine(error)) => {
            !matches!(error, ese::Error::Io { .. })
        }
        _ => true,
    }
}

fn restore_and_verify(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    folder: &Path,
    verdict: &mut Verdict,
    report: Report,
) -> Result<()> {
    let restorable = Restorable::open(repository, snapshot)?;
    restorable.copy_into(folder, report)?;
    let manifest = &restorable.manifest;
    if manifest.is_tree() {
        let drill = samba::Tree::open(folder)?.drill()?;
        verdict.findings = drill.findings;
        verdict.findings.truncate(FINDINGS);
        verdict.notes = drill.notes;
        verdict.notes.truncate(FINDINGS);
        verdict.not_proven = drill.not_proven;
        verdict.objects = Some(drill.entries);
        return Ok(());
    }
    let database = manifest
        .files
        .iter()
        .find(|file| file.file_type() == FileType::DATABASE)
        .map_or("", |file| file.base_name());
    let summary = recover(
        Options::new(folder)
            .database(database)
            .log_base_name(&manifest.log_base_name),
    )?;
    verdict.generations = summary.generations.as_ref().map(|range| {
        let (low, high) = (*range.start(), *range.end());
        contract::Generations { low, high }.to_string()
    });
    verdict.records = summary.counts.records;
    verdict.corrected = (summary.corrected_pages.iter())
        .map(|page| format!("page {page} of the database"))
        .chain((summary.corrected_log_bits.iter()).map(ToString::to_string))
        .collect();

    let database = ese::Database::open(&summary.database)?;
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
            let found = store_ese::identity(&facts);
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

/// Nothing but the verdict.
struct OnlyVerdict(Option<Vec<u8>>);

impl Source for OnlyVerdict {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        Ok(None)
    }

    fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        let content = self.0.take().unwrap_or_default();
        let path = VERDICT_PATH.to_owned();
        Ok(vec![NewFile { path, content }])
    }
}

fn store(repository: &Repository, snapshot: &SnapshotInfo, verdict: &Verdict) -> Result<()> {
    let json = serde_json::to_vec_pretty(verdict).expect("strings and numbers become JSON");
    let request = BackupRequest {
        host: snapshot.host.clone(),
        label: LABEL.to_owned(),
        tags: vec![LABEL.to_owned()],
        time: SystemTime::now(),
        program: TOOL.to_owned(),
    };
    let lock = repository.lock(LockKind::Shared, Duration::ZERO)?;
    repository.backup(&lock, &request, &mut OnlyVerdict(Some(json)), &mut |_| ())?;
    Ok(())
}
