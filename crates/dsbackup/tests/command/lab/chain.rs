//! Chains of the real engine: a full streaming backup and later backups of logs, with what the
//! engine, or the maker of the directory, says of each point.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use ese::Database;
use ese::dump::Dump;
use serde_json::Value;
use testkit::Fixture;

/// A chain, each of whose backups holds closed logs only.
pub struct Chain {
    parts: Vec<Fixture>,
    /// The newest generation of each backup.
    ends: Vec<u32>,
    database_name: &'static str,
}

/// A log that the engine finishes after the full backup.
pub struct NewLog {
    name: String,
    content: Vec<u8>,
}

impl NewLog {
    /// Puts it into the folder under its name at once, as the engine does.
    pub fn finish_in(&self, folder: &Path) -> PathBuf {
        let (new, path) = (folder.join("new"), folder.join(&self.name));
        std::fs::write(&new, &self.content).expect("write the log");
        std::fs::rename(new, &path).expect("rename the log");
        path
    }
}

impl Chain {
    /// The chain of the engine's own that ships with the project.
    pub fn shipped() -> Self {
        Self::of("ese/chain-ad2016", "test.edb", &[2, 4, 6]).expect("shipped")
    }

    /// The chain of a domain controller, where the full set of fixtures is.
    pub fn contoso() -> Option<Self> {
        Self::of("ntds/contoso-online", "ntds.dit", &[0x31, 0x38, 0x3c])
    }

    fn of(set: &str, database_name: &'static str, ends: &[u32]) -> Option<Self> {
        let part = |number| testkit::find(&format!("{set}:backup-{number}"));
        Some(Self {
            parts: (0..ends.len()).map(part).collect::<Option<_>>()?,
            ends: ends.to_vec(),
            database_name,
        })
    }

    /// The database's file name.
    pub fn database_name(&self) -> &'static str {
        self.database_name
    }

    /// The numbers of the backups.
    pub fn points(&self) -> std::ops::Range<usize> {
        0..self.parts.len()
    }

    /// The newest generation of a backup.
    pub fn end(&self, point: usize) -> u32 {
        self.ends[point]
    }

    /// The files of a backup.
    pub fn part(&self, point: usize) -> tempfile::TempDir {
        self.parts[point].unpack()
    }

    /// Unpacks the full backup.
    pub fn full(&self, folder: &Path) {
        self.parts[0].unpack_into(folder);
    }

    /// The logs that are finished after the full backup, in their order.
    pub fn later(&self) -> VecDeque<NewLog> {
        let mut logs = BTreeMap::new();
        for part in &self.parts[1..] {
            let folder = part.unpack();
            for entry in std::fs::read_dir(folder.path()).expect("listed") {
                let path = entry.expect("listed").path();
                let name = path.file_name().expect("a name").to_string_lossy();
                let digits = name.trim_start_matches("edb").trim_end_matches(".log");
                let generation = u32::from_str_radix(digits, 16).expect("a generation");
                if generation > self.ends[0] {
                    let content = std::fs::read(&path).expect("read");
                    let name = name.into_owned();
                    logs.insert(generation, NewLog { name, content });
                }
            }
        }
        logs.into_values().collect()
    }

    /// What the engine reads at this point.
    pub fn expected(&self, point: usize) -> Vec<u8> {
        let name = format!("expected-{point}.jsonl.zst");
        let dump = self.parts[point].companion(&name);
        dump.expect("the engine's dump")
    }

    /// Fails unless a restored folder holds the directory as of this point.
    pub fn assert_is(&self, point: usize, folder: &Path) {
        match self.parts[point].listed_objects() {
            None => {
                let found = dump(folder, self.database_name);
                assert!(found == self.expected(point), "point {point}");
            }
            Some(listed) => assert_objects(&listed, &folder.join(self.database_name), point),
        }
    }
}

/// The dump of a recovered database.
pub fn dump(folder: &Path, database_name: &str) -> Vec<u8> {
    let database = Database::open(folder.join(database_name)).expect("a database");
    assert!(database.is_clean(), "recovered");
    let mut lines = Vec::new();
    let dump = Dump::new().with_indexes(true);
    dump.write(&database, &mut lines).expect("readable");
    lines
}

/// Every object with its name and the USN of its last change, as its maker listed them.
fn assert_objects(listed: &[Vec<u8>], database: &Path, point: usize) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = listed.iter().map(|line| serde_json::from_slice(line));
    let listed = listed.map(|object: serde_json::Result<Value>| object.expect("an object"));
    let mut expected: Vec<(String, String, Option<i64>)> = (listed)
        .filter(|object| object["objectGUID"].is_string())
        .map(|object| {
            let usn = object["uSNChanged"].as_i64();
            (text(&object["objectGUID"]), text(&object["dn"]), usn)
        })
        .collect();
    assert!(expected.len() > 1000, "a directory");
    let folder = database.parent().expect("a folder");
    let export = [
        "export",
        "--jsonl",
        "--deleted",
        database.to_str().expect("plain"),
    ];
    let mut found: Vec<(String, String, Option<i64>)> = (super::succeed(folder, &export).lines())
        .map(|line| {
            let object: Value = serde_json::from_str(line).expect("an object");
            let usn = object["attributes"]["uSNChanged"][0].as_i64();
            (text(&object["guid"]), text(&object["dn"]), usn)
        })
        .collect();
    expected.sort();
    found.sort();
    let first = expected
        .iter()
        .zip(&found)
        .find(|(listed, found)| listed != found);
    assert!(found == expected, "point {point}: {first:?}");
}
