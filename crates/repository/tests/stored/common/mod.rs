//! Helpers for the tests of this crate: a repository in a temporary folder, and sources that read a
//! folder.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use repository::*;

pub const PASSWORD: &str = "correct horse";

pub fn location(path: &Path) -> Location {
    Location::parse(path.to_str().unwrap()).unwrap()
}

pub fn init(path: &Path) -> Repository {
    let options = InitOptions::default();
    let repository = Repository::init(
        &location(path),
        &Password::new(PASSWORD),
        &options,
        &BTreeMap::new(),
    )
    .unwrap();
    testkit::cheap_key::replace_key(path, PASSWORD);
    repository
}

pub fn open(path: &Path) -> Repository {
    Repository::open(&location(path), &Password::new(PASSWORD), &BTreeMap::new()).unwrap()
}

/// A lock for a backup.
pub fn shared(repository: &Repository) -> Lock {
    repository
        .lock(LockKind::Shared, std::time::Duration::ZERO)
        .map_err(|error| error.to_string())
        .unwrap()
}

pub fn request() -> BackupRequest {
    BackupRequest {
        host: "dc1".to_string(),
        path: WHOLE.to_string(),
        label: "test".to_string(),
        tags: vec!["dsbackup".to_string()],
        time: SystemTime::now(),
        program: "dsbackup test".to_string(),
    }
}

/// The files of a folder, not in alphabetical order, with a manifest made at the end.
pub struct FolderSource {
    pub folder: PathBuf,
    pub paths: Vec<String>,
    pub opened: usize,
}

impl FolderSource {
    pub fn new(folder: &Path) -> Self {
        let mut paths = Vec::new();
        collect(folder, folder, &mut paths);
        paths.sort_by_key(|path| std::cmp::Reverse(path.clone()));
        Self {
            folder: folder.to_path_buf(),
            paths,
            opened: 0,
        }
    }
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, paths);
        } else {
            let path = path.strip_prefix(root).unwrap();
            paths.push(path.to_str().unwrap().to_string());
        }
    }
}

impl Source for FolderSource {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        let Some(path) = self.paths.get(self.opened) else {
            return Ok(None);
        };
        self.opened += 1;
        let file = File::open(self.folder.join(path))?;
        let metadata = file.metadata()?;
        Ok(Some(SourceFile {
            path: path.clone(),
            size: metadata.len(),
            modified: metadata.modified()?,
            chunk_size: ChunkSize::Standard,
            prove: false,
            content: Box::new(file),
        }))
    }

    fn finish(&mut self, files: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        let mut manifest = String::new();
        for file in files {
            let hex: String = file.sha256.iter().map(|b| format!("{b:02x}")).collect();
            manifest += &format!("{hex}  {}\n", file.path);
        }
        Ok(vec![NewFile {
            path: "about/manifest".to_string(),
            content: manifest.into_bytes(),
        }])
    }
}

/// Runs Debian's restic on a repository. `None`, with a note, if it is not installed.
pub fn restic(repository: &Path, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("restic")
        .arg("--no-cache")
        .arg("-r")
        .arg(repository)
        .args(arguments)
        .env("RESTIC_PASSWORD", PASSWORD)
        .output();
    match output {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("note: restic is not installed; this part of the test is skipped");
            None
        }
        Err(error) => panic!("restic: {error}"),
    }
}

#[track_caller]
pub fn restic_succeeds(repository: &Path, arguments: &[&str]) -> String {
    let Some(output) = restic(repository, arguments) else {
        return String::new();
    };
    assert!(
        output.status.success(),
        "restic {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Creates, fills, reads and checks a repository at a location.
pub fn round_trip(location: &str, options: &BTreeMap<String, String>) {
    let place = Location::parse(location).unwrap();
    let password = Password::new(PASSWORD);
    let none = || Repository::open(&place, &password, options).err();
    assert!(
        matches!(none(), Some(Error::Missing { .. })),
        "{:?}",
        none()
    );
    let new = InitOptions::default();
    let repository = Repository::init(&place, &password, &new, options).unwrap();
    let again = Repository::init(&place, &password, &new, options);
    assert!(
        matches!(again.err(), Some(Error::Exists { .. })),
        "{location}"
    );
    for added in [40 << 20, 0] {
        let files = vec![noise("large", 1, 40 << 20), noise("folder/small", 2, 10)];
        let lock = shared(&repository);
        assert_eq!(repository.locks().unwrap().len(), 1);
        let backup = repository
            .backup(&lock, &request(), &mut ListSource::new(files), &mut |_| {})
            .unwrap();
        assert!(
            backup.new_bytes >= added && backup.new_bytes <= added + 10,
            "{location}"
        );
        drop(lock);
        assert!(repository.locks().unwrap().is_empty());
    }
    let repository = Repository::open(&place, &password, options).unwrap();
    assert_eq!(repository.snapshots().unwrap().len(), 2);
    let snapshot = repository
        .open_snapshot(&repository.snapshot("latest").unwrap())
        .unwrap();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    let read = |content: &mut dyn std::io::Read, into: &mut Vec<u8>| {
        content.read_to_end(into).unwrap();
    };
    read(&mut Noise::new(1, 40 << 20), &mut expected);
    read(&mut snapshot.open("large").unwrap(), &mut found);
    assert!(expected == found, "{location}");
    assert!(
        repository
            .check(true, &mut |_, _, _| ())
            .unwrap()
            .is_sound(),
        "{location}"
    );
}

/// Checks that every file of `folder` equals that of the same path in `other`.
#[track_caller]
pub fn same_files(folder: &Path, other: &Path) {
    let paths = FolderSource::new(folder).paths;
    assert!(!paths.is_empty());
    for path in paths {
        let one = std::fs::read(folder.join(&path)).unwrap();
        let two = std::fs::read(other.join(&path)).unwrap();
        assert!(one == two, "{path} differs");
    }
}

/// Content that does not compress and never repeats, made quickly: SplitMix64 of the position.
pub struct Noise {
    seed: u64,
    position: u64,
    end: u64,
}

impl Noise {
    pub fn new(seed: u64, length: u64) -> Self {
        Self {
            seed: seed << 40,
            position: 0,
            end: length,
        }
    }

    fn word(&self, index: u64) -> [u8; 8] {
        let mut mixed = (self.seed + index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }
}

impl std::io::Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = (buffer.len() as u64).min(self.end - self.position) as usize;
        let mut rest = &mut buffer[..count];
        while !rest.is_empty() {
            let word = self.word(self.position / 8);
            let inside = (self.position % 8) as usize;
            let part = rest.len().min(8 - inside);
            rest[..part].copy_from_slice(&word[inside..inside + part]);
            rest = &mut rest[part..];
            self.position += part as u64;
        }
        Ok(count)
    }
}

/// Files given as values, with arbitrary readers.
pub struct ListSource {
    pub files: std::vec::IntoIter<SourceFile<'static>>,
}

impl ListSource {
    pub fn new(files: Vec<SourceFile<'static>>) -> Self {
        Self {
            files: files.into_iter(),
        }
    }
}

impl Source for ListSource {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        Ok(self.files.next())
    }

    fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        Ok(Vec::new())
    }
}

pub fn file(path: &str, size: u64, content: impl std::io::Read + 'static) -> SourceFile<'static> {
    SourceFile {
        path: path.to_string(),
        size,
        modified: SystemTime::now(),
        chunk_size: ChunkSize::Standard,
        prove: false,
        content: Box::new(content),
    }
}

pub fn noise(path: &str, seed: u64, size: u64) -> SourceFile<'static> {
    file(path, size, Noise::new(seed, size))
}

/// All packs of a local repository.
pub fn packs(repository: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    collect(
        &repository.join("data"),
        &repository.join("data"),
        &mut paths,
    );
    paths
        .iter()
        .map(|path| repository.join("data").join(path))
        .collect()
}
