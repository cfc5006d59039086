//! The status in the text format of Prometheus, for the textfile collector of its node exporter.

use std::fmt::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::record;
use crate::status::{JobStatus, Status};

/// A metric of a job into a repository.
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
    value: fn(&JobStatus) -> Option<f64>,
}

/// The time of the file itself.
pub const WRITTEN: &str = "dsbackup_status_timestamp_seconds";

/// The metrics of each job and repository. Times are seconds since 1970.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "dsbackup_state",
        help: "State as of `dsbackup status`: 0 ok, 1 warning, 2 critical, 3 unknown.",
        value: |job| Some(f64::from(job.state as u8)),
    },
    Metric {
        name: "dsbackup_repository_up",
        help: "Whether the repository could be read.",
        value: |job| Some(truth(job.reachable)),
    },
    Metric {
        name: "dsbackup_max_age_seconds",
        help: "The promised highest age of the newest snapshot.",
        value: |job| Some(job.max_age_seconds as f64),
    },
    Metric {
        name: "dsbackup_snapshots",
        help: "Snapshots of the server.",
        value: |job| job.reachable.then_some(job.snapshots as f64),
    },
    Metric {
        name: "dsbackup_newest_snapshot_timestamp_seconds",
        help: "Time of the newest snapshot without damage.",
        value: |job| job.newest.as_ref().map(|newest| newest.timestamp as f64),
    },
    Metric {
        name: "dsbackup_newest_snapshot_expires_timestamp_seconds",
        help: "End of the time in which it may be restored (tombstone lifetime).",
        value: |job| job.newest.as_ref()?.expires.map(|expires| expires as f64),
    },
    Metric {
        name: "dsbackup_newest_snapshot_bytes",
        help: "Bytes of its files.",
        value: |job| job.newest.as_ref()?.bytes.map(|bytes| bytes as f64),
    },
    Metric {
        name: "dsbackup_newest_proven_snapshot_timestamp_seconds",
        help: "Time of the newest snapshot that a drill proved.",
        value: |job| job.proven.as_ref().map(|proven| proven.timestamp as f64),
    },
    Metric {
        name: "dsbackup_last_run_timestamp_seconds",
        help: "Begin of the last run.",
        value: |job| {
            let time = &job.last_run.as_ref()?.time;
            Some(time.parse::<jiff::Timestamp>().ok()?.as_second() as f64)
        },
    },
    Metric {
        name: "dsbackup_last_run_success",
        help: "Whether the last run did all of its steps, found no damage and proved what it drilled.",
        value: |job| job.last_run.as_ref().map(|run| truth(run.succeeded())),
    },
    Metric {
        name: "dsbackup_last_run_duration_seconds",
        help: "Duration of the last run.",
        value: |job| job.last_run.as_ref().map(|run| run.seconds),
    },
    Metric {
        name: "dsbackup_last_run_stored_bytes",
        help: "Bytes that the repository grew by in the last run.",
        value: |job| job.last_run.as_ref().map(|run| run.stored_bytes as f64),
    },
    Metric {
        name: "dsbackup_directory_objects",
        help: "Objects of the directory that are not deleted.",
        value: |job| job.objects.map(|counts| counts.objects as f64),
    },
    Metric {
        name: "dsbackup_directory_deleted_objects",
        help: "Objects of the directory that are deleted and not yet removed.",
        value: |job| job.objects.map(|counts| counts.deleted_objects as f64),
    },
    Metric {
        name: "dsbackup_directory_users",
        help: "Users, without computers.",
        value: |job| Some(job.objects?.classes?.users as f64),
    },
    Metric {
        name: "dsbackup_directory_groups",
        help: "Groups.",
        value: |job| Some(job.objects?.classes?.groups as f64),
    },
    Metric {
        name: "dsbackup_directory_computers",
        help: "Computers.",
        value: |job| Some(job.objects?.classes?.computers as f64),
    },
    Metric {
        name: "dsbackup_last_run_users_added",
        help: "Users that came between the last backup and the one before, where they were compared.",
        value: |job| Some(job.accounts.as_ref()?.changes.users.added as f64),
    },
    Metric {
        name: "dsbackup_last_run_users_deleted",
        help: "Users that were deleted between the last backup and the one before, where they were compared.",
        value: |job| Some(job.accounts.as_ref()?.changes.users.deleted as f64),
    },
    Metric {
        name: "dsbackup_last_run_groups_added",
        help: "Groups that came between the last backup and the one before, where they were compared.",
        value: |job| Some(job.accounts.as_ref()?.changes.groups.added as f64),
    },
    Metric {
        name: "dsbackup_last_run_groups_deleted",
        help: "Groups that were deleted between the last backup and the one before, where they were compared.",
        value: |job| Some(job.accounts.as_ref()?.changes.groups.deleted as f64),
    },
    Metric {
        name: "dsbackup_last_run_computers_added",
        help: "Computers that came between the last backup and the one before, where they were compared.",
        value: |job| Some(job.accounts.as_ref()?.changes.computers.added as f64),
    },
    Metric {
        name: "dsbackup_last_run_computers_deleted",
        help: "Computers that were deleted between the last backup and the one before, where they were compared.",
        value: |job| Some(job.accounts.as_ref()?.changes.computers.deleted as f64),
    },
    Metric {
        name: "dsbackup_ship_lag_seconds",
        help: "Seconds of which finished logs may not be stored, where logs are shipped.",
        value: |job| job.ship.as_ref().map(|ship| ship.lag_seconds as f64),
    },
    Metric {
        name: "dsbackup_ship_max_lag_seconds",
        help: "The promised highest lag.",
        value: |job| job.ship.as_ref().map(|ship| ship.max_lag_seconds as f64),
    },
    Metric {
        name: "dsbackup_ship_waiting_logs",
        help: "Finished logs that were not stored at the last look into their folder.",
        value: |job| job.ship.as_ref().map(|ship| ship.waiting as f64),
    },
    Metric {
        name: "dsbackup_ship_last_look_timestamp_seconds",
        help: "Time of that look.",
        value: |job| job.ship.as_ref().map(|ship| ship.looked as f64),
    },
];

fn truth(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

/// The status as text.
pub fn text(status: &Status) -> String {
    let mut text = String::new();
    for metric in METRICS {
        let lines: Vec<String> = (status.jobs.iter())
            .filter_map(|job| {
                Some(format!(
                    "{}{} {}\n",
                    metric.name,
                    labels(job),
                    (metric.value)(job)?
                ))
            })
            .collect();
        if !lines.is_empty() {
            header(&mut text, metric.name, metric.help);
            text.extend(lines);
        }
    }
    header(&mut text, WRITTEN, "When these values were determined.");
    let _ = writeln!(text, "{WRITTEN} {}", status.time);
    text
}

fn header(text: &mut String, name: &str, help: &str) {
    // Writing to a text does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn labels(job: &JobStatus) -> String {
    format!(
        "{{job_name=\"{}\",repository=\"{}\",server=\"{}\"}}",
        escaped(&job.job),
        escaped(&job.repository),
        escaped(job.server.as_deref().unwrap_or(""))
    )
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Replaces a file with the status, readable by all: it holds no secret.
///
/// # Errors
/// If it cannot be written; then the one before is still there.
pub fn write(status: &Status, path: &Path) -> Result<()> {
    record::replace(path, text(status).as_bytes(), 0o644)
        .map_err(Error::io("write the metrics", path))
}
