//! Reads the records of logs, one generation after another.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::ahead::Ahead;
use super::record::{Malformed, Record, RecordType};
use super::segment::{SEGMENT_HEADER_SIZE, SEGMENT_SIZE};
use super::{LogKind, LogStream, SoundLog, Tail};
use crate::header::Lgpos;
use crate::io;
use crate::{Error, Result};

/// The largest log file to read into memory: 65535 segments of 4096 bytes, the maximum of a header.
const LARGEST_LOG: u64 = 65535 * 4096;

/// One generation, verified and in memory.
#[derive(Debug)]
pub struct OpenLog {
    path: PathBuf,
    sound: SoundLog,
    bytes: Vec<u8>,
}

impl OpenLog {
    /// Reads and verifies a log. In memory, it replaces a torn last write of the current log by its
    /// spare copy, and corrects single flipped bits of segments.
    ///
    /// # Errors
    /// [`Error::Io`], and the errors of [`verify`](super::verify).
    pub fn read(path: &Path, kind: LogKind) -> Result<Self> {
        Self::through(path, LogStream::correcting(path, kind))
    }

    /// Reads a log up to its first damage or its end. The rest is lost.
    pub(crate) fn read_until_damage(path: &Path) -> Result<Self> {
        Self::through(path, LogStream::until_damage(path))
    }

    fn through(path: &Path, mut stream: LogStream) -> Result<Self> {
        const BLOCK: usize = 1 << 20;
        let io = Error::io(path);
        let (file, length) = io::open(path)?;
        let mut file = file.take(length);
        let mut bytes = Vec::new();
        if length <= LARGEST_LOG {
            bytes.reserve_exact(length as usize);
        }
        loop {
            let start = bytes.len();
            let block = (&mut file).take(BLOCK as u64);
            if { block }.read_to_end(&mut bytes).map_err(&io)? == 0 {
                break;
            }
            // Fails for bytes beyond the size in the header, which bounds the memory.
            stream.feed(&bytes[start..])?;
        }
        Self::from_parts(path, stream.finish()?, bytes)
    }

    fn from_parts(path: &Path, sound: SoundLog, mut bytes: Vec<u8>) -> Result<Self> {
        for flipped in &sound.flipped_bits {
            let at = flipped.segment as usize * SEGMENT_SIZE + flipped.bit as usize / 8;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (flipped.bit % 8);
            }
        }
        if let Tail::Torn { sector } = sound.tail
            && u32::from(sound.end.segment()) + u32::from(sound.end.byte() > 0) > sector
        {
            let size = sound.identity.sector_size as usize;
            let torn = sector as usize * size;
            bytes.copy_within(torn + size..torn + 2 * size, torn);
        }
        Ok(OpenLog {
            path: path.to_path_buf(),
            sound,
            bytes,
        })
    }

    /// The path of the log.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The properties found by verification.
    pub fn sound(&self) -> &SoundLog {
        &self.sound
    }

    /// The generation.
    pub fn generation(&self) -> u32 {
        self.sound.identity.generation
    }

    /// The records from the first on.
    pub fn records(&self) -> Records<'_> {
        Records {
            log: self,
            at: self.sound.identity.header_bytes() as usize,
            end: self.byte_of(self.sound.end),
            assembled: Vec::new(),
            skip_fragments: false,
        }
    }

    /// The records from the one at `from` on. Skips the rest of a fragmented record that began
    /// before.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a record before `from` in its segment cannot be read.
    pub fn records_from(&self, from: Lgpos) -> Result<Records<'_>> {
        let mut records = self.records();
        let target = self.byte_of(from);
        if from.generation() != self.generation() || target <= records.at {
            return Ok(records);
        }
        if target >= records.end {
            records.at = records.end;
            return Ok(records);
        }
        records.skip_fragments = true;
        if self.has_segments() {
            let mut at = target - target % SEGMENT_SIZE;
            if at < target {
                at += SEGMENT_HEADER_SIZE;
            }
            records.at = at;
        }
        while records.at < target {
            let (_, _, size) = records.parse(records.at)?;
            records.at += size;
        }
        Ok(records)
    }

    /// Checks that this log continues `previous`: next generation, same series, created after that
    /// very file.
    pub(crate) fn check_follows(&self, previous: &SoundLog) -> Result<()> {
        check_link(previous, self)
    }

    fn has_segments(&self) -> bool {
        self.sound.identity.has_segments()
    }

    fn byte_of(&self, position: Lgpos) -> usize {
        usize::from(position.segment()) * self.sound.identity.sector_size as usize
            + usize::from(position.byte())
    }

    fn position_of(&self, byte: usize) -> Lgpos {
        let size = self.sound.identity.sector_size as usize;
        // The sector fits, since the header counts the file's sectors in 16 bits.
        Lgpos::new(
            self.generation(),
            (byte / size) as u16,
            (byte % size) as u16,
        )
    }

    fn malformed(&self, at: usize, malformed: Malformed) -> Error {
        let structure = format!("log record at {}", self.position_of(at));
        match malformed {
            Malformed::UnknownType(kind) => Error::Unsupported {
                file: self.path.clone(),
                what: format!("{structure}: record {kind}"),
            },
            Malformed::Bounds(kind) => Error::Damaged {
                file: self.path.clone(),
                offset: at as u64,
                structure,
                expected: format!("a whole {kind} record inside its segment"),
                found: "lengths that do not fit".into(),
            },
        }
    }

    fn damaged(&self, at: usize, expected: &str, found: &str) -> Error {
        Error::Damaged {
            file: self.path.clone(),
            offset: at as u64,
            structure: format!("log record at {}", self.position_of(at)),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// One record of a log, with its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The position.
    pub position: Lgpos,
    /// Its type.
    pub kind: RecordType,
    /// The record.
    pub record: Record<'a>,
    /// The record's stored bytes, joined if it was in fragments; [`Record::parse`] reads them
    /// again.
    pub bytes: &'a [u8],
}

/// An iterator over the records of one log.
///
/// A record's position is the end of the record before it, as in the engine: for the first record
/// of a segment it is 0 within the segment's first bytes, or the padding at the end of the segment
/// before.
#[derive(Debug)]
pub struct Records<'a> {
    log: &'a OpenLog,
    at: usize,
    end: usize,
    assembled: Vec<u8>,
    skip_fragments: bool,
}

impl<'a> Records<'a> {
    /// The next record, its position and type; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Damaged`] for bytes that are not a record, [`Error::Unsupported`] for an unknown
    /// type.
    #[allow(
        clippy::should_implement_trait,
        reason = "a record put together from fragments borrows from the walker"
    )]
    pub fn next(&mut self) -> Result<Option<(Lgpos, RecordType, Record<'_>)>> {
        let entry = self.next_entry()?;
        Ok(entry.map(|entry| (entry.position, entry.kind, entry.record)))
    }

    /// The next record, as in [`next`](Self::next), with its bytes.
    ///
    /// # Errors
    /// The errors of [`next`](Self::next).
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>> {
        let log = self.log;
        let mut start = self.at;
        let mut missing: Option<usize> = None;
        loop {
            // A record cut off by the end of the log was never acknowledged: it does not exist.
            if self.at >= self.end {
                return Ok(None);
            }
            let segment_start = self.log.has_segments() && self.at.is_multiple_of(SEGMENT_SIZE);
            if segment_start {
                self.at += SEGMENT_HEADER_SIZE;
            }
            let at = self.at;
            let (record, kind, size) = self.parse(at)?;
            // After a crash within a fragmented record, recovery continues in the next segment with
            // one of these.
            let resumes = |kind| {
                segment_start
                    && matches!(
                        kind,
                        RecordType::RECOVERY_UNDO
                            | RecordType::RECOVERY_UNDO2
                            | RecordType::UNDO_INFO
                    )
            };
            self.at = at + size;
            match (record, &mut missing) {
                (Record::Nop, _) => self.skip_padding(),
                (Record::Fragment(_), None) if self.skip_fragments => start = self.at,
                (Record::FragmentBegin { total, part }, _) => {
                    let first = part.first().copied().unwrap_or(0);
                    if missing.is_some() && !resumes(RecordType(first)) {
                        return Err(self
                            .log
                            .damaged(at, "the rest of a record", "another record"));
                    }
                    if part.len() >= total as usize {
                        return Err(self.log.damaged(
                            at,
                            "a part of a record",
                            "more than all of it",
                        ));
                    }
                    self.skip_fragments = false;
                    self.assembled.clear();
                    self.assembled.extend_from_slice(part);
                    missing = Some(total as usize - part.len());
                }
                (Record::Fragment(part), Some(missing)) if part.len() <= *missing => {
                    self.assembled.extend_from_slice(part);
                    *missing -= part.len();
                    if *missing == 0 {
                        break;
                    }
                }
                (Record::Fragment(_), _) => {
                    return Err(self
                        .log
                        .damaged(at, "a record's first part", "a further part"));
                }
                (_, Some(_)) if !resumes(kind) => {
                    return Err(self
                        .log
                        .damaged(at, "the rest of a record", "another record"));
                }
                (record, missing) => {
                    if missing.is_some() {
                        start = at - SEGMENT_HEADER_SIZE;
                    }
                    self.skip_fragments = false;
                    return Ok(Some(Entry {
                        position: log.position_of(start),
                        kind,
                        record,
                        bytes: log.bytes.get(at..at + size).unwrap_or_default(),
                    }));
                }
            }
        }
        let malformed = |malformed| log.malformed(start, malformed);
        let (record, kind, size) = Record::parse(&self.assembled).map_err(malformed)?;
        if size != self.assembled.len() {
            return Err(malformed(Malformed::Bounds(kind)));
        }
        Ok(Some(Entry {
            position: log.position_of(start),
            kind,
            record,
            bytes: &self.assembled,
        }))
    }

    /// Skips padding: a run of zeros, mostly to the end of the segment.
    fn skip_padding(&mut self) {
        let end = match self.log.has_segments() {
            true => self.end.min(self.at.next_multiple_of(SEGMENT_SIZE)),
            false => self.end,
        };
        let rest = self.log.bytes.get(self.at..end).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| **byte == 0).count();
    }

    /// Parses the record whose type byte is at `at`, within its segment.
    fn parse(&self, at: usize) -> Result<(Record<'a>, RecordType, usize)> {
        let log = self.log;
        let end = match log.has_segments() {
            true => self.end.min(at - at % SEGMENT_SIZE + SEGMENT_SIZE),
            false => self.end,
        };
        let bytes = log.bytes.get(at..end).unwrap_or_default();
        Record::parse(bytes).map_err(|malformed| log.malformed(at, malformed))
    }
}

/// Reads one generation after another, with read-ahead in its own thread, and checks that each
/// follows the one before.
#[derive(Debug)]
pub struct LogReader {
    ahead: Ahead<Result<OpenLog>>,
    previous: Option<SoundLog>,
}

impl LogReader {
    /// A reader of `files`, which must be in the order of their generations.
    pub fn new(files: Vec<(PathBuf, LogKind)>) -> Self {
        let ahead = Ahead::new(move |sender| {
            for (path, kind) in files {
                let log = OpenLog::read(&path, kind);
                let failed = log.is_err();
                // Sending fails if the reader is dropped.
                if sender.send(log).is_err() || failed {
                    return;
                }
            }
        });
        LogReader {
            ahead,
            previous: None,
        }
    }

    /// The next generation; `None` after the last.
    ///
    /// # Errors
    /// The errors of [`OpenLog::read`], and [`Error::Damaged`] for a log that does not follow the
    /// one before.
    pub fn next_log(&mut self) -> Result<Option<OpenLog>> {
        let Some(log) = self.ahead.next() else {
            return Ok(None);
        };
        let log = log?;
        if let Some(previous) = &self.previous {
            check_link(previous, &log)?;
        }
        self.previous = Some(log.sound.clone());
        Ok(Some(log))
    }

    /// Calls `visit` for every record of every log.
    ///
    /// # Errors
    /// The errors of [`next_log`](Self::next_log) and of `visit`.
    pub fn for_each(
        &mut self,
        mut visit: impl FnMut(&OpenLog, Lgpos, RecordType, Record<'_>) -> Result<()>,
    ) -> Result<()> {
        while let Some(log) = self.next_log()? {
            let mut records = log.records();
            while let Some((position, kind, record)) = records.next()? {
                visit(&log, position, kind, record)?;
            }
        }
        Ok(())
    }
}

/// Checks that `log` continues `previous`: next generation, same series, created after that very
/// file.
fn check_link(previous: &SoundLog, log: &OpenLog) -> Result<()> {
    let (before, after) = (&previous.identity, &log.sound.identity);
    let wrong = |offset: u64, what: &str, expected: String, found: String| {
        Err(Error::Damaged {
            file: log.path.clone(),
            offset,
            structure: format!("log file header, {what}"),
            expected,
            found,
        })
    };
    if after.generation != before.generation + 1 {
        return wrong(
            4,
            "generation",
            format!("{:#x}", before.generation + 1),
            format!("{:#x}", after.generation),
        );
    }
    if after.signature != before.signature {
        return wrong(
            44,
            "log signature",
            format!("that of generation {:#x}", before.generation),
            "the signature of another series".into(),
        );
    }
    if after.previous_created != before.created {
        return wrong(
            24,
            "creation time of the previous log",
            before.created.to_string(),
            after.previous_created.to_string(),
        );
    }
    match after.previous_segments_checksum {
        Some(checksum)
            if before.previous_segments_checksum.is_some()
                && checksum != previous.segments_checksum =>
        {
            wrong(
                653,
                "checksum of the previous log's segments",
                format!("{:#018x}", previous.segments_checksum),
                format!("{checksum:#018x}"),
            )
        }
        _ => Ok(()),
    }
}
