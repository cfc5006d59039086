//! What a Samba domain controller's files need of Unix.

use std::ffi::OsStr;
use std::fs::{File, FileType, Metadata};
use std::io::Result;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::FallocateFlags;
use rustix::process::{Pid, Signal};

/// Takes a lock on a range of bytes; 0 bytes reach to the end of the file, wherever that will be.
/// False while another process holds a conflicting one, unless `wait`.
pub(crate) fn lock_range(
    file: &File,
    (start, length): (u64, u64),
    is_shared: bool,
    wait: bool,
) -> Result<bool> {
    let overflow = |_| Errno::EOVERFLOW;
    let kind = if is_shared {
        libc::F_RDLCK
    } else {
        libc::F_WRLCK
    };
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::try_from(start).map_err(overflow)?,
        l_len: libc::off_t::try_from(length).map_err(overflow)?,
        l_pid: 0,
    };
    loop {
        let argument = match wait {
            true => FcntlArg::F_OFD_SETLKW(&lock),
            false => FcntlArg::F_OFD_SETLK(&lock),
        };
        match fcntl(file, argument) {
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN | Errno::EACCES) if !wait => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A file in `/proc/locks`.
pub(crate) fn name_in_list_of_locks(file: &Metadata) -> String {
    format!(
        "{:02x}:{:02x}:{}",
        libc::major(file.dev()),
        libc::minor(file.dev()),
        file.ino()
    )
}

/// Whether a process listens on a Unix socket.
pub(crate) fn is_listened_to(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

/// Lets one file share the content of another, if the file system can.
pub(crate) fn clone_content(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

/// Takes space for a file, if the file system can do that ahead.
pub(crate) fn take_space(file: &File, size: u64) -> Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Ok(()) | Err(rustix::io::Errno::NOTSUP) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes everything on the file system of an open folder durable.
pub(crate) fn sync_file_system(folder: &File) -> Result<()> {
    Ok(rustix::fs::syncfs(folder)?)
}

/// Makes a symbolic link.
pub(crate) fn make_link(target: &Path, path: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// Whether an entry is a socket or pipe, which no backup holds.
pub(crate) fn is_socket_or_pipe(kind: FileType) -> bool {
    kind.is_socket() || kind.is_fifo()
}

/// A path from its bytes.
pub(crate) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Puts a program into a process group of its own.
pub(crate) fn group(command: &mut Command) -> &mut Command {
    command.process_group(0)
}

/// Ends the processes of a group.
pub(crate) fn kill_group(group: u32) {
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// A channel to a process that Samba's libraries run in.
pub(crate) type Channel = UnixStream;

/// Starts a program that reads and writes a channel, its standard input and output. Each read and
/// write of ours may take so long.
pub(crate) fn talk_to(command: &mut Command, silence: Duration) -> Result<(Child, Channel)> {
    let (ours, its) = UnixStream::pair()?;
    ours.set_read_timeout(Some(silence))?;
    ours.set_write_timeout(Some(silence))?;
    let child = command
        .stdin(OwnedFd::from(its.try_clone()?))
        .stdout(OwnedFd::from(its))
        .spawn()?;
    Ok((child, ours))
}

/// Ends the conversation.
pub(crate) fn hang_up(channel: &Channel) {
    // The other end may be gone already.
    let _ = channel.shutdown(Shutdown::Both);
}
