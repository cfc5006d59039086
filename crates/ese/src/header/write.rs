//! Writes the header of a database.

use std::fs::File;
use std::io;

use super::DatabaseHeader;
use crate::io::write_all_at;

impl DatabaseHeader {
    /// Writes both copies, one after the other, so that one is sound at any moment. On return they
    /// are on disk, with everything written before.
    pub(crate) fn write_to(&self, file: &File) -> io::Result<()> {
        let page = self.to_page();
        file.sync_all()?;
        write_all_at(file, &page, 0)?;
        file.sync_all()?;
        write_all_at(file, &page, page.len() as u64)?;
        file.sync_all()
    }
}
