//! Chains: a snapshot of a whole directory, and snapshots of logs alone that continue it.
//!
//! A snapshot of logs names the one that it continues. The logs of both overlap in one generation,
//! the log that was in use, or follow each other.

use std::collections::BTreeSet;

use contract::{FileType, Generations};
use ese::header::LogHeader;
use ese::recovery::Stop;
use jiff::Timestamp;
use model::manifest::{File, Manifest};
use repository::{Repository, SnapshotInfo};

use crate::error::{Error, Result};
use crate::selection;
use crate::snapshot::{Content, Part, Snapshot};
use crate::words::short_id;

impl Snapshot {
    /// Opens a snapshot of a repository, with all that it continues.
    ///
    /// # Errors
    /// When it is damaged, or no backup of a directory, and as [`Chain::ending_with`].
    pub fn open(repository: &Repository, snapshot: &SnapshotInfo) -> Result<Self> {
        Ok(Chain::ending_with(repository, snapshot)?.into_snapshot())
    }
}

/// The snapshots of a chain, the whole directory first, each of the others continued by the next.
pub struct Chain(Vec<Part>);

impl Chain {
    /// The chain that ends with a snapshot; of that one alone if it holds a whole directory.
    ///
    /// # Errors
    /// [`Error::BrokenChain`] if a snapshot or a generation is missing.
    pub fn ending_with(repository: &Repository, snapshot: &SnapshotInfo) -> Result<Self> {
        Self::ending_with_part(repository, Part::open(repository, snapshot)?)
    }

    fn ending_with_part(repository: &Repository, newest: Part) -> Result<Self> {
        let mut passed = BTreeSet::from([newest.id.clone()]);
        let mut parts = vec![newest];
        let mut others = None;
        loop {
            let newest = parts.last().expect("one at least");
            if !newest.manifest.is_logs_only() {
                parts.reverse();
                return Ok(Self(parts));
            }
            let others: &Vec<SnapshotInfo> = match &others {
                Some(others) => others,
                None => others.insert(repository.snapshots()?),
            };
            let wanted = newest.manifest.continues.as_deref();
            let previous = wanted.and_then(|wanted| named(others, wanted));
            let Some(previous) = previous.filter(|found| passed.insert(found.id.clone())) else {
                return Err(broken(
                    newest,
                    match wanted {
                        Some(id) => {
                            format!("snapshot {}, which is not in the repository", short_id(id))
                        }
                        None => "a snapshot that it does not name".into(),
                    },
                ));
            };
            let previous = Part::open(repository, previous)?;
            check_continued(&previous, newest)?;
            parts.push(previous);
        }
    }

    /// The chain as one snapshot: the newest copy of each file.
    pub fn into_snapshot(self) -> Snapshot {
        let parts = self.0;
        let whole = parts.first().expect("one at least").manifest.clone();
        let newest = parts.last().expect("one at least");
        let lowest = parts
            .iter()
            .filter_map(|part| part.manifest.logs)
            .map(|logs| logs.lowest);
        let lowest = lowest.min();
        let mut manifest = Manifest {
            database: whole.database,
            damaged: parts.iter().any(|part| part.manifest.damaged),
            logs: newest.manifest.logs.map(|mut logs| {
                logs.lowest = lowest.unwrap_or(logs.lowest);
                logs
            }),
            files: Vec::new(),
            ..newest.manifest.clone()
        };
        let mut content = Content::default();
        let (id, token) = (newest.id.clone(), newest.token.clone());
        for part in parts {
            let newer: BTreeSet<&str> =
                (part.manifest.files.iter().map(|file| file.path.as_str())).collect();
            manifest
                .files
                .retain(|file| !newer.contains(file.path.as_str()));
            manifest.files.extend(part.manifest.files.iter().cloned());
            content.add(part.content);
        }
        Snapshot {
            id,
            content,
            manifest,
            token,
        }
    }

    /// The ids of the snapshots, the whole directory first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|part| part.id.as_str())
    }
}

/// The snapshot of this id, or the copy of it.
pub fn named<'s>(snapshots: &'s [SnapshotInfo], id: &str) -> Option<&'s SnapshotInfo> {
    (snapshots.iter()).find(|found| found.id == id || found.original.as_deref() == Some(id))
}

/// A snapshot that a backup of logs can continue.
pub struct Tip {
    /// Its id.
    pub id: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// The generation of its newest log.
    pub generation: u32,
    header: LogHeader,
}

impl Tip {
    /// The newest undamaged snapshot of a server, if its chain is complete.
    ///
    /// # Errors
    /// If there is none, and as [`Chain::ending_with`]: a full backup is needed.
    pub fn of(repository: &Repository, server: &str) -> Result<Self> {
        let mut newest = None;
        for snapshot in selection::backups(repository)?.iter().rev() {
            if snapshot.is_of(server) {
                let part = Part::open(repository, snapshot)?;
                if !part.manifest.damaged {
                    newest = Some(part);
                    break;
                }
            }
        }
        let Some(newest) = newest else {
            return Err(full_backup_needed(&format!(
                "the repository holds no undamaged snapshot of the server {server}"
            )));
        };
        let Chain(mut parts) = Chain::ending_with_part(repository, newest)?;
        let part = parts.pop().expect("one at least");
        let name = short_id(&part.id);
        let newest_log = part.manifest.newest_log();
        let Some((log, generation)) = newest_log.and_then(|log| Some((log, log.generation?)))
        else {
            return Err(full_backup_needed(&format!(
                "snapshot {name}, the newest of the server {server}, holds no logs"
            )));
        };
        let header = part.start_of(&log.path, LOG_HEADER)?;
        let header = LogHeader::parse(&header)
            .map_err(|fault| Error::Damage(format!("{} of snapshot {name}: {fault}", log.path)))?;
        Ok(Self {
            id: part.id,
            manifest: part.manifest,
            generation,
            header,
        })
    }

    /// The beginning of its id.
    pub fn short_id(&self) -> &str {
        short_id(&self.id)
    }

    /// Checks that the snapshot is of the database with this signature, in hex.
    ///
    /// # Errors
    /// If it is of another.
    pub fn check_database(&self, signature: &str) -> Result<()> {
        match self.manifest.database.signature == signature {
            true => Ok(()),
            false => Err(full_backup_needed(&format!(
                "snapshot {}, the newest of the server, is of another database",
                self.short_id()
            ))),
        }
    }

    /// Checks that a log continues the snapshot: it is the log that was in use, or follows it.
    ///
    /// # Errors
    /// If the log is of another sequence, or the server began a new one since.
    pub fn check_continued(&self, file: &str, start: &[u8]) -> Result<()> {
        let header =
            LogHeader::parse(start).map_err(|fault| Error::Damage(format!("{file}: {fault}")))?;
        let same_sequence = header.log_signature == self.header.log_signature;
        let continued = match header.generation.get() {
            generation if generation == self.generation => header.created == self.header.created,
            generation if generation == self.generation.saturating_add(1) => {
                header.previous_created == self.header.created
            }
            _ => false,
        };
        match same_sequence && continued {
            true => Ok(()),
            false => Err(full_backup_needed(&format!(
                "{file} does not continue the logs of snapshot {}: the directory began another \
                 sequence of logs since",
                short_id(&self.id)
            ))),
        }
    }
}

/// Bytes of a log's header that identify it.
pub const LOG_HEADER: usize = 4096;

/// The snapshot of a server whose chain leads to a point in time: the oldest that holds it, of the
/// newest whole directory before it.
///
/// # Errors
/// If the repository holds no snapshot of a whole directory from before that point.
pub fn until(repository: &Repository, server: Option<&str>, stop: Stop) -> Result<SnapshotInfo> {
    let newest = selection::find(repository, selection::LATEST, server)?;
    let mut snapshots = Vec::new();
    for snapshot in selection::backups(repository)? {
        if snapshot.is_of(&newest.host) {
            let manifest = Part::open(repository, &snapshot)?.manifest;
            snapshots.push((snapshot, manifest));
        }
    }
    let begins_by = |(snapshot, manifest): &&(SnapshotInfo, Manifest)| match stop {
        Stop::End => true,
        Stop::Time(time) => snapshot.time <= time,
        Stop::Generation(generation) => {
            required(manifest).is_none_or(|needed| needed.high <= generation)
        }
    };
    let reaches = |(snapshot, manifest): &(SnapshotInfo, Manifest)| match stop {
        Stop::End => false,
        Stop::Time(time) => snapshot.time >= time,
        Stop::Generation(generation) => manifest.logs.is_some_and(|logs| logs.highest > generation),
    };
    let Some(position) =
        (snapshots.iter()).rposition(|entry| !entry.1.is_logs_only() && begins_by(&entry))
    else {
        return Err(Error::Refused(format!(
            "the repository holds no snapshot of the whole directory of {} from before {}: the first \
             is {}",
            newest.host,
            in_words(stop),
            snapshots
                .first()
                .map_or("missing".into(), |(first, _)| format!(
                    "{} of {}",
                    first.short_id(),
                    Timestamp::try_from(first.time).unwrap_or_default()
                ))
        )));
    };
    let base = &snapshots[position];
    let signature = &base.1.database.signature;
    let continuing = (snapshots[position + 1..].iter())
        .filter(|entry| entry.1.is_logs_only() && entry.1.database.signature == *signature);
    let mut last = base;
    for entry in continuing {
        if reaches(last) {
            break;
        }
        last = entry;
    }
    Ok(last.0.clone())
}

/// A point in time, for people.
pub fn in_words(stop: Stop) -> String {
    match stop {
        Stop::End => "the end".into(),
        Stop::Generation(generation) => format!("generation {generation:#x}"),
        Stop::Time(time) => Timestamp::try_from(time).unwrap_or_default().to_string(),
    }
}

fn required(manifest: &Manifest) -> Option<Generations> {
    manifest.database.required.map(Generations::from)
}

/// Whether no generation is missing between two snapshots.
fn check_continued(previous: &Part, next: &Part) -> Result<()> {
    let is_closed =
        |log: &File| log.base_name() != format!("{}.log", previous.manifest.log_base_name);
    let reached = previous.manifest.newest_log();
    let first = (next.manifest.files.iter())
        .filter(|file| file.file_type() == FileType::LOG)
        .filter_map(|file| file.generation)
        .min();
    let end =
        reached.and_then(|log| Some(log.generation?.saturating_add(u32::from(is_closed(log)))));
    if previous.manifest.database.signature != next.manifest.database.signature {
        return Err(broken(
            next,
            format!(
                "snapshot {}, which is of another database",
                short_id(&previous.id)
            ),
        ));
    }
    match (end, first) {
        (Some(end), Some(first)) if first <= end => Ok(()),
        _ => Err(broken(
            next,
            format!(
                "snapshot {}, which ends at generation {}",
                short_id(&previous.id),
                reached
                    .and_then(|log| log.generation)
                    .map_or("none".into(), |end| format!("{end:#x}"))
            ),
        )),
    }
}

fn broken(part: &Part, continued: String) -> Error {
    Error::BrokenChain {
        snapshot: short_id(&part.id).to_owned(),
        logs: part
            .manifest
            .logs
            .map(|logs| Generations::from(logs).to_string())
            .unwrap_or_default(),
        continued,
    }
}

fn full_backup_needed(why: &str) -> Error {
    Error::Refused(format!("{why}: take a full backup"))
}
