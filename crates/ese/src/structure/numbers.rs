//! Millions of numbers within a budget of memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::hash::mix;

/// The memory for numbers, shared by all parts of a verification.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    /// 96 MiB.
    pub fn new() -> Self {
        Self::of(12 << 20)
    }

    /// A budget for this many numbers.
    pub fn of(numbers: usize) -> Self {
        Self(AtomicUsize::new(numbers))
    }

    /// Takes room for up to `wanted` numbers, and returns the room taken.
    fn take(&self, wanted: usize) -> usize {
        let mut taken = 0;
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                taken = left.min(wanted);
                Some(left - taken)
            });
        taken
    }

    pub fn give_back(&self, room: usize) {
        self.0.fetch_add(room, Ordering::Relaxed);
    }
}

/// Numbers of one kind: kept as long as the budget allows, and always counted and summed.
#[derive(Debug, Default, Clone)]
pub(super) struct Numbers {
    pub kept: Vec<u64>,
    pub count: u64,
    /// The sum of the numbers' hashes.
    pub sum: u64,
    /// The room taken from the budget, used or not.
    pub room: usize,
}

impl Numbers {
    /// The room to take from the budget at a time.
    const STEP: usize = 1024;

    #[inline]
    pub fn add(&mut self, budget: &Budget, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(mix(number));
        if self.kept.len() == self.room {
            self.room += budget.take(Self::STEP);
        }
        if self.kept.len() < self.room {
            self.kept.push(number);
        }
    }

    pub fn join(&mut self, next: Self) {
        self.count += next.count;
        self.sum = self.sum.wrapping_add(next.sum);
        self.room += next.room;
        if self.kept.is_empty() {
            self.kept = next.kept;
        } else {
            self.kept.extend(next.kept);
        }
    }

    /// Whether all numbers were kept.
    pub fn all_kept(&self) -> bool {
        self.kept.len() as u64 == self.count
    }
}
