//! Bytes that can be read at any position: a file, a disk, a part of one.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Bytes that can be read at any position, from any thread.
pub trait ReadAt: Send + Sync {
    /// The number of bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes from `position` on.
    ///
    /// # Errors
    /// Fails if there are fewer bytes, or they cannot be read.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()>;

    /// What messages call it: the image's path, and the partition in it.
    fn name(&self) -> &str;

    /// The end of the bytes from `position` on that are known to be zero without reading them: a
    /// hole. `position` itself if there is none.
    fn hole_end(&self, position: u64) -> Result<u64> {
        Ok(position)
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Arc<R> {
    fn size(&self) -> u64 {
        (**self).size()
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        (**self).read_at(position, buffer)
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn hole_end(&self, position: u64) -> Result<u64> {
        (**self).hole_end(position)
    }
}

/// Refuses a read beyond the end.
///
/// # Errors
/// [`Error::Damaged`] if `position` + `length` is beyond the end.
pub fn check_range(bytes: &(impl ReadAt + ?Sized), position: u64, length: usize) -> Result<()> {
    let end = position.checked_add(length as u64);
    match end.is_some_and(|end| end <= bytes.size()) {
        true => Ok(()),
        false => Err(Error::damaged(
            bytes.name(),
            "bytes that something refers to",
            position,
            format_args!("{length} bytes"),
            format_args!("the end at byte {}", bytes.size()),
        )),
    }
}

/// Reads `N` bytes.
///
/// # Errors
/// As [`ReadAt::read_at`].
pub fn array<const N: usize>(bytes: &(impl ReadAt + ?Sized), position: u64) -> Result<[u8; N]> {
    let mut buffer = [0; N];
    bytes.read_at(position, &mut buffer)?;
    Ok(buffer)
}

/// Reads `length` bytes, which must not be more than `most`: `structure` is what they are.
///
/// # Errors
/// [`Error::Damaged`] for more; as [`ReadAt::read_at`].
pub fn vector(
    bytes: &(impl ReadAt + ?Sized),
    position: u64,
    length: u64,
    most: usize,
    structure: impl Display,
) -> Result<Vec<u8>> {
    let fits = usize::try_from(length).ok().filter(|fits| *fits <= most);
    let Some(fits) = fits else {
        return Err(Error::damaged(
            bytes.name(),
            structure,
            position,
            format_args!("at most {most} bytes"),
            format_args!("{length} bytes"),
        ));
    };
    // Nothing is allocated for bytes that are not there.
    check_range(bytes, position, fits)?;
    let mut buffer = vec![0; fits];
    bytes.read_at(position, &mut buffer)?;
    Ok(buffer)
}

/// A file of this computer.
pub struct HostFile {
    file: File,
    size: u64,
    name: String,
}

impl HostFile {
    /// Opens a regular file or a block device for reading.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> Result<Self> {
        use std::io::Seek;
        let mut file = File::open(path).map_err(Error::open(path))?;
        // A block device has no length of its own.
        let size = file.seek(std::io::SeekFrom::End(0));
        Ok(Self {
            size: size.map_err(Error::open(path))?,
            file,
            name: path.display().to_string(),
        })
    }
}

impl ReadAt for HostFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        read_exact_at(&self.file, position, buffer).map_err(|source| Error::Io {
            file: self.name.clone(),
            position,
            length: buffer.len() as u64,
            source,
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, position: u64, buffer: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, position)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut position: u64, mut buffer: &mut [u8]) -> std::io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, position)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                position += read as u64;
            }
        }
    }
    Ok(())
}

/// Bytes in memory.
pub struct Memory {
    bytes: Vec<u8>,
    name: String,
}

impl Memory {
    /// These bytes, which messages call `name`.
    pub fn new(bytes: Vec<u8>, name: impl Into<String>) -> Self {
        Self {
            bytes,
            name: name.into(),
        }
    }
}

impl ReadAt for Memory {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        // In range, so that it fits into memory.
        let start = position as usize;
        buffer.copy_from_slice(&self.bytes[start..start + buffer.len()]);
        Ok(())
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Consecutive bytes of something larger, such as a partition.
pub struct Part {
    whole: Arc<dyn ReadAt>,
    start: u64,
    size: u64,
    name: String,
}

impl Part {
    /// `size` bytes of `whole` from `start` on.
    ///
    /// # Errors
    /// [`Error::Damaged`] if `whole` ends before.
    pub fn new(whole: Arc<dyn ReadAt>, start: u64, size: u64, name: String) -> Result<Self> {
        let end = start.checked_add(size);
        if end.is_none_or(|end| end > whole.size()) {
            return Err(Error::damaged(
                name,
                "partition or extent",
                start,
                format_args!("{size} bytes"),
                format_args!("the end at byte {}", whole.size()),
            ));
        }
        Ok(Self {
            whole,
            start,
            size,
            name,
        })
    }
}

impl ReadAt for Part {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        self.whole.read_at(self.start + position, buffer)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn hole_end(&self, position: u64) -> Result<u64> {
        if position >= self.size {
            return Ok(position);
        }
        let end = self.whole.hole_end(self.start + position)?;
        Ok((end.saturating_sub(self.start)).clamp(position, self.size))
    }
}
