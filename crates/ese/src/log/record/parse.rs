//! Walking over the bytes of one record.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// What is left of a record's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor {
            rest: bytes,
            taken: 0,
        }
    }

    /// Bytes taken so far.
    pub fn taken(&self) -> usize {
        self.taken
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// A structure of fixed size.
    pub fn head<T: FromBytes + KnownLayout + Immutable + Unaligned>(&mut self) -> Option<&'a T> {
        let (head, rest) = T::ref_from_prefix(self.rest).ok()?;
        self.rest = rest;
        self.taken += size_of::<T>();
        Some(head)
    }

    /// `size` bytes.
    pub fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        self.taken += size;
        Some(taken)
    }

    /// As many bytes as a 16-bit field says.
    pub fn take16(&mut self, size: U16) -> Option<&'a [u8]> {
        self.take(size.get().into())
    }
}
