//! The kinds of stores that this service hosts. No other file of it names one.

use std::path::Path;
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use store::{DirectoryStore, Mode};
pub use store_ese::DirectoryConfiguration;
use store_ese::EseFolder;
pub use store_samba::SambaConfiguration;
use store_samba::SambaServer;

/// The directory that is hosted: one of the kinds there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfiguration {
    /// `[directory]`: a database and its logs, in folders.
    Folder(DirectoryConfiguration),
    /// `[samba]`: a Samba domain controller.
    Samba(SambaConfiguration),
}

impl StoreConfiguration {
    /// Whether every value can be used.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and what it should hold.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Folder(directory) => directory.check(),
            Self::Samba(samba) => samba.check(),
        }
    }

    /// Takes the directory exclusively. Clients are going to reach it over `socket`, where there is
    /// one.
    ///
    /// # Errors
    /// What the store says, and `hrInvalidParam` for a socket in a folder of the directory.
    pub(crate) fn host(
        &self,
        mode: Mode,
        socket: Option<&Path>,
    ) -> Result<Arc<dyn DirectoryStore>> {
        Ok(match self {
            Self::Folder(directory) => {
                if let Some(socket) = socket {
                    refuse_socket_in_directory(directory, socket)?;
                }
                Arc::new(EseFolder::host(directory, mode)?)
            }
            Self::Samba(samba) => Arc::new(SambaServer::host(samba, mode)?),
        })
    }
}

/// The socket's folder is locked for a moment when the socket is made, and the directory's folders
/// are locked for good.
fn refuse_socket_in_directory(directory: &DirectoryConfiguration, socket: &Path) -> Result<()> {
    let canonical = |folder: &Path| folder.canonicalize().ok();
    let Some(parent) = socket.parent().and_then(canonical) else {
        return Ok(());
    };
    let folders = [
        Some(&directory.database_folder),
        directory.log_folder.as_ref(),
        directory.checkpoint_folder.as_ref(),
    ];
    match folders
        .into_iter()
        .flatten()
        .any(|folder| canonical(folder).as_ref() == Some(&parent))
    {
        false => Ok(()),
        true => Err(Error::new(
            ResultCode::INVALID_PARAM,
            format!(
                "socket = {}: expected a place outside the folders of the directory",
                socket.display()
            ),
        )),
    }
}
