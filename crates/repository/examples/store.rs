//! Stores a folder without a service, for measurements. The password is `bench`.
//!
//! ```text
//! store ours    REPOSITORY FOLDER [CHUNK KiB [LEVEL]]      with this crate
//! store rustic  REPOSITORY FOLDER fixed CHUNK KiB [LEVEL]  with rustic_core's own archiver
//! store rustic  REPOSITORY FOLDER content                  same, with content-defined chunks
//! store read    REPOSITORY                                 reads and discards the latest snapshot
//! ```
//!
//! Creates a missing repository. Prints seconds, processor time and the growth of the repository.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use repository::*;
use rustic_core::repofile::Chunker;
use rustic_core::{
    BackupOptions, ConfigOptions, Credentials, KeyOptions, PathList, RepositoryBackends,
    RepositoryOptions, SnapshotOptions,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const PASSWORD: &str = "bench";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (kind, repository) = match arguments[..] {
        [kind, repository, ..] => (kind, Path::new(repository)),
        _ => return Err("usage: store ours|rustic|read REPOSITORY [FOLDER [...]]".into()),
    };
    let before = size(repository);
    let started = Instant::now();
    let seconds = match (kind, &arguments[2..]) {
        ("read", []) => read(repository)?,
        ("ours", [folder, options @ ..]) => ours(repository, Path::new(folder), options)?,
        ("rustic", [folder, options @ ..]) => rustic(repository, folder, options)?,
        _ => return Err("usage: store ours|rustic|read REPOSITORY [FOLDER [...]]".into()),
    };
    println!(
        "{kind} {}: {seconds:.2} s (with opening {:.2} s), {:.2} s of processor time, {} bytes \
         stored",
        arguments[2..].join(" "),
        started.elapsed().as_secs_f64(),
        processor_seconds(),
        size(repository) - before
    );
    Ok(())
}

fn ours(path: &Path, folder: &Path, options: &[&str]) -> Result<f64> {
    let location = Location::parse(path.to_str().ok_or("path")?)?;
    let password = Password::new(PASSWORD);
    let mut init = InitOptions::default();
    if let Some(chunk) = options.first() {
        init.chunk_size = chunk.parse::<u32>()? << 10;
    }
    if let Some(level) = options.get(1) {
        init.level = level.parse()?;
    }
    let repository = if path.join("config").exists() {
        Repository::open(&location, &password, &BTreeMap::new())?
    } else {
        Repository::init(&location, &password, &init, &BTreeMap::new())?
    };
    let request = BackupRequest {
        host: "bench".to_string(),
        path: WHOLE.to_string(),
        label: String::new(),
        tags: Vec::new(),
        time: SystemTime::now(),
        program: "store".to_string(),
    };
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    let mut source = Folder(paths.into_iter());
    let started = Instant::now();
    let lock = repository.lock(LockKind::Shared, Duration::ZERO)?;
    repository.backup(&lock, &request, &mut source, &mut |_| {})?;
    Ok(started.elapsed().as_secs_f64())
}

struct Folder(std::vec::IntoIter<PathBuf>);

impl Source for Folder {
    fn next(&mut self) -> std::result::Result<Option<SourceFile<'_>>, BoxError> {
        let Some(path) = self.0.next() else {
            return Ok(None);
        };
        let file = File::open(&path)?;
        let name = path.file_name().unwrap_or_default();
        Ok(Some(SourceFile {
            path: name.to_string_lossy().into_owned(),
            size: file.metadata()?.len(),
            modified: file.metadata()?.modified()?,
            chunk_size: ChunkSize::Standard,
            prove: false,
            content: Box::new(file),
        }))
    }

    fn finish(&mut self, _: &[StoredFile]) -> std::result::Result<Vec<NewFile>, BoxError> {
        Ok(Vec::new())
    }
}

fn rustic(path: &Path, folder: &str, options: &[&str]) -> Result<f64> {
    let backend = rustic_backend::BackendOptions::default()
        .repository(path.to_str().ok_or("path")?)
        .to_backends()?
        .repository();
    let backends = RepositoryBackends::new(Arc::clone(&backend), None);
    let options_of_rustic = RepositoryOptions::default().no_cache(true);
    let closed = rustic_core::Repository::new(&options_of_rustic, &backends)?;
    let credentials = Credentials::password(PASSWORD);
    let open = if path.join("config").exists() {
        closed.open(&credentials)?
    } else {
        let mut config = ConfigOptions::default();
        config.set_version = Some(2);
        match options {
            ["content"] => config.set_chunker = Some(Chunker::Rabin),
            ["fixed", kib, level @ ..] => {
                config.set_chunker = Some(Chunker::FixedSize);
                config.set_chunk_size = (kib.parse::<u64>()? << 10).to_string().parse().ok();
                if let Some(level) = level.first() {
                    config.set_compression = Some(level.parse()?);
                }
            }
            _ => return Err("fixed KIB [LEVEL] or content".into()),
        }
        closed.init(&credentials, &KeyOptions::default(), &config)?
    };
    let started = Instant::now();
    let indexed = open.to_indexed_ids()?;
    let mut backup = BackupOptions::default();
    backup.parent_opts.force = true;
    let source = PathList::from_string(folder)?.sanitize()?;
    indexed.backup(&backup, &source, SnapshotOptions::default().to_snapshot()?)?;
    Ok(started.elapsed().as_secs_f64())
}

fn read(path: &Path) -> Result<f64> {
    let location = Location::parse(path.to_str().ok_or("path")?)?;
    let repository = Repository::open(&location, &Password::new(PASSWORD), &BTreeMap::new())?;
    let started = Instant::now();
    let snapshot = repository.open_snapshot(&repository.snapshot("latest")?)?;
    for file in snapshot.files() {
        io::copy(&mut snapshot.open(&file.path)?, &mut io::sink())?;
    }
    Ok(started.elapsed().as_secs_f64())
}

/// User and system time of this process, from `/proc/self/stat`, in seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Total size of all files below a folder.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
