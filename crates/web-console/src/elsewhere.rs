//! Jobs that other programs run, such as a timer: their live progress.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::response::Response;
use jobs::progress::{Going, going};
use maud::{Markup, html};

use crate::console::Console;
use crate::guard::Visitor;
use crate::live::{self, Follower, Gone, section};
use crate::problem::Problem;
use crate::text::{Shown, in_address};
use crate::work_page::title_of_job;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// The jobs among these that another program runs now.
pub fn running<'j>(console: &Console, jobs: impl Iterator<Item = &'j str>) -> Vec<(String, Going)> {
    let works = console.works.all();
    let own: BTreeSet<&str> = (works.iter().filter(|work| work.is_running()))
        .map(|work| work.title.as_str())
        .collect();
    let jobs: BTreeSet<&str> = jobs.collect();
    let others = jobs
        .into_iter()
        .filter(|job| !own.contains(title_of_job(job).as_str()));
    others
        .filter_map(|job| Some((job.to_owned(), going(&console.state, job)?)))
        .collect()
}

/// The live progress of such a job.
pub fn followed(job: &str, going: &Going) -> Markup {
    let events = format!("/jobs/{}/events", in_address(job));
    section(
        &title_of_job(job),
        &events,
        html! { p { (Shown(&title_of_job(job))) " goes on since " (going.began) ", begun by another program." } },
    )
}

/// The progress of a job, whichever program runs it, as server-sent events.
///
/// # Errors
/// If there is none.
pub async fn events(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
) -> Result<Response, Problem> {
    (console.configuration()?.job(&job)).map_err(|error| Problem::not_found(error.to_string()))?;
    let shared = Arc::clone(&console);
    Ok(live::events(console, visitor, move |follower| {
        tell(shared, job, follower)
    }))
}

async fn tell(console: Arc<Console>, job: String, follower: Follower) -> Result<(), Gone> {
    let mut told = 0_usize;
    loop {
        let name = job.clone();
        let now = console
            .read(move |console| Ok(going(&console.state, &name)))
            .await;
        let Ok(Some(now)) = now else {
            // What it came to is in its record.
            console.seen.forget();
            return follower.end().await;
        };
        for line in now.lines.iter().skip(told.saturating_sub(now.earlier)) {
            follower.line(line).await?;
        }
        told = now.earlier.saturating_add(now.lines.len());
        follower.progress(now.done, now.total).await?;
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => (),
            () = follower.gone() => return Err(Gone),
        }
    }
}
