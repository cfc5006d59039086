//! Whether a service waits for a restore.

use std::path::Path;

use ntdsbcli::Server;

/// What the service says.
#[derive(Debug, PartialEq, Eq)]
pub enum Readiness {
    /// The configuration names none.
    NotNamed,
    /// It does not answer, for this reason.
    Silent(String),
    /// Its directory is in use.
    Online,
    /// It hosts the directory of this other server.
    Other(String),
    /// It is in restore mode, with the directory of the server.
    Waits,
}

/// Asks the service at `socket` whether it waits for a restore of `server`.
pub fn readiness(socket: Option<&Path>, server: &str) -> Readiness {
    let Some(socket) = socket else {
        return Readiness::NotNamed;
    };
    let service = Server::at_socket(socket);
    let asked = ntdsbcli::is_ntds_online(&service)
        .and_then(|is_online| Ok((is_online, ntdsbcli::server_name(&service)?)));
    match asked {
        Err(error) => Readiness::Silent(error.to_string()),
        Ok((true, _)) => Readiness::Online,
        // A directory that is lost has no name; the snapshot's token decides.
        Ok((false, Some(name))) if !name.eq_ignore_ascii_case(server) => Readiness::Other(name),
        Ok((false, _)) => Readiness::Waits,
    }
}
