//! Copies of files out of an image.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use disk_image::{Error, ReadAt, Result};

use crate::directory::FileInImage;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

impl FileInImage {
    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.bytes.size()
    }

    /// Writes a new file of this name into `folder`, and returns its path. Holes stay holes. `progress`
    /// gets the number of bytes each time that some were written.
    ///
    /// # Errors
    /// Where the file is damaged, is there already, or cannot be written; then it is removed.
    pub fn copy_into(&self, folder: &Path, progress: &mut dyn FnMut(u64)) -> Result<PathBuf> {
        // It comes from an image, and must not lead out of the folder.
        let is_plain = !self.name.is_empty() && !self.name.contains(['/', '\\', '\0']);
        if !is_plain || matches!(&self.name[..], "." | "..") {
            let expected = "a name without a folder";
            let actual = format!("{:?}", self.name);
            return Err(Error::damaged(
                self.bytes.name(),
                "name of a file",
                0,
                expected,
                actual,
            ));
        }
        let path = folder.join(&self.name);
        let file = platform::private::create_new(&path).map_err(Error::write(&path))?;
        let copied = self.copy(file, &path, progress);
        if copied.is_err() {
            // The first error counts.
            let _ = std::fs::remove_file(&path);
        }
        copied.map(|()| path)
    }

    fn copy(
        &self,
        mut file: std::fs::File,
        path: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let size = self.size();
        file.set_len(size).map_err(Error::write(path))?;
        let mut buffer = vec![0; CHUNK];
        let mut position = 0;
        while position < size {
            let hole = self.bytes.hole_end(position)?;
            if hole > position {
                progress(hole - position);
                position = hole;
                file.seek(SeekFrom::Start(position))
                    .map_err(Error::write(path))?;
                continue;
            }
            let length = usize::try_from(size - position).unwrap_or(CHUNK).min(CHUNK);
            let bytes = &mut buffer[..length];
            self.bytes.read_at(position, bytes)?;
            file.write_all(bytes).map_err(Error::write(path))?;
            position += length as u64;
            progress(length as u64);
        }
        file.sync_all().map_err(Error::write(path))
    }
}
