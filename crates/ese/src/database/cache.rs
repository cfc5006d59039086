//! The pages read last, for sources that do not lie in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::page::Pgno;

/// A bounded number of pages; what came first goes first.
#[derive(Debug)]
pub(super) struct PageCache {
    capacity: usize,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    by_number: HashMap<Pgno, Arc<[u8]>>,
    order: VecDeque<Pgno>,
}

impl PageCache {
    /// A cache of at most `capacity` pages.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            pages: Mutex::default(),
        }
    }

    pub fn get(&self, number: Pgno) -> Option<Arc<[u8]>> {
        self.lock().by_number.get(&number).cloned()
    }

    pub fn put(&self, number: Pgno, page: Arc<[u8]>) {
        let mut pages = self.lock();
        if pages.by_number.insert(number, page).is_none() {
            pages.order.push_back(number);
        }
        while pages.by_number.len() > self.capacity {
            match pages.order.pop_front() {
                Some(oldest) => pages.by_number.remove(&oldest),
                None => break,
            };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
