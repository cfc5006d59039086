//! Version 7 logs: one stream of records across sectors, with checksum records (LRCHECKSUM) between
//! them.
//!
//! A checksum record covers the bytes before it in its sector and those after it to the end of its
//! flush, and points to the next. A flush of one sector is followed by a shadow of that sector; a
//! flush of several has a second, short checksum of its first sector. Parts of the file never
//! written hold a fixed fill pattern, so a broken chain is a torn write if only that pattern
//! follows, and damage otherwise.
//!
//! Facts from `ese/_log/logread_legacy.cxx` (FValidLRCKRecord,
//! ErrLGCheckReadLastLogRecordFF_Legacy).

use std::path::Path;

use super::head::LogIdentity;
use super::sound::{LogKind, SoundLog, Tail};
use crate::header::Lgpos;
use crate::{Error, Result};

/// The record type of a checksum record.
pub(super) const CHECKSUM_RECORD: u8 = 42;
/// The size of a checksum record in bytes.
pub(super) const CHECKSUM_RECORD_SIZE: usize = 22;

const RANGE_SEED: u32 = 0xFEED_BEAF;
const SHORT_SEED: u32 = 0xDEAD_C0DE;
const SHADOW_MARK: u32 = 0x5AD0_5EC7;
const SHORT_ON: u8 = 0x9A;
const SHORT_OFF: u8 = 0xD1;
const FILL: u8 = 0xDA;

/// Verifies a whole version 7 log.
pub(super) fn verify(
    file: &Path,
    kind: LogKind,
    identity: LogIdentity,
    bytes: &[u8],
) -> Result<SoundLog> {
    let log = SectorLog {
        bytes,
        sector_size: identity.sector_size as usize,
        generation: identity.generation,
    };
    let end = log.walk(identity.header_bytes() as usize);
    let sector_of = |offset: usize| (offset / log.sector_size) as u32;
    let sound = |tail, end: usize| SoundLog {
        identity,
        tail,
        end_sector: end.div_ceil(log.sector_size) as u32,
        end: Lgpos::new(
            identity.generation,
            (end / log.sector_size) as u16,
            (end % log.sector_size) as u16,
        ),
        segments_checksum: 0,
        flipped_bits: Vec::new(),
    };
    match end {
        Walk::End(end) => {
            let unwritten = end.div_ceil(log.sector_size) as u32;
            let tail = match unwritten + 1 >= identity.file_sectors {
                true => Tail::Complete,
                false => Tail::Unwritten { sector: unwritten },
            };
            Ok(sound(tail, end))
        }
        Walk::Torn { at, end } if kind == LogKind::Current => Ok(sound(
            Tail::Torn {
                sector: sector_of(at),
            },
            end,
        )),
        Walk::Torn { at, .. } | Walk::Broken { at } => Err(Error::Damaged {
            file: file.to_path_buf(),
            offset: at as u64,
            structure: format!("log sector {:#x}", sector_of(at)),
            expected: "a valid checksum record and range".into(),
            found: "bytes that contradict their checksum".into(),
        }),
    }
}

/// The end of the chain of checksum records.
enum Walk {
    /// The last record ends the chain; records end here.
    End(usize),
    /// The write at `at` was torn; sound records end at `end`.
    Torn { at: usize, end: usize },
    /// The data after the broken place cannot result from a torn write.
    Broken { at: usize },
}

struct SectorLog<'a> {
    bytes: &'a [u8],
    sector_size: usize,
    generation: u32,
}

/// A checksum record and its position.
#[derive(Clone, Copy)]
struct Record {
    at: usize,
    backwards: usize,
    forwards: usize,
    next: usize,
    checksum: u32,
    short_checksum: u32,
    short: u8,
}

impl Record {
    /// The end of the covered bytes.
    fn end(&self) -> usize {
        self.at + CHECKSUM_RECORD_SIZE + self.forwards
    }
}

impl SectorLog<'_> {
    fn walk(&self, start: usize) -> Walk {
        let mut at = start;
        let mut last: Option<Record> = None;
        loop {
            let sector_start = at - at % self.sector_size;
            let Some(record) = self.record(at) else {
                let shadow = at + self.sector_size;
                if let Some(shadow) = self.shadow(shadow) {
                    return self.torn_to_shadow(at, shadow);
                }
                // A crash right after a one-sector flush leaves its shadow at the place of the next
                // flush.
                if let Some(last) = last
                    && last.at / self.sector_size + 1 == at / self.sector_size
                    && self.shadow_any_next(last.at + self.sector_size).is_some()
                {
                    return self.torn_if_fill(at, sector_start, sector_start + self.sector_size);
                }
                return self.torn_if_fill(at, sector_start, sector_start);
            };
            if self.range_checksum(&record) != record.checksum {
                if record.short == SHORT_ON {
                    return self.torn_in_range(&record);
                }
                if last.is_some_and(|last| last.at + self.sector_size == at)
                    && self.shadow(at).is_some()
                {
                    return Walk::Torn {
                        at,
                        end: sector_start,
                    };
                }
                return match self.shadow(at + self.sector_size) {
                    Some(shadow) => self.torn_to_shadow(at, shadow),
                    None => self.torn_if_fill(at, sector_start, sector_start),
                };
            }
            if record.next == 0 {
                return Walk::End(record.end());
            }
            // `record` has checked that the next one is further on, so this ends.
            at += CHECKSUM_RECORD_SIZE + record.next;
            last = Some(record);
        }
    }

    fn torn_to_shadow(&self, at: usize, shadow: Record) -> Walk {
        Walk::Torn {
            at,
            end: shadow.end() - self.sector_size,
        }
    }

    /// Torn if only the fill pattern follows `scan`.
    fn torn_if_fill(&self, at: usize, end: usize, scan: usize) -> Walk {
        let rest = self.bytes.get(scan..).unwrap_or_default();
        match rest.chunks(512).all(is_fill) {
            true => Walk::Torn { at, end },
            false => Walk::Broken { at },
        }
    }

    /// A multi-sector flush whose first sector is sound and whose rest is not: torn if the flush
    /// has a hole (the fill pattern, or the shadow that it was to overwrite) and nothing follows
    /// it.
    fn torn_in_range(&self, record: &Record) -> Walk {
        let first_end = record.at - record.at % self.sector_size + self.sector_size;
        let mut rest = self.bytes[first_end..record.end()].chunks(self.sector_size);
        let hole = rest.any(|sector| sector.chunks(512).all(is_fill))
            || (record.end() == first_end + self.sector_size
                && self.shadow_any_next(record.at + self.sector_size).is_some());
        match hole {
            true => self.torn_if_fill(record.at, first_end, record.end()),
            false => Walk::Broken { at: record.at },
        }
    }

    /// The checksum record at `at`, if its own fields are possible and its short checksum, if any,
    /// is right.
    fn record(&self, at: usize) -> Option<Record> {
        let bytes = self.bytes.get(at..at + CHECKSUM_RECORD_SIZE)?;
        if bytes[0] != CHECKSUM_RECORD {
            return None;
        }
        let field = |index: usize| {
            u32::from_le_bytes(
                bytes[1 + 4 * index..5 + 4 * index]
                    .try_into()
                    .expect("four bytes"),
            )
        };
        let record = Record {
            at,
            backwards: field(0) as usize,
            forwards: field(1) as usize,
            next: field(2) as usize,
            checksum: field(3),
            short_checksum: field(4),
            short: bytes[21],
        };
        if record.forwards > self.bytes.len() || record.next > self.bytes.len() {
            return None;
        }
        let offset = at % self.sector_size;
        let reach = offset + CHECKSUM_RECORD_SIZE + record.forwards;
        let several = reach > self.sector_size;
        let possible = (record.backwards == 0 || record.backwards == offset)
            && record.end() <= self.bytes.len()
            && offset + CHECKSUM_RECORD_SIZE <= self.sector_size
            && match record.short {
                SHORT_ON => several && reach.is_multiple_of(self.sector_size),
                SHORT_OFF => !several && record.short_checksum == 0,
                _ => false,
            };
        if !possible || (several && self.short_checksum(&record) != record.short_checksum) {
            return None;
        }
        if record.next != 0 {
            let next = at.checked_add(CHECKSUM_RECORD_SIZE + record.next)?;
            let follows = reach >= self.sector_size
                && reach.is_multiple_of(self.sector_size)
                && next / self.sector_size == at / self.sector_size + reach / self.sector_size;
            if !follows {
                return None;
            }
        }
        Some(record)
    }

    /// The record at `at`, if it is the last of its chain and the sector is a shadow.
    fn shadow(&self, at: usize) -> Option<Record> {
        self.shadow_any_next(at).filter(|record| record.next == 0)
    }

    fn shadow_any_next(&self, at: usize) -> Option<Record> {
        // A shadow's `next` counts from the sector that it copies; in the shadow itself both are
        // one sector further on.
        let record = self.record(at)?;
        let fits = record.short == SHORT_OFF
            && self.range_checksum(&record) ^ SHADOW_MARK == record.checksum;
        fits.then_some(record)
    }

    fn range_checksum(&self, record: &Record) -> u32 {
        self.checksum(record, record.end(), RANGE_SEED)
    }

    fn short_checksum(&self, record: &Record) -> u32 {
        let sector_end = record.at - record.at % self.sector_size + self.sector_size;
        self.checksum(record, sector_end, SHORT_SEED)
    }

    fn checksum(&self, record: &Record, end: usize, seed: u32) -> u32 {
        xor_bytes(&self.bytes[record.at - record.backwards..record.at])
            ^ xor_bytes(&self.bytes[record.at + CHECKSUM_RECORD_SIZE..end])
            ^ seed
            ^ record.backwards as u32
            ^ record.forwards as u32
            ^ record.next as u32
            ^ u32::from(record.short)
            ^ self.generation
    }
}

/// XOR of the bytes taken four at a time from the first on, the last word padded with zeros.
fn xor_bytes(bytes: &[u8]) -> u32 {
    let mut sum = 0;
    for word in bytes.chunks(4) {
        let mut whole = [0; 4];
        whole[..word.len()].copy_from_slice(word);
        sum ^= u32::from_le_bytes(whole);
    }
    sum
}

/// Whether up to 512 bytes are the engine's pattern for log space never written.
fn is_fill(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(index, byte)| {
        let expected = match index % 16 {
            0 => FILL.wrapping_add(index as u8),
            _ => FILL,
        };
        *byte == expected
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogStream;

    const SECTOR: usize = 512;
    const HEADER: usize = 4096;
    const SECTORS: usize = 64;

    /// A version 7 log: a flush of three sectors, then a flush of one with its shadow, then the
    /// fill pattern.
    fn sample() -> Vec<u8> {
        let mut bytes = vec![0; SECTORS * SECTOR];
        fill(&mut bytes);
        let content = |range: std::ops::Range<usize>| range.map(|index| (index * index / 37) as u8);
        bytes.splice(
            HEADER..HEADER + 3 * SECTOR + 150,
            content(HEADER..HEADER + 3 * SECTOR + 150),
        );
        let second = HEADER + 3 * SECTOR + 80;
        flush(&mut bytes, HEADER, 0, 3 * SECTOR - 22, second - HEADER - 22);
        flush(&mut bytes, second, 80, 48, 0);
        let sector = bytes[HEADER + 3 * SECTOR..HEADER + 4 * SECTOR].to_vec();
        let shadow = HEADER + 4 * SECTOR;
        bytes[shadow..shadow + SECTOR].copy_from_slice(&sector);
        for (byte, mark) in bytes[shadow + 80 + 13..]
            .iter_mut()
            .zip(SHADOW_MARK.to_le_bytes())
        {
            *byte ^= mark;
        }
        header(&mut bytes);
        bytes
    }

    fn fill(bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = match index % 16 {
                0 => FILL.wrapping_add((index % 512) as u8),
                _ => FILL,
            };
        }
    }

    fn flush(bytes: &mut [u8], at: usize, backwards: usize, forwards: usize, next: usize) {
        let several = at % SECTOR + 22 + forwards > SECTOR;
        let mut record = Record {
            at,
            backwards,
            forwards,
            next,
            checksum: 0,
            short_checksum: 0,
            short: if several { SHORT_ON } else { SHORT_OFF },
        };
        let log = SectorLog {
            bytes,
            sector_size: SECTOR,
            generation: 9,
        };
        record.checksum = log.range_checksum(&record);
        if several {
            record.short_checksum = log.short_checksum(&record);
        }
        let fields = [
            record.backwards as u32,
            record.forwards as u32,
            record.next as u32,
            record.checksum,
            record.short_checksum,
        ];
        bytes[at] = CHECKSUM_RECORD;
        for (index, field) in fields.iter().enumerate() {
            bytes[at + 1 + 4 * index..][..4].copy_from_slice(&field.to_le_bytes());
        }
        bytes[at + 21] = record.short;
    }

    fn header(bytes: &mut [u8]) {
        bytes[..HEADER].fill(0);
        bytes[4] = 9;
        bytes[8..16].copy_from_slice(&[0, 2, 8, 0, SECTORS as u8, 0, 0, 32]);
        bytes[32..44].copy_from_slice(&[7, 0, 0, 0, 0x78, 0x0E, 0, 0, 15, 0, 0, 0]);
        bytes[667] = 3;
        let checksum = bytes[4..HEADER]
            .chunks_exact(4)
            .fold(0x89ab_cdef, |sum, word| {
                sum ^ u32::from_le_bytes(word.try_into().unwrap())
            });
        bytes[..4].copy_from_slice(&u32::to_le_bytes(checksum));
    }

    fn judge(bytes: &[u8], kind: LogKind) -> Result<SoundLog> {
        let mut stream = LogStream::new("edb.log", kind);
        bytes
            .chunks(1000)
            .try_for_each(|block| stream.feed(block))?;
        stream.finish()
    }

    const END: u32 = ((HEADER + 4 * SECTOR) / SECTOR) as u32;

    #[test]
    fn a_sound_chain_ends_where_its_last_record_says() {
        for kind in [LogKind::Numbered, LogKind::Current] {
            let sound = judge(&sample(), kind).unwrap();
            assert_eq!(sound.tail, Tail::Unwritten { sector: END });
            assert_eq!(sound.identity.generation, 9);
        }
    }

    #[test]
    fn every_flipped_bit_of_a_numbered_log_is_found() {
        let sound = sample();
        for byte in (HEADER..HEADER + 3 * SECTOR + 150).chain(0..HEADER) {
            for bit in 0..8 {
                let mut damaged = sound.clone();
                damaged[byte] ^= 1 << bit;
                assert!(
                    judge(&damaged, LogKind::Numbered).is_err(),
                    "byte {byte}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn damage_before_the_last_flush_is_not_a_torn_tail() {
        let sound = sample();
        for byte in HEADER..HEADER + 3 * SECTOR {
            let mut damaged = sound.clone();
            damaged[byte] ^= 0x10;
            assert!(judge(&damaged, LogKind::Current).is_err(), "byte {byte}");
        }
    }

    #[test]
    fn a_torn_one_sector_flush_is_replaced_by_its_shadow() {
        let mut torn = sample();
        torn[HEADER + 3 * SECTOR + 100] ^= 0x10;
        let sound = judge(&torn, LogKind::Current).unwrap();
        assert_eq!(sound.tail, Tail::Torn { sector: END - 1 });
        assert_eq!(sound.end_sector, END);
        assert!(judge(&torn, LogKind::Numbered).is_err());
    }

    #[test]
    fn a_flush_with_a_hole_and_nothing_after_it_is_torn() {
        let mut torn = sample();
        let first_end = HEADER + SECTOR;
        fill(&mut torn[first_end..]);
        let sound = judge(&torn, LogKind::Current).unwrap();
        assert!(matches!(sound.tail, Tail::Torn { .. }));
        assert_eq!(sound.end_sector, (first_end / SECTOR) as u32);
        assert!(judge(&torn, LogKind::Numbered).is_err());
    }
}
