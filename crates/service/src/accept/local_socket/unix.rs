//! The Unix socket. It appears with its final mode, and replaces the socket of a dead service,
//! never that of a live one.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use store::FolderLock;

use crate::accept::acceptor::Acceptor;
use crate::caller::local_rule::LocalRule;
use crate::caller::{Identity, Origin, Privileges};

/// A listening socket. Dropping it removes its file.
#[derive(Debug)]
pub struct LocalSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file.
    identity: (u64, u64),
}

impl LocalSocket {
    /// Creates the socket with mode 0600, or 0660 and a group.
    ///
    /// # Errors
    /// `hrInvalidPath` with the path: another service listens there, the path is no socket, or the
    /// system refuses.
    pub fn bind(path: &Path, group: Option<u32>) -> Result<Self> {
        let refused = |reason: String| {
            Error::new(
                ResultCode::INVALID_PATH,
                format!("socket {}: {reason}", path.display()),
            )
        };
        let parent = match path.parent() {
            Some(parent) if path.file_name().is_some() && !parent.as_os_str().is_empty() => parent,
            _ => return Err(refused("expected an absolute path of a file".into())),
        };
        create_parent(parent, group)
            .map_err(|error| refused(format!("cannot create its folder: {error}")))?;
        warn_if_open_to_all(parent);
        // Of two services that start at once, neither must mistake the other's new socket for a
        // stale one.
        let _lock = FolderLock::acquire(&[parent]).map_err(|error| refused(error.reason))?;
        remove_stale(path).map_err(refused)?;
        let failed = |error: io::Error| refused(format!("cannot listen: {error}"));
        // The socket is created in a private folder and moved out, so that no client connects
        // before its mode is set.
        let private = tempfile::Builder::new()
            .prefix(".ds")
            .tempdir_in(parent)
            .map_err(failed)?;
        let unfinished = private.path().join("s");
        let listener = UnixListener::bind(&unfinished).map_err(failed)?;
        if let Some(group) = group {
            chown(&unfinished, None, Some(group)).map_err(failed)?;
        }
        let mode = if group.is_some() { 0o660 } else { 0o600 };
        std::fs::set_permissions(&unfinished, Permissions::from_mode(mode)).map_err(failed)?;
        let metadata = std::fs::symlink_metadata(&unfinished).map_err(failed)?;
        std::fs::rename(&unfinished, path).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_path_buf(),
            identity: (metadata.dev(), metadata.ino()),
        })
    }

    /// A second descriptor of the listening socket, which does not block.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }

    /// Admits connections, as the users of the peers' processes.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub(crate) fn accept(
        &self,
        rule: LocalRule,
        acceptor: Acceptor,
    ) -> io::Result<impl Future<Output = ()> + Send + use<>> {
        let listener = tokio::net::UnixListener::from_std(self.listener()?)?;
        Ok(accept(listener, rule, acceptor))
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalSocket {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(socket = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Warns about a folder in which other users may rename files: they could replace the socket by
/// their own.
fn warn_if_open_to_all(parent: &Path) {
    const STICKY: u32 = 0o1000;
    let mode = std::fs::metadata(parent).map_or(0, |metadata| metadata.mode());
    if mode & 0o022 != 0 && mode & STICKY == 0 {
        tracing::warn!(
            folder = %parent.display(),
            "other users may write to the socket's folder, and so replace this service by \
             another"
        );
    }
}

/// Creates a missing folder, for the service alone or for it and the group.
fn create_parent(parent: &Path, group: Option<u32>) -> io::Result<()> {
    if parent.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)?;
    if group.is_some() {
        chown(parent, None, group)?;
        std::fs::set_permissions(parent, Permissions::from_mode(0o750))?;
    }
    Ok(())
}

/// Removes the socket of a service that died.
fn remove_stale(path: &Path) -> Result<(), String> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err("the path exists and is not a socket; it was left alone".into());
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
                .map_err(|error| format!("cannot remove the stale socket: {error}"))
        }
        Ok(_) => Err("another service listens there; stop it first, or choose another path".into()),
        Err(error) => Err(format!(
            "cannot tell whether another service listens there: {error}"
        )),
    }
}

/// Admits connections on the Unix socket, as the user of the peer's process.
async fn accept(listener: tokio::net::UnixListener, rule: LocalRule, acceptor: Acceptor) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // A passing condition, such as too many open files.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Some((origin, identity)) = identify(&stream, &rule).await {
            acceptor
                .enter(Box::new(stream), origin, identity, None)
                .await;
        }
    }
}

async fn identify(
    stream: &tokio::net::UnixStream,
    rule: &LocalRule,
) -> Option<(Origin, Arc<Identity>)> {
    let peer = match stream.peer_cred() {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%error, "refused a connection whose user the system does not tell");
            return None;
        }
    };
    let rule = rule.clone();
    let (uid, gid, pid) = (peer.uid(), peer.gid(), peer.pid());
    let identity = tokio::task::spawn_blocking(move || Identity {
        name: LocalRule::name_of(uid),
        privileges: if rule.admits(uid, gid) {
            Privileges::ALL
        } else {
            Privileges::NONE
        },
    })
    .await
    .ok()?;
    let origin = Origin::Local {
        uid: Some(uid),
        pid,
    };
    if identity.privileges == Privileges::NONE {
        tracing::warn!(%origin, "a user without privileges connected");
    }
    Some((origin, Arc::new(identity)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn only_the_owner_reaches_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/s.sock");
        let endpoint = LocalSocket::bind(&path, None).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        UnixStream::connect(&path).unwrap();
        drop(endpoint);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            0
        );
    }

    #[test]
    fn a_group_reaches_it_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/s.sock");
        let group = std::fs::metadata(folder.path()).unwrap().gid();
        let _endpoint = LocalSocket::bind(&path, Some(group)).unwrap();
        assert_eq!(mode(&path), 0o660);
        assert_eq!(mode(path.parent().unwrap()), 0o750);
        assert_eq!(std::fs::metadata(&path).unwrap().gid(), group);
    }

    #[test]
    fn a_dead_service_makes_way_and_a_living_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        drop(UnixListener::bind(&path).unwrap());
        let living = LocalSocket::bind(&path, None).unwrap();
        let error = LocalSocket::bind(&path, None).unwrap_err();
        assert!(error.reason.contains("another service listens"), "{error}");
        UnixStream::connect(&path).unwrap();
        drop(living);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        std::fs::write(&path, "data").unwrap();
        let error = LocalSocket::bind(&path, None).unwrap_err();
        assert!(error.reason.contains("not a socket"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"data");
    }
}
