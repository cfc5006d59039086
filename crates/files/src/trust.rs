//! Whether a folder is safe for secrets.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The reason why a folder is not safe.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Its owner could replace files in it.
    #[error(
        "{}: the folder belongs to the user {owner}, who could replace what is written there; \
         name a folder of your own",
        folder.display()
    )]
    Owner {
        /// The folder.
        folder: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// Others could replace files in it.
    #[error(
        "{}: other users may write into the folder (mode {mode:04o}); take that right away \
         (chmod go-w) or name another folder",
        folder.display()
    )]
    Writable {
        /// The folder.
        folder: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Its attributes are unreadable.
    #[error("{}: {source}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl Untrusted {
    /// Whether the folder does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}

/// Checks that a folder belongs to this process's user, to root, or to `another` user, and that
/// nobody else may replace files in it.
///
/// # Errors
/// See [`Untrusted`].
pub fn check_trusted(folder: &Path, another: Option<u32>) -> Result<(), Untrusted> {
    let metadata = folder.metadata().map_err(|source| Untrusted::Io {
        folder: folder.to_path_buf(),
        source,
    })?;
    let own = rustix::process::geteuid().as_raw();
    let owner = metadata.uid();
    if owner != own && owner != 0 && Some(owner) != another {
        return Err(Untrusted::Owner {
            folder: folder.to_path_buf(),
            owner,
        });
    }
    let mode = metadata.mode() & 0o7777;
    // With the sticky bit others cannot replace files that are not theirs.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(Untrusted::Writable {
            folder: folder.to_path_buf(),
            mode,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;

    #[test]
    fn folders_of_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let chmod = |mode| {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for (mode, is_trusted) in [
            (0o700, true),
            (0o755, true),
            (0o1777, true),
            (0o770, false),
            (0o777, false),
        ] {
            chmod(mode);
            assert_eq!(check_trusted(folder, None).is_ok(), is_trusted, "{mode:o}");
        }
        chmod(0o700);
        if chown(folder, Some(65534), None).is_err() {
            eprintln!("note: only root gives folders away; skipped");
            return;
        }
        let error = check_trusted(folder, None).unwrap_err();
        assert!(error.to_string().contains("65534"), "{error}");
        assert!(check_trusted(folder, Some(65534)).is_ok());
    }
}
