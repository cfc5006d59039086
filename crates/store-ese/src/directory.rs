//! The facts of the directory in the hosted database, if it holds one.

use std::path::Path;

use ese::Database;
use ntds::{Directory, Facts};

use crate::configuration::DirectoryConfiguration;

/// The tombstone lifetime for tokens: the directory's own if the database holds it, else the
/// configured one. The log says which.
pub(crate) fn tombstone_lifetime(database: &Path, configuration: &DirectoryConfiguration) -> u32 {
    let configured = configuration.tombstone_lifetime_days;
    let read = open(database).and_then(|database| Directory::of(&database)?.tombstone_lifetime());
    match read {
        Ok(lifetime) => {
            tracing::info!(
                days = lifetime.days,
                is_default = lifetime.is_default,
                "tombstone lifetime: the directory's own"
            );
            lifetime.days
        }
        Err(reason) => {
            tracing::info!(days = configured, %reason, "tombstone lifetime: as configured");
            configured
        }
    }
}

/// All facts of the directory; `None` if the database holds no directory, is not clean, or is
/// unreadable. This never fails a backup.
pub(crate) fn facts(database: &Path) -> Option<Facts> {
    let read = open(database).and_then(|database| Directory::of(&database)?.facts());
    match read {
        Ok(facts) => Some(facts),
        Err(ntds::Error::NotADirectory { .. }) => None,
        Err(reason) => {
            tracing::warn!(%reason, "the backup will not say whose directory it holds");
            None
        }
    }
}

fn open(database: &Path) -> ntds::Result<Database> {
    Ok(Database::open(database)?.verifying_checksums())
}
