//! Verification of a database file on disk.

use super::{Finding, PageVerifier, Summary};
use crate::flush_map::FlushMap;
use crate::io;
use crate::{Error, Result};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The size of a read in bytes.
const BLOCK: usize = 4 << 20;

/// Reads a database file from start to end, in large blocks, and checks every page on all cores.
///
/// If the database has a flush map beside it (`.jfm`) that is valid for it, pages are compared with
/// it too; the summary reports this. Calls `on_finding` for each damaged place, in file order;
/// damage never stops the scan.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::NoRegularFile`].
pub fn verify_database(path: &Path, on_finding: impl FnMut(Finding)) -> Result<Summary> {
    verify_database_watched(path, on_finding, |_| {})
}

/// As [`verify_database`]; `on_read` is called with the length of each read, so that a caller can
/// show how far it is.
///
/// # Errors
/// As [`verify_database`].
pub fn verify_database_watched(
    path: &Path,
    mut on_finding: impl FnMut(Finding),
    mut on_read: impl FnMut(u64),
) -> Result<Summary> {
    let io = Error::io(path);
    let (file, size) = io::open(path)?;
    let mut file = file.take(size);
    let mut block = vec![0; BLOCK];
    let mut verifier = PageVerifier::parallel();
    let flush_map = path.with_extension("jfm");
    if flush_map.exists() {
        verifier = match FlushMap::read(&flush_map) {
            Ok(flush_map) => verifier.with_flush_map(flush_map),
            Err(error) => verifier.without_flush_map(error.to_string()),
        };
    }
    loop {
        let length = fill(&mut file, &mut block).map_err(&io)?;
        if length == 0 {
            break;
        }
        verifier
            .feed(&block[..length])
            .into_iter()
            .for_each(&mut on_finding);
        on_read(length as u64);
    }
    let (findings, summary) = verifier.finish();
    findings.into_iter().for_each(on_finding);
    Ok(summary)
}

/// Reads until the block is full or the file ends.
fn fill(file: &mut impl Read, block: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match file.read(&mut block[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
