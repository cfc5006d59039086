//! A map with page numbers as keys.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::page::Pgno;

/// A value for each page.
pub(crate) type PageMap<T> = HashMap<Pgno, T, BuildHasherDefault<NumberHasher>>;

/// Spreads numbers by a multiplication, which is enough for consecutive numbers.
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}
