//! `dsbackup recover`: replays the transaction logs into a database that was not shut down.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use backup::leftover::Leftover;
use backup::view::DiskImage;
use backup::{Report as _, of_recovery};
use ese::header::{DatabaseHeaders, FileKind, Signature};
use ese::log_set::LogSet;
use ese::recovery::{Error, Options, recover};
use serde::Serialize;
use store::FolderLock;
use store::restore_marker::RestoreMarker;

use crate::cli::RecoverOptions;
use crate::database;
use crate::failure::{Failure, Outcome, Result};
use crate::interrupt;
use crate::report::{Report, bytes};

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    database: String,
    was_clean: bool,
    completed_earlier: bool,
    first_generation: Option<u32>,
    last_generation: Option<u32>,
    records: u64,
    redone: u64,
    already_present: u64,
    undone: u64,
    rolled_back_transactions: u64,
    log_bytes: u64,
    pages_written: u64,
    /// Pages with a single flipped bit that was flipped back; the first hundred.
    corrected_pages: Vec<u32>,
    /// Flipped bits of logs that were flipped back for the replay; the first hundred.
    corrected_log_bits: Vec<String>,
    /// Where the logs and the checkpoint are now, if they were in the engine's way.
    logs_set_aside: Option<String>,
    /// The other database for whose recovery they stayed.
    logs_kept_for: Option<String>,
    /// Generations with committed changes that were left out, as `--allow-loss` or `--until` asked.
    lost: Vec<String>,
    seconds: f64,
}

/// Recovers the database of a folder.
///
/// # Errors
/// When the result would not be clean: then the database is as it was.
pub fn run(options: &RecoverOptions, report: Report) -> Result<Outcome> {
    let named = &options.directory;
    let is_chosen = (options.database.as_ref()).is_some_and(|name| named.join(name).exists());
    if !is_chosen && database::may_be_image(named) {
        let inside = options.image.in_image.as_deref();
        if let Some(image) = DiskImage::open(named, inside, &report)? {
            return of_image(options, &image, report);
        }
    }
    let place = Place::of(options)?;
    let folder = &place.folder;
    let logs = options.logs.as_deref().unwrap_or(folder);
    // In place nobody else may use the folders; a copy only reads them.
    let _lock = match &options.to {
        None => {
            let lock =
                FolderLock::acquire(&[folder.as_path(), logs]).map_err(Failure::at("recover"))?;
            Some(lock)
        }
        Some(output) => {
            platform::private::make_folders(output)
                .map_err(Failure::io("create the folder", output))?;
            Some(FolderLock::acquire(&[output]).map_err(Failure::at("--to"))?)
        }
    };
    RestoreMarker::refuse(folder).map_err(Failure::at("recover"))?;

    let leftover = match &options.to {
        Some(output) => {
            interrupt::watch()?;
            Some(Leftover::content(output)?)
        }
        // In place it may be interrupted anywhere and run again.
        None => None,
    };
    let mut engine = engine_options(options, &place, logs, report).archive_logs(true);
    if let Some(output) = &options.to {
        engine = engine.into_folder(output);
    }
    let summary = recover(engine).map_err(|error| explain(error, options))?;
    if let Some(leftover) = leftover {
        leftover.finished();
    }
    tell(summary, report)
}

/// The folder for the logs of an image, in that of `--to`.
const LOGS_OF_IMAGE: &str = "logs-of-image";

/// Recovers the database in an image of a disk: it is copied into the folder of `--to`, its logs into
/// a folder beside it, which is removed.
fn of_image(options: &RecoverOptions, image: &DiskImage, report: Report) -> Result<Outcome> {
    let named = options.directory.display();
    let Some(output) = &options.to else {
        return Err(Failure::Usage(format!(
            "{named}: this is an image of a disk, which is only read: say where the recovered \
             database goes (--to DIR)"
        )));
    };
    if options.logs.is_some() || options.database.is_some() {
        return Err(Failure::Usage(format!(
            "{named}: of an image of a disk the path of the database is named with --in-image; its \
             logs are those that the registry names, or those beside it"
        )));
    }
    platform::private::make_folders(output).map_err(Failure::io("create the folder", output))?;
    let _lock = FolderLock::acquire(&[output]).map_err(Failure::at("--to"))?;
    let database = output.join(image.database());
    let logs = output.join(LOGS_OF_IMAGE);
    for path in [&database, &logs] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::refused(format!(
                "{}: there is such a file already; name an empty folder",
                path.display()
            )));
        }
    }
    interrupt::watch()?;
    let leftover = Leftover::content(output)?;
    std::fs::create_dir(&logs).map_err(Failure::io("create the folder", &logs))?;
    let place = Place {
        folder: output.clone(),
        database: Some(image.database().to_owned()),
    };
    let summary = image
        .copy_into(output, &logs, &report)
        .and_then(|()| image.recover(engine_options(options, &place, &logs, report)));
    std::fs::remove_dir_all(&logs).map_err(Failure::io("remove", &logs))?;
    if summary.is_err() && database.symlink_metadata().is_ok() {
        // It is not clean, and holds secrets.
        std::fs::remove_file(&database).map_err(Failure::io("remove", &database))?;
    }
    let summary = summary?;
    leftover.finished();
    tell(summary, report)
}

/// Tells the result of a recovery.
fn tell(summary: ese::recovery::Summary, report: Report) -> Result<Outcome> {
    let generations = summary.generations.as_ref();
    let result = Summary {
        database: summary.database.display().to_string(),
        was_clean: summary.was_clean,
        completed_earlier: summary.completed_earlier,
        first_generation: generations.map(|range| *range.start()),
        last_generation: generations.map(|range| *range.end()),
        records: summary.counts.records,
        redone: summary.counts.redone,
        already_present: summary.counts.present,
        undone: summary.counts.undone,
        rolled_back_transactions: summary.counts.rolled_back,
        log_bytes: summary.log_bytes,
        pages_written: summary.pages_written,
        corrected_pages: summary.corrected_pages,
        corrected_log_bits: (summary.corrected_log_bits.iter())
            .map(ToString::to_string)
            .collect(),
        logs_set_aside: summary
            .logs_archived
            .map(|folder| folder.display().to_string()),
        logs_kept_for: summary.logs_kept_for.map(|file| file.display().to_string()),
        lost: summary.lost.iter().map(in_words).collect(),
        seconds: summary.elapsed.as_secs_f64(),
    };
    for page in &result.corrected_pages {
        report.warn(format!(
            "page {page} had a flipped bit, which was corrected; look after the disk"
        ));
    }
    for bit in &result.corrected_log_bits {
        report.warn(format!(
            "{bit} of the log had a flipped bit, which was corrected for the replay; look after \
             the disk"
        ));
    }
    for lost in &result.lost {
        report.warn(format!(
            "the changes of generation {lost} are lost, as you asked"
        ));
    }
    report.result(&result, || words(&result))?;
    Ok(Outcome::Done)
}

/// Where the database is.
struct Place {
    folder: PathBuf,
    /// Its file name, where the command line tells it.
    database: Option<String>,
}

impl Place {
    /// The folder that was named, or that of the database that was named in its stead.
    fn of(options: &RecoverOptions) -> Result<Self> {
        let named = &options.directory;
        let metadata = std::fs::metadata(named).map_err(Failure::io("recover", named))?;
        if metadata.is_dir() {
            let database = options.database.clone();
            if let Some(name) = &database
                && named.join(name).exists()
            {
                database::check_kind(&named.join(name))?;
            }
            return Ok(Self {
                folder: named.clone(),
                database,
            });
        }
        database::check_kind(named)?;
        let name = named.file_name().and_then(|name| name.to_str());
        match (&options.database, name) {
            (None, Some(name)) => Ok(Self {
                folder: match named.parent() {
                    Some(folder) if folder != Path::new("") => folder.to_path_buf(),
                    _ => PathBuf::from("."),
                },
                database: Some(name.to_owned()),
            }),
            _ => Err(Failure::NotFound(format!(
                "{}: name the folder that holds the database; --database then chooses among \
                 several",
                named.display()
            ))),
        }
    }
}

/// The failure to show for an error of the recovery: what lies in the folder may say more than the
/// error does.
fn explain(error: Error, options: &RecoverOptions) -> Failure {
    if let Error::Read(ese::Error::Damaged {
        file, structure, ..
    }) = &error
        && structure == "database header"
        && matches!(FileKind::of_file(file), Ok(FileKind::Unknown))
    {
        return Failure::no_engine_file(file);
    }
    let (database, folder) = match &error {
        Error::MissingRequiredLogs {
            database, folder, ..
        }
        | Error::MissingCommittedLogs {
            database, folder, ..
        } => (database, folder),
        _ => return error.into(),
    };
    let Ok(headers) = DatabaseHeaders::read(database) else {
        return error.into();
    };
    let sequence = &headers.header.log_signature;
    let Ok(set) = LogSet::in_folder(folder, &options.base_name) else {
        return error.into();
    };
    if let Error::MissingRequiredLogs { required, .. } = &error
        && options.allow_loss
        && set.of_sequence(sequence).next().is_none()
    {
        return Failure::Missing(format!(
            "{}: no log of this database is in {}{}. --allow-loss does without the last logs, but \
             the file holds changes that only generations {} complete. Name the folder that has \
             them (--logs DIR, and --base-name where they are not called {}...), restore a backup, \
             or read the file as it lies there: dsbackup dump, tables and verify-db do; the \
             database was not changed",
            database.display(),
            folder.display(),
            foreign(&set, sequence),
            in_words(required),
            options.base_name
        ));
    }
    match foreign(&set, sequence) {
        none if none.is_empty() => error.into(),
        foreign => Failure::Missing(format!("{error}; the database was not changed{foreign}")),
    }
}

/// `; edb.log (generation 0x18) there belongs to another sequence of logs (...), not to the
/// database's (...)`
fn foreign(set: &LogSet, sequence: &Signature) -> String {
    let logs: Vec<_> = set.foreign(sequence).collect();
    let Some(last) = logs.last() else {
        return String::new();
    };
    const SHOWN: usize = 5;
    let mut names: Vec<String> = (logs.iter().take(SHOWN))
        .map(|log| {
            let name = log.path.file_name().unwrap_or_default();
            format!(
                "{} (generation {:#x})",
                name.to_string_lossy(),
                log.generation()
            )
        })
        .collect();
    if logs.len() > SHOWN {
        names.push(format!("{} more", logs.len() - SHOWN));
    }
    format!(
        "; {} there belong{} to another sequence of logs ({}), not to the database's ({sequence})",
        names.join(", "),
        if logs.len() == 1 { "s" } else { "" },
        last.header.log_signature
    )
}

fn engine_options(options: &RecoverOptions, place: &Place, logs: &Path, report: Report) -> Options {
    let bar = report.begin(0);
    bar.item("preparing the recovery");
    let mut engine = Options::new(&place.folder)
        .logs_in(logs)
        .log_base_name(&options.base_name)
        .until(options.until.unwrap_or_default())
        .allow_loss(options.allow_loss)
        .progress(of_recovery(bar));
    if let Some(name) = &place.database {
        engine = engine.database(name);
    }
    engine
}

fn words(result: &Summary) -> String {
    let logs = match (&result.logs_set_aside, &result.logs_kept_for) {
        (Some(folder), _) => format!(
            ". The logs and the checkpoint that it no longer needs, and over which the directory \
             service would not start, are in {folder}; it begins new ones"
        ),
        (None, Some(other)) => format!(
            ". The logs stay, since {other} still needs them; recover it too before the directory \
             service starts"
        ),
        (None, None) => String::new(),
    };
    if result.was_clean && result.completed_earlier {
        let database = &result.database;
        return format!(
            "{database}: clean. A recovery that was interrupted has been completed{logs}"
        );
    }
    if result.was_clean {
        return format!("{}: clean, nothing to recover{logs}", result.database);
    }
    let generations = match (result.first_generation, result.last_generation) {
        (Some(first), Some(last)) => in_words(&(first..=last)),
        _ => "none".into(),
    };
    let mut text = format!(
        "{}: clean. Generations {generations} ({} of log) replayed in {:.1} s: {} records, {} \
         changes made again, {} were there already, {} of {} uncommitted transactions taken back",
        result.database,
        bytes(result.log_bytes),
        result.seconds,
        result.records,
        result.redone,
        result.already_present,
        result.undone,
        result.rolled_back_transactions
    );
    if result.completed_earlier {
        text += "; an earlier recovery that was interrupted has been completed";
    }
    text + &logs
}

fn in_words(range: &RangeInclusive<u32>) -> String {
    contract::Generations {
        low: *range.start(),
        high: *range.end(),
    }
    .to_string()
}
