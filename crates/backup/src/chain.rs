//! Chains: a snapshot of a whole directory, and snapshots of logs alone that continue it.
//!
//! A snapshot of logs names the one that it continues. The logs of both overlap in one generation,
//! the log that was in use, or follow each other.

use std::collections::BTreeSet;
use std::time::SystemTime;

use contract::{FileType, Generations};
use ese::recovery::Stop;
use jiff::Timestamp;
use model::manifest::Manifest;
use repository::{Repository, SnapshotInfo};

use crate::error::{Error, Result};
use crate::lineage::{Lineage, Link};
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

    /// As [`Snapshot::open`], with only as much of the chain as leads to a point in time.
    ///
    /// # Errors
    /// As [`Snapshot::open`]; [`Error::Refused`] for a generation that the chain does not hold.
    pub fn open_until(
        repository: &Repository,
        snapshot: &SnapshotInfo,
        stop: Stop,
    ) -> Result<Self> {
        let mut chain = Chain::ending_with(repository, snapshot)?;
        let enough = chain.0.iter().position(|part| {
            let end = End::of(&part.manifest);
            end.is_some_and(|end| end.reaches(stop, part.time))
        });
        match (enough, stop) {
            (Some(enough), _) => chain.0.truncate(enough + 1),
            (None, Stop::Generation(wanted)) => chain.check_holds(wanted)?,
            // The newest state before a time is that of the last snapshot.
            (None, _) => {}
        }
        Ok(chain.into_snapshot())
    }
}

/// Where the logs of a snapshot end.
pub struct End {
    /// The newest generation.
    pub generation: u32,
    /// Whether that was finished, and not the log in use.
    pub is_closed: bool,
}

impl End {
    /// `None` for a snapshot without logs.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let newest = manifest.newest_log()?;
        Some(Self {
            generation: newest.generation?,
            is_closed: newest.base_name() != format!("{}.log", manifest.log_base_name),
        })
    }

    /// The first generation of logs that continue them, at the latest.
    pub fn next(&self) -> u32 {
        self.generation.saturating_add(u32::from(self.is_closed))
    }

    /// Whether a snapshot of this time that ends so holds all logs up to a point.
    fn reaches(&self, stop: Stop, time: SystemTime) -> bool {
        match stop {
            Stop::End => false,
            Stop::Time(wanted) => time >= wanted,
            Stop::Generation(wanted) => self.next() > wanted,
        }
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
                return Err(without_predecessor(newest));
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

    /// Refuses a generation that is newer than the logs. Of the log that was in use there is as much
    /// as there was.
    fn check_holds(&self, wanted: u32) -> Result<()> {
        let newest = self.0.last().expect("one at least");
        let end = End::of(&newest.manifest).map_or(0, |end| end.generation);
        match end < wanted {
            false => Ok(()),
            true => Err(Error::Refused(format!(
                "snapshot {} holds logs up to generation {end:#x}, not {wanted:#x}; choose one of \
                 those, or a later snapshot",
                short_id(&newest.id),
            ))),
        }
    }

    /// The ids of the snapshots, the whole directory first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|part| part.id.as_str())
    }
}

/// The snapshot of this id, or the copy of it.
pub fn named<'s>(snapshots: &'s [SnapshotInfo], id: &str) -> Option<&'s SnapshotInfo> {
    (snapshots.iter()).find(|found| ids(found).any(|own| own == id))
}

/// The snapshot of a server whose chain leads to a point in time: the oldest that holds it, of the
/// newest whole directory before it.
///
/// # Errors
/// If the repository holds no snapshot of a whole directory from before that point;
/// [`Error::BrokenChain`] if later logs on the way to it continue a snapshot that is gone.
pub fn until(repository: &Repository, server: Option<&str>, stop: Stop) -> Result<SnapshotInfo> {
    let newest = selection::find(repository, selection::LATEST, server)?;
    let mut snapshots = Vec::new();
    for snapshot in selection::backups(repository)? {
        if snapshot.is_of(&newest.host) {
            let part = Part::open(repository, &snapshot)?;
            snapshots.push((snapshot, part));
        }
    }
    let lineage = Lineage::of(snapshots.iter().map(|(snapshot, part)| Link {
        id: &snapshot.id,
        original: snapshot.original.as_deref(),
        continues: part.manifest.continues.as_deref(),
    }));
    let begins_by = |(snapshot, part): &(SnapshotInfo, Part)| match stop {
        Stop::End => true,
        Stop::Time(time) => snapshot.time <= time,
        Stop::Generation(generation) => {
            required(&part.manifest).is_none_or(|needed| needed.high <= generation)
        }
    };
    let reaches = |position: usize| {
        let (snapshot, part) = &snapshots[position];
        End::of(&part.manifest).is_some_and(|end| end.reaches(stop, snapshot.time))
    };
    let is_whole = |entry: &(SnapshotInfo, Part)| !entry.1.manifest.is_logs_only();
    let Some(base) = (snapshots.iter()).rposition(|entry| is_whole(entry) && begins_by(entry))
    else {
        let first = snapshots.iter().find(|entry| is_whole(entry));
        return Err(Error::Refused(format!(
            "the repository holds no snapshot of the whole directory of {} from before {}{}",
            newest.host,
            in_words(stop),
            match first {
                Some((first, _)) => format!(
                    ": the first is {} of {}",
                    first.short_id(),
                    Timestamp::try_from(first.time).unwrap_or_default()
                ),
                None =>
                    ", only logs; another repository may have what they continue: copy it from \
                         there, or take a full backup"
                        .into(),
            }
        )));
    };
    // Each is newer than what it continues, and several chains may grow at once.
    let members: Vec<usize> = (base..snapshots.len())
        .filter(|position| lineage.chain(*position).any(|part| part == base))
        .collect();
    let furthest = || {
        let end = |position: usize| End::of(&snapshots[position].1.manifest).map(|end| end.next());
        let others = members.iter().copied();
        others.fold(base, |best, other| match end(other) > end(best) {
            true => other,
            false => best,
        })
    };
    let found = members.iter().copied().find(|position| reaches(*position));
    let last = found.unwrap_or_else(furthest);
    let of_same = |position: &usize| {
        let signature = |position: usize| &snapshots[position].1.manifest.database.signature;
        signature(*position) == signature(base)
    };
    let mut lost = (last + 1..snapshots.len()).filter_map(|position| lineage.gap(position));
    match lost.find(of_same) {
        Some(lost) if found.is_none() => Err(without_predecessor(&snapshots[lost].1)),
        _ => Ok(snapshots.swap_remove(last).0),
    }
}

/// The ids by which others name a snapshot.
pub fn ids(snapshot: &SnapshotInfo) -> impl Iterator<Item = &str> {
    std::iter::once(snapshot.id.as_str()).chain(snapshot.original.as_deref())
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
    let reached = End::of(&previous.manifest);
    let first = (next.manifest.files.iter())
        .filter(|file| file.file_type() == FileType::LOG)
        .filter_map(|file| file.generation)
        .min();
    if previous.manifest.database.signature != next.manifest.database.signature {
        return Err(broken(
            next,
            format!(
                "snapshot {}, which is of another database",
                short_id(&previous.id)
            ),
        ));
    }
    match (&reached, first) {
        (Some(end), Some(first)) if first <= end.next() => Ok(()),
        _ => Err(broken(
            next,
            format!(
                "snapshot {}, which ends at generation {}",
                short_id(&previous.id),
                reached.map_or("none".into(), |end| format!("{:#x}", end.generation))
            ),
        )),
    }
}

/// The error for logs whose predecessor is gone.
fn without_predecessor(part: &Part) -> Error {
    let continued = match part.manifest.continues.as_deref() {
        Some(id) => format!("snapshot {}, which is not in the repository", short_id(id)),
        None => "a snapshot that it does not name".into(),
    };
    broken(part, continued)
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
