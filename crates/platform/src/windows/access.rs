//! Who owns a file, and who else may read or replace it.

use std::fs::File;
use std::io::Result;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, READ_CONTROL,
};

use crate::descriptor::Descriptor;
use crate::{system, token};

pub use crate::shared::Access;

/// The access to the file or folder at a path. A link is followed.
///
/// # Errors
/// The system's.
pub fn of(path: &Path) -> Result<Access> {
    of_opened(path, FILE_FLAG_BACKUP_SEMANTICS)
}

/// The access to the file or folder at a path; of a link itself.
///
/// # Errors
/// The system's.
pub fn of_entry(path: &Path) -> Result<Access> {
    of_opened(
        path,
        FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT,
    )
}

fn of_opened(path: &Path, flags: u32) -> Result<Access> {
    let mut options = File::options();
    of_file(
        &options
            .access_mode(READ_CONTROL)
            .custom_flags(flags)
            .open(path)?,
    )
}

/// The access to an open file or folder.
///
/// # Errors
/// The system's.
pub fn of_file(file: &File) -> Result<Access> {
    let descriptor = Descriptor::parse(&system::descriptor(file)?);
    let own = token::own_account()?;
    let owner_is_trusted = descriptor.is_owner_trusted(&own);
    Ok(Access {
        others_write: descriptor.writer(&own).map(|account| {
            format!(
                "{account}; take that right away (icacls FOLDER /inheritance:d, then icacls FOLDER \
                 /remove:g ACCOUNT, or the folder's properties)"
            )
        }),
        others_may_write: descriptor.writer(&own).is_some(),
        is_private: owner_is_trusted && descriptor.reader(&own).is_none(),
        owner_is_trusted,
        owner: format!("the account {}", descriptor.owner),
    })
}

/// Why an open file is not fit for a secret, and the remedy; `None` if it is.
///
/// # Errors
/// The system's.
pub fn too_open_for_a_secret(file: &File, path: &Path) -> Result<Option<String>> {
    // Only a file has rights that decide who reads it; a pipe is read once.
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let descriptor = Descriptor::parse(&system::descriptor(file)?);
    let reader = descriptor.reader(&token::own_account()?);
    let own = match token::is_administrator()? {
        true => "*S-1-5-32-544:F",
        false => "\"%USERNAME%:F\"",
    };
    Ok(reader.map(|account| {
        format!(
            "can be read or written by {account}: icacls \"{}\" /inheritance:r /grant:r {own} \
             *S-1-5-18:F, and take away what {account} may do by itself",
            path.display()
        )
    }))
}
