//! Sources of a database's bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

/// A database's bytes, readable at any position from any thread.
///
/// Implemented for files, bytes in memory and, through [`Seekable`], any reader that can seek.
pub trait Source: Send + Sync {
    /// The number of bytes.
    fn size(&self) -> io::Result<u64>;

    /// Fills `buffer` with the bytes from `offset` on. Fails if the source ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// All bytes, if they are in memory: pages are then read without a copy. Called again for each
    /// page.
    fn as_bytes(&self) -> Option<&[u8]> {
        None
    }
}

impl Source for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    #[cfg(windows)]
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
            }
        }
        Ok(())
    }
}

macro_rules! bytes_are_a_source {
    ($($kind:ty),*) => {$(
        impl Source for $kind {
            fn size(&self) -> io::Result<u64> {
                Ok(self.len() as u64)
            }

            fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
                let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
                let rest = self.get(start..).and_then(|rest| rest.get(..buffer.len()));
                buffer.copy_from_slice(rest.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }

            fn as_bytes(&self) -> Option<&[u8]> {
                Some(self)
            }
        }
    )*};
}

bytes_are_a_source!(Vec<u8>, Arc<[u8]>, &[u8]);

impl<S: Source + ?Sized> Source for Arc<S> {
    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        (**self).as_bytes()
    }
}

/// A source that tells of each read.
pub(crate) struct Watched<S> {
    source: S,
    on_read: Box<dyn Fn(u64) + Send + Sync>,
}

impl<S: Source> Watched<S> {
    /// Calls `on_read` with the length of each read, from any thread.
    pub(crate) fn new(source: S, on_read: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self {
            source,
            on_read: Box::new(on_read),
        }
    }
}

impl<S: Source> Source for Watched<S> {
    fn size(&self) -> io::Result<u64> {
        self.source.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.source.read_exact_at(buffer, offset)?;
        (self.on_read)(buffer.len() as u64);
        Ok(())
    }
}

/// Makes a source of any reader that can seek; reads from several threads wait for each other.
#[derive(Debug)]
pub struct Seekable<R>(Mutex<R>);

impl<R: Read + Seek + Send> Seekable<R> {
    /// A source that reads from `reader`.
    pub fn new(reader: R) -> Self {
        Self(Mutex::new(reader))
    }

    fn with<T>(&self, read: impl FnOnce(&mut R) -> io::Result<T>) -> io::Result<T> {
        // A reader that panicked elsewhere leaves at most a wrong position, and every read sets its
        // own.
        read(
            &mut self
                .0
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        )
    }
}

impl<R: Read + Seek + Send> Source for Seekable<R> {
    fn size(&self) -> io::Result<u64> {
        self.with(|reader| reader.seek(SeekFrom::End(0)))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|reader| {
            reader.seek(SeekFrom::Start(offset))?;
            reader.read_exact(buffer)
        })
    }
}
