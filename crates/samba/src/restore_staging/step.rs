//! Putting one root into place: previous files go aside, restored files replace them.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::files::{copy, make_folder, remove, rename, sync_all, sync_folder};
use super::{ALL_ASIDE, PREVIOUS, STAGING};
use crate::error::{Error, Result};
use crate::state::{self, OWN_PREFIX, Root};

/// The part of a restore that concerns one root.
pub(super) struct Step {
    pub(super) root: Root,
    /// The folder of the restored files.
    pub(super) staged: PathBuf,
    /// Names that stay unchanged.
    pub(super) spared: BTreeSet<String>,
    /// The attributes of the restored folder.
    pub(super) attributes: Option<state::Attributes>,
}

impl Step {
    /// The staging folder on the root's file system.
    fn near(&self) -> PathBuf {
        self.root.original.join(STAGING)
    }

    /// Whether the root is a single file.
    fn is_file(&self) -> bool {
        self.staged.is_file()
    }

    /// Copies the restored files if they are on another file system than the root.
    pub(super) fn bring_to_its_file_system(&self) -> Result<()> {
        let target = &self.root.original;
        if self.is_file() {
            return Ok(());
        }
        std::fs::create_dir_all(target).map_err(Error::io("make the folder", target))?;
        let device = |path: &Path| {
            let resolved = platform::file::canonical(path);
            (resolved.and_then(|path| platform::disk::of(&path)))
                .map_err(Error::io("look at", path))
        };
        let near = self.near();
        if device(&self.staged)? == device(target)? || near == self.staged {
            return Ok(());
        }
        remove(&near)?;
        copy(&self.staged, &near)?;
        sync_all(&near)?;
        remove(&self.staged)
    }

    /// The folder of the restored files on the root's file system.
    pub(super) fn source(&self) -> PathBuf {
        match self.staged.exists() {
            true => self.staged.clone(),
            false => self.near(),
        }
    }

    /// Moves the root's files aside, or removes files of an interrupted restore.
    pub(super) fn set_aside(&self, not_state: &BTreeSet<PathBuf>) -> Result<()> {
        let target = &self.root.original;
        if self.is_file() {
            return Ok(());
        }
        let previous = target.join(PREVIOUS);
        make_folder(&previous)?;
        let all_aside = previous.join(ALL_ASIDE);
        let was_all_aside = all_aside.exists();
        for child in self.children(target, not_state)? {
            let aside = previous.join(child.file_name().unwrap_or_default());
            // The file aside is the previous one. This one is newer: somebody tried to start a
            // domain controller.
            match was_all_aside || aside.symlink_metadata().is_ok() {
                true => remove(&child)?,
                false => rename(&child, &aside)?,
            }
        }
        sync_folder(target)?;
        File::create(&all_aside)
            .and_then(|file| file.sync_all())
            .map_err(Error::io("write", &all_aside))?;
        sync_folder(&previous)
    }

    /// Moves the restored files into the root.
    pub(super) fn move_in(&self) -> Result<()> {
        let target = &self.root.original;
        if self.is_file() {
            return self.replace_file();
        }
        let source = self.source();
        for child in self.children(&source, &BTreeSet::new())? {
            rename(&child, &target.join(child.file_name().unwrap_or_default()))?;
        }
        if let Some(attributes) = &self.attributes
            && self.root.name != "etc"
        {
            attributes.apply(target, false)?;
        }
        sync_folder(target)
    }

    /// Replaces a single file outside all folders, such as a TLS key.
    fn replace_file(&self) -> Result<()> {
        let target = &self.root.original;
        let folder = target.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
        let near = folder.join(format!("{OWN_PREFIX}{}", self.root.name));
        remove(&near)?;
        copy(&self.staged, &near)?;
        let synced = File::open(&near).and_then(|file| file.sync_all());
        synced.map_err(Error::io("make durable", &near))?;
        rename(&near, target)?;
        sync_folder(folder)
    }

    /// The files in a folder that are to be moved.
    fn children(&self, folder: &Path, not_state: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>> {
        let mut children = Vec::new();
        for child in std::fs::read_dir(folder).map_err(Error::io("list the folder", folder))? {
            let child = child.map_err(Error::io("list the folder", folder))?;
            let name = child.file_name();
            let name = name.to_string_lossy();
            let path = child.path();
            if not_state.contains(&path)
                || name.starts_with(OWN_PREFIX)
                || self.spared.contains(&*name)
            {
                continue;
            }
            children.push(path);
        }
        children.sort();
        Ok(children)
    }
}
