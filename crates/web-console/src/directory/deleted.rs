//! The objects that are deleted and not yet removed.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use objects::{Entry, Value, Wanted};
use serde::Deserialize;

use super::{address, head, key, kind, link, open, own_name};
use crate::choosing::{self, Choosing};
use crate::console::Console;
use crate::directories::Directory;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Brief;

/// The objects on a page.
const PAGE: usize = 100;

/// How many are passed over.
#[derive(Deserialize)]
pub struct From {
    #[serde(default)]
    from: usize,
}

/// The list.
///
/// # Errors
/// If there is no such directory, or it is damaged.
pub async fn deleted(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
    Query(query): Query<From>,
) -> Result<Response, Problem> {
    let what = format!("{repository} {id} deleted objects");
    let who = visitor.clone();
    let content = console
        .read(move |console| {
            let directory = open(console, &repository, &id)?;
            content(&who, &directory, query.from)
        })
        .await?;
    let response = page(&visitor, "/snapshots", "Deleted objects", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(visitor: &Visitor, directory: &Directory, from: usize) -> Result<Markup, Problem> {
    let wanted = Wanted {
        deleted: true,
        ..Wanted::only(["objectClass", "lastKnownParent", "whenChanged"])
    };
    let mut shown: Vec<Entry> = Vec::new();
    let (mut passed, mut has_more) = (0, false);
    for entry in directory.with_deleted(&wanted).map_err(Problem::failed)? {
        let entry = entry.map_err(Problem::failed)?;
        if !entry.state.is_deleted() {
            continue;
        }
        if passed < from {
            passed += 1;
        } else if shown.len() < PAGE {
            shown.push(entry);
        } else {
            has_more = true;
            break;
        }
    }
    let here = address(&directory.repository, &directory.id);
    let next = |from: usize| format!("{here}/deleted?from={from}");
    let choosing = Choosing::deleted(visitor, directory);
    let table = html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr { (choosing::heading(choosing)) th { "Name" } th { "Class" } th { "Was in" } th { "Changed" } }
                }
                tbody {
                    @for entry in &shown {
                        tr {
                            (choosing::tick(choosing, entry.guid.map(|guid| guid.to_string()).as_deref(), &name_before(&entry.dn)))
                            td {
                                a href=(format!("{here}?object={}", key(entry))) {
                                    (Brief(&name_before(&entry.dn)))
                                }
                            }
                            td { (kind(entry)) }
                            td {
                                @if let Some(parent) = entry.last_known_parent() {
                                    (link(&here, parent))
                                }
                            }
                            td {
                                @if let Some(Value::Time(time)) = entry.value("whenChanged") {
                                    (time)
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(html! {
        (head(directory, ""))
        section.panel aria-label="Deleted objects" {
            h2 { "Deleted objects" }
            @if shown.is_empty() { p { "There are none" @if from > 0 { " from here on" } "." } }
            @else {
                p.note { "What is ticked comes from the last snapshot in which it lives." }
                (choosing::form(choosing, &table))
            }
            @if from > 0 || has_more {
                nav.pager aria-label="Pages" {
                    @if from > 0 { a rel="prev" href=(next(from.saturating_sub(PAGE))) { "Before" } }
                    @if has_more { a rel="next" href=(next(from + PAGE)) { "Next" } }
                }
            }
        }
    })
}

/// The name without the mark of deleted objects.
fn name_before(dn: &str) -> String {
    let name = own_name(dn);
    let end = name.find(objects::dn::DELETED_MARK).unwrap_or(name.len());
    name[..end].to_owned()
}
