//! A cursor over the bytes of one record.

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The rest of a record's bytes.
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

    /// The number of bytes taken so far.
    pub fn taken(&self) -> usize {
        self.taken
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes a structure of fixed size.
    pub fn head<T: FromBytes + KnownLayout + Immutable + Unaligned>(&mut self) -> Option<&'a T> {
        let (head, rest) = T::ref_from_prefix(self.rest).ok()?;
        self.rest = rest;
        self.taken += size_of::<T>();
        Some(head)
    }

    /// Takes `size` bytes.
    pub fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(size)?;
        self.rest = rest;
        self.taken += size;
        Some(taken)
    }

    /// Takes the number of bytes in a 16-bit field.
    pub fn take16(&mut self, size: U16) -> Option<&'a [u8]> {
        self.take(size.get().into())
    }
}
