//! Logs of version 7 with the records of others. Their simple layout allows records anywhere.

use std::path::Path;

use ese::checksum::header_checksum;
use ese::log::record::Record;
use ese::log::{Entry, LogKind, OpenLog};
use ese::log_set::{LogName, LogSet};

const SECTOR: usize = 512;
pub const HEADER: usize = 4096;

/// Rewrites the logs from the generation `first` on as logs of version 7 (Windows Server 2008 R2):
/// one stream of records across sectors of 512 bytes, behind one checksum record. `records` returns
/// the records to write for each record.
pub fn as_version_7(
    folder: &Path,
    first: u32,
    mut records: impl FnMut(&Entry<'_>) -> Vec<Vec<u8>>,
) {
    let set = LogSet::in_folder(folder, "edb").unwrap();
    for file in set.logs.iter().filter(|log| log.generation() >= first) {
        let kind = match file.name {
            LogName::Current => LogKind::Current,
            _ => LogKind::Numbered,
        };
        let log = OpenLog::read(&file.path, kind).unwrap();
        let mut body = Vec::new();
        let mut entries = log.records();
        while let Some(entry) = entries.next_entry().unwrap() {
            body.extend(records(&entry).concat());
        }
        let head = std::fs::read(&file.path).unwrap()[..HEADER].to_vec();
        std::fs::write(&file.path, version_7(head, &body, log.generation())).unwrap();
    }
}

fn version_7(mut file: Vec<u8>, body: &[u8], generation: u32) -> Vec<u8> {
    const CHECKSUM_RECORD: usize = 22;
    const RANGE: u32 = 0xfeed_beaf;
    const FIRST_SECTOR: u32 = 0xdead_c0de;
    const SEVERAL_SECTORS: u8 = 0x9a;
    let whole = (CHECKSUM_RECORD + body.len()).next_multiple_of(SECTOR);
    let mut range = body.to_vec();
    range.resize(whole - CHECKSUM_RECORD, 0);
    let forwards = range.len() as u32;
    let sum = |bytes: &[u8], seed: u32| {
        let words = bytes.chunks(4).map(|word| {
            let mut whole = [0; 4];
            whole[..word.len()].copy_from_slice(word);
            u32::from_le_bytes(whole)
        });
        let start = seed ^ forwards ^ u32::from(SEVERAL_SECTORS) ^ generation;
        words.fold(start, |sum, word| sum ^ word)
    };
    file.push(42);
    let first_sector = &range[..SECTOR - CHECKSUM_RECORD];
    let (range_sum, first_sum) = (sum(&range, RANGE), sum(first_sector, FIRST_SECTOR));
    for field in [0, forwards, 0, range_sum, first_sum] {
        file.extend(u32::to_le_bytes(field));
    }
    file.push(SEVERAL_SECTORS);
    file.extend(range);
    file.extend([0; SECTOR]);
    let sectors = (file.len() / SECTOR) as u16;
    let header_sectors = (HEADER / SECTOR) as u16;
    for (at, value) in [(8, SECTOR as u16), (10, header_sectors), (12, sectors)] {
        file[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    for (at, value) in [(32, 7_u32), (36, 3704), (40, 15)] {
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    seal_header(&mut file);
    file
}

pub fn seal_header(file: &mut [u8]) {
    let checksum = header_checksum(&file[..HEADER]);
    file[..4].copy_from_slice(&checksum.to_le_bytes());
}

/// Appends records to logs that are already of version 7.
pub fn append_records(folder: &Path, records: &[Vec<u8>]) {
    let set = LogSet::in_folder(folder, "edb").unwrap();
    let last = set.logs.last().unwrap().generation();
    let log = OpenLog::read(&set.logs.last().unwrap().path, LogKind::Current).unwrap();
    let mut left = 0;
    let mut entries = log.records();
    while entries.next_entry().unwrap().is_some() {
        left += 1;
    }
    as_version_7(folder, last, |entry| {
        left -= 1;
        let mut all = match entry.record {
            // The new log gets new ones.
            Record::Checksum(_) => Vec::new(),
            _ => vec![entry.bytes.to_vec()],
        };
        if left == 0 {
            all.extend_from_slice(records);
        }
        all
    });
}
