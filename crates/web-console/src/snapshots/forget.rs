//! The removal of a snapshot: first what would happen, then, with its name typed, the removal.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Form, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use backup::forget::{ForgetReport, ForgetRequest, Forgotten, forget};
use backup::words::{count, short_id};
use backup::{Silent, lock};
use maud::{Markup, html};
use serde::Deserialize;

use super::address;
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Shown;

/// How long a removal waits for the lock of another program.
const PATIENCE: Duration = Duration::from_secs(10);

/// The form that confirms the removal.
#[derive(Deserialize)]
pub struct Confirmed {
    name: String,
}

/// What the removal would do.
///
/// # Errors
/// If there is no such snapshot. A protected one is shown as such.
pub async fn preview(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (name, wanted) = (repository.clone(), id.clone());
    let planned = console
        .read(move |console| {
            let shelf = console.library.shelf(&console.configuration()?, &name)?;
            shelf.listed(&wanted)?;
            Ok(remove(console, &name, &wanted, true).map_err(|problem| problem.text))
        })
        .await?;
    let title = format!("Forget snapshot {}", short_id(&id));
    let content = content(&visitor, &repository, &id, &planned);
    Ok(page(&visitor, "/snapshots", &title, content))
}

fn content(
    visitor: &Visitor,
    repository: &str,
    id: &str,
    planned: &Result<ForgetReport, String>,
) -> Markup {
    let here = address(repository, id);
    html! {
        h1 { "Forget snapshot " (short_id(id)) }
        @match planned {
            Err(reason) => p.problem role="alert" { (Shown(reason)) },
            Ok(planned) => {
                p {
                    (count(planned.removed, "snapshot")) " would be removed, " (planned.kept)
                    " kept. Their content stays in the repository until it is pruned."
                }
                ul {
                    @for fate in planned.snapshots.iter().filter(|fate| !fate.keep) {
                        li {
                            code { (short_id(&fate.snapshot)) } " of " (Shown(&fate.server)) ", "
                            (fate.time)
                        }
                    }
                }
                @if visitor.may_operate() {
                    form.row method="post" action=(format!("{here}/forget")) {
                        input type="hidden" name="csrf" value=(visitor.session.csrf);
                        label {
                            "Type " (short_id(id)) " to confirm"
                            input name="name" required autocomplete="off"
                                pattern=(short_id(id));
                        }
                        button.danger { "Forget" }
                    }
                }
            }
        }
        p { a href=(here) { "Back to the snapshot" } }
    }
}

/// Removes the snapshot.
///
/// # Errors
/// If its name was not typed, it is protected, or the repository is in use.
pub async fn confirmed(
    State(console): State<Arc<Console>>,
    Extension(_): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
    Form(form): Form<Confirmed>,
) -> Result<Response, Problem> {
    if form.name != short_id(&id) {
        return Err(Problem::wrong(format!(
            "nothing was removed: {} was to be typed",
            short_id(&id)
        )));
    }
    let what = format!("{repository} {id}");
    console
        .read(move |console| remove(console, &repository, &id, false))
        .await?;
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, "/snapshots")]).into_response();
    response.extensions_mut().insert(Done(what));
    Ok(response)
}

fn remove(
    console: &Console,
    repository: &str,
    id: &str,
    dry_run: bool,
) -> Result<ForgetReport, Problem> {
    let shelf = console
        .library
        .shelf(&console.configuration()?, repository)?;
    let lock = lock::to_remove(&shelf.repository, PATIENCE, dry_run).map_err(Problem::failed)?;
    let request = ForgetRequest {
        what: Forgotten::Snapshots(vec![id.to_owned()]),
        even_the_last: false,
        dry_run,
        prune: false,
    };
    let done =
        forget(&shelf.repository, &lock, &request, &Silent).map_err(|error| match error {
            backup::Error::Protected(_) => Problem::refused(error.to_string()),
            error => Problem::failed(error),
        })?;
    if !dry_run {
        shelf.changed();
        console.seen.forget();
    }
    Ok(done)
}
