//! Carries out a plan: deletes, writes, verifies, makes durable.

use std::fs::{File, FileTimes, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::time::SystemTime;

use ids::hex;
use repository::OpenSnapshot;
use sha2::{Digest, Sha256};

use super::plan::{Plan, PlannedFile};
use crate::failure::{Failure, Result};
use crate::report::Report;

/// How much is written at once.
const BLOCK: usize = 1 << 20;

/// Deletes what is doomed and writes the snapshot's files, each verified against the SHA-256 of the backup and durable
/// when this returns.
///
/// # Errors
/// At the first file that cannot be deleted, read or written, or that is not what was backed up.
pub fn carry_out(plan: &Plan<'_>, content: &OpenSnapshot, report: Report) -> Result<()> {
    for path in &plan.doomed {
        match std::fs::remove_file(path) {
            // The service may have cleared its folder since the plan was made.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            removed => removed.map_err(Failure::io("delete", path))?,
        }
    }
    let bar = report.progress(plan.files.iter().map(|planned| planned.file.size).sum());
    for planned in &plan.files {
        bar.set_message(planned.file.base_name().to_owned());
        write(planned, content, &mut |length| bar.inc(length))?;
    }
    bar.finish_and_clear();
    let folders: std::collections::BTreeSet<&Path> = plan
        .files
        .iter()
        .filter_map(|planned| planned.destination.parent())
        .collect();
    for folder in folders {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Failure::io("make the folder durable", folder))?;
    }
    Ok(())
}

fn write(
    planned: &PlannedFile<'_>,
    content: &OpenSnapshot,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let destination = &planned.destination;
    let failed = |doing| Failure::io(doing, destination);
    if let Some(folder) = destination.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))?;
    }
    let mut reader = content.open(&planned.file.path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(destination)
        .map_err(failed("create"))?;
    if rustix::process::geteuid().is_root() {
        give_to_owner_of_folder(&file, destination).map_err(failed("set the owner of"))?;
    }
    let mut hash = Sha256::new();
    let mut size = 0;
    let mut block = vec![0; BLOCK];
    loop {
        let length = match reader.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => return Err(reading_failed(error, &planned.file.path)),
        };
        let bytes = &block[..length];
        file.write_all(bytes).map_err(failed("write"))?;
        hash.update(bytes);
        size += length as u64;
        progress(length as u64);
    }
    let sha256 = hex::encode(&hash.finalize());
    if size != planned.file.size || sha256 != planned.file.sha256 {
        return Err(Failure::Damage(format!(
            "{}: expected {} bytes with SHA-256 {}, the repository gave {size} bytes with {sha256}: the snapshot cannot \
             be trusted, restore another and run `dsbackup check --read-data`",
            planned.file.path, planned.file.size, planned.file.sha256
        )));
    }
    if let Ok(modified) = planned.file.modified.parse::<jiff::Timestamp>() {
        let times = FileTimes::new().set_modified(SystemTime::from(modified));
        file.set_times(times).map_err(failed("set the time of"))?;
    }
    file.sync_all().map_err(failed("make durable"))
}

/// The service may run as a user of its own, who owns the folder, and must be able to read what root puts there.
fn give_to_owner_of_folder(file: &File, destination: &Path) -> std::io::Result<()> {
    let Some(folder) = destination.parent() else {
        return Ok(());
    };
    let owner = std::fs::metadata(folder)?;
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// The repository's own error, where the reader wrapped one.
pub fn reading_failed(error: std::io::Error, path: &str) -> Failure {
    match error.downcast::<repository::Error>() {
        Ok(error) => Failure::Repository(error),
        Err(error) => Failure::io("read from the repository", path)(error),
    }
}
