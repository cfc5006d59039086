//! A file as bytes in memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use super::source::Source;

/// A file mapped into memory for reading.
///
/// The file must not shrink while it is mapped: the system would end the program that touches the lost part. It may be
/// changed by others; every reader of this crate takes bytes that change under it for damage and no more.
#[derive(Debug)]
pub(super) struct Mapped {
    map: memmap2::Mmap,
    /// How often the bytes were asked for since parts of the map were last let go.
    uses: AtomicU32,
}

/// Maps of fewer bytes are kept whole.
const SMALL: usize = 128 << 20;

/// So many pages are read before the map lets go of memory. Each may have brought its neighbours with it, 64 KiB in all:
/// 64 MiB at most.
const USES: u32 = 1024;

impl Mapped {
    /// Maps the whole of `file`.
    pub fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the map is private to this value and only lent as `&[u8]`. What mapping cannot promise is that no
        // other process writes the file meanwhile. Databases are offered for reading when nothing writes them; where
        // something does, each value read is a copy of some bytes of the file, and no code here relies on reading the
        // same bytes twice for memory safety (all accesses are checked against slice lengths, which do not change).
        let map = unsafe { memmap2::Mmap::map(file) }?;
        Ok(Self {
            map,
            uses: AtomicU32::new(0),
        })
    }

    /// Counts a use; now and then gives the memory back, so that reading a large file does not fill it. The system
    /// keeps the content in its cache and maps it again where it is touched.
    fn note_use(&self) {
        if self.map.len() < SMALL {
            return;
        }
        if self.uses.fetch_add(1, Ordering::Relaxed) >= USES {
            self.uses.store(0, Ordering::Relaxed);
            #[cfg(unix)]
            // SAFETY: the map shares the file's pages and is never written: what is let go reads the same again.
            // Should the system refuse, more memory is held, and nothing else is lost.
            let _ = unsafe {
                self.map
                    .unchecked_advise(memmap2::UncheckedAdvice::DontNeed)
            };
        }
    }
}

impl Source for Mapped {
    fn size(&self) -> io::Result<u64> {
        Ok(self.map.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.note_use();
        (&*self.map).read_exact_at(buffer, offset)
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        self.note_use();
        Some(&self.map)
    }
}
