//! Who calls through a named pipe: the service takes the caller's token for a moment and looks at it.
//! A privilege counts that this token holds, and the token of the caller's process too: Wine gives
//! the service its own token in place of the caller's.

use std::io::{Error, Result};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;

use platform::Token;
use tokio::net::windows::named_pipe::NamedPipeServer;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Security::{RevertToSelf, TOKEN_QUERY};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, ImpersonateNamedPipeClient};
use windows_sys::Win32::System::Threading::{GetCurrentThread, OpenThreadToken};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `DOMAIN\user`.
    pub name: String,
    /// The number of the process.
    pub process: u32,
    /// Whether it holds SeBackupPrivilege.
    pub backup: bool,
    /// Whether it holds SeRestorePrivilege.
    pub restore: bool,
}

/// Identifies the client of a pipe, from which something was read before: Windows tells no earlier.
///
/// # Errors
/// The system's.
pub fn identify(pipe: &NamedPipeServer) -> Result<Caller> {
    let handle: HANDLE = pipe.as_raw_handle();
    let token = token_of_client(handle)?;
    let mut process = 0;
    // SAFETY: the handle is that of an open pipe, and the number has a place.
    if unsafe { GetNamedPipeClientProcessId(handle, &mut process) } == 0 {
        return Err(Error::last_os_error());
    }
    let of_process = Token::of_process(process)?;
    let both_hold =
        |privilege| -> Result<bool> { Ok(token.holds(privilege)? && of_process.holds(privilege)?) };
    Ok(Caller {
        name: token.name()?,
        process,
        backup: both_hold("SeBackupPrivilege")?,
        restore: both_hold("SeRestorePrivilege")?,
    })
}

/// The client's token.
fn token_of_client(pipe: HANDLE) -> Result<Token> {
    // SAFETY: the handle is that of an open pipe.
    if unsafe { ImpersonateNamedPipeClient(pipe) } == 0 {
        return Err(Error::last_os_error());
    }
    let mut token: HANDLE = null_mut();
    // SAFETY: the pseudo handle of this thread is always valid, and the token has a place. The
    // service itself asks (1), since the client may let itself be identified only.
    let opened = unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, 1, &mut token) };
    let error = Error::last_os_error();
    // SAFETY: takes nothing.
    if unsafe { RevertToSelf() } == 0 {
        // A thread of the service must never go on as its client.
        std::process::abort();
    }
    match opened {
        0 => Err(error),
        // SAFETY: the handle was just opened, and belongs to nobody else.
        _ => Ok(unsafe { OwnedHandle::from_raw_handle(token) }.into()),
    }
}
