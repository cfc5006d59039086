//! A server: its last backup, its proof, its age, its size.

use std::collections::BTreeMap;

use backup::words::{bytes, count, short_id};
use jobs::record::Run;
use jobs::span::age;
use jobs::status::{JobStatus, SnapshotStatus, State};
use maud::{Markup, html};

use super::sparkline::sparkline;
use super::{badge, run_button};
use crate::guard::Visitor;
use crate::snapshots::address;
use crate::text::Shown;

/// The card of a server, with a part for each job and repository.
pub fn card(
    visitor: &Visitor,
    server: &str,
    jobs: &[&JobStatus],
    runs: &BTreeMap<(String, String), Vec<Run>>,
) -> Markup {
    let worst = jobs
        .iter()
        .map(|job| job.state)
        .fold(State::Ok, State::worse);
    html! {
        article.card aria-label=(server) {
            h2 { (Shown(server)) " " (badge(worst)) }
            @for job in jobs {
                section {
                    h3 { (Shown(&job.job)) " into " (Shown(&job.repository)) }
                    @let key = (job.job.clone(), job.repository.clone());
                    (facts(job))
                    @if let Some(newest) = &job.newest { (lifetime(newest)) }
                    @if let Some(runs) = runs.get(&key) { (sparkline(runs)) }
                    (run_button(visitor, &job.job))
                }
            }
        }
    }
}

fn facts(job: &JobStatus) -> Markup {
    html! {
        dl {
            dt { "Last backup" }
            dd {
                @match &job.newest {
                    Some(newest) => {
                        (ago(newest)) ", snapshot " (link(job, newest))
                        @if let Some(size) = newest.bytes { ", " (bytes(size)) }
                    }
                    None => "none",
                }
            }
            dt { "Proven" }
            dd {
                @match &job.proven {
                    Some(proven) if is_newest(job, proven) => "yes, this one",
                    Some(proven) => {
                        "the snapshot of " (ago(proven)) ", " (link(job, proven))
                    }
                    None => "no snapshot yet",
                }
            }
            dt { "Snapshots" }
            dd { (job.snapshots) }
            @if let Some(objects) = job.objects {
                dt { "Objects" }
                dd {
                    (objects.objects) ", " (objects.deleted_objects) " deleted"
                    @if let Some(change) = &job.change {
                        " (since the backup before: " (signed(change.objects)) " and "
                        (signed(change.deleted_objects)) " deleted)"
                    }
                }
                @if let Some(classes) = objects.classes {
                    dt { "Accounts" }
                    dd {
                        (classes.users) " users, " (classes.groups) " groups, "
                        (classes.computers) " computers"
                        @if job.accounts.is_none()
                            && let Some(change) = job.change.as_ref().and_then(|change| change.classes) {
                            " (since the backup before: " (signed(change.users)) ", "
                            (signed(change.groups)) ", " (signed(change.computers)) ")"
                        }
                    }
                }
            }
            @if let Some(accounts) = &job.accounts {
                dt { "Came and went" }
                dd {
                    @for (class, changed) in accounts.changes.classes() {
                        (class) " +" (changed.added) " -" (changed.deleted) ", "
                    }
                    "since the backup before"
                }
            }
            @if let Some(ship) = &job.ship {
                dt { "Logs" }
                dd { (age(ship.lag_seconds)) " behind, " (count(ship.waiting, "log")) " waiting" }
            }
            @if let (Some(run), Some(result)) = (&job.last_run, job.last_result) {
                dt { "Last run" }
                dd {
                    (result.word()) ", " (run.time) ", " (format!("{:.0} s", run.seconds))
                }
            }
        }
    }
}

fn link(job: &JobStatus, snapshot: &SnapshotStatus) -> Markup {
    html! {
        a href=(address(&job.repository, &snapshot.snapshot)) { (short_id(&snapshot.snapshot)) }
    }
}

fn is_newest(job: &JobStatus, proven: &SnapshotStatus) -> bool {
    let newest = job.newest.as_ref();
    newest.is_some_and(|newest| newest.snapshot == proven.snapshot)
}

/// The age as a part of the time in which the snapshot may be restored.
fn lifetime(newest: &SnapshotStatus) -> Markup {
    let Some(expires) = newest.expires else {
        return html! {};
    };
    let whole = u64::try_from(expires.saturating_sub(newest.timestamp)).unwrap_or(0);
    let days = |seconds: u64| seconds / 86_400;
    html! {
        div.bar {
            meter aria-label="Age of the last backup against the tombstone lifetime"
                min="0" max=(whole) low=(whole / 2) high=(whole / 10 * 9) optimum="0"
                value=(newest.age_seconds.min(whole)) {}
            span {
                (days(newest.age_seconds)) " of " (days(whole))
                " days of the tombstone lifetime"
            }
        }
    }
}

fn ago(snapshot: &SnapshotStatus) -> Markup {
    html! {
        time datetime=(snapshot.time) title=(snapshot.time) {
            (age(snapshot.age_seconds)) " ago"
        }
    }
}

fn signed(number: i64) -> String {
    format!("{number:+}")
}
