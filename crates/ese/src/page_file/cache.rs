//! The last pages read, for sources that are not in memory.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::page::Pgno;

/// A bounded number of pages, in slots. Several page numbers share a slot, which keeps the last
/// page read. Readers of different slots never wait for each other.
#[derive(Debug)]
pub(super) struct PageCache {
    slots: Box<[Mutex<Option<Kept>>]>,
    page_len: usize,
}

#[derive(Debug)]
struct Kept {
    number: Pgno,
    page: Arc<[u8]>,
}

impl PageCache {
    /// A cache of at most `capacity` pages of `page_len` bytes.
    pub fn new(capacity: usize, page_len: usize) -> Self {
        Self {
            slots: (0..capacity.max(1)).map(|_| Mutex::default()).collect(),
            page_len,
        }
    }

    /// The page `number`: from the cache, or read by `fill`.
    pub fn get_or_read(
        &self,
        number: Pgno,
        fill: impl FnOnce(&mut [u8]) -> io::Result<()>,
    ) -> io::Result<Arc<[u8]>> {
        let slot = &self.slots[number as usize % self.slots.len()];
        // The other page leaves the slot; its memory is used again if no reader holds it.
        let spare = {
            let mut kept = lock(slot);
            match &*kept {
                Some(kept) if kept.number == number => return Ok(Arc::clone(&kept.page)),
                _ => kept.take().map(|kept| kept.page),
            }
        };
        let mut page = spare
            .filter(|page| Arc::strong_count(page) == 1)
            .unwrap_or_else(|| std::iter::repeat_n(0, self.page_len).collect());
        match Arc::get_mut(&mut page) {
            Some(bytes) => fill(bytes)?,
            None => return Err(io::Error::other("a page's memory is in use")),
        }
        *lock(slot) = Some(Kept {
            number,
            page: Arc::clone(&page),
        });
        Ok(page)
    }
}

fn lock(slot: &Mutex<Option<Kept>>) -> MutexGuard<'_, Option<Kept>> {
    slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_once_while_it_is_kept_and_its_memory_serves_again() {
        let cache = PageCache::new(2, 8);
        let read = |number: Pgno| {
            let page = cache.get_or_read(number, |bytes| {
                bytes.fill(number as u8);
                Ok(())
            });
            page.expect("readable")
        };
        let first = read(1);
        let again = cache.get_or_read(1, |_| Err(io::Error::other("read twice")));
        assert_eq!(&*again.expect("kept"), [1; 8]);
        // Another page takes the slot; a reader that holds the first still sees it.
        assert_eq!(*read(3), [3; 8]);
        assert_eq!(*first, [1; 8]);
        assert_eq!(*read(5), [5; 8]);
        assert!(
            cache
                .get_or_read(7, |_| Err(io::Error::other("bad")))
                .is_err()
        );
        assert_eq!(*read(5), [5; 8]);
    }
}
