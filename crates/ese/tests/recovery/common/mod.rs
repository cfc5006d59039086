//! Shared parts of the recovery tests.

pub mod version_7;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ese::Database;
use ese::dump::Dump;
use ese::recovery::Options;
use tempfile::TempDir;
use testkit::Fixture;

/// The canonical dump of a clean database.
pub fn dump(path: &Path) -> Vec<u8> {
    let database = Database::open(path).expect("open the database");
    assert!(database.is_clean(), "{}", path.display());
    let mut lines = Vec::new();
    Dump::new()
        .with_indexes(true)
        .write(&database, &mut lines)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    lines
}

/// A folder with the set's files; for a chain, those of this backup and of all before it.
pub fn unpacked(fixture: &Fixture) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (set, part) = match fixture.name.split_once(":backup-") {
        Some((set, part)) => (set, part.parse().unwrap()),
        None => {
            fixture.unpack_into(folder.path());
            return folder;
        }
    };
    for earlier in 0..=part {
        let name = format!("{set}:backup-{earlier}");
        let earlier = testkit::find(&name).expect("the chain is whole");
        earlier.unpack_into(folder.path());
    }
    folder
}

/// The names and sizes and checksums of all files.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            let mut hasher = DefaultHasher::new();
            std::fs::read(&path).unwrap().hash(&mut hasher);
            (path, hasher.finish())
        })
        .collect()
}

/// The position of the record that created the database, if all logs are there.
pub fn creation(
    folder: &Path,
    database: &ese::header::DatabaseHeader,
) -> Option<ese::header::Lgpos> {
    use ese::log::record::Record;
    let set = ese::log_set::LogSet::in_folder(folder, "edb").unwrap();
    let first = set.get(1, &database.log_signature)?;
    let kind = match first.name {
        ese::log_set::LogName::Current => ese::log::LogKind::Current,
        _ => ese::log::LogKind::Numbered,
    };
    let log = ese::log::OpenLog::read(&first.path, kind).unwrap();
    let mut records = log.records();
    while let Some((position, _, record)) = records.next().unwrap() {
        if let Record::CreateDatabase(create) = record
            && create.head.signature == database.database_signature
        {
            return Some(position);
        }
    }
    None
}

/// Resets the database in the folder to its state right after the creation, except for its header:
/// every later change must be redone. `None` if the logs do not reach back that far.
pub fn back_to_creation(folder: &Path, max_required: u32) -> Option<(PathBuf, Vec<u8>)> {
    use ese::header::{DatabaseHeaders, DbTime, Lgpos};
    let database = contents(folder).into_keys().find(|path| {
        let kind = path.extension();
        kind.is_some_and(|kind| kind == "edb" || kind == "dit")
    })?;
    let mut header = DatabaseHeaders::read(&database).unwrap().header;
    header.last_attach = creation(folder, &header)?;
    header.state = 2.into();
    header.dbtime = DbTime::new(0);
    header.last_object_id = 0.into();
    header.last_consistent = Lgpos::MIN;
    header.last_resize = Lgpos::MIN;
    header.min_required = 1.into();
    header.max_required = max_required.into();
    header.max_committed = 0.into();
    header.current_full_backup = Default::default();
    header.database_id = 1.into();
    Some((database, header.to_page()))
}

/// The database of a folder; of several, the one named for the set.
pub fn database_in(folder: &Path) -> PathBuf {
    databases_in(folder).remove(0)
}

/// All databases of a folder, the one named for the set first.
pub fn databases_in(folder: &Path) -> Vec<PathBuf> {
    let is_database = |path: &PathBuf| {
        let kind = path.extension();
        kind.is_some_and(|kind| kind == "edb" || kind == "dit")
    };
    contents(folder).into_keys().filter(is_database).collect()
}

/// The options to recover the folder's database; of several, the one named for the set.
pub fn options(folder: &Path) -> Options {
    let database = database_in(folder);
    let name = database.file_name().unwrap().to_str().unwrap();
    Options::new(folder).database(name)
}
