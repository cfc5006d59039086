//! The records of a database without writers.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{
    FILLER, HEADER, Header, MAGIC_DEAD, MAGIC_FREE, MAGIC_RECOVERY, MAGIC_RECOVERY_INVALID,
    MAGIC_USED, RECORD_HEADER, integer,
};
use crate::error::{Error, Result};

/// A database without writers, open for reading its records.
pub struct Records {
    path: PathBuf,
    file: File,
    size: u64,
    header: Header,
}

/// The position of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Offset of the value in the file.
    value: u64,
    length: u32,
}

/// The number of bytes read at a time.
const WINDOW: usize = 1 << 20;

impl Records {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is no TDB, or a transaction was interrupted: TDB's own tools roll
    /// it back when they open the database for writing. [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::over(path, File::open(path).map_err(Error::io("open", path))?)
    }

    /// Reads an open file, such as a copy of the one at `path`.
    ///
    /// # Errors
    /// Same as [`Self::open`].
    pub fn over(path: &Path, file: File) -> Result<Self> {
        let mut start = [0; HEADER];
        let header = match platform::file::read_exact_at(&file, &mut start, 0) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
            read => {
                read.map_err(Error::io("read", path))?;
                Header::parse(path, &start)?
            }
        };
        let header =
            header.ok_or_else(|| Error::damaged(path, "it does not begin as a TDB file does"))?;
        let size = file.metadata().map_err(Error::io("look at", path))?.len();
        let records = Self {
            path: path.to_path_buf(),
            file,
            size,
            header,
        };
        let recovery = u64::from(header.recovery_start);
        if recovery != 0 && recovery + RECORD_HEADER <= size {
            let mut record = [0; RECORD_HEADER as usize];
            records.read_at(&mut record, recovery)?;
            if integer(&record, 20) == MAGIC_RECOVERY {
                let reason = "a transaction was interrupted while it was written: open a copy \
                    with tdbtool first, which rolls it back";
                return Err(Error::damaged(path, reason));
            }
        }
        Ok(records)
    }

    /// Calls `visit` with the key, value and position of every record, in the order of the file.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the offset; [`Error::Io`]; errors of `visit`.
    pub fn visit<E: From<Error>>(
        &self,
        mut visit: impl FnMut(&[u8], &[u8], Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = HEADER as u64 + 4 * (u64::from(self.header.hash_chains) + 1);
        if self.header.is_guarded_by_mutexes() {
            at += u64::from(self.header.mutex_size);
        }
        let mut window = Window::default();
        while at + RECORD_HEADER <= self.size {
            let record = window.get(self, at, RECORD_HEADER as usize)?;
            let (length, key, data) = (integer(record, 4), integer(record, 8), integer(record, 12));
            match integer(record, 20) {
                MAGIC_USED => {}
                MAGIC_FREE | MAGIC_DEAD | MAGIC_RECOVERY => {
                    at += RECORD_HEADER + u64::from(length);
                    continue;
                }
                MAGIC_RECOVERY_INVALID if at == u64::from(self.header.recovery_start) => {
                    at += RECORD_HEADER + u64::from(length);
                    continue;
                }
                // The process that extended the file died before the new space became a record.
                FILLER | MAGIC_RECOVERY_INVALID => {
                    at += 4;
                    continue;
                }
                magic => {
                    let reason = format!("offset {at:#x}: {magic:#x} is no record's magic number");
                    return Err(Error::damaged(&self.path, reason).into());
                }
            }
            let content = at + RECORD_HEADER;
            let end = content + u64::from(length);
            let used = u64::from(key) + u64::from(data);
            if used > u64::from(length) || end > self.size {
                let reason = format!(
                    "offset {at:#x}: a record of {length} bytes cannot hold a key of {key} and \
                     data of {data} bytes, or ends beyond the file's {} bytes",
                    self.size
                );
                return Err(Error::damaged(&self.path, reason).into());
            }
            let bytes = window.get(self, content, used as usize)?;
            let (key_bytes, value) = bytes.split_at(key as usize);
            let place = Place {
                value: content + u64::from(key),
                length: data,
            };
            visit(key_bytes, value, place)?;
            at = end;
        }
        Ok(())
    }

    /// The value at a position.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&self, place: Place) -> Result<Vec<u8>> {
        let mut value = vec![0; place.length as usize];
        self.read_at(&mut value, place.value)?;
        Ok(value)
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        let read = platform::file::read_exact_at(&self.file, buffer, at);
        read.map_err(Error::io("read", &self.path))
    }
}

/// A window of the file, so that small neighboring records cost one read.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// `length` bytes of the file from `at` on, which must exist.
    fn get(&mut self, records: &Records, at: u64, length: usize) -> Result<&[u8]> {
        let is_inside =
            at >= self.start && at + length as u64 <= self.start + self.bytes.len() as u64;
        if !is_inside {
            let rest = usize::try_from(records.size.saturating_sub(at)).unwrap_or(usize::MAX);
            self.bytes.clear();
            self.bytes.resize(rest.min(WINDOW.max(length)), 0);
            self.start = at;
            records.read_at(&mut self.bytes, at)?;
        }
        let from = (at - self.start) as usize;
        let bytes = self.bytes.get(from..from + length);
        bytes.ok_or_else(|| Error::damaged(&records.path, format!("offset {at:#x}: the file ends")))
    }
}
