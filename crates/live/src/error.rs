//! What can go wrong with a server.

/// The result of an exchange with a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Text that is no address.
    #[error("{text}: expected ldap://HOST[:PORT], ldaps://HOST[:PORT] or ldapi://SOCKET: {reason}")]
    Address {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The connection failed, or broke.
    #[error("{server}: {doing}: {error}")]
    Connection {
        /// The server's address.
        server: String,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// The server, or this client, cannot be authenticated with what is given.
    #[error("{server}: {reason}")]
    Authentication {
        /// The server's address.
        server: String,
        /// What is missing or unusable.
        reason: String,
    },
    /// The server refused.
    #[error("{server}: {doing}: {code:?} ({}): {message}", *code as u32)]
    Refused {
        /// The server's address.
        server: String,
        /// What it was asked for.
        doing: String,
        /// The result code.
        code: rasn_ldap::ResultCode,
        /// The server's words.
        message: String,
    },
    /// The server sent something that is no answer.
    #[error("{server}: the server's answer is {found}; expected {expected}")]
    Answer {
        /// The server's address.
        server: String,
        /// What is to be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

impl Error {
    /// The server's result code (RFC 4511 4.1.9), if it refused.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } => Some(*code as u32),
            _ => None,
        }
    }
}

impl From<Error> for objects::Error {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let (server, reason) = text.split_once(": ").unwrap_or(("", &text));
        Self::Server {
            server: server.to_owned(),
            reason: reason.to_owned(),
        }
    }
}
