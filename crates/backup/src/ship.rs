//! Finished logs of a directory in use, stored as soon as they are there.
//!
//! The engine writes one log, and never again what it has finished: `edb.log` becomes
//! `edb00012.log`, which can be read while the directory is in use. Each batch of finished logs
//! becomes a snapshot of logs alone that continues the newest one of the server. All that must be
//! known is in the repository and in the folder, so that whoever ships next goes on where the one
//! before ended, however that ended. Nothing is deleted in the folder.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::{ExpiryToken, FileType, Generations};
use ese::header::Signature;
use ese::log::{LogKind, LogStream};
use ese::log_set::{LogFile, LogName, LogSet};
use ids::hex;
use model::manifest::{self, MANIFEST_PATH, Manifest, TOKEN_PATH};
use repository::{BoxError, ChunkSize, Lock, NewFile, Repository, Source, SourceFile, StoredFile};
use serde::Serialize;
use store::RestoreMarker;

use crate::error::{Error, Result};
use crate::report::Report;
use crate::tip::{LOG_HEADER, Tip};
use crate::{PROGRAM, time};

/// A batch ends with the log that brings it to this many bytes.
const BATCH: u64 = 256 << 20;

/// A log that cannot be read as one may still be in the making for this long after its last change,
/// where something copies logs into the folder.
const IN_THE_MAKING: Duration = Duration::from_secs(30);

/// Where the next log is expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The base name of the logs, such as `edb`.
    base_name: String,
    /// Their sequence.
    sequence: Signature,
    /// The first generation that is not stored.
    next: u32,
    /// The newest batch, if one is stored since the full backup.
    newest: Option<Newest>,
}

/// The newest batch of a server that the repository holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Newest {
    /// The snapshot, its whole id.
    pub snapshot: String,
    /// When it was made.
    pub time: SystemTime,
    /// Its generations, in hex: `0x5-0x7`.
    pub generations: String,
}

impl Place {
    /// The newest batch; `None` if only the full backup is stored.
    pub fn newest(&self) -> Option<&Newest> {
        self.newest.as_ref()
    }
}

/// The finished logs that are not stored yet, oldest first.
#[derive(Debug, Default)]
pub struct Waiting {
    logs: Vec<LogFile>,
    /// When this was found.
    time: Option<SystemTime>,
    /// Whether these are all that are finished.
    is_complete: bool,
}

/// What a batch is made of.
#[derive(Debug)]
pub struct ShipRequest<'a> {
    /// The folder of the logs.
    pub folder: &'a Path,
    /// The server that they are of, as in the snapshots.
    pub server: &'a str,
    /// Words to find the snapshots by.
    pub tags: &'a [String],
}

/// A batch that was stored.
#[derive(Debug, Clone, Serialize)]
pub struct ShipReport {
    /// The snapshot, its whole id.
    pub snapshot: String,
    /// The snapshot that it continues, its whole id.
    pub continues: String,
    /// The generations, in hex: `0x5-0x7`.
    pub generations: String,
    /// How many logs these are.
    pub logs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the repository grew by.
    pub stored_bytes: u64,
    /// Where the next log is expected.
    #[serde(skip)]
    pub next: Place,
}

impl Waiting {
    /// Looks into the folder.
    ///
    /// # Errors
    /// [`Error::NotContinued`] if the next log is gone, or the directory began another sequence of
    /// logs; if the folder cannot be read, a restore into it is not complete, or the next log is
    /// damaged.
    pub fn after(place: &Place, folder: &Path) -> Result<Self> {
        RestoreMarker::refuse(folder).map_err(Error::at("shipping logs"))?;
        let now = SystemTime::now();
        let set = LogSet::in_folder(folder, &place.base_name)?;
        let mut logs = Vec::new();
        let mut next = place.next;
        let mut newest = None;
        let mut is_making = false;
        for log in set.of_sequence(&place.sequence) {
            newest = newest.max(Some(log.generation()));
            if log.name == LogName::Current || log.generation() != next || is_making {
                continue;
            }
            is_making = is_short(log) && is_in_the_making(&log.path, now);
            if !is_making {
                logs.push(log.clone());
                next = next.saturating_add(1);
            }
        }
        if let Some(unusable) = set.unusable.iter().find(|unusable| {
            let generation = generation_of(unusable.file(), &place.base_name);
            generation == Some(next) && !is_in_the_making(unusable.file(), now)
        }) {
            return Err(Error::Damage(format!("{unusable}; no later log is stored")));
        }
        match newest {
            // The log after the last one that is stored is in use, or it waits.
            Some(newest) if newest >= next || newest.saturating_add(1) == next => {}
            Some(newest) => {
                return Err(Error::NotContinued(format!(
                    "{}: the newest log is of generation {newest:#x}, and up to {:#x} all are \
                     stored: the directory was set back",
                    folder.display(),
                    next.saturating_sub(1)
                )));
            }
            None if set.logs.is_empty() => {
                return Err(Error::Refused(format!(
                    "{}: there are no logs with the base name {}",
                    folder.display(),
                    place.base_name
                )));
            }
            None => {
                return Err(Error::NotContinued(format!(
                    "{}: the directory began another sequence of logs",
                    folder.display()
                )));
            }
        }
        let has_next = |log: &LogFile| log.generation() == next;
        let is_in_use = set.of_sequence(&place.sequence).any(has_next);
        is_making |= (set.unusable.iter())
            .any(|unusable| generation_of(unusable.file(), &place.base_name) == Some(next));
        if newest.is_some_and(|newest| newest > next) && !is_in_use && !is_making {
            return Err(Error::NotContinued(format!(
                "{}: the log of generation {next:#x} is gone, and was not stored before",
                folder.display()
            )));
        }
        Ok(Self {
            is_complete: !is_making,
            time: Some(now),
            logs,
        })
    }

    /// How many logs wait.
    pub fn count(&self) -> usize {
        self.logs.len()
    }

    /// The size of the logs, in bytes.
    pub fn bytes(&self) -> u64 {
        self.logs.iter().map(|log| log.header.file_size()).sum()
    }

    /// When the oldest of them was finished.
    pub fn oldest(&self) -> Option<SystemTime> {
        self.logs.first().map(|log| changed(&log.path))
    }

    /// Cuts what exceeds a batch.
    fn batch(mut self) -> Self {
        let mut bytes = 0;
        let mut enough = |log: &LogFile| {
            bytes += log.header.file_size();
            bytes >= BATCH
        };
        if let Some(last) = self.logs.iter().position(&mut enough)
            && last + 1 < self.logs.len()
        {
            self.logs.truncate(last + 1);
            self.is_complete = false;
        }
        self
    }
}

/// Where the next log of a server is expected.
///
/// # Errors
/// [`Error::NotContinued`] if a full backup is needed first; if the repository cannot be read.
pub fn place(repository: &Repository, server: &str) -> Result<Place> {
    Ok(place_after(&Tip::of(repository, server)?))
}

fn place_after(tip: &Tip) -> Place {
    Place {
        base_name: tip.manifest.log_base_name.clone(),
        sequence: tip.header.log_signature,
        next: tip.end.next(),
        newest: newest_of(tip),
    }
}

fn newest_of(tip: &Tip) -> Option<Newest> {
    let generations = match tip.manifest.shipped {
        true => tip.manifest.logs.as_ref()?,
        false => return None,
    };
    Some(Newest {
        snapshot: tip.id.clone(),
        time: tip.time,
        generations: Generations::from(*generations).to_string(),
    })
}

/// Stores the next batch of finished logs; `None` if there is none.
///
/// # Errors
/// As [`place`] and [`Waiting::after`], and if the repository cannot be written; then there is no
/// snapshot.
pub fn ship(
    repository: &Repository,
    lock: &Lock,
    request: &ShipRequest<'_>,
    report: &dyn Report,
) -> Result<Option<ShipReport>> {
    let tip = Tip::of(repository, request.server)?;
    let place = place_after(&tip);
    let waiting = Waiting::after(&place, request.folder)?.batch();
    let (Some(first), Some(last)) = (waiting.logs.first(), waiting.logs.last()) else {
        return Ok(None);
    };
    let generations = Generations {
        low: first.generation(),
        high: last.generation(),
    };
    let token = token(&tip, changed(&last.path));
    // All that was finished at that time is stored, in this snapshot or an earlier one.
    let data_of = match waiting.is_complete {
        true => waiting.time.unwrap_or_else(SystemTime::now),
        false => changed(&last.path).min(SystemTime::now()),
    };
    let draft = Manifest {
        format: manifest::FORMAT,
        tool: PROGRAM.to_owned(),
        created: time::from_seconds(token.created),
        expires: time::from_seconds(token.expires()),
        // What the directory is now, only its database could tell.
        directory: None,
        logs: Some(generations.into()),
        files: Vec::new(),
        damaged: false,
        continues: Some(tip.id.clone()),
        shipped: true,
        ..tip.manifest.clone()
    };
    let bytes = waiting.bytes();
    let logs = waiting.logs.len();
    let bar = report.begin(bytes);
    bar.item(&format!("logs {generations}"));
    let snapshot = repository::BackupRequest {
        host: draft.server.clone(),
        path: repository::WHOLE.to_owned(),
        label: draft.store.clone(),
        tags: request.tags.to_vec(),
        time: data_of.max(tip.time + Duration::from_millis(1)),
        program: PROGRAM.to_owned(),
    };
    let mut batch = Batch {
        continues: Some(&tip),
        waiting: waiting.logs.into(),
        read: Vec::new(),
        verified: None,
        manifest: draft,
        token: token.to_bytes(),
    };
    let stored = repository
        .backup(lock, &snapshot, &mut batch, &mut |read| bar.set(read))
        .map_err(Error::of_backup)?;
    let newest = Newest {
        snapshot: stored.snapshot.id,
        time: SystemTime::now(),
        generations: generations.to_string(),
    };
    Ok(Some(ShipReport {
        snapshot: newest.snapshot.clone(),
        continues: tip.id.clone(),
        generations: newest.generations.clone(),
        logs,
        bytes,
        stored_bytes: stored.stored_bytes,
        next: Place {
            next: generations.high.saturating_add(1),
            newest: Some(newest),
            ..place
        },
    }))
}

/// The directory is as old as its last change, and no newer because nobody shipped that earlier.
fn token(tip: &Tip, last_change: SystemTime) -> ExpiryToken {
    let seconds =
        |time: SystemTime| (time.duration_since(UNIX_EPOCH)).map_or(0, |since| since.as_secs());
    let now = seconds(SystemTime::now()).max(tip.token.created);
    ExpiryToken {
        created: seconds(last_change).clamp(tip.token.created, now),
        ..tip.token.clone()
    }
}

/// The time of a file's last change: of a finished log, when it was finished.
fn changed(path: &Path) -> SystemTime {
    let changed = path.metadata().and_then(|file| file.modified());
    changed.unwrap_or_else(|_| SystemTime::now())
}

/// Whether the file ends before the log does.
fn is_short(log: &LogFile) -> bool {
    let size = log.path.metadata().map(|file| file.len());
    size.is_ok_and(|size| size < log.header.file_size())
}

fn is_in_the_making(path: &Path, now: SystemTime) -> bool {
    let age = now.duration_since(changed(path));
    age.is_ok_and(|age| age < IN_THE_MAKING)
}

fn generation_of(path: &Path, base_name: &str) -> Option<u32> {
    match LogName::parse(path.file_name()?.to_str()?, base_name)? {
        LogName::Numbered { generation, .. } => Some(generation),
        _ => None,
    }
}

/// The logs of one batch, each verified while it is read.
struct Batch<'a> {
    /// Until the first log was read: what it must continue.
    continues: Option<&'a Tip>,
    waiting: VecDeque<LogFile>,
    read: Vec<(LogFile, SystemTime)>,
    verified: Option<Verified>,
    manifest: Manifest,
    token: Vec<u8>,
}

/// The verification of the log that is read.
struct Verified {
    path: PathBuf,
    stream: LogStream,
    start: Vec<u8>,
}

impl Batch<'_> {
    /// Ends the verification of the log that was read last.
    fn finish_log(&mut self) -> Result<()> {
        let Some(Verified {
            path,
            stream,
            start,
        }) = self.verified.take()
        else {
            return Ok(());
        };
        stream.finish()?;
        match self.continues.take() {
            Some(tip) => tip.check_continued(&path.display().to_string(), &start),
            None => Ok(()),
        }
    }
}

impl Source for Batch<'_> {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        self.finish_log()?;
        let Some(log) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let io = |error| Error::io("read", &log.path)(error);
        let file = File::open(&log.path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        let modified = metadata.modified().map_err(io)?;
        let verified = self.verified.insert(Verified {
            path: log.path.clone(),
            stream: LogStream::new(&log.path, LogKind::Numbered),
            start: Vec::new(),
        });
        let path = path_of(&log);
        self.read.push((log, modified));
        Ok(Some(SourceFile {
            path,
            size: metadata.len(),
            modified,
            chunk_size: ChunkSize::Standard,
            prove: true,
            content: Box::new(Verifying { file, verified }),
        }))
    }

    fn finish(&mut self, stored: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        self.finish_log()?;
        self.manifest.files = (self.read.iter().zip(stored))
            .map(|((log, modified), stored)| manifest::File {
                file_type: FileType::LOG.word().to_owned(),
                path: stored.path.clone(),
                original: log.path.display().to_string(),
                size: stored.size,
                sha256: hex::encode(&stored.sha256),
                modified: time::from_system(*modified),
                generation: Some(log.generation()),
                damage: None,
                more: Default::default(),
            })
            .collect();
        Ok(vec![
            NewFile {
                path: TOKEN_PATH.to_owned(),
                content: self.token.clone(),
            },
            NewFile {
                path: MANIFEST_PATH.to_owned(),
                content: self.manifest.to_json(),
            },
        ])
    }
}

fn path_of(log: &LogFile) -> String {
    let name = log.path.file_name().unwrap_or_default();
    format!("logs/{}", name.to_string_lossy())
}

/// A log that is verified while it is read.
struct Verifying<'a> {
    file: File,
    verified: &'a mut Verified,
}

impl Read for Verifying<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.file.read(into)?;
        let piece = &into[..length];
        let wrong = |error: ese::Error| std::io::Error::other(Error::from(error));
        self.verified.stream.feed(piece).map_err(wrong)?;
        let missing = LOG_HEADER.saturating_sub(self.verified.start.len());
        self.verified
            .start
            .extend_from_slice(&piece[..length.min(missing)]);
        Ok(length)
    }
}
