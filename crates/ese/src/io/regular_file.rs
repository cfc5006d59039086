//! Opens files at paths from users.

use std::fs::{File, FileType, Metadata};
use std::path::Path;

use crate::{Error, Result};

/// Opens the file at `path` for reading, and returns its size. Fails for pipes and devices without
/// opening them: a read may block, never end, or take data meant for another reader.
pub(crate) fn open(path: &Path) -> Result<(File, u64)> {
    let io = Error::io(path);
    check(path, &std::fs::metadata(path).map_err(&io)?)?;
    let file = File::open(path).map_err(&io)?;
    let metadata = file.metadata().map_err(&io)?;
    check(path, &metadata)?;
    Ok((file, metadata.len()))
}

fn check(path: &Path, metadata: &Metadata) -> Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(Error::NoRegularFile {
            file: path.to_path_buf(),
            what: name_of(metadata.file_type()),
        }),
    }
}

fn name_of(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if kind.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}
