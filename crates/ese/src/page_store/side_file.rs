//! The side file: changed pages that do not fit in memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::PageMap;
use crate::edit::EditPage;
use crate::io::{Source, write_all_at};
use crate::page::Pgno;
use crate::{Error, Result};

/// A file of pages in slots, in the order in which they left memory.
#[derive(Debug)]
pub(super) struct SideFile {
    path: PathBuf,
    /// Created with the first page.
    file: Option<File>,
    slots: PageMap<u32>,
    next: u32,
}

impl SideFile {
    pub fn new(path: &Path) -> Self {
        SideFile {
            path: path.to_path_buf(),
            file: None,
            slots: PageMap::default(),
            next: 0,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn holds(&self, number: Pgno) -> bool {
        self.slots.contains_key(&number)
    }

    /// The pages in the file, in no order.
    pub fn pages(&self) -> impl Iterator<Item = Pgno> {
        self.slots.keys().copied()
    }

    /// The page in each slot; 0 for an unused slot.
    pub fn numbers(&self) -> Vec<Pgno> {
        let mut numbers = vec![0; self.next as usize];
        for (number, slot) in &self.slots {
            if let Some(place) = numbers.get_mut(*slot as usize) {
                *place = *number;
            }
        }
        numbers
    }

    /// Drops a page.
    pub fn forget(&mut self, number: Pgno) {
        self.slots.remove(&number);
    }

    /// Drops the pages after `last`.
    pub fn cut_off(&mut self, last: Pgno) {
        self.slots.retain(|number, _| *number <= last);
    }

    pub fn read(&self, number: Pgno, page: &mut [u8]) -> Result<()> {
        let (Some(file), Some(slot)) = (&self.file, self.slots.get(&number)) else {
            return Err(Error::io(&self.path)(std::io::ErrorKind::NotFound.into()));
        };
        let offset = u64::from(*slot) * page.len() as u64;
        file.read_exact_at(page, offset)
            .map_err(Error::io(&self.path))
    }

    pub fn write(&mut self, page: &EditPage) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = File::options()
                    .read(true)
                    .write(true)
                    .create(true)
                    .truncate(true)
                    .open(&self.path)
                    .map_err(Error::io(&self.path))?;
                none.insert(file)
            }
        };
        let slot = match self.slots.get(&page.number()) {
            Some(slot) => *slot,
            None => {
                self.next += 1;
                self.next - 1
            }
        };
        let offset = u64::from(slot) * page.bytes().len() as u64;
        write_all_at(file, page.bytes(), offset).map_err(Error::io(&self.path))?;
        self.slots.insert(page.number(), slot);
        Ok(())
    }

    /// Closes the file without deleting it.
    pub fn close(&mut self) {
        self.file = None;
    }

    /// Deletes the file, if there is one.
    pub fn discard(&mut self) -> Result<()> {
        match self.file.take() {
            Some(_) => std::fs::remove_file(&self.path).map_err(Error::io(&self.path)),
            None => Ok(()),
        }
    }
}
