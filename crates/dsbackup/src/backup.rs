//! `dsbackup backup`: the nine steps of the walk-through, into a repository.

use std::time::Instant;

use backup::backup::{BackupReport, BackupRequest};
use serde::Serialize;

use crate::cli::BackupOptions;
use crate::failure::{Outcome, Result};
use crate::report::{Report, bytes, count, short_id};
use crate::{lock, source};

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    done: BackupReport,
    seconds: f64,
}

/// Backs up the directory of a service.
///
/// # Errors
/// When any step fails: then there is no snapshot, unless the message says so.
pub fn run(options: &BackupOptions, report: Report) -> Result<Outcome> {
    let begin = Instant::now();
    let repository = crate::open_repository(&options.repository)?;
    let lock = lock::shared(&repository, options.retry)?;
    let hosting = source::of_backup(options, report)?;
    let request = BackupRequest {
        allow_corrupt: options.allow_corrupt,
        logs_only: options.logs_only,
        keep_logs: options.keep_logs,
        trust_store: options.trust_store,
        tags: options.tags.clone(),
        directory: hosting.directory().map(Into::into),
    };
    let mut done = backup::backup::backup(&repository, &lock, hosting.server(), &request, &report)?;
    if done.kept_for_durability {
        done.kept_because += "; --trust-store truncates all the same";
    }
    let seconds = begin.elapsed().as_secs_f64();
    let summary = Summary { done, seconds };
    let written = report.result(&summary, || summary.in_words());
    let done = &summary.done;
    if done.damaged {
        done.damage.iter().for_each(|line| report.warn(line));
        report.warn("the snapshot is marked as damaged");
    }
    written?;
    Ok(match done.damaged {
        true => Outcome::DamageFound,
        false => Outcome::Done,
    })
}

impl Summary {
    fn in_words(&self) -> String {
        let done = &self.done;
        format!(
            "snapshot {} of {}: {}, {}; {} new, {} stored, {:.1} s{}",
            short_id(&done.snapshot),
            done.server,
            count(done.files, "file"),
            bytes(done.bytes),
            bytes(done.new_bytes),
            bytes(done.stored_bytes),
            self.seconds,
            match done.not_durable {
                None => String::new(),
                Some(why) => format!("; not known to be durable: {why}"),
            }
        )
    }
}
