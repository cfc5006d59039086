//! A restore that was cut off goes on: the plan of its rest, and the rest.

use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::response::{IntoResponse, Response};
use backup::words::short_id;
use object_restore::Journal;

use super::journals::{self, Read};
use super::plan::{self, Seen};
use super::prepare::Task;
use super::run::{Confirmed, carried_out};
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::work_page::begun;

/// Makes the plan of what is left to do, and shows it.
///
/// # Errors
/// If there is no such journal, it has ended, or a directory cannot be read.
pub async fn make(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let action = format!("{}/resume", journals::address(&name));
    let what = format!("rest of journal {name}");
    let seen = console
        .read(move |console| {
            let journal = unfinished(console, &name)?;
            let server = journal.server(console).map_or("", |(name, _)| name);
            Seen::of(console, &Task::rest(console, &journal.records, server)?)
        })
        .await?;
    let content = plan::content(&visitor, &seen, &action);
    let response = page(&visitor, "/restore", "Plan", content);
    Ok((Extension(Done(what)), response).into_response())
}

/// Carries out the plan that was shown, with the same journal.
///
/// # Errors
/// If there is no such journal, it has ended, its server's name was not typed, or another work goes
/// on.
pub async fn resume(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(mut form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let new_password = form.new_password();
    let journal = console
        .read(move |console| unfinished(console, &name))
        .await?;
    let (server, _) = journal.confirmed(&console, &form.name)?;
    let title = format!(
        "rest of the restore of snapshot {} into {server}",
        short_id(&journal.records.begin.source)
    );
    let what = format!("journal {} into {server}", journal.name);
    let (shared, told, server) = (Arc::clone(&console), what.clone(), server.to_owned());
    let user = visitor.session.user.clone();
    let work = (console.works).begin(title, &visitor.session.user, move |work| {
        // Another work may have gone on with it since.
        let done = unfinished(&shared, &journal.name).and_then(|journal| {
            let task = Task::rest(&shared, &journal.records, &server)?;
            let done = carried_out(&shared, work, &task, &form, &new_password, |_| {
                let opened = Journal::resume(&journal.path, &journal.records);
                Ok((journal.name.clone(), opened.map_err(Problem::failed)?))
            });
            Ok(done)
        });
        let done = done.unwrap_or_else(|problem| Err(problem.text));
        shared.audit.ended(&user, "resume", &told, &done);
        done
    })?;
    Ok(begun(&work, what))
}

/// A journal of a restore that can go on.
fn unfinished(console: &Console, name: &str) -> Result<Read, Problem> {
    let journal = journals::read(console, name)?;
    match journal.is_unfinished() {
        true => Ok(journal),
        false => Err(Problem::busy(
            "this restore came to its end, or was taken back: nothing of it is left to do",
        )),
    }
}
