//! Checks that the restored files form a directory that can start and belongs to the announced
//! backup, and makes them durable.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use contract::{Error, Result, ResultCode};
use ese::header::{Checkpoint, DatabaseHeaders};
use ese::log_set::{LogFile, LogSet};
use store::RestorePlan;
use zerocopy::IntoBytes;

use crate::condition::{Condition, in_words};
use crate::layout::{Contents, Layout, Role};
use crate::pinned_file::io_error;

/// JET_errInvalidLogSequence: a log does not continue the one before it, or does not belong to the
/// backup.
const INVALID_LOG_SEQUENCE: ResultCode = ResultCode::from_engine_error(-515);

/// Checks the restored files.
///
/// # Errors
/// - `hrDatabaseNotFound`, `hrDatabaseCorrupted`: a missing or damaged database.
/// - `hrBadDbSignature`: another database than the token's.
/// - `hrMissingRestoreLogFiles`: logs that the database needs are missing.
/// - `hrLogFileCorrupt`, `hrBadLogSignature`, `hrInvalidLogSequence`: logs that do not form one
///   chain of the backup.
/// - `hrBadCheckpointSignature`: a checkpoint of other logs.
/// - `hrInvalidPath`: an unfinished file.
pub(crate) fn check(layout: &Layout, plan: &RestorePlan) -> Result<()> {
    let contents = layout.contents()?;
    if let Some(unfinished) = contents
        .others
        .iter()
        .find(|path| layout.is_unfinished(path))
    {
        return Err(Error::new(
            ResultCode::INVALID_PATH,
            format!(
                "{}: this is an unfinished file of a restore; restore again",
                unfinished.display()
            ),
        ));
    }
    for other in &contents.others {
        tracing::warn!(
            file = %other.display(),
            "the folder holds a file that is not part of the directory"
        );
    }
    let condition = check_database(layout, &contents, plan)?;
    check_logs(&condition.logs, plan)?;
    let missing = condition.missing();
    if !missing.is_empty() {
        return Err(Error::new(
            ResultCode::MISSING_RESTORE_LOG_FILES,
            format!(
                "{}: the logs of generation {} are missing, and the database needs them ({}); \
                 restore again",
                layout.log_folder.display(),
                in_words(&missing),
                condition.state()
            ),
        ));
    }
    check_checkpoint(&contents, &condition.logs)
}

/// Makes the restored files and their names durable.
///
/// # Errors
/// `hrDiskIO`.
pub(crate) fn make_durable(layout: &Layout) -> Result<()> {
    for file in &layout.contents()?.files {
        // Windows flushes only what is open for writing.
        let opened = File::options()
            .read(true)
            .write(cfg!(windows))
            .open(&file.path);
        opened
            .and_then(|file| file.sync_all())
            .map_err(|error| io_error(&file.path, &error))?;
    }
    for folder in layout.folders() {
        files::sync_folder(&folder).map_err(|error| io_error(&folder, &error))?;
    }
    Ok(())
}

fn check_database(layout: &Layout, contents: &Contents, plan: &RestorePlan) -> Result<Condition> {
    let path = layout.database();
    if !contents
        .files
        .iter()
        .any(|file| file.role == Role::Database)
    {
        return Err(Error::new(
            ResultCode::DATABASE_NOT_FOUND,
            format!("{}: the database was not restored", path.display()),
        ));
    }
    let logs = LogSet::in_folder(&layout.log_folder, &layout.log_base_name)
        .map_err(|error| Error::new(ResultCode::DISK_IO, error.to_string()))?;
    let condition = read_condition(&path, logs)?;
    let size = std::fs::metadata(&path)
        .map_err(|error| io_error(&path, &error))?
        .len();
    let page_size = condition.header.page_size().bytes() as u64;
    if !size.is_multiple_of(page_size) {
        return Err(Error::new(
            ResultCode::DATABASE_CORRUPTED,
            format!(
                "{}: {size} bytes are no whole number of pages of {page_size} bytes: the file was \
                 cut short; restore again",
                path.display()
            ),
        ));
    }
    let signature = condition.header.database_signature;
    if signature.as_bytes() != plan.token.signature {
        return Err(Error::new(
            ResultCode::BAD_DB_SIGNATURE,
            format!(
                "{}: this is not the database of the announced backup (its signature is \
                 {signature}); restore again",
                path.display()
            ),
        ));
    }
    Ok(condition)
}

/// Judges the directory on disk.
///
/// # Errors
/// `hrDatabaseNotFound`, `hrDatabaseCorrupted`, `hrDiskIO`.
pub(crate) fn read_condition(database: &Path, logs: LogSet) -> Result<Condition> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(
            ResultCode::DATABASE_NOT_FOUND,
            format!(
                "{}: there is no database; check the folder and the database's file name, or host \
                 the folder in restore mode and restore a snapshot",
                database.display()
            ),
        ),
        _ => io_error(database, &error),
    };
    let mut file = platform::file::open_without_waiting(database).map_err(failed)?;
    let mut start = Vec::new();
    (&mut file)
        .take(DatabaseHeaders::START as u64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    let last = |length: usize| {
        let mut last = Vec::new();
        let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.seek(SeekFrom::Start(size.saturating_sub(length as u64)))
            .map_err(failed)?;
        (&mut file)
            .take(length as u64)
            .read_to_end(&mut last)
            .map_err(failed)?;
        Ok(last)
    };
    Condition::judge(database, &start, last, logs)
}

fn check_logs(logs: &LogSet, plan: &RestorePlan) -> Result<()> {
    if let Some(unusable) = logs.unusable.first() {
        return Err(Error::new(
            ResultCode::LOG_FILE_CORRUPT,
            format!("{unusable}; restore again"),
        ));
    }
    let generations = plan.generations;
    for log in &logs.logs {
        if !(generations.low..=generations.high).contains(&log.generation()) {
            return Err(Error::new(
                INVALID_LOG_SEQUENCE,
                format!(
                    "{}: generation {:#x} is none of the announced backup's ({generations}): a log \
                     from before the restore was left there; delete it and complete again",
                    log.path.display(),
                    log.generation()
                ),
            ));
        }
    }
    for (before, after) in logs.logs.iter().zip(logs.logs.iter().skip(1)) {
        check_neighbours(before, after)?;
    }
    Ok(())
}

/// Checks that neighbouring logs are of one sequence and of different generations, and that the
/// later one holds the creation time of the earlier one.
fn check_neighbours(before: &LogFile, after: &LogFile) -> Result<()> {
    let (first, second) = (before.path.display(), after.path.display());
    if before.header.log_signature != after.header.log_signature {
        return Err(Error::new(
            ResultCode::BAD_LOG_SIGNATURE,
            format!(
                "{second}: the log belongs to another sequence ({}) than {first} ({}); restore \
                 again into empty folders",
                after.header.log_signature, before.header.log_signature
            ),
        ));
    }
    if before.generation() == after.generation() {
        return Err(Error::new(
            INVALID_LOG_SEQUENCE,
            format!(
                "{first} and {second} hold the same generation; restore again into empty folders"
            ),
        ));
    }
    let adjacent = before.generation().checked_add(1) == Some(after.generation());
    if adjacent && after.header.previous_created != before.header.created {
        return Err(Error::new(
            INVALID_LOG_SEQUENCE,
            format!(
                "{second}: the log follows one that was created {}, but {first} was created {}; \
                 restore again into empty folders",
                after.header.previous_created, before.header.created
            ),
        ));
    }
    Ok(())
}

/// Refuses a checkpoint of other logs: recovery would start at the wrong position. An unreadable
/// one does no harm: the engine then starts at the first log.
fn check_checkpoint(contents: &Contents, logs: &LogSet) -> Result<()> {
    let Some(file) = contents
        .files
        .iter()
        .find(|file| file.role == Role::Checkpoint)
    else {
        return Ok(());
    };
    let checkpoint = match Checkpoint::read(&file.path) {
        Ok(checkpoint) => checkpoint,
        Err(damage) => {
            tracing::warn!(
                %damage,
                "the restored checkpoint cannot be read; recovery starts without it"
            );
            return Ok(());
        }
    };
    match logs.logs.first() {
        Some(log) if log.header.log_signature != checkpoint.log_signature => Err(Error::new(
            ResultCode::from_engine_error(-532),
            format!(
                "{}: the checkpoint belongs to another sequence of logs ({}) than {} ({}); delete \
                 it and complete again",
                file.path.display(),
                checkpoint.log_signature,
                log.path.display(),
                log.header.log_signature
            ),
        )),
        _ => Ok(()),
    }
}
