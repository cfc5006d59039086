//! Removal of snapshots that a policy does not keep, or that are named.

use std::collections::BTreeSet;

use repository::{Lock, Repository};
use serde::Serialize;

use crate::choice::{self, Decision, Reason, Subject, Wish};
use crate::error::{Error, Result};
use crate::prune::{PruneReport, prune};
use crate::report::Report;
use crate::retention::Policy;
use crate::survey::Survey;
use crate::{PROGRAM, time};

/// What is removed.
#[derive(Debug, Clone)]
pub enum Forgotten {
    /// What the policy does not keep, of these servers; of all if none is named.
    Policy(Policy, Vec<String>),
    /// These snapshots, by their ids or the beginnings of these.
    Snapshots(Vec<String>),
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ForgetRequest {
    /// What is removed.
    pub what: Forgotten,
    /// With named snapshots: even a protected one.
    pub even_the_last: bool,
    /// Remove nothing.
    pub dry_run: bool,
    /// Prune afterwards.
    pub prune: bool,
}

/// What was removed, or would be.
#[derive(Debug, Serialize)]
pub struct ForgetReport {
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// The readable snapshots, oldest first.
    pub snapshots: Vec<Fate>,
    /// The number of snapshots that were removed.
    pub removed: usize,
    /// The number of snapshots that stay.
    pub kept: usize,
    /// What the prune did, if one was asked for.
    pub prune: Option<PruneReport>,
}

/// What becomes of a snapshot.
#[derive(Debug, Serialize)]
pub struct Fate {
    /// Its whole id.
    pub snapshot: String,
    /// Its time, RFC 3339, UTC.
    pub time: String,
    /// The server that it is of.
    pub server: String,
    /// Whether it stays.
    pub keep: bool,
    /// Why, in words.
    pub reasons: Vec<String>,
}

/// Removes snapshots. `lock` must be an exclusive one, unless nothing is removed.
///
/// # Errors
/// [`Error::UnknownServer`] for a server without snapshots, [`Error::Protected`] if a named
/// snapshot is protected; then nothing is removed. If the repository cannot be read or written.
pub fn forget(
    repository: &Repository,
    lock: &Lock,
    request: &ForgetRequest,
    report: &dyn Report,
) -> Result<ForgetReport> {
    let mut survey = Survey::of(repository)?;
    let subjects = survey.subjects(repository, report)?;
    let wish = match &request.what {
        Forgotten::Policy(policy, servers) => {
            survey.require_servers(servers)?;
            Wish::Policy(policy.clone(), servers.clone())
        }
        Forgotten::Snapshots(names) => {
            let whole = |name: &String| Ok(repository.snapshot_id(name)?);
            Wish::Ids(names.iter().map(whole).collect::<Result<_>>()?)
        }
    };
    let decisions = choice::decide(&subjects, &wish, request.even_the_last);
    let mut doomed: Vec<&str> = (subjects.iter().zip(&decisions))
        .filter(|(_, decision)| !decision.keep)
        .map(|(subject, _)| subject.id.as_str())
        .collect();
    if let Wish::Ids(ids) = &wish {
        refuse_protected(ids, &subjects, &decisions)?;
        // A file that is no readable snapshot is known by its id alone.
        let listed = |id: &&str| subjects.iter().any(|subject| subject.id == **id);
        let ids = ids.iter().map(String::as_str);
        doomed.extend(ids.filter(|id| !listed(id)));
    }
    let mut pruned = None;
    if !request.dry_run {
        lock.check()?;
        repository.forget(&doomed)?;
        survey
            .snapshots
            .retain(|snapshot| !doomed.contains(&snapshot.id.as_str()));
        if repository.unreadable().is_empty() {
            survey.verdicts.retain(&survey.snapshots);
        }
        survey.verdicts.store(repository, lock, PROGRAM)?;
        if request.prune {
            pruned = Some(prune(repository, lock, false, report)?);
        }
    }
    let still_there = match request.dry_run {
        true => doomed.len(),
        false => 0,
    };
    Ok(ForgetReport {
        dry_run: request.dry_run,
        removed: doomed.len(),
        kept: survey.snapshots.len() - still_there,
        snapshots: subjects.iter().zip(&decisions).map(fate).collect(),
        prune: pruned,
    })
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
    match protected.is_empty() {
        true => Ok(()),
        false => Err(Error::Protected(protected.join(", "))),
    }
}

fn in_a_list<'a>(reasons: impl Iterator<Item = &'a Reason>) -> String {
    let reasons: Vec<String> = reasons.map(ToString::to_string).collect();
    reasons.join(", ")
}

fn fate((subject, decision): (&Subject, &Decision)) -> Fate {
    Fate {
        snapshot: subject.id.clone(),
        time: time::from_system(subject.time.into()),
        server: subject.server.clone(),
        keep: decision.keep,
        reasons: decision.reasons.iter().map(ToString::to_string).collect(),
    }
}
