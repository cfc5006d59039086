//! The overview: what needs attention first, then each server.

mod card;
mod sparkline;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::response::Response;
use jobs::status::{JobStatus, Problem as Finding, State as Condition};
use maud::{Markup, html};
use serde::Deserialize;

use self::card::card;
use crate::console::Console;
use crate::elsewhere;
use crate::guard::Visitor;
use crate::page::page;
use crate::problem::Problem;
use crate::seen::Seen;
use crate::snapshots;
use crate::text::{Shown, in_address};
use crate::work::Work;
use crate::work_page::followed;

/// How old the shown state may be.
const AGE: Duration = Duration::from_secs(60);

/// How old it may be where a new one is asked for: each reads all repositories.
const LEAST_AGE: Duration = Duration::from_secs(3);

/// Whether the state is determined again.
#[derive(Deserialize)]
pub struct Fresh {
    fresh: Option<String>,
}

/// The overview.
///
/// # Errors
/// If the configuration cannot be used.
pub async fn overview(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Query(fresh): Query<Fresh>,
) -> Result<Response, Problem> {
    let age = match fresh.fresh {
        Some(_) => LEAST_AGE,
        None => AGE,
    };
    let (seen, elsewhere) = console
        .read(move |console| {
            let seen = (console.seen).get(age, || {
                Seen::look(&console.configuration()?, &console.state)
            })?;
            let jobs = seen.status.jobs.iter().map(|job| job.job.as_str());
            let elsewhere = elsewhere::running(console, jobs);
            Ok((seen, elsewhere))
        })
        .await?;
    let running = console.works.all();
    let running: Vec<&Work> = (running.iter().map(|work| &**work))
        .filter(|work| work.is_running())
        .collect();
    let live = html! {
        @for work in running {
            (followed(work, html! {
                p {
                    a href=(work.address()) { (Shown(&work.title)) }
                    " goes on, by " (Shown(&work.user)) "."
                }
            }))
        }
        @for (job, going) in &elsewhere { (elsewhere::followed(job, going)) }
    };
    let content = content(&visitor, &seen, &live);
    Ok(page(&visitor, "/", "Overview", content))
}

fn content(visitor: &Visitor, seen: &Seen, live: &Markup) -> Markup {
    let jobs = &seen.status.jobs;
    let mut servers: BTreeMap<String, Vec<&JobStatus>> = BTreeMap::new();
    for job in jobs {
        let name = job
            .server
            .clone()
            .unwrap_or_else(|| format!("job {}", job.job));
        servers.entry(name).or_default().push(job);
    }
    html! {
        div.title {
            h1 { "Overview" }
            p.note {
                "As of " (moment(seen.status.time)) ". "
                a href="/?fresh=1" { "Look again" }
            }
        }
        (live)
        (attention(visitor, jobs))
        @if jobs.is_empty() {
            p { "The configuration has no jobs: " code { "dsbackup setup" } " makes the first one." }
        }
        div.cards {
            @for (server, jobs) in &servers {
                (card(visitor, server, jobs, &seen.runs))
            }
        }
    }
}

/// What needs attention, the worst first.
fn attention(visitor: &Visitor, jobs: &[JobStatus]) -> Markup {
    let findings = jobs
        .iter()
        .flat_map(|job| job.problems.iter().map(move |finding| (job, finding)));
    let mut findings: Vec<(&JobStatus, &Finding)> = findings.collect();
    findings.sort_by_key(|(_, finding)| Reverse(finding.state.severity()));
    html! {
        section.attention aria-label="What needs attention" {
            @if findings.is_empty() && !jobs.is_empty() {
                p.good { "Everything is as promised." }
            }
            @if !findings.is_empty() {
                h2 { "What needs attention" }
                ul {
                    @for (job, finding) in &findings {
                        li.(class_of(finding.state)) {
                            (badge(finding.state)) " "
                            @if let Some(server) = &job.server { b { (Shown(server)) } ", " }
                            (Shown(&job.job)) " into " (Shown(&job.repository)) ": "
                            (Shown(&finding.text)) ". "
                            (advice(visitor, job, finding.state))
                        }
                    }
                }
            }
        }
    }
}

/// The next step: in words, or as a button.
fn advice(visitor: &Visitor, job: &JobStatus, state: Condition) -> Markup {
    let unproven = job.newest.as_ref().filter(|_| job.proven.is_none());
    html! {
        @if !job.reachable {
            "See that the repository can be reached from this computer, then "
            a href="/?fresh=1" { "look again" } "."
        } @else if let (Some(newest), Condition::Warning) = (unproven, state) {
            a href=(snapshots::address(&job.repository, &newest.snapshot)) {
                "Look at the newest snapshot, and drill it"
            } "."
        } @else {
            (run_button(visitor, &job.job))
        }
    }
}

/// Starts a job, for those who may.
fn run_button(visitor: &Visitor, job: &str) -> Markup {
    html! {
        @if visitor.may_operate() {
            form.inline method="post" action=(format!("/jobs/{}/run", in_address(job))) {
                input type="hidden" name="csrf" value=(visitor.session.csrf);
                button { "Run " (Shown(job)) " now" }
            }
        }
    }
}

/// A state as a word and a colour.
pub fn badge(state: Condition) -> Markup {
    let word = match state {
        Condition::Ok => "ok",
        Condition::Warning => "warning",
        Condition::Critical => "critical",
        Condition::Unknown => "unknown",
    };
    html! { span.badge.(word) { (word) } }
}

fn class_of(state: Condition) -> &'static str {
    match state {
        Condition::Ok => "is-ok",
        Condition::Warning | Condition::Unknown => "is-warning",
        Condition::Critical => "is-critical",
    }
}

fn moment(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| "?".into(), |time| time.to_string())
}
