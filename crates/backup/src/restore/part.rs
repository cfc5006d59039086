//! A folder of a Samba domain controller's snapshot, put beside what runs: the files of a group
//! policy, with owners, modes and access rights.
//!
//! ```text
//! snapshot ─▶ scratch folder on the same disk ─▶ attributes ─▶ renamed into its place
//!                                     what was there ─▶ renamed aside, so that it can come back
//! ```

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use files::Folder;
use samba::Listing;
use samba::state::{Attributes, ListedEntry, ListedKind};
use sha2::{Digest, Sha256};

use super::copy_some_into;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::scratch::Scratch;
use crate::snapshot::Snapshot;
use crate::view::listing;

/// A folder of a snapshot.
pub struct Part<'s> {
    snapshot: &'s Snapshot,
    listing: Listing,
    path: String,
}

impl<'s> Part<'s> {
    /// The folder with this path in the snapshot, whose case does not count; `None` where there is
    /// none.
    ///
    /// # Errors
    /// Fails if the snapshot's listing is damaged.
    pub fn of(snapshot: &'s Snapshot, path: &str) -> Result<Option<Self>> {
        if !snapshot.manifest.is_tree() {
            return Ok(None);
        }
        let listing = listing(snapshot)?;
        let found = listing.entries.iter().find(|entry| {
            entry.kind == ListedKind::Folder && entry.path.eq_ignore_ascii_case(path)
        });
        Ok(found.map(|found| found.path.clone()).map(|path| Self {
            snapshot,
            listing,
            path,
        }))
    }

    /// The path in the snapshot.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The files, folders and links beneath the folder, and itself, that differ from those at a
    /// place, or are only there. Times do not count.
    ///
    /// # Errors
    /// Fails if what is at the place cannot be read.
    pub fn differing(&self, place: &Path) -> Result<Vec<String>> {
        let mut differing = Vec::new();
        let mut known = BTreeSet::new();
        for entry in self.entries() {
            let relative = self.relative(entry);
            let there = place.join(relative);
            known.insert(there.clone());
            if !self.is_same(entry, &there)? {
                differing.push(entry.path.clone());
            }
        }
        let mut waiting = vec![place.to_path_buf()];
        while let Some(folder) = waiting.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("list the folder", &folder)(error)),
            };
            for entry in entries {
                let path = entry.map_err(Error::io("list the folder", &folder))?.path();
                if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
                    waiting.push(path.clone());
                }
                if !known.contains(&path) {
                    differing.push(path.display().to_string());
                }
            }
        }
        Ok(differing)
    }

    /// Puts the folder at a place. What is there moves to `aside`, which must not exist; both must
    /// be on one file system.
    ///
    /// # Errors
    /// Fails if the snapshot cannot be read, and if the system refuses; then what was there is
    /// there, or at `aside`.
    pub fn put(&self, place: &Path, aside: &Path, report: &dyn Report) -> Result<()> {
        let beside = aside.parent().unwrap_or(Path::new("."));
        let scratch = Scratch::within(beside)?;
        let is_wanted = |file: &model::manifest::File| self.is_beneath(&file.path);
        copy_some_into(self.snapshot, is_wanted, scratch.path(), report)?;
        self.shape(scratch.path())?;
        match std::fs::rename(place, aside) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("move aside", place)(error)),
        }
        let new = scratch.path().join(&self.path);
        std::fs::rename(&new, place).map_err(Error::io("put into its place", place))?;
        for folder in [place.parent(), Some(beside)].into_iter().flatten() {
            let opened = Folder::open(folder).and_then(|folder| folder.sync());
            opened.map_err(Error::io("make the folder durable", folder))?;
        }
        Ok(())
    }

    fn entries(&self) -> impl Iterator<Item = &ListedEntry> {
        let entries = self.listing.entries.iter();
        entries.filter(|entry| self.is_beneath(&entry.path))
    }

    fn is_beneath(&self, path: &str) -> bool {
        let rest = path.strip_prefix(&self.path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path beneath the folder; empty for the folder itself.
    fn relative(&self, entry: &ListedEntry) -> PathBuf {
        let rest = entry.path.get(self.path.len()..).unwrap_or_default();
        PathBuf::from(rest.trim_start_matches('/'))
    }

    fn is_same(&self, entry: &ListedEntry, there: &Path) -> Result<bool> {
        let Ok(metadata) = there.symlink_metadata() else {
            return Ok(false);
        };
        let is_same_kind = match entry.kind {
            ListedKind::Folder => metadata.is_dir(),
            ListedKind::Link => {
                let target = std::fs::read_link(there).unwrap_or_default();
                entry
                    .target
                    .as_deref()
                    .is_some_and(|wanted| target == Path::new(wanted))
            }
            _ => metadata.is_file(),
        };
        if !is_same_kind {
            return Ok(false);
        }
        let found = Attributes::read(there, &metadata)?;
        let wanted = &entry.attributes;
        let of = |attributes: &Attributes| {
            let extended = attributes.extended.clone();
            (attributes.mode, attributes.uid, attributes.gid, extended)
        };
        if of(&found) != of(wanted) {
            return Ok(false);
        }
        if !entry.is_file() {
            return Ok(true);
        }
        let content = std::fs::read(there).map_err(Error::io("read", there))?;
        let files = &self.snapshot.manifest.files;
        let file = files.iter().find(|file| file.path == entry.path);
        let hash = ids::hex::encode(&Sha256::digest(&content));
        Ok(file.is_some_and(|file| file.sha256.eq_ignore_ascii_case(&hash)))
    }

    /// Makes folders and links, and sets attributes, children before parents.
    fn shape(&self, root: &Path) -> Result<()> {
        let folder = Folder::open(root).map_err(Error::io("open the folder", root))?;
        for entry in self.entries() {
            let relative = Path::new(&entry.path);
            let made = match (&entry.kind, &entry.target) {
                (ListedKind::Folder, _) => folder.make_folders(relative).map(drop),
                (ListedKind::Link, Some(target)) => folder.create_link(relative, target),
                _ => Ok(()),
            };
            made.map_err(Error::io("make the folder or link", root.join(relative)))?;
        }
        let entries: Vec<&ListedEntry> = self.entries().collect();
        for entry in entries.iter().rev() {
            let is_link = entry.kind == ListedKind::Link;
            (entry.attributes).apply_beneath(&folder, Path::new(&entry.path), is_link)?;
        }
        Ok(())
    }
}
