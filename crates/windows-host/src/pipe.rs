//! Named pipes with an access list. Clients of other computers are rejected.

use std::ffi::OsStr;
use std::io::{Error, Result};
use std::ptr::null_mut;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};

use crate::wide;

/// Who may connect: nobody over the network; SYSTEM and Administrators may do everything, all other
/// users read and write, but make no instance of the pipe (0x4).
const ACCESS: &str = "D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;0x12019b;;;AU)";

/// Makes an instance of the pipe, which waits for a client. The first one fails if the pipe exists.
/// To be called within a runtime of tokio.
///
/// # Errors
/// The system's.
pub fn listen(path: &OsStr, first: bool) -> Result<NamedPipeServer> {
    let text = wide(ACCESS);
    let mut descriptor: PSECURITY_DESCRIPTOR = null_mut();
    // SAFETY: the text ends with a zero, and the result has a place.
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &mut descriptor,
            null_mut(),
        )
    };
    if made == 0 {
        return Err(Error::last_os_error());
    }
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor,
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options
        .first_pipe_instance(first)
        .reject_remote_clients(true);
    // SAFETY: the attributes and the descriptor live longer than the call.
    let pipe =
        unsafe { options.create_with_security_attributes_raw(path, (&raw mut attributes).cast()) };
    // SAFETY: it came from a call that asks for LocalFree, and is used no more.
    unsafe { LocalFree(descriptor) };
    pipe
}
