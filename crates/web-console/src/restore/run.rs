//! A plan, carried out as a work, with a journal.

use std::sync::Arc;

use axum::extract::{Extension, Form, State};
use axum::response::Response;
use backup::Report;
use backup::watched::Watched;
use backup::words::{count, short_id};
use object_restore::{Journal, Means, Outcome, journal, words};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::journals;
use super::prepare::{Prepared, Task, with_plan};
use crate::basket::Basket;
use crate::console::Console;
use crate::guard::Visitor;
use crate::problem::Problem;
use crate::work::{Teller, Work};
use crate::work_page::begun;

/// The answer to the question whether the plan shall be carried out.
#[derive(Deserialize)]
pub struct Confirmed {
    /// The name of the server, typed.
    pub name: String,
    /// The plan that was shown.
    plan: String,
    #[serde(default)]
    new_password: String,
}

impl Confirmed {
    /// Takes the new password out of the form: nothing else keeps it.
    pub fn new_password(&mut self) -> Zeroizing<String> {
        Zeroizing::new(std::mem::take(&mut self.new_password))
    }
}

/// Carries out the plan that was shown.
///
/// # Errors
/// If the name was not typed, the basket is empty, or another work goes on.
pub async fn run(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Form(mut form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let new_password = form.new_password();
    let basket = visitor.session.basket().clone();
    let origin = (basket.source.clone())
        .ok_or_else(|| Problem::wrong("nothing was written: the basket is empty"))?;
    let server = basket.options.server.clone();
    if form.name != server || server.is_empty() {
        return Err(Problem::wrong(format!(
            "nothing was written: {server} was to be typed"
        )));
    }
    let title = format!(
        "restore of {} of snapshot {} into {server}",
        count(basket.objects.len(), "object"),
        short_id(&origin.id)
    );
    let what = format!(
        "{} {} into {server}: {}",
        origin.repository,
        origin.id,
        names(&basket)
    );
    let shared = Arc::clone(&console);
    let session = Arc::clone(&visitor.session);
    let told = what.clone();
    let work = (console.works).begin(title, &visitor.session.user, move |work| {
        let task = Task::of(&basket).map_err(|problem| problem.text);
        let done = task.and_then(|task| {
            carried_out(&shared, work, &task, &form, &new_password, |prepared| {
                let (name, path) = journals::new(&shared.state)?;
                let request = prepared.pair.request.clone();
                let (source, target) = (task.snapshot.clone(), prepared.server.to_owned());
                let begin = journal::begin(source, target, request);
                let journal = Journal::begin(&path, begin).map_err(Problem::failed)?;
                Ok((name, journal))
            })
        });
        if done.is_ok() {
            let mut own = session.basket();
            if own.source == basket.source && own.objects == basket.objects {
                own.empty();
            }
        }
        shared.audit.ended(&session.user, "restore", &told, &done);
        done
    })?;
    Ok(begun(&work, what))
}

/// The objects by their GUIDs; names may be long.
fn names(basket: &Basket) -> String {
    let guids = basket.objects.iter().map(|item| item.guid.to_string());
    guids.collect::<Vec<_>>().join(" ")
}

/// Carries out a task; `journal` gives the journal and its name.
pub fn carried_out(
    console: &Console,
    work: &Arc<Work>,
    task: &Task<'_>,
    form: &Confirmed,
    new_password: &Zeroizing<String>,
    journal: impl FnOnce(&Prepared<'_>) -> Result<(String, Journal), Problem>,
) -> Result<String, String> {
    let report = Teller(Arc::clone(work));
    report.note("the plan is made once more");
    let done = with_plan(console, task, &report, |prepared| {
        check(&prepared, task, &form.plan, new_password)?;
        let secrets = prepared.secrets()?;
        let (name, mut journal) = journal(&prepared)?;
        work.lead_to(
            journals::address(&name),
            "The journal, and how to take it back".into(),
        );
        let means = Means {
            secrets: &secrets,
            new_password: prepared.sets_password().then_some(new_password),
            watch: &Watched::new(&report),
        };
        let ended = object_restore::run(prepared.pair, &prepared.planned, &mut journal, &means);
        ended.map_err(|error| {
            Problem::failed(format!(
                "{error}; what was written is in the journal: go on, or take it back"
            ))
        })
    });
    match done {
        Ok(ended) => outcome(&ended, &report),
        Err(problem) => Err(problem.text),
    }
}

/// Only what was shown is carried out.
fn check(
    prepared: &Prepared<'_>,
    task: &Task<'_>,
    shown: &str,
    new_password: &Zeroizing<String>,
) -> Result<(), Problem> {
    if prepared.digest() != shown {
        return Err(Problem::busy(
            "nothing was written: the directory has changed since the plan was shown, and the plan \
             is another one; look at it again",
        ));
    }
    if let Some(obstacle) = prepared.plan.obstacles.first() {
        return Err(Problem::busy(format!(
            "nothing was written, because something is in the way: {}: {}",
            obstacle.dn, obstacle.reason
        )));
    }
    if prepared.plan.is_empty() && !task.is_rest() {
        return Err(Problem::busy(
            "nothing to bring back: all is as in the backup",
        ));
    }
    if prepared.sets_password() && new_password.is_empty() {
        return Err(Problem::wrong(
            "nothing was written: the new password is empty",
        ));
    }
    Ok(())
}

fn outcome(ended: &Outcome, report: &Teller) -> Result<String, String> {
    for (what, list) in [
        ("the server refused", &ended.refused),
        ("differs from the backup", &ended.differing),
    ] {
        for left in list {
            report.note(&format!("{what}: {}", words::left_in_words(left)));
        }
    }
    let writes = count(ended.writes, "write");
    match ended.is_complete() {
        true => Ok(format!(
            "{writes}; all that was planned is as in the backup"
        )),
        false => Err(format!(
            "{writes}; not all is as in the backup: {} refused, {} differ; the restore can be taken \
             back",
            ended.refused.len(),
            ended.differing.len()
        )),
    }
}
