//! Loads pages from the disk into the system's cache before they are read.

use std::fs::File;

use rayon::prelude::*;

use crate::io::Source;
use crate::page::{PageSize, Pgno};

/// The most bytes of one read.
const RUN: usize = 256 << 10;

/// Reads the pages, which are in order, and discards them. An error occurs again when the page is
/// really read.
pub(crate) fn fetch(database: &File, size: PageSize, pages: &[Pgno]) {
    let runs: Vec<&[Pgno]> = pages
        .chunk_by(|a, b| a + 1 == *b)
        .flat_map(|run| run.chunks(RUN / size.bytes()))
        .collect();
    runs.par_iter().for_each_init(
        || vec![0; RUN],
        |buffer, run| {
            let bytes = run.len() * size.bytes();
            if let (Some(first), Some(buffer)) = (run.first(), buffer.get_mut(..bytes)) {
                let _ = database.read_exact_at(buffer, size.offset_of(*first));
            }
        },
    );
}
