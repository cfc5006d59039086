//! The kinds of stores. No other file of the service names one.

use std::path::Path;
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use store::{DirectoryStore, Mode};
pub use store_ese::DirectoryConfiguration;
use store_ese::EseFolder;
pub use store_samba::SambaConfiguration;
use store_samba::SambaServer;
#[cfg(windows)]
pub use store_windows::{NtdsConfiguration, Way};

/// The hosted directory, of one of the kinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfiguration {
    /// `[directory]`: a database and its logs, in folders.
    Folder(DirectoryConfiguration),
    /// `[samba]`: a Samba domain controller.
    Samba(SambaConfiguration),
    /// `[ntds]`: this computer's own domain controller.
    #[cfg(windows)]
    Ntds(NtdsConfiguration),
}

impl StoreConfiguration {
    /// Checks that every value is usable.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and the expected value.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Folder(directory) => directory.check(),
            Self::Samba(samba) => samba.check(),
            #[cfg(windows)]
            Self::Ntds(ntds) => ntds.check(),
        }
    }

    /// Takes the directory exclusively, to be served over `socket`, if there is one.
    ///
    /// # Errors
    /// The store's errors, and `hrInvalidParam` for a socket in a folder of the directory.
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
            #[cfg(windows)]
            Self::Ntds(ntds) => Arc::new(store_windows::NtdsServer::host(ntds, mode)?),
        })
    }
}

/// The socket's folder is locked briefly when the socket is created, while the directory's folders
/// stay locked.
fn refuse_socket_in_directory(directory: &DirectoryConfiguration, socket: &Path) -> Result<()> {
    let canonical = |folder: &Path| platform::file::canonical(folder).ok();
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
