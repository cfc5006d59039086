//! Logs that are changed but keep valid checksums, to reach the code behind the checksums.

use ese::checksum::{ecc, header_checksum};
use ese::header::LogHeader;
use std::mem::offset_of;

/// Size of a segment, and of a log's header.
pub const SEGMENT: usize = 4096;
/// Start of the records in a segment.
const RECORDS: usize = 40;

/// Corrects the checksum of the header.
pub fn seal_header(log: &mut [u8]) {
    if let Some(header) = log.get_mut(..SEGMENT) {
        let checksum = header_checksum(header);
        header[..4].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Corrects the checksum of the segment with this number. Returns the changed bits.
pub fn seal_segment(log: &mut [u8], number: usize) -> u64 {
    let Some(segment) = log.get_mut(number * SEGMENT..(number + 1) * SEGMENT) else {
        return 0;
    };
    let sum = ecc(segment, number as u32, true).to_le_bytes();
    let old: [u8; 8] = segment[..8].try_into().expect("eight bytes");
    segment[..8].copy_from_slice(&sum);
    u64::from_le_bytes(old) ^ u64::from_le_bytes(sum)
}

/// The segments of a log that were written in its own generation.
pub fn written(log: &[u8]) -> Vec<usize> {
    let generation = &log[4..8];
    let is_own = |segment: &&[u8]| segment[12..16] == *generation;
    let count = (log.chunks_exact(SEGMENT).skip(1))
        .take_while(is_own)
        .count();
    (1..=count).collect()
}

/// Applies the changes in `data`, four bytes each: the log, its segment, the position, the new
/// byte. The logs still follow each other. Returns the changed logs.
pub fn change(logs: &mut [Vec<u8>], data: &[u8]) -> Vec<usize> {
    let segments: Vec<(usize, usize)> = (logs.iter().enumerate())
        .flat_map(|(log, bytes)| {
            written(bytes)
                .into_iter()
                .map(move |segment| (log, segment))
        })
        .collect();
    let mut touched: Vec<(usize, usize)> = Vec::new();
    for change in data.as_chunks::<5>().0.iter().take(64) {
        let [s0, s1, o0, o1, value] = *change;
        let (log, segment) = segments[usize::from(u16::from_le_bytes([s0, s1])) % segments.len()];
        let offset = usize::from(u16::from_le_bytes([o0, o1])) % (SEGMENT - RECORDS);
        logs[log][segment * SEGMENT + RECORDS + offset] = value;
        touched.push((log, segment));
    }
    touched.sort_unstable();
    touched.dedup();
    let mut changed = Vec::new();
    for (log, segment) in touched {
        let difference = seal_segment(&mut logs[log], segment);
        changed.push(log);
        // The next log repeats the checksum of all segments.
        if let Some(next) = logs.get_mut(log + 1) {
            let at = offset_of!(LogHeader, previous_segments_checksum);
            for (byte, bits) in next[at..at + 8].iter_mut().zip(difference.to_le_bytes()) {
                *byte ^= bits;
            }
            seal_header(next);
            changed.push(log + 1);
        }
    }
    changed.sort_unstable();
    changed.dedup();
    changed
}
