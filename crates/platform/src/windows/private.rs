//! Files and folders that nobody else may read: an access list of SYSTEM and Administrators, and of
//! this process's user where it acts as neither or the file is on another computer, which inherits
//! nothing from above and is inherited by what a folder gets.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Result};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, READ_CONTROL, WRITE_DAC,
};

use crate::{system, token};

/// Denies all others access to what this process creates from now on. On Windows each folder decides
/// about what it gets: there is nothing to do.
pub fn by_default() {}

/// The access list of a file or folder at a path. `inherited` by the content of a folder.
fn list(inherited: bool, path: &Path) -> Result<String> {
    let flags = if inherited { "OICI" } else { "" };
    // What one administrator made the others use as well: another one tonight, SYSTEM in a task, the
    // one of directory services restore mode. An account that is named would have a right of its own.
    // Another computer has other administrators, and knows this account only, that of SYSTEM as the
    // owner of what it makes.
    let own = match (token::is_administrator()?, system::is_remote(path)) {
        (true, false) => String::new(),
        (_, true) => format!(
            "(A;{flags};FA;;;{})(A;{flags};FA;;;OW)",
            token::own_account()?
        ),
        (false, false) => format!("(A;{flags};FA;;;{})", token::own_account()?),
    };
    Ok(format!("D:P{own}(A;{flags};FA;;;SY)(A;{flags};FA;;;BA)"))
}

/// Makes a folder.
///
/// # Errors
/// `AlreadyExists`; the system's.
pub fn make_folder(path: &Path) -> Result<()> {
    system::make_folder(path, &list(true, path)?)
}

/// Makes a folder, and those above it, where they are missing.
///
/// # Errors
/// The system's.
pub fn make_folders(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    match make_folder(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            make_folders(above.ok_or(error)?)?;
            unless_there(make_folder(path), path)
        }
        made => unless_there(made, path),
    }
}

fn unless_there(made: Result<()>, path: &Path) -> Result<()> {
    match made {
        // That of a drive or share cannot be made, which Windows tells in many ways.
        Err(_) if path.is_dir() => Ok(()),
        made => made,
    }
}

/// Takes all rights of others on a folder away.
///
/// # Errors
/// The system's.
pub fn seclude(folder: &Path) -> Result<()> {
    let mut options = File::options();
    let opened = options
        .access_mode(READ_CONTROL | WRITE_DAC)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(folder)?;
    system::set_list(&opened, &list(true, folder)?)
}

/// Creates a file for writing.
///
/// # Errors
/// `AlreadyExists`; the system's.
pub fn create_new(path: &Path) -> Result<File> {
    system::create_new(path, &list(false, path)?)
}

/// Creates a file for writing, or empties the one that is there.
///
/// # Errors
/// The system's.
pub fn create(path: &Path) -> Result<File> {
    open(
        File::options().write(true).create(true).truncate(true),
        path,
    )
}

/// Opens a file, and creates it if it is missing.
///
/// # Errors
/// The system's.
pub fn open(options: &mut OpenOptions, path: &Path) -> Result<File> {
    match create_new(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => options.open(path),
    }
}
