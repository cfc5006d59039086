//! Named pipes with an access list. Clients of other computers are rejected.

use std::ffi::OsStr;
use std::io::Result;

use platform::Descriptor;
use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};

/// The pipe belongs to Administrators, by which clients know it for the service's: nobody else may give
/// them something. Who may connect: nobody over the network; SYSTEM and Administrators may do everything,
/// all other users read and write, but make no instance of the pipe (0x4).
const ACCESS: &str = "O:BAD:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;0x12019b;;;AU)";

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
