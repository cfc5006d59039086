//! The journal of systemd: whether this process writes to it, and entries with fields of their own.
//!
//! An entry is a datagram of lines `FIELD=value`. Source: systemd's public
//! `JOURNAL_NATIVE_PROTOCOL`.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where systemd-journald receives entries.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Whether standard error goes to the journal, which stamps the time on every line itself.
pub fn has_standard_error() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let Some((device, inode)) = stream.split_once(':') else {
        return false;
    };
    // A child with another standard error inherits the variable.
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|file| (device.parse(), inode.parse()) == (Ok(file.dev()), Ok(file.ino())))
}

/// A sender of entries.
pub(crate) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The system's journal.
    ///
    /// # Errors
    /// When no socket can be made.
    pub(crate) fn of_the_system() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    /// The journal that receives at `path`.
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            path: path.to_path_buf(),
        })
    }

    /// Sends an entry. A line break in a value would begin another field: it becomes a space.
    ///
    /// # Errors
    /// When the journal does not take it.
    pub(crate) fn send(&self, fields: &[(&str, &str)]) -> io::Result<()> {
        let mut entry = String::new();
        for (name, value) in fields {
            entry += name;
            entry.push('=');
            entry.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
            entry.push('\n');
        }
        self.socket.send_to(entry.as_bytes(), &self.path).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_fields_that_it_was_given_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::at(&path).unwrap();
        assert!(journal.send(&[("MESSAGE", "nobody listens")]).is_err());
        let receiver = UnixDatagram::bind(&path).unwrap();
        journal
            .send(&[("MESSAGE", "one"), ("CALLER", "CN=a\nMESSAGE=forged")])
            .unwrap();
        let mut entry = [0; 200];
        let length = receiver.recv(&mut entry).unwrap();
        assert_eq!(
            std::str::from_utf8(&entry[..length]).unwrap(),
            "MESSAGE=one\nCALLER=CN=a MESSAGE=forged\n"
        );
    }
}
