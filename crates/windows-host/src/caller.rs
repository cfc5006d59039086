//! Who calls through a named pipe: the service takes the caller's token for a moment and looks at it.
//! A privilege counts that this token holds, and the token of the caller's process too: Wine gives
//! the service its own token in place of the caller's.

use std::io::{Error, Result};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use tokio::net::windows::named_pipe::NamedPipeServer;
use windows_sys::Win32::Foundation::{HANDLE, LUID};
use windows_sys::Win32::Security::{
    GetTokenInformation, LookupAccountSidW, LookupPrivilegeValueW, RevertToSelf, TOKEN_PRIVILEGES,
    TOKEN_QUERY, TOKEN_USER, TokenPrivileges, TokenUser,
};
use windows_sys::Win32::System::Pipes::{GetNamedPipeClientProcessId, ImpersonateNamedPipeClient};
use windows_sys::Win32::System::Threading::{
    GetCurrentThread, OpenProcess, OpenProcessToken, OpenThreadToken,
    PROCESS_QUERY_LIMITED_INFORMATION,
};

use crate::wide;

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
    let tokens = [token, token_of_process(process)?];
    let both_hold = |privilege| {
        let held = tokens
            .iter()
            .map(|token| holds(token.as_raw_handle(), privilege));
        held.collect::<Result<Vec<bool>>>()
            .map(|held| held.into_iter().all(|held| held))
    };
    Ok(Caller {
        name: name(tokens[0].as_raw_handle())?,
        process,
        backup: both_hold("SeBackupPrivilege")?,
        restore: both_hold("SeRestorePrivilege")?,
    })
}

/// The token of a process.
fn token_of_process(process: u32) -> Result<OwnedHandle> {
    // SAFETY: takes a number.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, process) };
    if process.is_null() {
        return Err(Error::last_os_error());
    }
    // SAFETY: the handle was just opened, and belongs to nobody else.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    let mut token: HANDLE = null_mut();
    // SAFETY: the process is open, and the token has a place.
    match unsafe { OpenProcessToken(process.as_raw_handle(), TOKEN_QUERY, &mut token) } {
        0 => Err(Error::last_os_error()),
        // SAFETY: the handle was just opened, and belongs to nobody else.
        _ => Ok(unsafe { OwnedHandle::from_raw_handle(token) }),
    }
}

/// The client's token.
fn token_of_client(pipe: HANDLE) -> Result<OwnedHandle> {
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
        _ => Ok(unsafe { OwnedHandle::from_raw_handle(token) }),
    }
}

/// A token's information, in a buffer that is aligned for its structures.
fn information(token: HANDLE, class: i32) -> Result<Vec<u64>> {
    let mut length = 0;
    // SAFETY: asks for the length only.
    unsafe { GetTokenInformation(token, class, null_mut(), 0, &mut length) };
    let mut buffer = vec![0_u64; (length as usize).div_ceil(8)];
    let into = buffer.as_mut_ptr().cast();
    // SAFETY: the buffer has at least this length.
    match unsafe { GetTokenInformation(token, class, into, length, &mut length) } {
        0 => Err(Error::last_os_error()),
        _ => Ok(buffer),
    }
}

fn holds(token: HANDLE, privilege: &str) -> Result<bool> {
    let mut luid = LUID::default();
    let privilege = wide(privilege);
    // SAFETY: the text ends with a zero, and the result has a place.
    if unsafe { LookupPrivilegeValueW(null(), privilege.as_ptr(), &mut luid) } == 0 {
        return Err(Error::last_os_error());
    }
    let buffer = information(token, TokenPrivileges)?;
    let held = buffer.as_ptr().cast::<TOKEN_PRIVILEGES>();
    // SAFETY: the system filled the buffer with this structure, and as many privileges behind its
    // count; the buffer is aligned and outlives the slice.
    let held = unsafe {
        let first = (&raw const (*held).Privileges).cast();
        std::slice::from_raw_parts::<windows_sys::Win32::Security::LUID_AND_ATTRIBUTES>(
            first,
            (*held).PrivilegeCount as usize,
        )
    };
    let is_wanted = |found: &LUID| (found.LowPart, found.HighPart) == (luid.LowPart, luid.HighPart);
    Ok(held.iter().any(|found| is_wanted(&found.Luid)))
}

fn name(token: HANDLE) -> Result<String> {
    let buffer = information(token, TokenUser)?;
    // SAFETY: the system filled the buffer with this structure; the SID that it points to is in the
    // buffer too.
    let sid = unsafe { (*buffer.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    let (mut name, mut domain) = ([0_u16; 256], [0_u16; 256]);
    let (mut name_length, mut domain_length, mut kind) = (256, 256, 0);
    // SAFETY: the SID is valid as long as the buffer lives, and the lengths are those of the places.
    let found = unsafe {
        LookupAccountSidW(
            null(),
            sid,
            name.as_mut_ptr(),
            &mut name_length,
            domain.as_mut_ptr(),
            &mut domain_length,
            &mut kind,
        )
    };
    if found == 0 {
        return Err(Error::last_os_error());
    }
    let text = |text: &[u16], length: u32| {
        String::from_utf16_lossy(text.get(..length as usize).unwrap_or_default())
    };
    Ok(match domain_length {
        0 => text(&name, name_length),
        _ => format!(
            "{}\\{}",
            text(&domain, domain_length),
            text(&name, name_length)
        ),
    })
}
