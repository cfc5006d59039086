//! Recovery of a crashed directory with randomly changed logs and valid checksums: it ends with a
//! clean database, or with an error and no files left behind.
#![no_main]

use ese::header::{DatabaseHeaders, DbTime, Lgpos};
use ese::log_set::LogSet;
use ese::recovery::{Options, Stop, recover};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A crashed directory, in a folder whose logs are replaced for each input.
struct Crashed {
    folder: PathBuf,
    out: PathBuf,
    database: Vec<u8>,
    /// From the first generation on.
    logs: Vec<(PathBuf, Vec<u8>)>,
}

static CRASHED: LazyLock<Crashed> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("fuzz-replay-{}", std::process::id()));
    let out = folder.join("out");
    testkit::find("sample-forest/dirty")
        .expect("a fixture that ships")
        .unpack_into(&folder);
    fs::create_dir(&out).expect("create a folder");
    let set = LogSet::in_folder(&folder, "edb").expect("the logs");
    let logs =
        (set.logs.iter()).map(|log| (log.path.clone(), fs::read(&log.path).expect("read a log")));
    Crashed {
        database: fs::read(folder.join("ntds.dit")).expect("read the database"),
        logs: logs.collect(),
        folder,
        out,
    }
});

/// The database just after its creation: all later changes are to be redone.
fn back_to_creation(database: &[u8], max_required: u32) -> Vec<u8> {
    let mut header = DatabaseHeaders::parse(database)
        .expect("a sound header")
        .header;
    header.dbtime = DbTime::new(0);
    header.last_attach = Lgpos::new(1, 1, 4000);
    header.last_resize = Lgpos::MIN;
    header.min_required = 1.into();
    header.max_required = max_required.into();
    header.max_committed = 0.into();
    header.database_id = 1.into();
    let page = header.to_page();
    let size = page.len();
    let mut file = database.to_vec();
    file[..size].copy_from_slice(&page);
    file[size..2 * size].copy_from_slice(&page);
    file
}

fuzz_target!(|data: &[u8]| {
    let Some((&[start, share], changes)) = data.split_first_chunk() else {
        return;
    };
    let crashed = &*CRASHED;
    // The start and the end of the replay: the crashed directory, nothing, or some of its pages.
    let (mut file, until) = match start % 4 {
        0 | 1 => (crashed.database.clone(), 7),
        2 => {
            let mut file = back_to_creation(&crashed.database, 0);
            file.truncate(2 * 8192);
            (file, 1 + u32::from(start / 4) % 3)
        }
        _ => (back_to_creation(&crashed.database, 7), 7),
    };
    for (number, page) in file.chunks_mut(8192).enumerate().skip(2) {
        let mixed = (number as u32).wrapping_mul(0x9e37_79b9) >> 24;
        if start % 4 != 0 && mixed < u32::from(share) {
            page.fill(0);
        }
    }
    let first = if start % 4 < 2 { 6 } else { 1 };
    let (paths, mut logs): (Vec<_>, Vec<_>) = crashed.logs.iter().cloned().unzip();
    let replayed = first - 1..until as usize;
    let changed = fuzz::logs::change(&mut logs[replayed.clone()], changes);
    let changed: Vec<usize> = changed.iter().map(|index| index + replayed.start).collect();
    for index in &changed {
        fs::write(&paths[*index], &logs[*index]).expect("write a log");
    }
    fs::write(crashed.folder.join("ntds.dit"), &file).expect("write the database");

    let options = Options::new(&crashed.folder)
        .into_folder(&crashed.out)
        .until(Stop::Generation(until))
        .cache_bytes(1 << 20);
    if let Ok(summary) = recover(options) {
        let database = ese::Database::open(&summary.database).expect("a sound header");
        assert!(database.is_clean());
        fs::remove_file(&summary.database).expect("remove the result");
    }
    let left = fs::read_dir(&crashed.out).expect("list the folder");
    assert_eq!(left.count(), 0, "nothing is left behind");
    for index in changed {
        fs::write(&paths[index], &crashed.logs[index].1).expect("write a log");
    }
});
