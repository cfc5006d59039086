//! What became of one object, from snapshot to snapshot.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use backup::list::Listed;
use backup::words::{count, short_id};
use comparison::{Found, ObjectChange, Options, compare};
use maud::{Markup, html};
use objects::{Guid, Wanted};
use serde::Deserialize;

use super::{address, find, head, key, own_name};
use crate::compare::detail::shown;
use crate::console::Console;
use crate::directories::Directory;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Shown;

/// The snapshots on a page. Each may have to be copied first.
const PAGE: usize = 10;

/// How many of the newest snapshots are passed over.
#[derive(Deserialize)]
pub struct From {
    #[serde(default)]
    from: usize,
}

/// The object in one snapshot.
struct Moment {
    listed: Listed,
    /// Why the snapshot cannot be read.
    problem: Option<String>,
    /// Its name there.
    dn: Option<String>,
    is_first: bool,
    change: Option<ObjectChange>,
}

/// The page.
///
/// # Errors
/// If there is no such object in this snapshot, or the repository cannot be read.
pub async fn history(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id, object)): Path<(String, String, String)>,
    Query(query): Query<From>,
) -> Result<Response, Problem> {
    let what = format!("{repository} {id} history of {object}");
    let content = console
        .read(move |console| {
            let directory = console.directory(&repository, &id)?;
            content(console, &directory, &object, query.from)
        })
        .await?;
    let response = page(&visitor, "/snapshots", "History", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(
    console: &Console,
    directory: &Directory,
    object: &str,
    from: usize,
) -> Result<Markup, Problem> {
    if directory.is_running() {
        return Err(Problem::wrong(
            "snapshots have a history: look into one of them",
        ));
    }
    let entry = find(&**directory, object, &Wanted::names())?;
    let guid = entry.guid.ok_or_else(|| {
        Problem::wrong("the object has no objectGUID, by which it could be found again")
    })?;
    let shelf = console
        .library
        .shelf(&console.configuration()?, &directory.repository)?;
    let list = shelf.list()?;
    let own: Vec<&Listed> = (list.iter())
        .filter(|listed| listed.server == directory.server && listed.unusable.is_none())
        .collect();
    let end = own.len().saturating_sub(from);
    let begin = end.saturating_sub(PAGE);
    // The one before the first shown tells what changed in it.
    let looked_at = own.get(begin.saturating_sub(1)..end).unwrap_or_default();
    let mut moments = moments(console, &directory.repository, looked_at, guid)?;
    if begin > 0 {
        moments.remove(0);
    }
    moments.reverse();
    let here = address(&directory.repository, &directory.id);
    let place = format!("{here}/object/{}/history", key(&entry));
    Ok(html! {
        (head(directory, ""))
        section.panel aria-label="History" {
            h2 { "History of " (Shown(&own_name(&entry.dn))) }
            p { a href=(format!("{here}?object={}", key(&entry))) { "Back to its attributes" } }
            p.note { (count(own.len(), "snapshot")) " of " (Shown(&directory.server)) ", the newest first" }
            ol.history { @for moment in &moments { li { (one(&directory.repository, moment, guid)) } } }
            @if from > 0 || begin > 0 {
                nav.pager aria-label="Pages" {
                    @if from > 0 {
                        a rel="prev" href=(format!("{place}?from={}", from.saturating_sub(PAGE))) { "Newer" }
                    }
                    @if begin > 0 {
                        a rel="next" href=(format!("{place}?from={}", from + PAGE)) { "Older" }
                    }
                }
            }
        }
    })
}

/// The object in these snapshots, each compared with the one before.
fn moments(
    console: &Console,
    repository: &str,
    list: &[&Listed],
    guid: Guid,
) -> Result<Vec<Moment>, Problem> {
    let options = Options {
        deleted: true,
        ..Options::default()
    };
    let mut before: Option<(Arc<Directory>, Option<Found>)> = None;
    let mut moments = Vec::new();
    for listed in list {
        let opened = console
            .directory(repository, &listed.snapshot)
            .and_then(|directory| {
                let found = Found::of(&**directory, guid).map_err(Problem::failed)?;
                Ok((directory, found))
            });
        let mut moment = Moment {
            listed: (*listed).clone(),
            problem: None,
            dn: None,
            is_first: before.is_none(),
            change: None,
        };
        match opened {
            Err(problem) => moment.problem = Some(problem.text),
            Ok((directory, found)) => {
                moment.dn = found.as_ref().map(|found| found.entry.dn.to_string());
                if let Some((former, former_found)) = &before {
                    moment.change = compare(
                        former_found
                            .as_ref()
                            .map(|found| found.seen(former.schema())),
                        found.as_ref().map(|found| found.seen(directory.schema())),
                        &options,
                    );
                }
                before = Some((directory, found));
            }
        }
        moments.push(moment);
    }
    Ok(moments)
}

fn one(repository: &str, moment: &Moment, guid: Guid) -> Markup {
    let listed = &moment.listed;
    let place = format!("{}?object={guid}", address(repository, &listed.snapshot));
    html! {
        h3 {
            @match &moment.dn {
                Some(_) => a href=(place) { (listed.time) },
                None => (listed.time),
            }
            " " code { (short_id(&listed.snapshot)) }
        }
        @match (&moment.problem, &moment.change, &moment.dn) {
            (Some(reason), _, _) => p.problem { "It cannot be read: " (Shown(reason)) },
            (_, Some(change), _) => (shown(change)),
            (_, None, None) => p { "no such object" },
            (_, None, Some(dn)) if moment.is_first => p { "first snapshot: " (Shown(dn)) },
            (_, None, Some(_)) => p { "no change" },
        }
    }
}
