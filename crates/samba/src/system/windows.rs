//! What a Samba domain controller's files need of Unix, and Windows does not have. No domain
//! controller of Samba runs on Windows, so its files are at rest there: copies, to be read.

use std::fs::{File, FileType, Metadata};
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// Takes a lock on a range of bytes.
pub(crate) fn lock_range(_: &File, _: (u64, u64), _is_shared: bool, _wait: bool) -> Result<bool> {
    Err(ErrorKind::Unsupported.into())
}

/// A file in the list of locks: there is none.
pub(crate) fn name_in_list_of_locks(_: &Metadata) -> String {
    String::new()
}

/// Whether a process listens on a Unix socket.
pub(crate) fn is_listened_to(_: &Path) -> bool {
    false
}

/// Lets one file share the content of another, if the file system can.
pub(crate) fn clone_content(_from: &File, _to: &File) -> bool {
    false
}

/// Takes space for a file, if the file system can do that ahead.
pub(crate) fn take_space(_: &File, _size: u64) -> Result<()> {
    Ok(())
}

/// Makes everything on the file system of an open folder durable.
pub(crate) fn sync_file_system(_: &File) -> Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// Makes a symbolic link.
pub(crate) fn make_link(target: &Path, path: &Path) -> Result<()> {
    std::os::windows::fs::symlink_file(target, path)
}

/// Whether an entry is a socket or pipe, which no backup holds.
pub(crate) fn is_socket_or_pipe(_: FileType) -> bool {
    false
}

/// A path from its bytes.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Puts a program into a process group of its own.
pub(crate) fn group(command: &mut Command) -> &mut Command {
    command
}

/// Ends the processes of a group.
pub(crate) fn kill_group(_: u32) {}

/// A channel to a process that Samba's libraries run in: there is none.
pub(crate) type Channel = File;

/// Starts a program that reads and writes a channel.
pub(crate) fn talk_to(_: &mut Command, _silence: Duration) -> Result<(Child, Channel)> {
    Err(ErrorKind::Unsupported.into())
}

/// Ends the conversation.
pub(crate) fn hang_up(_: &Channel) {}
