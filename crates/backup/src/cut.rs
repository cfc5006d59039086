//! A snapshot cut off at a point in time: without the logs that lead beyond it. Whoever replays the
//! rest, the directory service at its start included, comes to that point and no further.

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use contract::{ExpiryToken, FileType};
use ese::header::{DatabaseHeaders, LogHeader, LogTime};
use ese::recovery::Stop;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::manifest::File;

use crate::chain;
use crate::error::{Error, Result};
use crate::snapshot::{Snapshot, reading_failed};

/// Bytes of a log's header.
const LOG_HEADER: u64 = 4096;

impl Snapshot {
    /// Leaves out the logs after a point in time. Returns the last generation that stays, `None` if
    /// all do.
    ///
    /// # Errors
    /// [`Error::Refused`] if the snapshot has no logs, its database is already newer, or its logs do
    /// not tell their times.
    pub fn cut_off(&mut self, stop: Stop) -> Result<Option<u32>> {
        if self.manifest.is_tree() {
            return Err(Error::Refused(
                "the snapshot is of a Samba domain controller, which has no transaction logs: a \
                 restore is possible to the time of each snapshot only"
                    .into(),
            ));
        }
        let last = match stop {
            Stop::End => return Ok(None),
            Stop::Generation(generation) => generation,
            Stop::Time(time) => self.last_generation_by(time)?,
        };
        let least = self.least_generation()?;
        if last < least {
            return Err(Error::Refused(format!(
                "snapshot {} cannot be restored as of {}: its database holds changes up to \
                 generation {least:#x}, and the logs of that point end with {last:#x}; restore an \
                 earlier snapshot",
                self.short_id(),
                chain::in_words(stop)
            )));
        }
        let before = self.manifest.files.len();
        (self.manifest.files).retain(|file| generation_of(file).is_none_or(|own| own <= last));
        if self.manifest.files.len() == before {
            return Ok(None);
        }
        // It may lie beyond. Without one, the replay begins with the first log.
        (self.manifest.files).retain(|file| file.file_type() != FileType::CHECKPOINT);
        if let Some(logs) = &mut self.manifest.logs {
            logs.highest = logs.highest.min(last);
        }
        if let Stop::Time(time) = stop {
            self.expire_as_of(time);
        }
        Ok(Some(last))
    }

    /// The last generation that holds no change from after a time: each log tells when it was begun,
    /// and so when the one before it ended.
    fn last_generation_by(&self, time: SystemTime) -> Result<u32> {
        let mut logs: Vec<(u32, &File)> = (self.manifest.files.iter())
            .filter_map(|file| Some((generation_of(file)?, file)))
            .collect();
        logs.sort_by_key(|(generation, _)| *generation);
        let mut last = None;
        for (generation, file) in &logs {
            let header = self.start_of(&file.path, LOG_HEADER)?;
            let header = LogHeader::parse(&header).map_err(|fault| {
                Error::Damage(format!(
                    "{} of snapshot {}: {fault}",
                    file.path,
                    self.short_id()
                ))
            })?;
            let begun = moment(&header.created).ok_or_else(|| {
                Error::Refused(
                    "the logs tell the server's local time, and not which that is; say at which \
                     generation to stop (--until 0x7)"
                        .into(),
                )
            })?;
            if begun > time {
                break;
            }
            last = Some(generation.saturating_sub(1));
        }
        // Of the newest log its last change tells when it ended.
        if let Some((generation, newest)) = logs.last()
            && last == Some(generation.saturating_sub(1))
            && (newest.modified.parse::<Timestamp>())
                .is_ok_and(|modified| SystemTime::from(modified) <= time)
        {
            last = Some(*generation);
        }
        last.ok_or_else(|| {
            Error::Refused(format!(
                "snapshot {} has no log from before {}; restore an earlier snapshot",
                self.short_id(),
                chain::in_words(Stop::Time(time))
            ))
        })
    }

    /// The last generation of which the database itself may hold changes.
    fn least_generation(&self) -> Result<u32> {
        if let Some(required) = self.manifest.database.required {
            return Ok(required.highest);
        }
        let Some(database) = self.manifest.databases().next() else {
            return Ok(0);
        };
        let start = self.start_of(&database.path, DatabaseHeaders::START as u64)?;
        let headers = DatabaseHeaders::parse(&start).map_err(|fault| {
            Error::Damage(format!(
                "{} of snapshot {}: {fault}",
                database.path,
                self.short_id()
            ))
        })?;
        Ok(headers.header.last_consistent.generation())
    }

    fn start_of(&self, path: &str, length: u64) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        let read = self
            .content
            .open(path)?
            .take(length)
            .read_to_end(&mut start);
        read.map_err(|error| reading_failed(error, path))?;
        Ok(start)
    }

    /// A directory as of an earlier time expires that much earlier. A token that cannot be read is
    /// refused as it is.
    fn expire_as_of(&mut self, time: SystemTime) {
        let seconds = time
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        if let Ok(mut token) = ExpiryToken::from_bytes(&self.token)
            && seconds < token.created
        {
            token.created = seconds;
            self.token = token.to_bytes();
        }
    }
}

fn generation_of(file: &File) -> Option<u32> {
    file.generation
        .filter(|_| file.file_type() == FileType::LOG)
}

/// `None` for a local time, and for none at all.
fn moment(time: &LogTime) -> Option<SystemTime> {
    let (hours, minutes, seconds, milliseconds) = time.time_of_day();
    let small = |number: u8| i8::try_from(number).ok();
    let civil = DateTime::new(
        i16::try_from(time.year()).ok()?,
        small(time.month())?,
        small(time.day())?,
        small(hours)?,
        small(minutes)?,
        small(seconds)?,
        i32::from(milliseconds) * 1_000_000,
    );
    let zoned = civil.ok()?.to_zoned(TimeZone::UTC).ok()?;
    time.is_utc().then(|| zoned.timestamp().into())
}
