//! Works: their list, one with its live progress, and the start of a job.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use jobs::record::RunResult;
use maud::{Markup, html};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::session::Session;
use crate::text::Shown;
use crate::work::{Teller, Work};

/// The time between two events at least.
const PAUSE: Duration = Duration::from_millis(200);

/// The time between two looks whether a login's time is over.
const LOOK: Duration = Duration::from_secs(5);

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
    // The lines so far come with the events.
    let events = (state.result.is_none()).then(|| format!("/work/{id}/events"));
    let content = html! {
        h1 { (Shown(&work.title)) }
        p { (outcome(&work)) }
        @if let Some((address, title)) = &state.next {
            p { a href=(address) { (title) } }
        }
        p.note { "Began " (work.began) ", by " (Shown(&work.user)) "." }
        section.panel aria-label="Progress" data-events=[events.as_deref()] {
            @if events.is_some() {
                progress aria-label="Bytes done" max="1" hidden {}
                noscript { p { a href=(format!("/work/{id}")) { "Look again" } } }
            }
            ol.lines data-lines tabindex="0" aria-label="Steps" {
                @if events.is_none() {
                    @for line in &state.lines { li { (Shown(line)) } }
                }
            }
        }
    };
    Ok(page(&visitor, "/work", &work.title, content))
}

fn find(console: &Console, id: &str) -> Result<Arc<Work>, Problem> {
    let work = console.works.find(id);
    work.ok_or_else(|| Problem::not_found("there is no such work, or it is forgotten"))
}

/// The progress of a work, as server-sent events: `line` for each line, `progress` with the bytes
/// done and in total, `end`.
///
/// # Errors
/// If there is none.
pub async fn events(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let work = find(&console, &id)?;
    let (send, receive) = mpsc::channel::<Result<Event, Infallible>>(16);
    tokio::spawn(async move {
        // Ends when the browser goes away, the work ends, or the login does.
        tokio::select! {
            _ = tell(&work, &send) => (),
            () = logged_out(&console, &visitor.session) => (),
        }
    });
    let events = Sse::new(ReceiverStream::new(receive));
    Ok(events.keep_alive(KeepAlive::default()).into_response())
}

/// Returns when a login has ended, or its time is over.
async fn logged_out(console: &Console, session: &Session) {
    while console.sessions.is_open(session, Instant::now()) {
        tokio::select! {
            () = session.over() => return,
            () = tokio::time::sleep(LOOK) => (),
        }
    }
}

/// A browser that goes away.
struct Gone;

async fn tell(work: &Work, send: &mpsc::Sender<Result<Event, Infallible>>) -> Result<(), Gone> {
    let mut changes = work.changes();
    let mut told = 0;
    let event = async |kind: &str, data: String| {
        // Line breaks would be fields of their own.
        let data = data.replace(['\r', '\n'], " ");
        let event = Event::default().event(kind).data(data);
        send.send(Ok(event)).await.map_err(|_| Gone)
    };
    loop {
        changes.mark_unchanged();
        let state = work.state();
        for line in &state.lines[told..] {
            event("line", line.clone()).await?;
        }
        told = state.lines.len();
        if state.total > 0 {
            event("progress", format!("{} {}", state.done, state.total)).await?;
        }
        if state.result.is_some() {
            // Browsers drop an event without data.
            return event("end", "ended".into()).await;
        }
        tokio::select! {
            changed = changes.changed() => changed.map_err(|_| Gone)?,
            () = send.closed() => return Err(Gone),
        }
        tokio::time::sleep(PAUSE).await;
    }
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
    let title = format!("job {job}");
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
