//! Named pipes with an access list. Clients of other computers are rejected.
//!
//! Unsafe code: the attributes of a pipe live longer than the call; a handle that is handed on belongs
//! to nobody else.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Result;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::IntoRawHandle;
use std::path::Path;

use platform::Descriptor;
use tokio::net::windows::named_pipe::{NamedPipeClient, NamedPipeServer, ServerOptions};

/// The pipe belongs to Administrators, by which clients know it for the service's: nobody else may give
/// them something. SYSTEM and Administrators may do everything, all other users what a client does
/// ([`READ_AND_WRITE`]), remote sessions included; other computers are rejected otherwise.
const ACCESS: &str = "O:BAD:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;0x12019b;;;AU)";
/// To read, to write, to wait: all but the right to make an instance of the pipe (0x4), which the generic
/// right to write includes.
const READ_AND_WRITE: u32 = 0x12_019b;
/// Nothing has to wait for the system.
const OVERLAPPED: u32 = 0x4000_0000;
/// The service may know who this process is, not act as it: SECURITY_SQOS_PRESENT and
/// SECURITY_IDENTIFICATION.
const IDENTIFICATION: u32 = 0x0010_0000 | 0x0001_0000;

/// Connects to a pipe. To be called within a runtime of tokio.
///
/// # Errors
/// The system's; ERROR_PIPE_BUSY (231) while no instance waits.
pub fn connect(path: &Path) -> Result<NamedPipeClient> {
    let mut options = OpenOptions::new();
    let options = options
        .access_mode(READ_AND_WRITE)
        .custom_flags(OVERLAPPED)
        .security_qos_flags(IDENTIFICATION);
    let pipe = options.open(path)?;
    // SAFETY: an open pipe, which belongs to nobody else.
    unsafe { NamedPipeClient::from_raw_handle(pipe.into_raw_handle()) }
}

/// Makes an instance of the pipe, which waits for a client. The first one fails if the pipe exists.
/// To be called within a runtime of tokio.
///
/// # Errors
/// The system's.
pub fn listen(path: &OsStr, first: bool) -> Result<NamedPipeServer> {
    let descriptor = Descriptor::of(ACCESS)?;
    let mut attributes = descriptor.attributes();
    let mut options = ServerOptions::new();
    options
        .first_pipe_instance(first)
        .reject_remote_clients(true);
    // SAFETY: the attributes and the descriptor live longer than the call.
    unsafe { options.create_with_security_attributes_raw(path, (&raw mut attributes).cast()) }
}
