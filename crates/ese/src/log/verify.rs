//! Verifies a log file and finds the end of its written part.
//!
//! The engine writes segments in order and rewrites the last, partly filled one in place, with a
//! spare copy (the shadow) in the segment after it. So the written part is followed by at most one
//! shadow, then by segments never written (zeros) or left over from the generation whose file was
//! recycled. A bad segment is a torn write if the shadow after it replaces it, and damage
//! otherwise.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::head::{HEADER_SIZE, LogIdentity};
use super::sectors;
use super::segment::{self, SEGMENT_SIZE, Standing};
use super::sound::{FlippedBit, LogKind, SoundLog, Tail};
use crate::header::Lgpos;
use crate::{Error, Result};

/// Verifies a whole log file, read from `reader`; `file` is its name in errors.
///
/// # Errors
/// [`Error::Damaged`] with the offset, the expected and the actual content; [`Error::Io`];
/// [`Error::Unsupported`].
pub fn verify(file: &Path, kind: LogKind, mut reader: impl Read) -> Result<SoundLog> {
    let mut stream = LogStream::new(file, kind);
    let mut block = vec![0; 1 << 20];
    loop {
        match reader.read(&mut block) {
            Ok(0) => return stream.finish(),
            Ok(length) => stream.feed(&block[..length])?,
            Err(source) if source.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(Error::io(file)(source)),
        }
    }
}

/// Verifies a log from a stream of blocks of any size.
///
/// Memory: one segment for version 8 logs. Version 7 logs are held whole (64 MiB at most), since
/// their checksums cover bytes further on.
#[derive(Debug)]
pub struct LogStream {
    file: PathBuf,
    kind: LogKind,
    corrects: bool,
    lenient: bool,
    /// The number of bytes read so far.
    seen: u64,
    /// Bytes of an incomplete unit: the header, then a segment, or the whole of a version 7 file.
    pending: Vec<u8>,
    body: Option<Body>,
}

impl LogStream {
    /// A verifier for the log `file`, whose name is used only in errors.
    pub fn new(file: impl Into<PathBuf>, kind: LogKind) -> Self {
        LogStream {
            file: file.into(),
            kind,
            corrects: false,
            lenient: false,
            seen: 0,
            pending: Vec::new(),
            body: None,
        }
    }

    /// A stream that corrects a flipped bit located by the segment's code, as the engine does in
    /// replay.
    pub(super) fn correcting(file: &Path, kind: LogKind) -> Self {
        LogStream {
            corrects: true,
            ..LogStream::new(file, kind)
        }
    }

    /// A stream that ends the log at its first damage, or at the end of the file. For recovery that
    /// allows loss.
    pub(super) fn until_damage(file: &Path) -> Self {
        LogStream {
            lenient: true,
            ..LogStream::correcting(file, LogKind::Current)
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// [`Error::Damaged`] as soon as damage is certain; [`Error::Unsupported`] for an unknown
    /// version.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        if self.body.is_none() {
            bytes = self.fill(bytes, HEADER_SIZE);
            if self.pending.len() < HEADER_SIZE {
                return Ok(());
            }
            let identity = LogIdentity::parse(&self.file, &self.pending)?;
            if identity.has_segments() {
                self.pending.clear();
            }
            self.body = Some(Body::new(identity, self.corrects, self.lenient));
        }
        let body = self.body.as_ref().expect("set above");
        if self.seen > body.identity.file_bytes() {
            return Err(self.wrong_length());
        }
        if !body.identity.has_segments() {
            self.pending.extend_from_slice(bytes);
            return Ok(());
        }
        if !self.pending.is_empty() {
            bytes = self.fill(bytes, SEGMENT_SIZE);
            if self.pending.len() < SEGMENT_SIZE {
                return Ok(());
            }
            let segment = std::mem::take(&mut self.pending);
            self.segments(&segment)?;
        }
        let whole = bytes.len() - bytes.len() % SEGMENT_SIZE;
        self.segments(&bytes[..whole])?;
        self.pending.extend_from_slice(&bytes[whole..]);
        Ok(())
    }

    /// Returns the properties of the log, after all its bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the file is too short or its end violates the rules of its kind.
    pub fn finish(mut self) -> Result<SoundLog> {
        let Some(body) = self.body.take() else {
            return Err(LogIdentity::parse(&self.file, &self.pending)
                .err()
                .unwrap_or_else(|| self.wrong_length()));
        };
        if self.seen != body.identity.file_bytes() && !self.lenient {
            self.body = Some(body);
            return Err(self.wrong_length());
        }
        if !body.identity.has_segments() {
            return sectors::verify(&self.file, self.kind, body.identity, &self.pending);
        }
        body.finish(&self.file)
    }

    /// Moves bytes into `pending` until it holds `length`; returns the rest.
    fn fill<'a>(&mut self, bytes: &'a [u8], length: usize) -> &'a [u8] {
        let missing = length.saturating_sub(self.pending.len()).min(bytes.len());
        self.pending.extend_from_slice(&bytes[..missing]);
        &bytes[missing..]
    }

    fn segments(&mut self, bytes: &[u8]) -> Result<()> {
        let body = self.body.as_mut().expect("the header was read");
        for segment in bytes.chunks_exact(SEGMENT_SIZE) {
            body.segment(
                &self.file,
                self.kind,
                segment.try_into().expect("a segment"),
            )?;
        }
        Ok(())
    }

    fn wrong_length(&self) -> Error {
        let expected = match &self.body {
            Some(body) => format!("{} bytes", body.identity.file_bytes()),
            None => format!("a header of {HEADER_SIZE} bytes"),
        };
        Error::Damaged {
            file: self.file.clone(),
            offset: self.seen,
            structure: "log file length".into(),
            expected,
            found: format!("{} bytes", self.seen),
        }
    }
}

/// The position in the file, and the findings so far, of a version 8 log.
#[derive(Debug)]
struct Body {
    identity: LogIdentity,
    /// The number of the next segment.
    next: u32,
    /// The first segment after the written part, when found.
    end: Option<u32>,
    torn: Option<Bad>,
    /// A bad segment that only the shadow after it can replace.
    bad: Option<Bad>,
    segments_checksum: u64,
    flipped_bits: Vec<FlippedBit>,
    /// Whether to correct a single flipped bit of a segment.
    corrects: bool,
    /// Whether the first bad segment ends the log, whatever follows.
    lenient: bool,
}

#[derive(Debug, Clone, Copy)]
struct Bad {
    sector: u32,
    stored: u64,
    computed: u64,
}

impl Body {
    fn new(identity: LogIdentity, corrects: bool, lenient: bool) -> Self {
        Body {
            identity,
            next: identity.header_sectors,
            end: None,
            torn: None,
            bad: None,
            segments_checksum: 0,
            flipped_bits: Vec::new(),
            corrects,
            lenient,
        }
    }

    fn segment(&mut self, file: &Path, kind: LogKind, bytes: &[u8; SEGMENT_SIZE]) -> Result<()> {
        if !self.lenient {
            return self.judge(file, kind, bytes);
        }
        if self.end.is_some() {
            return Ok(());
        }
        let first_bad = self.bad.map_or(self.next, |bad| bad.sector);
        if self.judge(file, kind, bytes).is_err() {
            self.end_torn_at(first_bad);
        }
        Ok(())
    }

    /// Ends the log before this segment, which cannot be read.
    fn end_torn_at(&mut self, sector: u32) {
        self.torn = Some(Bad {
            sector,
            stored: 0,
            computed: 0,
        });
        self.bad = None;
        self.end_at(sector);
    }

    fn judge(&mut self, file: &Path, kind: LogKind, bytes: &[u8; SEGMENT_SIZE]) -> Result<()> {
        let sector = self.next;
        self.next += 1;
        // Sector numbers fit 16 bits, since the header counts the file's sectors in 16 bits.
        let here = Lgpos::new(self.identity.generation, sector as u16, 0);
        if let Some(bad) = self.bad.take() {
            return self.replace(file, kind, bad, bytes);
        }
        let (standing, flipped_bit) = self.look(bytes, sector, sector);
        // Also report bits in segments that are not used: a log without any is sound to the last
        // byte.
        self.flipped_bits.extend(flipped_bit);
        match standing {
            Standing::Zero | Standing::Shadow(_) => self.end_at(sector),
            Standing::Here(place) if place < here => self.end_at(sector),
            Standing::Here(place) if place > here => {
                return Err(damaged(
                    file,
                    sector,
                    format!("log position {here}"),
                    place.to_string(),
                ));
            }
            Standing::Here(_) if self.last_is_spare(sector) || self.end.is_some() => {
                return Err(damaged(
                    file,
                    sector,
                    format!(
                        "nothing written after the unwritten segment {}",
                        self.end.unwrap_or(sector)
                    ),
                    "a written segment".into(),
                ));
            }
            Standing::Here(_) => {
                self.segments_checksum ^= segment::stored_checksum(bytes);
            }
            Standing::Bad { stored, computed } => {
                let bad = Bad {
                    sector,
                    stored,
                    computed,
                };
                if self.end.is_some() || self.last_is_spare(sector) {
                    return Err(bad.error(file));
                }
                self.bad = Some(bad);
            }
        }
        Ok(())
    }

    /// Judges segment number `sector` of the file as if it were at `place`.
    fn look(
        &self,
        bytes: &[u8; SEGMENT_SIZE],
        sector: u32,
        place: u32,
    ) -> (Standing, Option<FlippedBit>) {
        let standing = segment::judge(bytes, place);
        let is_bad = matches!(standing, Standing::Bad { .. });
        match is_bad && self.corrects {
            true => segment::correct(bytes, place).map_or((standing, None), |(standing, bit)| {
                let flipped_bit = FlippedBit {
                    segment: sector,
                    bit: bit as u32,
                };
                (standing, Some(flipped_bit))
            }),
            false => (standing, None),
        }
    }

    /// Accepts a bad segment as a torn write, if the segment after it is its shadow and the log is
    /// the current one.
    fn replace(
        &mut self,
        file: &Path,
        kind: LogKind,
        bad: Bad,
        shadow: &[u8; SEGMENT_SIZE],
    ) -> Result<()> {
        let expected = Lgpos::new(self.identity.generation, bad.sector as u16, 0);
        let (standing, flipped_bit) = self.look(shadow, bad.sector + 1, bad.sector);
        let replaced = matches!(standing, Standing::Here(place) if place == expected);
        if !replaced || kind == LogKind::Numbered {
            return Err(bad.error(file));
        }
        self.segments_checksum ^= segment::stored_checksum(shadow);
        self.flipped_bits.extend(flipped_bit);
        self.torn = Some(bad);
        self.end_at(bad.sector + 1);
        Ok(())
    }

    fn end_at(&mut self, sector: u32) {
        self.end.get_or_insert(sector);
    }

    /// Whether this is the last segment of the file, which only ever holds a shadow.
    fn last_is_spare(&self, sector: u32) -> bool {
        sector + 1 == self.identity.file_sectors
    }

    fn finish(mut self, file: &Path) -> Result<SoundLog> {
        if self.lenient && self.end.is_none() {
            let read = self.bad.map_or(self.next, |bad| bad.sector);
            self.end_torn_at(read);
        }
        if let Some(bad) = self.bad {
            return Err(bad.error(file));
        }
        let end_sector = self.end.unwrap_or(self.identity.file_sectors - 1);
        let tail = match self.torn {
            Some(bad) => Tail::Torn { sector: bad.sector },
            None if end_sector + 1 >= self.identity.file_sectors => Tail::Complete,
            None => Tail::Unwritten { sector: end_sector },
        };
        Ok(SoundLog {
            identity: self.identity,
            tail,
            end_sector,
            end: Lgpos::new(self.identity.generation, end_sector as u16, 0),
            segments_checksum: self.segments_checksum,
            flipped_bits: self.flipped_bits,
        })
    }
}

impl Bad {
    fn error(&self, file: &Path) -> Error {
        let found = match segment::flipped_bit(self.stored, self.computed) {
            Some(bit) => format!(
                "{:#018x} (one flipped bit, number {bit} of the segment, explains it)",
                self.stored
            ),
            None => format!("{:#018x}", self.stored),
        };
        damaged(
            file,
            self.sector,
            format!("checksum {:#018x}", self.computed),
            found,
        )
    }
}

fn damaged(file: &Path, sector: u32, expected: String, found: String) -> Error {
    Error::Damaged {
        file: file.to_path_buf(),
        offset: u64::from(sector) * SEGMENT_SIZE as u64,
        structure: format!("log segment {sector:#x}"),
        expected,
        found,
    }
}
