//! A file as bytes in memory.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

/// A file mapped into memory for reading.
///
/// The file must not shrink while it is mapped: the system would end the program that touches the lost part. It may be
/// changed by others; every reader of this crate takes bytes that change under it for damage and no more.
#[derive(Debug)]
pub(super) struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Maps the whole of `file`.
    pub fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the map is private to this value and only lent as `&[u8]`. What mapping cannot promise is that no
        // other process writes the file meanwhile. Databases are offered for reading when nothing writes them; where
        // something does, each value read is a copy of some bytes of the file, and no code here relies on reading the
        // same bytes twice for memory safety (all accesses are checked against slice lengths, which do not change).
        unsafe { memmap2::Mmap::map(file) }.map(Self)
    }
}

impl std::ops::Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
