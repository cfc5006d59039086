//! Carries out a plan: deletes, writes, verifies, makes durable.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::SystemTime;

use files::{Announced, Folder, NewFile, NotWritten};
use model::manifest::File;

use super::plan::{Plan, PlannedFile};
use crate::error::{Error, Result};
use crate::leftover;
use crate::report::Report;
use crate::snapshot::{Content, reading_failed};

/// How much is written at once.
const BLOCK: usize = 1 << 20;

/// Deletes what is doomed and writes the snapshot's files, each verified against the SHA-256 of the
/// backup and durable when this returns. Nothing is reached through a link beneath the folders of
/// the plan.
///
/// # Errors
/// At the first file that cannot be deleted, read or written, or that is not what was backed up.
pub fn carry_out(plan: &Plan<'_>, content: &Content, report: &dyn Report) -> Result<()> {
    for place in &plan.doomed {
        // The service may have cleared its folder since the plan was made.
        let _writing = leftover::writing();
        (place.delete()).map_err(Error::io("delete", place.path()))?;
    }
    let bar = report.begin(plan.files.iter().map(|planned| planned.file.size).sum());
    let mut folders = BTreeMap::new();
    for planned in &plan.files {
        bar.item(planned.file.base_name());
        let folder = write(planned, content, &mut |length| bar.advance(length))?;
        folders.insert(folder.path().to_path_buf(), folder);
    }
    drop(bar);
    for (path, folder) in folders {
        folder
            .sync()
            .map_err(Error::io("make the folder durable", path))?;
    }
    Ok(())
}

/// Writes a file, and returns the folder that it is in.
fn write(
    planned: &PlannedFile<'_>,
    content: &Content,
    progress: &mut dyn FnMut(u64),
) -> Result<Folder> {
    let place = &planned.place;
    let announced = announced(planned.file)?;
    let mut reader = content.open(&planned.file.path)?;
    let create = || {
        let _writing = leftover::writing();
        platform::private::make_folders(&place.root)?;
        let file = NewFile::create(place, announced)?;
        if platform::process::is_root() {
            // The service may run as a user of its own, who owns the folder.
            file.give_to_owner_of_folder()?;
        }
        Ok(file)
    };
    let mut file = create().map_err(Error::io("create", place.path()))?;
    let failed = |doing| move |error| not_written(planned, doing, error);
    let mut block = vec![0; BLOCK];
    loop {
        let length = match reader.read(&mut block) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) => return Err(reading_failed(error, &planned.file.path)),
        };
        let _writing = leftover::writing();
        file.write(&block[..length]).map_err(failed("write"))?;
        progress(length as u64);
    }
    let _writing = leftover::writing();
    file.finish().map_err(failed("make durable"))
}

/// What the manifest says that a file is.
///
/// # Errors
/// When its SHA-256 is none.
pub fn announced(file: &File) -> Result<Announced> {
    let modified = file.modified.parse::<jiff::Timestamp>();
    Ok(Announced {
        size: file.size,
        sha256: ids::hex::decode_array(&file.sha256).ok_or_else(|| {
            Error::Damage(format!(
                "{}: the manifest's SHA-256 {:?} is none",
                file.path, file.sha256
            ))
        })?,
        modified: modified.ok().map(SystemTime::from),
    })
}

fn not_written(planned: &PlannedFile<'_>, doing: &'static str, error: NotWritten) -> Error {
    let File {
        path, size, sha256, ..
    } = planned.file;
    let found = match error {
        NotWritten::Io(error) => return Error::io(doing, planned.place.path())(error),
        NotWritten::TooLong { size } => format!("{size} bytes or more"),
        NotWritten::Differs { size, sha256 } => format!("{size} bytes with {sha256}"),
    };
    Error::Damage(format!(
        "{path}: expected {size} bytes with SHA-256 {sha256}, the repository gave {found}: the \
         snapshot cannot be trusted; restore another, and check the content of the repository"
    ))
}
