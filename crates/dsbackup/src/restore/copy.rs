//! Carries out a plan: deletes, writes, verifies, makes durable.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use files::{Folder, NewFile, NotFinished};
use repository::OpenSnapshot;

use super::plan::{Plan, PlannedFile};
use crate::failure::{Failure, Result};
use crate::interrupt;
use crate::report::Report;

/// How much is written at once.
const BLOCK: usize = 1 << 20;

/// Deletes what is doomed and writes the snapshot's files, each verified against the SHA-256 of the backup and durable
/// when this returns. Nothing is reached through a link beneath the folders of the plan.
///
/// # Errors
/// At the first file that cannot be deleted, read or written, or that is not what was backed up.
pub fn carry_out(plan: &Plan<'_>, content: &OpenSnapshot, report: Report) -> Result<()> {
    let mut roots = Roots::default();
    for place in &plan.doomed {
        // The service may have cleared its folder since the plan was made.
        let _writing = interrupt::writing();
        roots
            .open(&place.root)?
            .remove_file(&place.relative)
            .map_err(Failure::io("delete", place.path()))?;
    }
    let bar = report.progress(plan.files.iter().map(|planned| planned.file.size).sum());
    let mut folders = BTreeMap::new();
    for planned in &plan.files {
        bar.set_message(planned.file.base_name().to_owned());
        let root = roots.open(&planned.place.root)?;
        let folder = write(planned, root, content, &mut |length| bar.inc(length))?;
        folders.insert(folder.path().to_path_buf(), folder);
    }
    bar.finish_and_clear();
    for (path, folder) in folders {
        folder
            .sync()
            .map_err(Failure::io("make the folder durable", path))?;
    }
    Ok(())
}

/// The folders beneath which everything is done, open.
#[derive(Default)]
struct Roots(BTreeMap<std::path::PathBuf, Folder>);

impl Roots {
    fn open(&mut self, path: &Path) -> Result<&Folder> {
        if !self.0.contains_key(path) {
            std::fs::create_dir_all(path).map_err(Failure::io("make the folder", path))?;
            let folder = Folder::open(path).map_err(Failure::io("open the folder", path))?;
            self.0.insert(path.to_path_buf(), folder);
        }
        Ok(&self.0[path])
    }
}

/// Writes a file, and returns the folder that it is in.
fn write(
    planned: &PlannedFile<'_>,
    root: &Folder,
    content: &OpenSnapshot,
    progress: &mut dyn FnMut(u64),
) -> Result<Folder> {
    let destination = planned.place.path();
    let failed = |doing| Failure::io(doing, &destination);
    let mut reader = content.open(&planned.file.path)?;
    let create = || {
        let _writing = interrupt::writing();
        let file = NewFile::create(root, &planned.place.relative)?;
        if rustix::process::geteuid().is_root() {
            // The service may run as a user of its own, who owns the folder.
            file.give_to_owner_of_folder()?;
        }
        Ok(file)
    };
    let mut file = create().map_err(failed("create"))?;
    let mut block = vec![0; BLOCK];
    loop {
        let length = match reader.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => return Err(reading_failed(error, &planned.file.path)),
        };
        let _writing = interrupt::writing();
        file.write(&block[..length]).map_err(failed("write"))?;
        progress(length as u64);
    }
    let expected = &planned.file.sha256;
    let hash = ids::hex::decode_array(expected).ok_or_else(|| {
        Failure::Damage(format!(
            "{}: the manifest's SHA-256 {expected:?} is none",
            planned.file.path
        ))
    })?;
    let modified = planned.file.modified.parse::<jiff::Timestamp>();
    let modified = modified.ok().map(SystemTime::from);
    let _writing = interrupt::writing();
    file.finish(planned.file.size, &hash, modified)
        .map_err(|error| match error {
            NotFinished::Io(error) => failed("make durable")(error),
            NotFinished::Differs { size, sha256 } => Failure::Damage(format!(
                "{}: expected {} bytes with SHA-256 {expected}, the repository gave {size} bytes with {sha256}: the \
                 snapshot cannot be trusted, restore another and run `dsbackup check --read-data`",
                planned.file.path, planned.file.size
            )),
        })
}

/// The repository's own error, where the reader wrapped one.
pub fn reading_failed(error: std::io::Error, path: &str) -> Failure {
    match error.downcast::<repository::Error>() {
        Ok(error) => Failure::Repository(error),
        Err(error) => Failure::io("read from the repository", path)(error),
    }
}
