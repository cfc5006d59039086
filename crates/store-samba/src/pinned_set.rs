//! A point in time of the domain controller, as the files of a backup.

use std::time::{Duration, UNIX_EPOCH};
use store::{BackupOptions, BackupSet, FileReader, Taken, Truncation};

use contract::{FileType, Result, ResultCode};
use model::time::from_unix_ms;
use model::{DirectoryFacts, DirectoryIdentity, FileEntry};
use objects::samba::Samba;
use samba::state::Kind;
use samba::{Installation, LISTING_PATH, PinnedFile, PointInTime};

use crate::failure::code;
use crate::reader::{Listing, PinnedFileReader};

/// A consistent set of files: databases and keys of one point in time, and the files beside
/// them.
pub(crate) struct PinnedSet {
    point: PointInTime,
    options: BackupOptions,
    /// The name of the listing, which is made for the backup and is no file on disk.
    listing_name: String,
    listing: Vec<u8>,
    /// `None` if the databases are damaged.
    directory: Option<DirectoryIdentity>,
    _backup: Taken,
}

impl PinnedSet {
    /// Pins a point in time.
    ///
    /// # Errors
    /// `hrDatabaseInUse` if a lock is not free in time, `hrError` if the directory does not answer,
    /// `hrDiskFull` and others. Then nothing stays locked.
    pub(crate) fn pin(
        installation: &Installation,
        pinning: &samba::Options,
        options: BackupOptions,
        backup: Taken,
    ) -> Result<Self> {
        let point = PointInTime::pin(installation, pinning).map_err(code)?;
        tracing::info!(
            commits_waited_ms = point.commits_waited.as_secs_f64() * 1000.0,
            usn = point.listing().usn_before,
            "a point in time of the directory is pinned"
        );
        Ok(Self {
            directory: directory(installation, &point),
            listing: point.listing().to_json(),
            listing_name: installation.state.join(LISTING_PATH).display().to_string(),
            point,
            options,
            _backup: backup,
        })
    }
}

/// What the pinned databases tell of the directory. This never fails a backup.
fn directory(installation: &Installation, point: &PointInTime) -> Option<DirectoryIdentity> {
    let read = Samba::in_backup(&installation.private, point);
    match read.and_then(|directory| directory.census(&|| {})) {
        Ok(facts) => Some(store::identity(&facts)),
        Err(reason) => {
            tracing::warn!(%reason, "the backup will not say whose directory it holds");
            None
        }
    }
}

fn file_type(file: &PinnedFile) -> FileType {
    match file.kind {
        Kind::Lmdb | Kind::Tdb => FileType::DATABASE,
        _ if file.path.starts_with("sysvol/") || file.path.starts_with("netlogon/") => {
            FileType::SHARED
        }
        _ => FileType::STATE,
    }
}

fn name(file: &PinnedFile) -> String {
    file.original.display().to_string()
}

impl BackupSet for PinnedSet {
    fn facts(&self) -> DirectoryFacts {
        let listing = self.point.listing();
        DirectoryFacts {
            store_kind: samba::STORE_KIND.into(),
            server: listing.identity.dns_name.clone(),
            database_signature: listing.identity.signature().to_vec(),
            state: "Consistent".into(),
            tombstone_lifetime_days: listing.tombstone_lifetime_days,
            warnings: listing.warnings.clone(),
            directory: self.directory.clone(),
            ..DirectoryFacts::default()
        }
    }

    fn database_files(&mut self) -> Result<Vec<FileEntry>> {
        let mut entries: Vec<FileEntry> = self
            .point
            .files()
            .map(|file| FileEntry {
                size: file.size,
                modified: from_unix_ms(file.modified_ms),
                place: Some(file.path.clone()),
                ..FileEntry::named(file_type(file), name(file))
            })
            .collect();
        // Databases first, then the files beside them.
        entries.sort_by_key(|entry| entry.file_type);
        entries.push(FileEntry {
            size: self.listing.len() as u64,
            modified: UNIX_EPOCH + Duration::from_micros(self.point.listing().pinned_to_us),
            place: Some(LISTING_PATH.into()),
            ..FileEntry::named(FileType::LISTING, self.listing_name.clone())
        });
        Ok(entries)
    }

    fn log_files(&mut self) -> Result<Vec<FileEntry>> {
        Ok(Vec::new())
    }

    fn open(&self, wanted: &str) -> Result<Box<dyn FileReader>> {
        if wanted == self.listing_name {
            return Ok(Box::new(Listing::new(&self.listing)));
        }
        let file = self
            .point
            .files()
            .find(|file| name(file) == wanted)
            .ok_or(ResultCode::FILE_NOT_FOUND)?;
        let reader = PinnedFileReader::open(file, self.options.allow_corrupt)?;
        Ok(Box::new(reader))
    }

    fn truncate_logs(&mut self) -> Result<Truncation> {
        Ok(Truncation {
            deleted: Vec::new(),
            kept_because: "Samba's databases have no logs".into(),
        })
    }
}
