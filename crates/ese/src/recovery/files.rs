//! Which files a recovery works on: the database, and the logs from the first that it needs to the last there is.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::clock;
use super::creation;
use super::ending;
use super::error::{Error, Result};
use super::newer::Explained;
use super::options::{Options, Stop};
use crate::header::{
    Attachment, DatabaseHeader, DatabaseHeaders, DatabaseState, Lgpos, PatchHeader, Signature,
};
use crate::log::LogKind;
use crate::log_set::{LogFile, LogName, LogSet, RequiredLogs};

/// The bits of a log header that say circular logging, now and ever before.
const CIRCULAR_LOGGING: u8 = 0x06;

/// The database and the logs to replay.
#[derive(Debug)]
pub(super) struct Plan {
    /// The header, with what the end of a streaming backup says.
    pub header: DatabaseHeader,
    /// The header as it stands in the file.
    pub before: DatabaseHeader,
    /// The pages of the file, without the one that ends a streaming backup.
    pub pages: u32,
    /// All logs of the folder.
    pub set: LogSet,
    /// Those to replay.
    pub logs: Vec<(PathBuf, LogKind)>,
    /// DBTIME and OBJID that the database had reached where one of the logs began.
    pub counters: (u64, u32),
    /// From which change on the pages must be explained by the logs.
    pub explained_from: Explained,
    /// The number that the first log knows the database by from its beginning on.
    pub known_as: Option<u8>,
    /// Logs were written with circular logging, now or before: then indices may have been built without records.
    pub is_circular: bool,
    /// The first generation to replay.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// The last generation without which the database is not consistent.
    pub required: u32,
    /// Generations with committed changes that will not be replayed.
    pub lost: Vec<RangeInclusive<u32>>,
}

/// The database file that the options name.
pub(super) fn find_database(options: &Options) -> Result<PathBuf> {
    let folder = &options.folder;
    if let Some(name) = &options.database {
        let path = folder.join(name);
        // The folder is what the caller may use.
        let is_plain = Path::new(name).file_name() == Some(name.as_ref());
        return match is_plain && path.is_file() {
            true => Ok(path),
            false => Err(Error::NoDatabase { folder: path }),
        };
    }
    let mut found = databases_in(folder)?;
    match found.len() {
        0 => Err(Error::NoDatabase {
            folder: folder.clone(),
        }),
        1 => Ok(found.remove(0)),
        _ => Err(Error::SeveralDatabases {
            folder: folder.clone(),
            names: (found.iter())
                .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
                .collect(),
        }),
    }
}

/// The databases in the folder: the files whose name says so, or else those with a database's header.
fn databases_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| crate::Error::Io {
        file: folder.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    let is_named = |path: &&PathBuf| {
        let kind = path.extension().and_then(|kind| kind.to_str());
        kind.is_some_and(|kind| {
            kind.eq_ignore_ascii_case("edb") || kind.eq_ignore_ascii_case("dit")
        })
    };
    let mut found: Vec<PathBuf> = files.iter().filter(is_named).cloned().collect();
    if found.is_empty() {
        found = files;
        found.retain(|path| DatabaseHeaders::read(path).is_ok());
    }
    found.sort();
    // The engine throws its temporary database away when it starts; nobody recovers it.
    if found.len() > 1 {
        found.retain(|path| !is_temporary(path));
    }
    Ok(found)
}

/// Whether this is the name that the engine gives its temporary database, if it is told no other.
fn is_temporary(database: &Path) -> bool {
    let name = database.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| ["temp.edb", "tmp.edb"].contains(&name.to_ascii_lowercase().as_str()))
}

/// Another database beside this one that needs the same logs.
pub(super) fn other_in_need(database: &Path, sequence: &Signature) -> Result<Option<PathBuf>> {
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let needs_logs = |path: &PathBuf| {
        let header = DatabaseHeaders::read(path).map(|headers| headers.header);
        header.is_ok_and(|header| !header.is_clean() && header.log_signature == *sequence)
    };
    let others = databases_in(folder)?.into_iter();
    Ok(others
        .filter(|path| path.file_name() != database.file_name())
        .find(needs_logs))
}

impl Plan {
    pub fn of(options: &Options, database: &Path) -> Result<Plan> {
        let before = DatabaseHeaders::read(database)?.header;
        let (mut header, mut pages) = with_patch(&before, database)?;
        check_state(database, &header)?;
        let folder = options.log_folder();
        let set = LogSet::in_folder(folder, &options.base)?;
        refuse_other_base_name(&header, database, &set, options)?;
        if header.state() == DatabaseState::JustCreated {
            header = creation::start_over(database, &header, &set)?;
            pages = 0;
        }
        let mut plan = match RequiredLogs::of(&header, None, None) {
            Ok(Some(needed)) => {
                Plan::dirty(&header, pages, database, folder, &set, &needed, options)?
            }
            Ok(None) => Plan::clean(&header, pages, &set),
            Err(fault) => return Err(fault.in_file(database).into()),
        };
        plan.before = before;
        plan.stop_at(options.stop, database, &set)?;
        plan.set = set;
        Ok(plan)
    }

    /// The logs of a database that is in use: from its lowest required generation on, all there are.
    fn dirty(
        header: &DatabaseHeader,
        pages: u32,
        database: &Path,
        folder: &Path,
        set: &LogSet,
        needed: &RequiredLogs,
        options: &Options,
    ) -> Result<Plan> {
        let sequence = &needed.sequence;
        if needed.lowest == 0 {
            return Err(Error::Unrecoverable {
                database: database.to_path_buf(),
                what: "the header calls for recovery but names no logs; restore the database from a backup".into(),
            });
        }
        let run = contiguous(set, needed.lowest, sequence, folder)?;
        let last = run.last().map_or(needed.lowest - 1, LogFile::generation);
        let newest = (set.logs.iter())
            .filter(|log| log.header.log_signature == *sequence)
            .map(LogFile::generation)
            .max()
            .unwrap_or(0);
        if last < needed.highest && !(options.allow_loss && last >= needed.lowest) {
            let missing = set.missing(needed.required(), sequence);
            refuse_unusable(set, last, &options.base)?;
            refuse_foreign(set, &missing, sequence)?;
            return Err(Error::MissingRequiredLogs {
                database: database.to_path_buf(),
                folder: folder.to_path_buf(),
                missing,
                required: needed.required(),
            });
        }
        // Logs after a gap belong to the database too.
        let all = needed.committed.max(newest);
        let committed = match options.stop {
            Stop::End => all,
            Stop::Generation(end) => all.min(end),
            Stop::Time(time) if time >= SystemTime::now() => all,
            // A log that was begun by then ends all before it.
            Stop::Time(time) => (set.logs.iter())
                .filter(|log| log.header.log_signature == *sequence)
                .filter(|log| clock::milliseconds(&log.header.created) <= clock::since_1970(time))
                .map(|log| log.generation().saturating_sub(1))
                .max()
                .unwrap_or(0),
        };
        let committed = committed.max(needed.highest);
        if !options.allow_loss && (options.stop == Stop::End || last < committed) {
            refuse_unusable(set, last, &options.base)?;
        }
        let mut lost = Vec::new();
        if last < committed {
            let missing = set.missing(needed.lowest..=committed, sequence);
            if !options.allow_loss {
                refuse_foreign(set, &missing, sequence)?;
                return Err(Error::MissingCommittedLogs {
                    database: database.to_path_buf(),
                    folder: folder.to_path_buf(),
                    missing,
                    committed,
                    last,
                });
            }
            lost.push(last + 1..=committed);
        }
        Ok(Plan {
            header: header.clone(),
            before: header.clone(),
            pages,
            set: LogSet::default(),
            logs: run.iter().map(log_kind).collect(),
            counters: counters(&run, &header.database_signature),
            explained_from: Explained {
                after: dbtime_before(header, run.first()),
                new_pages_are_logged: run.first().is_none_or(|log| logs_new_pages(header, log)),
            },
            is_circular: run
                .iter()
                .any(|log| log.header.flags & CIRCULAR_LOGGING != 0),
            known_as: (run.first())
                .and_then(|first| attachment(first, header))
                .map(|attachment| attachment.database_id),
            first: needed.lowest,
            last,
            required: needed.highest,
            lost,
        })
    }

    /// The logs of a database that was shut down: what came after, if it is there. The database may have been attached
    /// again since; the log that it was shut down in need not be there for that.
    fn clean(header: &DatabaseHeader, pages: u32, set: &LogSet) -> Plan {
        let sequence = &header.log_signature;
        let consistent = header.last_consistent.generation();
        let first = (set.logs.iter())
            .filter(|log| log.header.log_signature == *sequence)
            .map(LogFile::generation)
            .find(|generation| (consistent..).contains(generation) && consistent > 0);
        let mut run: Vec<LogFile> = Vec::new();
        let mut next = first;
        while let Some(log) = next.and_then(|next| set.get(next, sequence)) {
            next = log.generation().checked_add(1);
            run.push(log.clone());
        }
        let first = first.unwrap_or(consistent);
        Plan {
            header: header.clone(),
            before: header.clone(),
            pages,
            set: LogSet::default(),
            logs: run.iter().map(log_kind).collect(),
            counters: (0, 0),
            explained_from: Explained::default(),
            known_as: None,
            is_circular: false,
            first,
            last: run.last().map_or(first, LogFile::generation),
            required: 0,
            lost: Vec::new(),
        }
    }

    /// Nothing was replayed into the clean database. If the logs go on from a state that it reached later all the same,
    /// the file is an old copy, and what was committed since would be lost.
    ///
    /// `attached` is where the logs attach the database that they still hold attached at their end. Gives the generations
    /// that are lost, if that is allowed.
    pub fn refuse_older_state(
        &self,
        attached: Option<Lgpos>,
        allow_loss: bool,
        database: &Path,
    ) -> Result<Option<RangeInclusive<u32>>> {
        let header = &self.header;
        let later = (attached.into_iter())
            .chain(ending::attachments(
                &self.set,
                &header.log_signature,
                &header.database_signature,
            ))
            .filter(|attach| *attach > header.last_consistent)
            .max();
        let Some(later) = later else {
            return Ok(None);
        };
        let first = header.last_consistent.generation();
        let newest = (self.set.logs.iter())
            .rfind(|log| log.header.log_signature == header.log_signature)
            .map_or(first, LogFile::generation);
        match allow_loss || self.stops_before(later) {
            true => Ok(self.lost.is_empty().then_some(first..=newest)),
            false => Err(Error::OlderThanLogs {
                database: database.to_path_buf(),
                consistent: header.last_consistent,
                attached: later,
            }),
        }
    }

    /// Whether the caller asked to stop before this position.
    fn stops_before(&self, position: Lgpos) -> bool {
        self.lost
            .iter()
            .any(|lost| lost.contains(&position.generation()))
    }

    /// Leaves out the logs after the place to stop.
    fn stop_at(&mut self, stop: Stop, database: &Path, set: &LogSet) -> Result<()> {
        let (end, what) = match stop {
            Stop::End => return Ok(()),
            // Nothing is newer than that.
            Stop::Time(time) if time >= SystemTime::now() => return Ok(()),
            Stop::Generation(end) => (end, format!("generation {end:#x}")),
            // A clean file without logs is as old as its shutdown.
            Stop::Time(time)
                if self.logs.is_empty()
                    && self.header.is_clean()
                    && self.header.last_consistent_time.is_utc()
                    && clock::milliseconds(&self.header.last_consistent_time)
                        <= clock::since_1970(time) =>
            {
                return Ok(());
            }
            Stop::Time(time) => {
                let sequence = &self.header.log_signature;
                let times = (set.logs.iter()).map(|log| &log.header.created);
                if times.into_iter().any(|created| !created.is_utc()) {
                    return Err(Error::Unrecoverable {
                        database: database.to_path_buf(),
                        what: "its logs tell the server's local time, and not which that is; say at which generation to \
                               stop"
                            .into(),
                    });
                }
                let ended = |generation: u32| {
                    let next = set.get(generation.checked_add(1)?, sequence)?;
                    Some(clock::milliseconds(&next.header.created) <= clock::since_1970(time))
                };
                let mut end = self.first.saturating_sub(1);
                for generation in self.first..=self.last {
                    let is_over = ended(generation).unwrap_or_else(|| {
                        // No log follows; it cannot hold anything newer than the file. But copies may have times of
                        // their own, even ones before the log was begun; these tell nothing.
                        let Some(last) = set.get(generation, sequence) else {
                            return false;
                        };
                        let begun = clock::milliseconds(&last.header.created);
                        let written = last.path.metadata().and_then(|file| file.modified());
                        written.is_ok_and(|written| {
                            written <= time && clock::since_1970(written) >= begun
                        })
                    });
                    if !is_over {
                        break;
                    }
                    end = generation;
                }
                (
                    end,
                    format!("that time, which is after generation {end:#x}"),
                )
            }
        };
        let held = match self.header.is_clean() {
            true => self.header.last_consistent.generation(),
            false => self.required,
        };
        if end < held {
            return Err(Error::StopTooEarly {
                database: database.to_path_buf(),
                stop: what,
                required: held,
            });
        }
        if end < self.last {
            self.lost.push(end + 1..=self.last);
            self.last = end;
            let count = (end + 1).saturating_sub(self.first) as usize;
            self.logs.truncate(count);
        }
        Ok(())
    }
}

/// The header as recovery is to see it, and how many pages the file has.
fn with_patch(before: &DatabaseHeader, database: &Path) -> Result<(DatabaseHeader, u32)> {
    let io = |source| crate::Error::Io {
        file: database.to_path_buf(),
        source,
    };
    let mut header = before.clone();
    let length = std::fs::metadata(database).map_err(io)?.len();
    let size = header.page_size();
    let mut pages = size.pages_in(length);
    if header.awaits_patch() {
        use crate::database::Source;
        let file = std::fs::File::open(database).map_err(io)?;
        let mut page = vec![0; size.bytes()];
        file.read_exact_at(&mut page, size.offset_of(pages))
            .map_err(io)?;
        let patch = PatchHeader::parse(&page);
        let applied = patch.and_then(|patch| header.apply_patch(&patch));
        applied.map_err(|fault| fault.in_file(database))?;
        pages = pages.saturating_sub(1);
    }
    Ok((header, pages))
}

/// Refuses states that logs cannot mend.
fn check_state(database: &Path, header: &DatabaseHeader) -> Result<()> {
    let what = match header.state() {
        DatabaseState::DirtyShutdown
        | DatabaseState::CleanShutdown
        | DatabaseState::DirtyAndPatchedShutdown
        | DatabaseState::JustCreated => return Ok(()),
        DatabaseState::IncrementalReseedInProgress => {
            "pages of another copy were being taken over when that was interrupted; complete it, or restore a backup"
        }
        DatabaseState::RevertInProgress => {
            "it was being taken back to an earlier time when that was interrupted; complete it, or restore a backup"
        }
        _ => "its header holds no state that can be recovered; restore a backup",
    };
    Err(Error::Unrecoverable {
        database: database.to_path_buf(),
        what: format!("state {}: {what}", header.state()),
    })
}

/// The logs from `first` on, without a gap.
fn contiguous(
    set: &LogSet,
    first: u32,
    sequence: &Signature,
    folder: &Path,
) -> Result<Vec<LogFile>> {
    let mut run = Vec::new();
    let mut next = Some(first);
    while let Some(generation) = next {
        let mut same = (set.logs.iter())
            .filter(|log| log.generation() == generation && log.header.log_signature == *sequence);
        let (Some(log), other) = (same.next(), same.next()) else {
            break;
        };
        if let Some(other) = other {
            return Err(Error::DuplicateLog {
                folder: folder.to_path_buf(),
                generation,
                files: [log, other].map(|log| log.path.clone()),
            });
        }
        next = generation.checked_add(1);
        run.push(log.clone());
    }
    Ok(run)
}

/// Where a missing log is there, but of another sequence, says so.
fn refuse_foreign(
    set: &LogSet,
    missing: &[RangeInclusive<u32>],
    sequence: &Signature,
) -> Result<()> {
    let is_missing = |generation: u32| missing.iter().any(|range| range.contains(&generation));
    for log in &set.logs {
        if log.header.log_signature != *sequence && is_missing(log.generation()) {
            return Err(Error::ForeignLog {
                file: log.path.clone(),
                generation: log.generation(),
                expected: Box::new(*sequence),
                found: Box::new(log.header.log_signature),
            });
        }
    }
    Ok(())
}

/// Refuses where the folder has none of the database's logs under the base name, but under another: nothing would be replayed,
/// and an old copy that is clean would pass for the newest.
fn refuse_other_base_name(
    header: &DatabaseHeader,
    database: &Path,
    set: &LogSet,
    options: &Options,
) -> Result<()> {
    let sequence = &header.log_signature;
    if set.of_sequence(sequence).next().is_some() {
        return Ok(());
    }
    // No log tells of a clean file but those from its shutdown on.
    let first = match header.is_clean() {
        true => header.last_consistent.generation().max(1),
        false => 0,
    };
    let folder = options.log_folder();
    let found: Vec<String> = (LogSet::by_base_name(folder, sequence)?.into_iter())
        .filter(|(_, set)| {
            let mut ours = set.of_sequence(sequence);
            ours.any(|log| log.generation() >= first)
        })
        .map(|(base, _)| base)
        .collect();
    match found.is_empty() {
        true => Ok(()),
        false => Err(Error::OtherBaseName {
            database: database.to_path_buf(),
            folder: folder.to_path_buf(),
            asked: options.base.clone(),
            found,
        }),
    }
}

/// Refuses to take the end of the usable logs for the end of all while a log lies there that cannot be read: the one that was
/// in use, or one of a later generation.
fn refuse_unusable(set: &LogSet, last: u32, base: &str) -> Result<()> {
    for unusable in &set.unusable {
        let named = (unusable.file().file_name())
            .and_then(|name| name.to_str())
            .and_then(|name| LogName::parse(name, base));
        let generation = match named {
            Some(LogName::Numbered { generation, .. }) if generation > last => generation,
            Some(LogName::Current) => last.saturating_add(1),
            _ => continue,
        };
        return Err(Error::UnusableLog {
            generation,
            source: Box::new(unusable.again()),
        });
    }
    Ok(())
}

/// The DBTIME that the database had reached before the first change that redo must make or find.
///
/// Changes get their DBTIME before they are logged, and a log's header is written after all records of the logs before it: so
/// what these hold is not later than what the first log's header says. A file that was attached in the middle of that log was
/// clean then, and held all changes up to the DBTIME that its own header names: the engine sets that field when the database is
/// created, detached or shut down, and never while it is attached (`le_dbtimeDirtied`).
fn dbtime_before(header: &DatabaseHeader, first: Option<&LogFile>) -> u64 {
    /// What the first change of a database gets (`dbtimeStart`). Before Windows 8, pages were made unlogged by its creation, and
    /// have lower ones.
    const FIRST: u64 = 0x40;
    let attached = header.dbtime.get();
    match first.map(|first| attachment(first, header)) {
        Some(Some(attachment)) => attachment.dbtime.get().max(attached),
        // The log holds its whole life since it was created.
        Some(None) if header.last_consistent.generation() == 0 => FIRST - 1,
        _ => attached,
    }
}

/// Whether there is a record for each page that a tree gets (`JET_efvLogNewPage`). In older formats it has a DBTIME without
/// one, and keeps it if what the page was for fails.
fn logs_new_pages(header: &DatabaseHeader, log: &LogFile) -> bool {
    let log = &log.header;
    header.update_major >= 90 && log.version_major >= 8 && log.update_major >= 40
}

/// What a log says of the database at its beginning.
fn attachment(log: &LogFile, header: &DatabaseHeader) -> Option<Attachment> {
    let mut attachments = log.header.attachments().into_iter();
    attachments.find(|attachment| attachment.database_signature == header.database_signature)
}

/// The highest counters of the database that the headers of its logs hold.
fn counters(logs: &[LogFile], database: &Signature) -> (u64, u32) {
    let attachments = logs.iter().flat_map(|log| log.header.attachments());
    let ours = attachments.filter(|attachment| attachment.database_signature == *database);
    ours.fold((0, 0), |(dbtime, object), attachment| {
        (
            dbtime.max(attachment.dbtime.get()),
            object.max(attachment.last_object_id),
        )
    })
}

pub(super) fn log_kind(log: &LogFile) -> (PathBuf, LogKind) {
    let kind = match log.name {
        LogName::Current => LogKind::Current,
        _ => LogKind::Numbered,
    };
    (log.path.clone(), kind)
}
