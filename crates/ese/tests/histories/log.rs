//! Logs: writes records into segments and generations like an engine of version 8.

use ese::checksum::{ecc, header_checksum};
use ese::header::{Lgpos, LogHeader, LogTime, Signature};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

const SEGMENT: usize = 4096;
const SEGMENT_HEADER: usize = 40;
const FLAG_ECC: u32 = 0x2000;
/// From this version on a header holds the checksum of all segments of the log before.
const LINKED_BY_CHECKSUM: u32 = 13;
/// The overhead of a record's first part, and of each further one.
const FRAGMENT_BEGIN: usize = 7;
const FRAGMENT: usize = 3;

/// The common properties of a sequence's logs.
#[derive(Debug, Clone)]
pub struct Style {
    pub page_size: u32,
    /// Update major and update minor version.
    pub version: (u32, u32),
    pub sectors: u16,
    pub signature: Signature,
    /// The number of digits of a generation in a log's name.
    pub digits: usize,
}

/// A current or finished log.
#[derive(Debug, Clone)]
pub struct Log {
    pub generation: u32,
    created: LogTime,
    attachments: Vec<u8>,
    checkpoint: Lgpos,
    /// The segments after the header; the last may be partly filled.
    body: Vec<u8>,
}

#[derive(Debug, Clone)]
pub struct LogWriter {
    pub style: Style,
    pub logs: Vec<Log>,
}

impl LogWriter {
    pub fn new(style: Style) -> Self {
        LogWriter {
            style,
            logs: Vec::new(),
        }
    }

    /// Begins a generation.
    pub fn begin(&mut self, generation: u32, attachments: Vec<u8>, checkpoint: Lgpos) {
        self.logs.push(Log {
            generation,
            created: time(generation),
            attachments,
            checkpoint,
            body: vec![0; SEGMENT_HEADER],
        });
    }

    /// Whether the current generation has room for a record of this length.
    pub fn has_room(&self, len: usize) -> bool {
        let per_segment = SEGMENT - SEGMENT_HEADER - FRAGMENT_BEGIN;
        let segments = len.div_ceil(per_segment) + 1;
        let used = self.current().body.len().div_ceil(SEGMENT);
        // The header takes one, and the last is spare.
        used + segments + 2 <= self.style.sectors.into()
    }

    /// Removes all records from the current generation.
    pub fn clear_current(&mut self) {
        self.logs
            .last_mut()
            .expect("a log")
            .body
            .truncate(SEGMENT_HEADER);
    }

    pub fn current(&self) -> &Log {
        self.logs.last().expect("a log")
    }

    /// The end of the last record, and the start of the next.
    pub fn end(&self) -> Lgpos {
        let log = self.current();
        let (segment, byte) = match log.body.len() % SEGMENT {
            SEGMENT_HEADER => (log.body.len() / SEGMENT, 0),
            byte => (log.body.len() / SEGMENT, byte),
        };
        Lgpos::new(log.generation, segment as u16 + 1, byte as u16)
    }

    /// Appends a record, for which there is room; returns its position.
    pub fn append(&mut self, record: &[u8]) -> Lgpos {
        let position = self.end();
        let body = &mut self.logs.last_mut().expect("a log").body;
        let left = |body: &Vec<u8>| match body.len() % SEGMENT {
            0 => 0,
            filled => SEGMENT - filled,
        };
        let next_segment = |body: &mut Vec<u8>| {
            let whole = body.len().next_multiple_of(SEGMENT);
            body.resize(whole + SEGMENT_HEADER, 0);
        };
        if left(body) == 0 {
            next_segment(body);
        }
        if record.len() <= left(body) {
            body.extend_from_slice(record);
            return position;
        }
        if left(body) <= FRAGMENT_BEGIN {
            next_segment(body);
            if record.len() <= left(body) {
                body.extend_from_slice(record);
                return position;
            }
        }
        let mut rest = record;
        let mut part = left(body) - FRAGMENT_BEGIN;
        body.push(76);
        body.extend((record.len() as u32).to_le_bytes());
        loop {
            body.extend((part as u16).to_le_bytes());
            body.extend_from_slice(&rest[..part]);
            rest = &rest[part..];
            if rest.is_empty() {
                return position;
            }
            next_segment(body);
            part = rest.len().min(left(body) - FRAGMENT);
            body.push(77);
        }
    }

    /// The files: name and content.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut before = (LogTime::default(), 0);
        let mut files = Vec::new();
        for (index, log) in self.logs.iter().enumerate() {
            if index == 0 && log.generation > 1 {
                before.0 = time(log.generation - 1);
            }
            let (content, segments) = self.file(log, before.0, before.1);
            before = (log.created, segments);
            let name = match index + 1 == self.logs.len() {
                true => "edb.log".to_owned(),
                false => format!(
                    "edb{:0width$X}.log",
                    log.generation,
                    width = self.style.digits
                ),
            };
            files.push((name, content));
        }
        files
    }

    fn file(&self, log: &Log, previous_created: LogTime, previous: u64) -> (Vec<u8>, u64) {
        let style = &self.style;
        let mut header = LogHeader::new_zeroed();
        header.generation = log.generation.into();
        header.sector_size = (SEGMENT as u16).into();
        header.header_sectors = 1.into();
        header.file_sectors = style.sectors.into();
        header.page_size_field = (style.page_size as u16).into();
        header.created = log.created;
        header.previous_created = previous_created;
        header.version_major = 8.into();
        header.version_minor = 4000.into();
        header.update_major = style.version.0.into();
        header.update_minor = style.version.1.into();
        header.log_signature = style.signature;
        header.checkpoint = log.checkpoint;
        if style.version.1 >= LINKED_BY_CHECKSUM {
            header.previous_segments_checksum = previous.into();
        }
        header.file_type = 3.into();
        let mut file = header.as_bytes().to_vec();
        // The attachments are the header's last field.
        let attachments = file.len() - 2048;
        file[attachments..][..log.attachments.len()].copy_from_slice(&log.attachments);
        file.resize(SEGMENT, 0);
        let checksum = header_checksum(&file).to_le_bytes();
        file[..4].copy_from_slice(&checksum);

        let mut segments = 0;
        for (index, part) in log.body.chunks(SEGMENT).enumerate() {
            let mut segment = part.to_vec();
            segment.resize(SEGMENT, 0);
            let number = index as u32 + 1;
            let place = Lgpos::new(log.generation, number as u16, 0);
            segment[8..16].copy_from_slice(place.as_bytes());
            segment[36..40].copy_from_slice(&FLAG_ECC.to_le_bytes());
            let checksum = ecc(&segment, number, true);
            segment[..8].copy_from_slice(&checksum.to_le_bytes());
            segments ^= checksum;
            file.extend(segment);
        }
        file.resize(usize::from(style.sectors) * SEGMENT, 0);
        (file, segments)
    }
}

/// A time for each generation.
fn time(generation: u32) -> LogTime {
    let seconds = generation % 60;
    let minutes = generation / 60 % 60;
    let hours = generation / 3600 % 24;
    let bytes = [seconds as u8, minutes as u8, hours as u8, 1, 6, 126, 1, 0];
    LogTime::read_from_bytes(&bytes).expect("eight bytes")
}

/// A signature with this random number.
pub fn signature(random: u32) -> Signature {
    let mut bytes = [0; 28];
    bytes[..4].copy_from_slice(&random.to_le_bytes());
    bytes[4..12].copy_from_slice(time(0).as_bytes());
    Signature::read_from_bytes(&bytes).expect("28 bytes")
}
