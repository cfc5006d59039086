//! The end of a server's newest chain, which the next logs continue.

use std::time::SystemTime;

use contract::ExpiryToken;
use ese::header::LogHeader;
use model::Manifest;
use repository::{Repository, SnapshotInfo};

use crate::chain::{self, Chain, End};
use crate::error::{Error, Result};
use crate::selection;
use crate::snapshot::Part;
use crate::words::short_id;

/// Bytes of a log's header that identify it.
pub const LOG_HEADER: usize = 4096;

/// A snapshot that a backup of logs can continue.
pub struct Tip {
    /// Its id.
    pub id: String,
    /// When the data was as it is stored.
    pub time: SystemTime,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its expiry token.
    pub token: ExpiryToken,
    /// The end of its logs.
    pub end: End,
    /// The header of its newest log.
    pub header: LogHeader,
}

impl Tip {
    /// The last snapshot of the chain that begins with the newest whole directory of a server.
    ///
    /// Logs that continue an earlier chain may be newer than that: those that were stored while the
    /// whole directory was read.
    ///
    /// # Errors
    /// If there is none, if it holds no logs, or if a snapshot is missing in the newest chain: a
    /// full backup is needed.
    pub fn of(repository: &Repository, server: &str) -> Result<Self> {
        let mut later: Vec<(SnapshotInfo, Part)> = Vec::new();
        let mut whole = None;
        for snapshot in selection::backups(repository)?.into_iter().rev() {
            if !snapshot.is_of(server) {
                continue;
            }
            let part = Part::open(repository, &snapshot)?;
            match (part.manifest.damaged, part.manifest.is_logs_only()) {
                (true, _) => {}
                (false, true) => later.push((snapshot, part)),
                (false, false) => {
                    whole = Some((snapshot, part));
                    break;
                }
            }
        }
        // If that is broken, whoever made it believes in a chain that cannot be restored.
        if let Some((newest, _)) = later.first() {
            Chain::ending_with(repository, newest)?;
        }
        let Some((mut snapshot, mut part)) = whole else {
            return Err(Error::NotContinued(format!(
                "the repository holds no undamaged snapshot of the server {server}"
            )));
        };
        // The newest comes first, should there be several.
        while let Some(next) = later.iter().position(|(_, next)| {
            let continued = next.manifest.continues.as_deref();
            continued.is_some_and(|continued| chain::ids(&snapshot).any(|own| own == continued))
        }) {
            (snapshot, part) = later.remove(next);
        }
        Self::at(part)
    }

    fn at(part: Part) -> Result<Self> {
        let name = short_id(&part.id);
        let (Some(newest), Some(end)) = (part.manifest.newest_log(), End::of(&part.manifest))
        else {
            return Err(Error::NotContinued(format!(
                "snapshot {name}, the newest of the server {}, holds no logs",
                part.manifest.server
            )));
        };
        let header = part.start_of(&newest.path, LOG_HEADER)?;
        let header = LogHeader::parse(&header).map_err(|fault| {
            Error::Damage(format!("{} of snapshot {name}: {fault}", newest.path))
        })?;
        let token = ExpiryToken::from_bytes(&part.token).map_err(Error::at("expiry token"))?;
        Ok(Self {
            id: part.id,
            time: part.time,
            manifest: part.manifest,
            token,
            end,
            header,
        })
    }

    /// The beginning of its id.
    pub fn short_id(&self) -> &str {
        short_id(&self.id)
    }

    /// Checks that the snapshot is of the database with this signature, in hex.
    ///
    /// # Errors
    /// If it is of another.
    pub fn check_database(&self, signature: &str) -> Result<()> {
        match self.manifest.database.signature == signature {
            true => Ok(()),
            false => Err(Error::NotContinued(format!(
                "snapshot {}, the newest of the server, is of another database",
                self.short_id()
            ))),
        }
    }

    /// Checks that a log continues the snapshot: it is the log that was in use, or follows it.
    ///
    /// # Errors
    /// If the log is of another sequence, or the server began a new one since.
    pub fn check_continued(&self, file: &str, start: &[u8]) -> Result<()> {
        let header =
            LogHeader::parse(start).map_err(|fault| Error::Damage(format!("{file}: {fault}")))?;
        let same_sequence = header.log_signature == self.header.log_signature;
        let continued = match header.generation.get() {
            generation if generation == self.end.generation => {
                header.created == self.header.created
            }
            generation if generation == self.end.generation.saturating_add(1) => {
                header.previous_created == self.header.created
            }
            _ => false,
        };
        match same_sequence && continued {
            true => Ok(()),
            false => Err(Error::NotContinued(format!(
                "{file} does not continue the logs of snapshot {}: the directory began another \
                 sequence of logs since",
                self.short_id()
            ))),
        }
    }
}
