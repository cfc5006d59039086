//! A directory that is locked for a restore.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use files::Place;
use model::{FileEntry, RestoredFile};
use store::{
    FileWriter, RegisteredRestore, RestoreMarker, RestorePlan, Taken, check_private, check_space,
    disk_error,
};

use crate::layout::{Layout, canonical};
use crate::{Hosted, current_log, former_life, restored};

pub(crate) struct Registration {
    hosted: Arc<Hosted>,
    plan: RestorePlan,
    marker: RestoreMarker,
    complete: bool,
    _restore: Taken,
}

impl Registration {
    /// Checks the plan and writes the marker.
    ///
    /// # Errors
    /// `hrInvalidPath` for paths that are not the hosted directory's, and for a folder that others
    /// may write into; `ERROR_INVALID_PARAMETER` for a map that names the database more than once;
    /// `hrDiskIO` if the marker cannot be written.
    pub(crate) fn begin(hosted: Arc<Hosted>, plan: RestorePlan, restore: Taken) -> Result<Self> {
        check_places(&hosted.layout, &plan)?;
        for folder in hosted.layout.folders() {
            check_private(&folder)?;
        }
        let marker = RestoreMarker::begin(&plan.token.signature, plan.generations);
        marker.write(&hosted.layout.database_folder)?;
        Ok(Self {
            hosted,
            plan,
            marker,
            complete: false,
            _restore: restore,
        })
    }

    fn folder(&self) -> &Path {
        &self.hosted.layout.database_folder
    }

    fn mark_failed(&mut self, reason: &str) -> Result<()> {
        self.marker = self.marker.clone().failed(reason);
        self.marker.write(self.folder())
    }
}

impl RegisteredRestore for Registration {
    fn complete(&mut self) -> Result<Vec<PathBuf>> {
        // From here on a crash must find the marker, even if the application deleted it.
        self.keep_locked();
        let checked = restored::check(&self.hosted.layout, &self.plan)
            .and_then(|()| current_log::forget(self.folder()))
            .and_then(|()| restored::make_durable(&self.hosted.layout))
            .and_then(|()| {
                former_life::note(&self.hosted.layout, self.hosted.takes_new_invocation_id)
            });
        let written = match checked {
            Ok(written) => written,
            Err(error) => {
                self.mark_failed(&error.reason)?;
                return Err(error);
            }
        };
        RestoreMarker::clear(self.folder())?;
        self.complete = true;
        Ok(written)
    }

    fn fail(&mut self, state: ResultCode) -> Result<()> {
        self.mark_failed(&format!("its application reported {state}"))
    }

    fn clear(&mut self, needed: u64) -> Result<Vec<FileEntry>> {
        let layout = &self.hosted.layout;
        let doomed = layout.contents()?.files;
        let mut entries = Vec::new();
        for file in &doomed {
            let size = std::fs::metadata(&file.path)
                .map_err(|error| disk_error(&file.path, &error))?
                .len();
            entries.push(FileEntry {
                size,
                ..FileEntry::named(file.role.file_type(), file.path.display().to_string())
            });
        }
        let places: Vec<Place> = (doomed.iter()).map(|file| Place::of(&file.path)).collect();
        check_space(&layout.database_folder, needed, &places)?;
        for place in &places {
            (place.delete()).map_err(|error| disk_error(&place.path(), &error))?;
        }
        Ok(entries)
    }

    fn create_file(&mut self, file: RestoredFile) -> Result<FileWriter> {
        let path = self.hosted.layout.place_of(file.file_type, &file.name)?;
        FileWriter::create(Place::of(&path), &file)
    }

    fn keep_locked(&mut self) {
        if !self.complete {
            self.marker.keep(self.folder());
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.complete {
            self.keep_locked();
            tracing::warn!(
                "a restore ended before it was complete: the directory cannot start until another \
                 is"
            );
        }
    }
}

/// Checks that the plan's paths are those of the directory.
fn check_places(layout: &Layout, plan: &RestorePlan) -> Result<()> {
    for (what, given, ours) in [
        ("log folder", &plan.log_folder, &layout.log_folder),
        (
            "checkpoint folder",
            &plan.checkpoint_folder,
            &layout.checkpoint_folder,
        ),
    ] {
        if &canonical(Path::new(given))? != ours {
            return Err(elsewhere(what, given, ours));
        }
    }
    let database = layout.database();
    for (_, new) in &plan.databases {
        let path = Path::new(new);
        let folder = match path.parent() {
            Some(folder) if path.is_absolute() => canonical(folder)?,
            _ => return Err(elsewhere("database", new, &database)),
        };
        if path.file_name().map(|name| folder.join(name)).as_ref() != Some(&database) {
            return Err(elsewhere("database", new, &database));
        }
    }
    match plan.databases.len() {
        1 => Ok(()),
        count => Err(Error::new(
            ResultCode::INVALID_PARAMETER,
            format!("the restore map has {count} entries, but this directory has one database"),
        )),
    }
}

fn elsewhere(what: &str, given: &str, ours: &Path) -> Error {
    Error::new(
        ResultCode::INVALID_PATH,
        format!(
            "{what} {given:?}: expected {}, where this service's directory lies",
            ours.display()
        ),
    )
}
