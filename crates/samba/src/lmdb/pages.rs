//! The pages of a state, described by one of the two meta pages.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::format::{self, Meta};
use crate::error::{Error, Result};

/// The most pages that a state may have beyond the end of its file.
const NEVER_WRITTEN: u64 = 1 << 20;

/// A file, and the state in it that a meta page describes.
pub(super) struct StatePages {
    path: PathBuf,
    file: File,
    pub(super) meta: Meta,
    /// The meta page that describes the state.
    pub(super) meta_page: Vec<u8>,
}

impl StatePages {
    /// The last state of a database without writers.
    pub(super) fn newest(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let [one, other] = [0, 1].map(|number| Self::of_file(path, &file, number));
        match (one, other) {
            (Ok(one), Ok(other)) if one.meta.transaction < other.meta.transaction => Ok(other),
            (Ok(one), _) => Ok(one),
            (Err(_), Ok(other)) => Ok(other),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// The state described by meta page `number`, 0 or 1.
    pub(super) fn of_file(path: &Path, file: &File, number: u64) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(path, reason);
        let length = file.metadata().map_err(Error::io("look at", path))?.len();
        let read =
            |at: u64, buffer: &mut [u8]| match platform::file::read_exact_at(file, buffer, at) {
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(damaged(
                    format!("it ends at {length}, within its meta pages"),
                )),
                read => read.map_err(Error::io("read", path)),
            };
        let mut first = vec![0; format::META_END];
        read(0, &mut first)?;
        let page_size = Meta::parse(&first)
            .map_err(|reason| damaged(format!("page 0: {reason}")))?
            .page_size;
        let mut page = vec![0; page_size as usize];
        read(number * u64::from(page_size), &mut page)?;
        let meta =
            Meta::parse(&page).map_err(|reason| damaged(format!("page {number}: {reason}")))?;
        if meta.page_size != page_size {
            return Err(damaged(format!(
                "page {number}: it has a page size of {} bytes, and page 0 of {page_size} bytes",
                meta.page_size
            )));
        }
        // Pages that one transaction took and freed may never have been written.
        if meta.last_page > length / u64::from(page_size) + NEVER_WRITTEN {
            return Err(damaged(format!(
                "page {number}: its last page in use is {}, in a file of {length} bytes",
                meta.last_page
            )));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: file.try_clone().map_err(Error::io("open again", path))?,
            meta,
            meta_page: page,
        })
    }

    /// Size of the file up to the state's last page.
    pub(super) fn size(&self) -> u64 {
        (self.meta.last_page + 1) * u64::from(self.meta.page_size)
    }

    pub(super) fn damaged(&self, page: u64, reason: &str) -> Error {
        Error::damaged(&self.path, format!("page {page}: {reason}"))
    }

    /// Reads pages of the file.
    pub(super) fn read_pages(&self, first: u64, buffer: &mut [u8]) -> Result<()> {
        let at = first
            .checked_mul(u64::from(self.meta.page_size))
            .ok_or_else(|| self.damaged(first, "it is beyond the largest file"))?;
        match platform::file::read_exact_at(&self.file, buffer, at) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(first, "it is in use, but beyond the end of the file"))
            }
            read => read.map_err(Error::io("read", &self.path)),
        }
    }
}
