//! `dsbackup forget`: removes snapshots that a policy does not keep, or that are named.

use std::collections::BTreeSet;

use backup::choice::{self, Decision, Reason, Subject, Wish};
use backup::retention::Policy;
use backup::survey::Survey;
use backup::{PROGRAM, time};
use repository::Repository;
use serde::Serialize;

use crate::cli::{ForgetOptions, PolicyOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::lock;
use crate::prune::{self, Pruned};
use crate::report::{Report, count};

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    dry_run: bool,
    snapshots: Vec<Line>,
    removed: usize,
    kept: usize,
    prune: Option<Pruned>,
}

#[derive(Serialize)]
struct Line {
    snapshot: String,
    time: String,
    server: String,
    keep: bool,
    reasons: Vec<String>,
}

/// Removes snapshots.
///
/// # Errors
/// When a snapshot that was named is protected, or the repository cannot be read or written.
pub fn run(options: &ForgetOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let lock = lock::to_remove(&repository, options.retry, options.dry_run)?;
    let mut survey = Survey::of(&repository)?;
    let subjects = survey.subjects(&repository)?;
    for server in &options.servers {
        if !survey.holds_server(server) {
            let text = format!("the repository holds no snapshot of the server {server}");
            return Err(Failure::NotFound(text));
        }
    }
    let wish = match options.snapshots.is_empty() {
        true => Wish::Policy(policy(&options.policy), options.servers.clone()),
        false => Wish::Ids(ids(&repository, &options.snapshots)?),
    };
    let decisions = choice::decide(&subjects, &wish, options.even_the_last);
    if let Wish::Ids(ids) = &wish {
        refuse_protected(ids, &subjects, &decisions)?;
    }
    let mut doomed: Vec<&str> = (subjects.iter().zip(&decisions))
        .filter(|(_, decision)| !decision.keep)
        .map(|(subject, _)| subject.id.as_str())
        .collect();
    // A file that is no readable snapshot is named by its id alone.
    if let Wish::Ids(ids) = &wish {
        let listed = |id: &&str| subjects.iter().any(|subject| subject.id == **id);
        let ids = ids.iter().map(String::as_str);
        doomed.extend(ids.filter(|id| !listed(id)));
    }
    let mut pruned = None;
    if !options.dry_run {
        lock.check()?;
        repository.forget(&doomed)?;
        survey
            .snapshots
            .retain(|snapshot| !doomed.contains(&snapshot.id.as_str()));
        if repository.unreadable().is_empty() {
            survey.verdicts.retain(&survey.snapshots);
        }
        survey.verdicts.store(&repository, &lock, PROGRAM)?;
        if options.prune {
            pruned = Some(prune::prune(&repository, &lock, false, report)?);
        }
    }
    let summary = Summary {
        dry_run: options.dry_run,
        removed: doomed.len(),
        kept: survey.snapshots.len() - if options.dry_run { doomed.len() } else { 0 },
        snapshots: subjects.iter().zip(&decisions).map(line).collect(),
        prune: pruned,
    };
    report.result(&summary, || in_words(&summary))?;
    Ok(crate::outcome_of(&repository, summary.kept > 0, report))
}

fn policy(options: &PolicyOptions) -> Policy {
    Policy {
        last: options.keep_last,
        hourly: options.keep_hourly,
        daily: options.keep_daily,
        weekly: options.keep_weekly,
        monthly: options.keep_monthly,
        yearly: options.keep_yearly,
        within: options.keep_within,
        tags: (options.keep_tags.iter())
            .map(|list| list.split(',').map(str::to_owned).collect())
            .collect(),
    }
}

/// The whole ids behind what was named.
fn ids(repository: &Repository, named: &[String]) -> Result<BTreeSet<String>> {
    let whole = |name: &String| Ok(repository.snapshot_id(name)?);
    named.iter().map(whole).collect()
}

/// Nothing is removed if one of the named snapshots is protected.
fn refuse_protected(
    ids: &BTreeSet<String>,
    subjects: &[Subject],
    decisions: &[Decision],
) -> Result<()> {
    let protected: Vec<String> = (subjects.iter().zip(decisions))
        .filter(|(subject, decision)| decision.keep && ids.contains(&subject.id))
        .map(|(subject, decision)| {
            format!(
                "{} of {} ({})",
                &subject.id[..8],
                subject.server,
                in_a_list(decision.reasons.iter().filter(|reason| reason.protects()))
            )
        })
        .collect();
    if protected.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "nothing was removed: {}; to remove even that, add --even-the-last",
        protected.join(", ")
    )))
}

fn in_a_list<'a>(reasons: impl Iterator<Item = &'a Reason>) -> String {
    let reasons: Vec<String> = reasons.map(ToString::to_string).collect();
    reasons.join(", ")
}

fn line((subject, decision): (&Subject, &Decision)) -> Line {
    Line {
        snapshot: subject.id.clone(),
        time: time::from_system(subject.time.into()),
        server: subject.server.clone(),
        keep: decision.keep,
        reasons: decision.reasons.iter().map(ToString::to_string).collect(),
    }
}

fn in_words(summary: &Summary) -> String {
    let mut text = format!(
        "{:8}  {:20}  {:16}  {:6}  reasons",
        "snapshot", "time", "server", ""
    );
    for line in &summary.snapshots {
        text += &format!(
            "\n{:8}  {:20}  {:16}  {:6}  {}",
            &line.snapshot[..8],
            line.time,
            line.server,
            if line.keep { "keep" } else { "remove" },
            line.reasons.join(", ")
        );
    }
    let removed = count(summary.removed, "snapshot");
    text += &match summary.dry_run {
        true => format!("\n{removed} would be removed, {} kept", summary.kept),
        false => format!("\n{removed} removed, {} kept", summary.kept),
    };
    match &summary.prune {
        Some(pruned) => text += &format!("\n{}", pruned.in_words()),
        None if summary.removed > 0 && !summary.dry_run => {
            text += "\ntheir content stays until `dsbackup prune` removes it";
        }
        None => {}
    }
    text
}
