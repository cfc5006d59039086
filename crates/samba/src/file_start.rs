//! The first bytes of a file, which determine its format.

use std::fs::File;
use std::path::Path;

use crate::error::{Error, Result};

/// Reads the first bytes of a file. False if it is missing or shorter.
pub(crate) fn read_start(path: &Path, start: &mut [u8]) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    match platform::file::read_exact_at(&file, start, 0) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}
