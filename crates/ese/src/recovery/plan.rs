//! The input of a recovery: the database, and the logs from the first needed to the last existing
//! one.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::creation;
use super::error::{Error, Result};
use super::log_run::{contiguous, refuse_foreign, refuse_other_base_name, refuse_unusable};
use super::options::{Options, Stop};
use super::page_ahead::Explained;
use super::stop;
use crate::header::{DatabaseHeader, DatabaseHeaders, DatabaseState, PatchHeader, Signature};
use crate::io::Source;
use crate::log::LogKind;
use crate::log_set::{LogFile, LogSet, RequiredLogs};

/// The bits of a log header for circular logging, now and at any time before.
const CIRCULAR_LOGGING: u8 = 0x06;

/// The database and the logs to replay.
#[derive(Debug)]
pub(super) struct Plan {
    /// The header, with the additions at the end of a streaming backup.
    pub header: DatabaseHeader,
    /// The header in the file.
    pub before: DatabaseHeader,
    /// The number of pages in the file, without the last page of a streaming backup.
    pub pages: u32,
    /// All logs of the folder.
    pub set: LogSet,
    /// The logs to replay.
    pub logs: Vec<(PathBuf, LogKind)>,
    /// The DBTIME and OBJID of the database at the start of one of the logs; the highest of all.
    pub counters: (u64, u32),
    /// The pages that the logs must explain.
    pub explained_from: Explained,
    /// The number by which the first log knows the database at its start.
    pub known_as: Option<u8>,
    /// Whether logs were written with circular logging, now or before: indices may then have been
    /// built without records.
    pub is_circular: bool,
    /// The first generation to replay.
    pub first: u32,
    /// The last generation to replay.
    pub last: u32,
    /// The last generation that the database needs to be consistent.
    pub required: u32,
    /// Generations with committed changes that will not be replayed.
    pub lost: Vec<RangeInclusive<u32>>,
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

    /// The plan for a database in use: all logs from its lowest required generation on.
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
                what: "the header calls for recovery but names no logs; restore the database from \
                       a backup"
                    .into(),
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
        let committed = stop::last_wanted(options.stop, all, set, sequence);
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
            logs: run.iter().map(with_kind).collect(),
            counters: counters(&run, &header.database_signature),
            explained_from: Explained::of(header, run.first()),
            is_circular: run
                .iter()
                .any(|log| log.header.flags & CIRCULAR_LOGGING != 0),
            known_as: (run.first())
                .and_then(|first| first.header.attachment_of(&header.database_signature))
                .map(|attachment| attachment.database_id),
            first: needed.lowest,
            last,
            required: needed.highest,
            lost,
        })
    }

    /// The plan for a clean database: the logs from its shutdown on, if any. It may have been
    /// attached again since; the log of its shutdown may then be missing.
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
            logs: run.iter().map(with_kind).collect(),
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

    /// Leaves out the logs after the place to stop.
    fn stop_at(&mut self, stop: Stop, database: &Path, set: &LogSet) -> Result<()> {
        let generations = self.first..=self.last;
        let has_logs = !self.logs.is_empty();
        let end = stop::last_generation(stop, generations, &self.header, database, has_logs, set)?;
        let Some((end, what)) = end else {
            return Ok(());
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

/// Returns the header with the additions of a streaming backup, and the number of pages in the
/// file.
fn with_patch(before: &DatabaseHeader, database: &Path) -> Result<(DatabaseHeader, u32)> {
    let io = crate::Error::io(database);
    let mut header = before.clone();
    let length = std::fs::metadata(database).map_err(&io)?.len();
    let size = header.page_size();
    let mut pages = size.pages_in(length);
    if header.awaits_patch() {
        let file = std::fs::File::open(database).map_err(&io)?;
        let mut page = vec![0; size.bytes()];
        file.read_exact_at(&mut page, size.offset_of(pages))
            .map_err(&io)?;
        let patch = PatchHeader::parse(&page);
        let applied = patch.and_then(|patch| header.apply_patch(&patch));
        applied.map_err(|fault| fault.in_file(database))?;
        pages = pages.saturating_sub(1);
    }
    Ok((header, pages))
}

/// Fails for states from which logs cannot recover.
fn check_state(database: &Path, header: &DatabaseHeader) -> Result<()> {
    let what = match header.state() {
        DatabaseState::DirtyShutdown
        | DatabaseState::CleanShutdown
        | DatabaseState::DirtyAndPatchedShutdown
        | DatabaseState::JustCreated => return Ok(()),
        DatabaseState::IncrementalReseedInProgress => {
            "pages of another copy were being taken over when that was interrupted; complete it, \
             or restore a backup"
        }
        DatabaseState::RevertInProgress => {
            "it was being taken back to an earlier time when that was interrupted; complete it, or \
             restore a backup"
        }
        _ => "its header holds no state that can be recovered; restore a backup",
    };
    Err(Error::Unrecoverable {
        database: database.to_path_buf(),
        what: format!("state {}: {what}", header.state()),
    })
}

/// The highest DBTIME and OBJID of the database in the headers of its logs.
fn counters(logs: &[LogFile], database: &Signature) -> (u64, u32) {
    let ours = (logs.iter()).filter_map(|log| log.header.attachment_of(database));
    ours.fold((0, 0), |(dbtime, object), attachment| {
        (
            dbtime.max(attachment.dbtime.get()),
            object.max(attachment.last_object_id),
        )
    })
}

fn with_kind(log: &LogFile) -> (PathBuf, LogKind) {
    (log.path.clone(), log.kind())
}
