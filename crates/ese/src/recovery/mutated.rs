//! Redo and undo of randomly changed records: whatever they contain, recovery ends with a result or
//! an error. It does not panic, and its memory and time stay in proportion.

use std::collections::BTreeMap;
use std::path::Path;

use super::file_size;
use super::redo::Redo;
use super::undo::Undo;
use crate::header::{DatabaseHeaders, DbTime, Lgpos};
use crate::log::record::Record;
use crate::log::{Entry, LogKind, OpenLog};
use crate::log_set::{LogName, LogSet};
use crate::page_store::PageStore;

/// The number of the state in the header.
const STATE_DIRTY: u32 = 2;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// A replay into an empty store of everything since the database's creation.
fn from_nothing(folder: &Path, database: &Path, in_required_range: bool) -> Redo {
    let mut header = DatabaseHeaders::read(database).unwrap().header;
    header.state = STATE_DIRTY.into();
    header.dbtime = DbTime::new(0);
    // The creation is the first record; the rest of its segment is padding.
    header.last_attach = Lgpos::new(1, 1, 4000);
    header.last_resize = Lgpos::MIN;
    header.database_id = 1.into();
    header.max_required = if in_required_range { 1 << 20 } else { 0 }.into();
    let file = std::fs::File::open(database).unwrap();
    let (size, side) = (header.page_size(), folder.join("side"));
    let store = PageStore::new(database, file, size, 0, 8 << 20, &side);
    Redo::new(database.into(), store, header)
}

#[test]
fn changed_records_end_in_a_result_or_an_error() {
    let fixture = testkit::find("sample-forest/dirty").unwrap();
    let folder = fixture.unpack();
    let database = folder.path().join("ntds.dit");
    let set = LogSet::in_folder(folder.path(), "edb").unwrap();
    let logs: Vec<OpenLog> = (set.logs.iter())
        .map(|log| {
            let kind = match log.name {
                LogName::Current => LogKind::Current,
                _ => LogKind::Numbered,
            };
            OpenLog::read(&log.path, kind).unwrap()
        })
        .collect();

    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 1..=96_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut redo = from_nothing(folder.path(), &database, seed % 2 == 0);
        // From one record in five to one in two thousand.
        let rate = [5, 50, 400, 2000][seed as usize % 4];
        for log in &logs {
            let mut records = log.records();
            while let Some(entry) = records.next_entry().unwrap() {
                let mut bytes = entry.bytes.to_vec();
                if random.below(rate) == 0 {
                    for _ in 0..=random.below(3) {
                        let at = random.below(bytes.len() as u64) as usize;
                        bytes[at] = match random.below(3) {
                            0 => random.next() as u8,
                            1 => bytes[at] ^ 1 << random.below(8),
                            _ => 0xff,
                        };
                    }
                }
                let Ok((record, kind, _)) = Record::parse(&bytes) else {
                    continue;
                };
                let entry = Entry {
                    position: entry.position,
                    kind,
                    record,
                    bytes: &bytes,
                };
                // A recovery would stop at the first error; continuing reaches stranger states.
                let outcome = if redo.apply(&entry).is_ok() {
                    "redone"
                } else {
                    "refused"
                };
                *outcomes.entry(outcome).or_default() += 1;
            }
        }
        let ends = [
            ("end", redo.end().is_ok()),
            ("undo", roll_back(&mut redo)),
            ("size", file_size::fit_file(&mut redo.pages.store).is_ok()),
        ];
        for (name, done) in ends {
            *outcomes.entry(name).or_default() += usize::from(done);
        }
        redo.pages.store.discard_side().unwrap();
    }
    println!("{outcomes:?}");
    assert!(outcomes["redone"] > 0 && outcomes["refused"] > 0);
}

fn roll_back(redo: &mut Redo) -> bool {
    let sessions = std::mem::take(&mut redo.sessions);
    let mut undo = Undo {
        pages: &mut redo.pages,
        dbtime: &mut redo.database.dbtime,
    };
    undo.roll_back(sessions).is_ok()
}
