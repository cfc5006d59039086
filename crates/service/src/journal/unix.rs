//! The systemd journal: detection of standard error, and entries with structured fields.
//!
//! An entry is a datagram of lines `FIELD=value`. Source: systemd's public
//! `JOURNAL_NATIVE_PROTOCOL`.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// The socket of systemd-journald.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Whether standard error goes to the journal, which adds the time to every line.
pub fn has_standard_error() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let Some((device, inode)) = stream.split_once(':') else {
        return false;
    };
    // A child process inherits the variable even with another standard error.
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|file| (device.parse(), inode.parse()) == (Ok(file.dev()), Ok(file.ino())))
}

/// A sender of entries.
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The system's journal.
    ///
    /// # Errors
    /// If no socket can be created.
    pub fn of_the_system() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    /// The journal with its socket at `path`.
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            path: path.to_path_buf(),
        })
    }

    /// Sends an entry. Line breaks in values become spaces, since they would begin another field.
    ///
    /// # Errors
    /// If the journal does not accept it.
    pub fn send(&self, fields: &[(&str, &str)]) -> io::Result<()> {
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
