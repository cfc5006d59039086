//! Sends a snapshot's files to a service on another computer, which writes them to their places.

use std::io::Read;
use std::time::SystemTime;

use model::manifest::{File, Manifest};
use ntdsbcli::{RestoreContext, RestoredFile, SendError};

use super::copy::announced;
use crate::error::{Error, Result};
use crate::report::{Progress, Report};
use crate::snapshot::{Snapshot, reading_failed};

/// Whether the snapshot is of the kind that the service hosts.
///
/// # Errors
/// When it is not.
pub fn check_kind(manifest: &Manifest, service_has_tree: bool) -> Result<()> {
    let databases = manifest.databases().count();
    if service_has_tree != manifest.is_tree() || (!manifest.is_tree() && databases != 1) {
        return Err(Error::Refused(format!(
            "the snapshot is of the kind {} with {databases} databases: restore it into a service \
             of its own kind",
            manifest.store
        )));
    }
    Ok(())
}

/// Has the service delete what lies in the places, and sends every file, whose SHA-256 the service
/// checks. Returns how many files were deleted.
///
/// # Errors
/// At the first file that cannot be read, or that the service does not take.
pub fn carry_out(
    snapshot: &Snapshot,
    context: &RestoreContext,
    report: &dyn Report,
) -> Result<usize> {
    let files = super::files_in_place(&snapshot.manifest);
    let needed = files.iter().map(|file| file.size).sum();
    let doomed = context
        .clear(needed)
        .map_err(Error::at("HrRRestoreClear"))?;
    let bar = report.begin(needed);
    for file in files {
        bar.item(file.base_name());
        let announced = restored_file(file, snapshot.manifest.is_tree())?;
        let mut content = Counted {
            content: snapshot.content.open(&file.path)?,
            bar: &*bar,
        };
        context
            .send_file(&announced, &mut content)
            .map_err(|error| match error {
                SendError::Content(error) => reading_failed(error, &file.path),
                SendError::Service(source) => Error::Contract {
                    step: "HrRRestoreWriteFile",
                    source,
                },
            })?;
    }
    drop(bar);
    Ok(doomed.len())
}

/// A file's content; what is read of it is done.
struct Counted<'a, R> {
    content: R,
    bar: &'a dyn Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.content.read(into)?;
        self.bar.advance(length as u64);
        Ok(length)
    }
}

fn restored_file(file: &File, is_tree: bool) -> Result<RestoredFile> {
    let announced = announced(file)?;
    Ok(RestoredFile {
        file_type: file.file_type(),
        name: if is_tree {
            file.path.clone()
        } else {
            file.base_name().to_owned()
        },
        size: announced.size,
        sha256: announced.sha256,
        modified: announced.modified.unwrap_or(SystemTime::UNIX_EPOCH),
    })
}
