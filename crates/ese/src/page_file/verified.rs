//! The pages whose checksums were verified.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::checksum::{PageVerdict, verify_page};
use crate::page::{Fault, Pgno};

/// One bit for each page of a database.
#[derive(Debug)]
pub(super) struct VerifiedPages(Box<[AtomicU64]>);

impl VerifiedPages {
    /// No page verified yet; `last` is the last page number.
    pub fn new(last: Pgno) -> Self {
        let words = last as usize / 64 + 1;
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    /// Verifies the page `number`, once.
    #[inline]
    pub fn check(&self, number: Pgno, page: &[u8]) -> Result<(), Fault> {
        let bit = 1 << (number % 64);
        match self.0.get(number as usize / 64) {
            Some(word) if word.load(Ordering::Relaxed) & bit == 0 => {
                check(number, page)?;
                word.fetch_or(bit, Ordering::Relaxed);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn check(number: Pgno, page: &[u8]) -> Result<(), Fault> {
    let (expected, found) = match verify_page(page, number) {
        PageVerdict::Sound | PageVerdict::Uninitialised => return Ok(()),
        PageVerdict::Bad(bad) => (
            format!("checksum {}", bad.expected),
            format!("checksum {}", bad.actual),
        ),
        PageVerdict::WrongNumber { stored } => (
            format!("page number {number}"),
            format!("page number {stored}"),
        ),
    };
    Err(Fault::new(number, "page", expected, found))
}
