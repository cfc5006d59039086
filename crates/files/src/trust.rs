//! Whether a folder is safe for secrets.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use platform::access;

/// The reason why a folder is not safe.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Its owner could replace files in it.
    #[error(
        "{}: the folder belongs to {owner}, who could replace what is written there; \
         name a folder of your own",
        folder.display()
    )]
    Owner {
        /// The folder.
        folder: PathBuf,
        /// Its owner.
        owner: String,
    },
    /// Others could replace files in it.
    #[error("{}: other users may write into the folder ({how}), or name another folder", folder.display())]
    Writable {
        /// The folder.
        folder: PathBuf,
        /// Who, and how to end that.
        how: String,
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

/// Who may own a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This process's user, or the system's own.
    Own,
    /// Anybody: whoever named the folder trusts its owner.
    Anybody,
}

/// Checks that a folder belongs to whom it may, and that nobody else may replace files in it.
///
/// # Errors
/// See [`Untrusted`].
pub fn check_trusted(folder: &Path, owner: Owner) -> Result<(), Untrusted> {
    let access = access::of(folder).map_err(|source| Untrusted::Io {
        folder: folder.to_path_buf(),
        source,
    })?;
    if owner == Owner::Own && !access.owner_is_trusted {
        return Err(Untrusted::Owner {
            folder: folder.to_path_buf(),
            owner: access.owner,
        });
    }
    match access.others_write {
        None => Ok(()),
        Some(how) => Err(Untrusted::Writable {
            folder: folder.to_path_buf(),
            how,
        }),
    }
}

#[cfg(all(test, unix))]
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
            assert_eq!(
                check_trusted(folder, Owner::Own).is_ok(),
                is_trusted,
                "{mode:o}"
            );
        }
        chmod(0o700);
        if chown(folder, Some(65534), None).is_err() {
            eprintln!("note: only root gives folders away; skipped");
            return;
        }
        let error = check_trusted(folder, Owner::Own).unwrap_err();
        assert!(error.to_string().contains("65534"), "{error}");
        assert!(check_trusted(folder, Owner::Anybody).is_ok());
    }
}
