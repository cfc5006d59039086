//! The address of a repository on an SFTP server.

/// A folder on an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SftpAddress {
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Absolute, or relative to the session's initial folder.
    pub(crate) root: String,
}
