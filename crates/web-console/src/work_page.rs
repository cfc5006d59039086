//! Works: their list, one with its live progress, and the start of a job.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use jobs::record::RunResult;
use maud::{Markup, html};

use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::live::{self, Follower, Gone, section};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Shown;
use crate::work::{Teller, Work};

/// The time between two events at least.
const PAUSE: Duration = Duration::from_millis(200);

/// The list of works.
pub async fn works(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
) -> Response {
    let works = console.works.all();
    let content = html! {
        h1 { "Work" }
        @if works.is_empty() {
            p { "Nothing was started since the console began." }
        } @else {
            div.scroll tabindex="0" {
                table {
                    thead { tr { th { "Began" } th { "What" } th { "By" } th { "Result" } } }
                    tbody {
                        @for work in &works {
                            tr {
                                td { (work.began) }
                                td { a href=(work.address()) { (Shown(&work.title)) } }
                                td { (Shown(&work.user)) }
                                td { (outcome(work)) }
                            }
                        }
                    }
                }
            }
        }
    };
    page(&visitor, "/work", "Work", content)
}

fn outcome(work: &Work) -> Markup {
    html! {
        @match work.state().result {
            None => span.badge.unknown { "goes on" },
            Some(Ok(text)) => { span.badge.ok { "done" } " " (Shown(&text)) },
            Some(Err(text)) => { span.badge.critical { "failed" } " " (Shown(&text)) },
        }
    }
}

/// One work. While it goes on, the page follows it.
///
/// # Errors
/// If there is none.
pub async fn work(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let work = find(&console, &id)?;
    let state = work.state();
    let content = html! {
        h1 { (Shown(&work.title)) }
        p { (outcome(&work)) }
        @if let Some((address, title)) = &state.next {
            p { a href=(address) { (title) } }
        }
        p.note { "Began " (work.began) ", by " (Shown(&work.user)) "." }
        @if state.result.is_none() {
            (followed(&work, html! {}))
        } @else {
            section.panel aria-label="Progress" {
                ol.lines tabindex="0" aria-label="Steps" {
                    @for line in &state.lines { li { (Shown(line)) } }
                }
            }
        }
    };
    Ok(page(&visitor, "/work", &work.title, content))
}

/// The live progress of a work that goes on, under `title`. Its lines come with the events.
pub fn followed(work: &Work, title: Markup) -> Markup {
    section(&work.title, &format!("{}/events", work.address()), title)
}

fn find(console: &Console, id: &str) -> Result<Arc<Work>, Problem> {
    let work = console.works.find(id);
    work.ok_or_else(|| Problem::not_found("there is no such work, or it is forgotten"))
}

/// The progress of a work, as server-sent events.
///
/// # Errors
/// If there is none.
pub async fn events(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let work = find(&console, &id)?;
    Ok(live::events(console, visitor, move |follower| {
        tell(work, follower)
    }))
}

async fn tell(work: Arc<Work>, follower: Follower) -> Result<(), Gone> {
    let mut changes = work.changes();
    let mut told = 0;
    loop {
        changes.mark_unchanged();
        let state = work.state();
        for line in &state.lines[told..] {
            follower.line(line).await?;
        }
        told = state.lines.len();
        follower.progress(state.done, state.total).await?;
        if state.result.is_some() {
            return follower.end().await;
        }
        tokio::select! {
            changed = changes.changed() => changed.map_err(|_| Gone)?,
            () = follower.gone() => return Err(Gone),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The title of the work that runs a job.
pub fn title_of_job(job: &str) -> String {
    format!("job {job}")
}

/// Runs a job of the configuration.
///
/// # Errors
/// If there is none, or another work goes on.
pub async fn run_now(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
) -> Result<Response, Problem> {
    let configuration = console.configuration()?;
    configuration
        .job(&job)
        .map_err(|error| Problem::not_found(error.to_string()))?;
    let (shared, name) = (Arc::clone(&console), job.clone());
    let title = title_of_job(&job);
    let work = console
        .works
        .begin(title, &visitor.session.user, move |work| {
            let report = Teller(Arc::clone(work));
            let done = jobs::run::run(&configuration, &name, &shared.state, &report);
            shared.seen.forget();
            let done = done.map_err(|error| error.to_string())?;
            match done.result {
                RunResult::Success => Ok("all was done".into()),
                RunResult::Warning => Ok("the backup was made, but is not proven".into()),
                RunResult::Failure => Err("a step failed, or damage was found: see above".into()),
            }
        })?;
    Ok(begun(&work, job))
}

/// The answer to an action that began a work: it leads there. `what` is for the audit log.
pub fn begun(work: &Work, what: String) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, work.address())]).into_response();
    response.extensions_mut().insert(Done(what));
    response
}
