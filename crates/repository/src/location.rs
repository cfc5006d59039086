//! The location of a repository: a local folder or a remote store.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustic_core::WriteBackend;

use crate::error::Error;
#[cfg(feature = "remote")]
use crate::error::explain;
use crate::local::LocalBackend;
#[cfg(feature = "remote")]
use crate::sftp::{Access, SftpBackend};
use crate::sftp_address::SftpAddress;
use crate::store::Store;

/// A parsed repository location.
///
/// | text | meaning |
/// | --- | --- |
/// | `/srv/backup`, `local:/srv/backup` | a folder of this computer |
/// | `rest:https://host:8000/` | a restic REST server |
/// | `s3:https://endpoint/bucket/prefix` | a folder of an S3 bucket |
/// | `sftp:user@host:/path` | a folder over SFTP, through the system's `ssh` |
///
/// The keys of an S3 store come from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    text: String,
    kind: Kind,
}

/// Access to a repository's files, and to its locks.
pub(crate) type Ways = (Arc<dyn WriteBackend>, Arc<dyn Store>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Local(PathBuf),
    /// A URL for rustic_backend.
    Rest(String),
    /// OpenDAL's options for an S3 store.
    S3(BTreeMap<String, String>),
    Sftp(SftpAddress),
}

impl Location {
    /// Parses a location.
    ///
    /// # Errors
    /// [`Error::Location`] if it is empty or of an unknown kind.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::Location {
            location: text.to_string(),
            reason: reason.to_string(),
        };
        let kind = match text.split_once(':') {
            None if text.is_empty() => return Err(bad("it is empty")),
            None => Kind::Local(PathBuf::from(text)),
            Some((before, _)) if before.contains('/') => Kind::Local(PathBuf::from(text)),
            // C:\backup
            Some((drive, _)) if cfg!(windows) && drive.len() == 1 => {
                Kind::Local(PathBuf::from(text))
            }
            Some(("local", "")) => return Err(bad("the path is missing")),
            Some(("local", path)) => Kind::Local(PathBuf::from(path)),
            Some(("rest", _)) => Kind::Rest(text.to_string()),
            Some(("s3", rest)) => s3(rest).ok_or_else(|| {
                bad("write s3:https://ENDPOINT/BUCKET/PREFIX, such as \
                     s3:https://s3.example.com/backup/dc1")
            })?,
            Some(("sftp", rest)) => sftp(rest)
                .ok_or_else(|| bad("write sftp:USER@HOST:/PATH or sftp://USER@HOST:PORT/PATH"))?,
            Some(_) => {
                return Err(bad(
                    "use a path, local:PATH, rest:URL, s3:URL or sftp:USER@HOST:/PATH",
                ));
            }
        };
        Ok(Self {
            text: text.to_string(),
            kind,
        })
    }

    /// The folder of a local repository.
    pub fn local(&self) -> Option<&std::path::Path> {
        match &self.kind {
            Kind::Local(path) => Some(path),
            Kind::Rest(_) | Kind::S3(_) | Kind::Sftp(_) => None,
        }
    }

    pub(crate) fn backend(&self, more_options: &BTreeMap<String, String>) -> Result<Ways, Error> {
        match &self.kind {
            Kind::Local(path) => Ok(both(LocalBackend::new(path.clone()))),
            #[cfg(feature = "remote")]
            Kind::Rest(url) => {
                let backends = rustic_backend::BackendOptions::default()
                    .repository(url.clone())
                    .options(more_options.clone())
                    .to_backends()
                    .map_err(|error| self.unusable(explain(&error)))?;
                let url = url.strip_prefix("rest:").unwrap_or(url);
                let locks = crate::rest_locks::RestLocks::new(url, more_options)
                    .map_err(|error| self.unusable(error.to_string()))?;
                Ok((backends.repository(), Arc::new(locks)))
            }
            #[cfg(feature = "remote")]
            Kind::S3(options) => {
                let mut options = options.clone();
                options.extend(more_options.clone());
                let backend = crate::s3::S3Backend::new(options)
                    .map_err(|error| self.unusable(error.to_string()))?;
                Ok(both(backend))
            }
            #[cfg(feature = "remote")]
            Kind::Sftp(address) => {
                let access = Access::new(address)
                    .with(more_options)
                    .map_err(|reason| self.unusable(reason))?;
                Ok(both(SftpBackend::new(access)))
            }
            #[cfg(not(feature = "remote"))]
            Kind::Rest(_) | Kind::S3(_) | Kind::Sftp(_) => {
                let _ = more_options;
                Err(self.unusable("this program was built for local folders only".to_string()))
            }
        }
    }

    fn unusable(&self, reason: String) -> Error {
        Error::Location {
            location: self.to_string(),
            reason,
        }
    }
}

/// For a backend that implements both.
fn both<B: WriteBackend + Store + 'static>(backend: B) -> Ways {
    let backend = Arc::new(backend);
    (backend.clone(), backend)
}

impl std::fmt::Display for Location {
    /// The location without a password in its URL.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((scheme, rest)) = self.text.split_once("://")
            && let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()))
            && let Some((user, host)) = authority.rsplit_once('@')
            && let Some((user, _)) = user.split_once(':')
        {
            return write!(formatter, "{scheme}://{user}:***@{host}{path}");
        }
        formatter.write_str(&self.text)
    }
}

/// `https://endpoint/bucket/prefix` or `endpoint/bucket/prefix`, as restic writes it.
fn s3(rest: &str) -> Option<Kind> {
    let (scheme, rest) = rest.split_once("://").unwrap_or(("https", rest));
    let (endpoint, rest) = rest.split_once('/')?;
    let (bucket, root) = rest.split_once('/').unwrap_or((rest, ""));
    if endpoint.is_empty() || bucket.is_empty() {
        return None;
    }
    let options = [
        ("endpoint", format!("{scheme}://{endpoint}")),
        ("bucket", bucket.to_string()),
        ("root", format!("/{root}")),
    ];
    let options = options.map(|(key, value)| (key.to_string(), value));
    Some(Kind::S3(options.into()))
}

/// `user@host:/path`, `user@host:path` or `//user@host:port/path`, as restic writes it.
fn sftp(rest: &str) -> Option<Kind> {
    let (authority, root, port) = match rest.strip_prefix("//") {
        Some(url) => {
            let (authority, root) = url.split_at(url.find('/')?);
            match authority.rsplit_once(':') {
                Some((authority, port)) => (authority, root, Some(port.parse::<u16>().ok()?)),
                None => (authority, root, None),
            }
        }
        None => {
            let (authority, root) = rest.split_once(':')?;
            (authority, root, None)
        }
    };
    let (user, host) = authority.split_once('@').unwrap_or(("", authority));
    if host.is_empty() || root.is_empty() {
        return None;
    }
    let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
    Some(Kind::Sftp(SftpAddress {
        user: some(user),
        host: host.to_string(),
        port,
        root: root.trim_end_matches('/').to_string(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_local_folder() {
        for text in ["/srv/backup", "local:/srv/backup"] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.local(), Some(std::path::Path::new("/srv/backup")));
        }
        assert!(Location::parse("./odd:name").unwrap().local().is_some());
        assert!(Location::parse("").is_err());
        assert!(Location::parse("ftp:whatever").is_err());
    }

    #[test]
    fn restic_style_urls_become_options() {
        let kind = |text| Location::parse(text).unwrap().kind;
        let Kind::S3(found) = kind("s3:https://s3.example.com/backup/dc1/x") else {
            panic!("an S3 store")
        };
        assert_eq!(found["endpoint"], "https://s3.example.com");
        assert_eq!(found["bucket"], "backup");
        assert_eq!(found["root"], "/dc1/x");
        for (text, user, port, root) in [
            (
                "sftp:backup@host:/srv/repo",
                Some("backup"),
                None,
                "/srv/repo",
            ),
            ("sftp:host:repo/", None, None, "repo"),
            ("sftp://u@host:2222/r", Some("u"), Some(2222), "/r"),
        ] {
            let expected = SftpAddress {
                user: user.map(str::to_string),
                host: "host".to_string(),
                port,
                root: root.to_string(),
            };
            assert_eq!(kind(text), Kind::Sftp(expected), "{text}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        let location = Location::parse("rest:https://user:secret@host:8000/repo").unwrap();
        assert_eq!(location.to_string(), "rest:https://user:***@host:8000/repo");
    }
}
