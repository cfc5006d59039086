//! A plan, carried out as a work, with a journal.

use std::sync::Arc;

use axum::extract::{Extension, Form, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use backup::Report;
use backup::watched::Watched;
use backup::words::{count, short_id};
use object_restore::{Journal, Means, Outcome, journal, words};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::journals;
use super::prepare::{Prepared, with_plan};
use crate::basket::Basket;
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::problem::Problem;
use crate::work::{Teller, Work};

/// The answer to the question whether the plan shall be carried out.
#[derive(Deserialize)]
pub struct Confirmed {
    /// The name of the server, typed.
    name: String,
    /// The plan that was shown.
    plan: String,
    #[serde(default)]
    new_password: String,
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
    let new_password = Zeroizing::new(std::mem::take(&mut form.new_password));
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
        let done = carried_out(&shared, work, &basket, &form.plan, &new_password);
        if done.is_ok() {
            let mut own = session.basket();
            if own.source == basket.source && own.objects == basket.objects {
                own.empty();
            }
        }
        shared.audit.ended(&session.user, "restore", &told, &done);
        done
    })?;
    let address = format!("/work/{}", work.id);
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response();
    response.extensions_mut().insert(Done(what));
    Ok(response)
}

/// The objects by their GUIDs; names may be long.
fn names(basket: &Basket) -> String {
    let guids = basket.objects.iter().map(|item| item.guid.to_string());
    guids.collect::<Vec<_>>().join(" ")
}

fn carried_out(
    console: &Console,
    work: &Arc<Work>,
    basket: &Basket,
    shown: &str,
    new_password: &Zeroizing<String>,
) -> Result<String, String> {
    let report = Teller(Arc::clone(work));
    report.note("the plan is made once more");
    let done = with_plan(console, basket, &report, |prepared| {
        check(&prepared, shown, new_password)?;
        let secrets = prepared.secrets()?;
        let (name, path) = journals::new(&console.state)?;
        let origin = basket.source.as_ref().map_or("", |source| &source.id);
        let request = prepared.pair.request.clone();
        let begin = journal::begin(origin.to_owned(), prepared.server.to_owned(), request);
        let mut journal = Journal::begin(&path, begin).map_err(Problem::failed)?;
        work.lead_to(
            format!("/restores/{name}"),
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
                "{error}; what was written is in the journal, and can be taken back"
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
    if prepared.plan.is_empty() {
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
