//! Recovery before a directory goes online: after a crash, and after the restore of an online
//! backup.

use contract::{Error, Result, ResultCode};
use ese::recovery::{self, Options};

use crate::layout::Layout;

/// Replays the logs into the directory's database, in place. A clean database stays as it is.
///
/// Logs over which no engine would start afterwards are archived (see docs/recovery.md); backups
/// still hold them.
///
/// # Errors
/// `hrMissingRestoreLogFiles`, `hrLogFileCorrupt`, `hrBadLogSignature`, `hrDatabaseCorrupted`,
/// `hrDatabaseNotFound`, `hrDiskFull`, `hrDiskIO`: the directory cannot start, and its files are
/// unchanged.
pub(crate) fn recover(layout: &Layout) -> Result<()> {
    let options = Options::new(&layout.database_folder)
        .database(&layout.database_file)
        .logs_in(&layout.log_folder)
        .checkpoint_in(&layout.checkpoint_folder)
        .log_base_name(&layout.log_base_name)
        .archive_logs(true);
    let summary =
        recovery::recover(options).map_err(|error| Error::new(code(&error), reason(&error)))?;
    if let Some(folder) = &summary.logs_archived {
        tracing::info!(
            folder = %folder.display(),
            "the database no longer needs its logs, which do not end with a shutdown: they were \
             moved there"
        );
    }
    if summary.was_clean {
        return Ok(());
    }
    for page in &summary.corrected_pages {
        tracing::warn!(
            page,
            "a page had a flipped bit, which was corrected; check the disk"
        );
    }
    for bit in &summary.corrected_log_bits {
        tracing::warn!(
            %bit,
            "a log had a flipped bit, which was corrected for the replay; check the disk"
        );
    }
    let (low, high) = summary.generations.unwrap_or(0..=0).into_inner();
    tracing::info!(
        generations = %contract::Generations { low, high },
        records = summary.counts.records,
        redone = summary.counts.redone,
        undone = summary.counts.undone,
        seconds = summary.elapsed.as_secs_f64(),
        "the directory was not shut down: its logs have been replayed, and the database is clean"
    );
    Ok(())
}

fn reason(error: &recovery::Error) -> String {
    match error {
        recovery::Error::Incomplete { .. } => format!("the directory cannot start: {error}"),
        recovery::Error::OtherBaseName { .. } => {
            format!(
                "the directory cannot start: {error} (log_base_name in the configuration, or \
                 --base-name)"
            )
        }
        _ => format!(
            "the directory cannot start, because its logs cannot be replayed: {error}; its files \
             are as they were"
        ),
    }
}

/// The documented code for a refused recovery.
fn code(error: &recovery::Error) -> ResultCode {
    match error {
        recovery::Error::Incomplete { source, .. } => code(source),
        recovery::Error::NoDatabase { .. } => ResultCode::DATABASE_NOT_FOUND,
        recovery::Error::OtherBaseName { .. }
        | recovery::Error::MissingRequiredLogs { .. }
        | recovery::Error::MissingCommittedLogs { .. }
        | recovery::Error::OlderThanLogs { .. } => ResultCode::MISSING_RESTORE_LOG_FILES,
        recovery::Error::UnusableLog { .. } => ResultCode::LOG_FILE_CORRUPT,
        recovery::Error::ForeignLog { .. } | recovery::Error::DuplicateLog { .. } => {
            ResultCode::BAD_LOG_SIGNATURE
        }
        recovery::Error::Write { source, .. }
        | recovery::Error::Read(ese::Error::Io { source, .. })
            if source.kind() == std::io::ErrorKind::StorageFull =>
        {
            ResultCode::DISK_FULL
        }
        recovery::Error::Write { .. } | recovery::Error::Read(ese::Error::Io { .. }) => {
            ResultCode::DISK_IO
        }
        _ => ResultCode::DATABASE_CORRUPTED,
    }
}
