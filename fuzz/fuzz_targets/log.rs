//! A log file: verified in pieces and read record by record, unchanged, and with valid checksums of
//! its header and segments.
#![no_main]

use ese::header::LogHeader;
use ese::log::{ListedRecord, LogKind, LogStream, OpenLog};
use fuzz::logs::{SEGMENT, seal_header, seal_segment};
use libfuzzer_sys::fuzz_target;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("fuzz-{}.log", std::process::id())));

fn read(bytes: &[u8], piece: usize) {
    std::fs::write(&*FILE, bytes).expect("write the log");
    for kind in [LogKind::Current, LogKind::Numbered] {
        let mut stream = LogStream::new(Path::new("edb.log"), kind);
        let fed = bytes.chunks(piece).try_for_each(|piece| stream.feed(piece));
        let streamed = fed.and_then(|()| stream.finish());
        let log = OpenLog::read(&FILE, kind);
        let Ok(log) = log else {
            assert!(streamed.is_err(), "pieces make no difference");
            continue;
        };
        // A reader corrects flipped bits, which are damage for the stream.
        if log.sound().flipped_bits.is_empty() {
            assert_eq!(Some(log.sound()), streamed.as_ref().ok());
        }
        let mut records = log.records();
        let mut positions = Vec::new();
        while let Ok(Some((position, kind, record))) = records.next() {
            let listed = ListedRecord {
                position,
                kind,
                record: &record,
            };
            assert!(!listed.to_string().is_empty());
            positions.push(position);
        }
        if let Some(middle) = positions.get(positions.len() / 2) {
            let _ = log
                .records_from(*middle)
                .map(|mut records| records.next().is_ok());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((data, &[low, high])) = data.split_last_chunk() else {
        return;
    };
    let piece = usize::from(u16::from_le_bytes([low, high])).max(97);
    read(data, piece);
    let mut sealed = data.to_vec();
    // Makes the length in the header match the file.
    let at = offset_of!(LogHeader, file_sectors);
    if let Some(place) = sealed.get_mut(at..at + 2) {
        place.copy_from_slice(&((data.len() / SEGMENT) as u16).to_le_bytes());
    }
    sealed.truncate(data.len() - data.len() % SEGMENT);
    seal_header(&mut sealed);
    read(&sealed, piece);
    for segment in 1..sealed.len() / SEGMENT {
        // Unwritten segments stay so.
        let start = segment * SEGMENT;
        if sealed[start..start + SEGMENT].iter().any(|byte| *byte != 0) {
            seal_segment(&mut sealed, segment);
        }
    }
    read(&sealed, piece);
});
