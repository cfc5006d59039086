//! Test data: directories and databases that the real engine wrote.
//!
//! A small selection ships with the project in `fixtures/`. The full set lies in `shared/fixtures`
//! beside the checkout on the project's own machines; tests over the full set call [`every`], which
//! prints a note if that folder does not exist.
#![forbid(unsafe_code)]

#[cfg(feature = "repository")]
pub mod cheap_key;
#[cfg(target_os = "linux")]
pub mod traces;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// One archived folder of files, and the location of the engine's output for it.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// Such as `ese/p8192-clean`, `sample-forest/dirty` or `ese/chain-ad2016:backup-1`.
    pub name: String,
    /// The `.tar.zst` file.
    pub archive: PathBuf,
}

impl Fixture {
    /// The folder that holds the archive, the expected dumps and the header texts.
    pub fn folder(&self) -> &Path {
        self.archive.parent().expect("an archive lies in a folder")
    }

    /// Unpacks the files into `target`, which is created.
    pub fn unpack_into(&self, target: &Path) {
        std::fs::create_dir_all(target).expect("create the target folder");
        let file = File::open(&self.archive).expect("open the fixture");
        let mut decoder = zstd::Decoder::new(file).expect("zstd stream");
        decoder.window_log_max(27).expect("window size");
        let mut archive = tar::Archive::new(decoder);
        for entry in archive.entries().expect("a tar archive") {
            let mut entry = entry.expect("an entry of the fixture");
            let path = entry.path().expect("a path").into_owned();
            // Notes of the engine's recovery about pages are no part of a directory.
            if path.to_string_lossy().ends_with(".IRS.RAW") {
                continue;
            }
            entry.unpack_in(target).expect("unpack the fixture");
        }
    }

    /// Unpacks into a new temporary folder, deleted when the value is dropped.
    pub fn unpack(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.unpack_into(folder.path());
        folder
    }

    /// As [`Fixture::unpack`]; for a backup in a chain, such as `ese/chain-ad2016:backup-2`, over the
    /// files of all earlier ones.
    pub fn unpack_chain(&self) -> tempfile::TempDir {
        let Some((set, number)) = self.name.split_once(":backup-") else {
            return self.unpack();
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        for part in 0..=number.parse().expect("a number") {
            let part: u32 = part;
            let earlier = find(&format!("{set}:backup-{part}")).expect("the chain is whole");
            earlier.unpack_into(folder.path());
        }
        folder
    }

    /// The directory's objects as their maker listed them, one JSON document each; `None` if the
    /// set lacks the list.
    pub fn listed_objects(&self) -> Option<Vec<Vec<u8>>> {
        let file = match self.name.split_once(":backup-") {
            None => "objects.jsonl.zst".to_owned(),
            Some((_, number)) => format!("objects-{number}.jsonl.zst"),
        };
        let text = self.companion(&file)?;
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        Some(lines.map(<[u8]>::to_vec).collect())
    }

    /// A text or `.zst` file beside the archive, decompressed; `None` if the set lacks the file.
    pub fn companion(&self, file_name: &str) -> Option<Vec<u8>> {
        let path = self.folder().join(file_name);
        if !path.exists() {
            return None;
        }
        let mut reader = BufReader::new(File::open(&path).expect("open the companion file"));
        let mut content = Vec::new();
        if file_name.ends_with(".zst") {
            zstd::Decoder::new(reader)
                .expect("zstd stream")
                .read_to_end(&mut content)
                .expect("decompress");
        } else {
            reader.read_to_end(&mut content).expect("read");
        }
        Some(content)
    }
}

/// The fixtures that ship with the project, sorted by name.
pub fn shipped() -> Vec<Fixture> {
    collect(&workspace().join("fixtures"))
}

/// Every available fixture: the full set if it exists, else the shipped selection.
pub fn every() -> Vec<Fixture> {
    match full_set() {
        Some(folder) => collect(&folder),
        None => {
            eprintln!(
                "note: the full fixture set (shared/fixtures beside the checkout) is not on this \
                 machine; testing the shipped selection only"
            );
            shipped()
        }
    }
}

/// A fixture by name, from the shipped selection or else from the full set; `None` (with a note) if
/// neither has it.
pub fn find(name: &str) -> Option<Fixture> {
    let found = shipped()
        .into_iter()
        .chain(
            full_set()
                .map(|folder| collect(&folder))
                .unwrap_or_default(),
        )
        .find(|fixture| fixture.name == name);
    if found.is_none() {
        eprintln!("note: fixture {name} is not on this machine; skipped");
    }
    found
}

/// The folder of the full fixture set, if it exists: `DSBACKUP_FIXTURES`, or `shared/fixtures`
/// beside the checkout.
pub fn full_set() -> Option<PathBuf> {
    let folder = match std::env::var_os("DSBACKUP_FIXTURES") {
        Some(folder) => PathBuf::from(folder),
        None => workspace().parent()?.join("shared/fixtures"),
    };
    folder.is_dir().then_some(folder)
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/testkit lies two levels below the workspace")
        .to_path_buf()
}

fn collect(root: &Path) -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for set in folders_in(root).iter().flat_map(|kind| folders_in(kind)) {
        let mut archives: Vec<PathBuf> = std::fs::read_dir(&set)
            .expect("list the fixture folder")
            .map(|entry| entry.expect("folder entry").path())
            .filter(|path| path.to_string_lossy().ends_with(".tar.zst"))
            .collect();
        archives.sort();
        for archive in archives {
            let set_name = set.strip_prefix(root).expect("below the root").display();
            let file_name = archive.file_name().expect("a file").to_string_lossy();
            let name = match file_name.trim_end_matches(".tar.zst") {
                "directory" => set_name.to_string(),
                part => format!("{set_name}:{part}"),
            };
            fixtures.push(Fixture { name, archive });
        }
    }
    fixtures
}

fn folders_in(parent: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(parent)
        .map(|entries| {
            entries
                .map(|entry| entry.expect("folder entry").path())
                .filter(|path| path.is_dir())
                .collect()
        })
        .unwrap_or_default();
    folders.sort();
    folders
}
