//! Where a backup service listens.

use std::path::{Path, PathBuf};

use contract::{Error, Result, ResultCode, server_name};

/// The socket of the service on this computer, unless [`SOCKET_VARIABLE`] names another.
pub const DEFAULT_SOCKET: &str = "/run/dsbackup/dsbackup.sock";

/// The environment variable that names the socket of the service on this computer.
pub const SOCKET_VARIABLE: &str = "DSBACKUP_SOCKET";

/// A backup service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    socket: PathBuf,
}

impl Server {
    /// The service on this computer.
    pub fn local() -> Self {
        let socket = std::env::var_os(SOCKET_VARIABLE).filter(|value| !value.is_empty());
        Self::at_socket(socket.unwrap_or_else(|| DEFAULT_SOCKET.into()))
    }

    /// The service that listens on a Unix socket.
    pub fn at_socket(socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        Self { socket }
    }

    /// The service on the computer of that name; leading backslashes are optional. As with the original functions it
    /// must be this computer.
    ///
    /// # Errors
    /// `hrCouldNotConnect` for a malformed name and for another computer's.
    pub fn named(name: &str) -> Result<Self> {
        let name = server_name(name)?;
        let system = rustix::system::uname();
        let own = system.nodename().to_string_lossy();
        let short = |name: &str| name.split('.').next().unwrap_or(name).to_lowercase();
        let is_own = name.eq_ignore_ascii_case(&own)
            || (!(name.contains('.') && own.contains('.')) && short(name) == short(&own));
        if is_own || name.eq_ignore_ascii_case("localhost") {
            return Ok(Self::local());
        }
        Err(Error::new(
            ResultCode::COULD_NOT_CONNECT,
            format!(
                "{name} is not this computer ({own}): run the backup on the directory server itself"
            ),
        ))
    }

    /// The path of the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_by_its_names() {
        let own = rustix::system::uname();
        let own = own.nodename().to_string_lossy().replace('_', "");
        for name in ["localhost", "\\\\LOCALHOST"] {
            assert_eq!(Server::named(name), Ok(Server::local()));
        }
        if own == rustix::system::uname().nodename().to_string_lossy() {
            assert_eq!(Server::named(&format!("\\\\{own}")), Ok(Server::local()));
        }
    }

    #[test]
    fn other_computers_and_malformed_names() {
        for name in ["", "dc_01", "some-other-computer.example"] {
            assert_eq!(
                Server::named(name).unwrap_err().code,
                ResultCode::COULD_NOT_CONNECT
            );
        }
    }
}
