//! The page: the tree on the left, objects in the middle, attributes on the right.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use objects::{Entry, ObjectId, Scope, Source, Wanted};
use serde::Deserialize;

use super::object::panel;
use super::tree::tree;
use super::{address, find, head, key, kind, open, own_name};
use crate::choosing::{self, Choosing};
use crate::console::Console;
use crate::directories::Directory;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::{Brief, Shown, label};

/// The objects on a page.
const PAGE: usize = 100;

/// What is looked at.
#[derive(Default, Deserialize)]
pub struct Looked {
    /// The object whose children are listed.
    at: Option<String>,
    /// How many of them are passed over.
    #[serde(default)]
    from: usize,
    /// The object whose attributes are shown.
    object: Option<String>,
    /// Whether those of then (empty), of `now`, or the `difference`.
    #[serde(default)]
    view: String,
}

/// The page.
///
/// # Errors
/// If there is no such directory or object, or it is damaged.
pub async fn browse(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
    Query(looked): Query<Looked>,
) -> Result<Response, Problem> {
    let what = match &looked.object {
        Some(object) => format!("{repository} {id} object {object}"),
        None => format!("{repository} {id}"),
    };
    let who = visitor.clone();
    let content = console
        .read(move |console| {
            let directory = open(console, &repository, &id)?;
            content(console, &who, &directory, &looked)
        })
        .await?;
    let response = page(&visitor, "/snapshots", "Directory", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(
    console: &Console,
    visitor: &Visitor,
    directory: &Directory,
    looked: &Looked,
) -> Result<Markup, Problem> {
    let source: &dyn Source = &**directory;
    let here = address(&directory.repository, &directory.id);
    let object = match &looked.object {
        Some(object) => Some(find(source, object, &Wanted::everything())?),
        None => None,
    };
    let at = match (&looked.at, &object) {
        (Some(at), _) => Some(find(source, at, &Wanted::names())?),
        // An object is shown among its siblings.
        (None, Some(object)) => match object.parent {
            Some(parent) => (source.entry(parent, &Wanted::names())).map_err(Problem::failed)?,
            None => None,
        },
        (None, None) => None,
    };
    let choosing = Choosing::of(visitor, directory);
    let list = match &at {
        Some(at) => {
            // The first page comes without a look at all that follow.
            let children = match looked.from > 0 && !directory.is_running() {
                true => Some(directory.children(at.id)?),
                false => None,
            };
            let children = children.as_ref().map(|children| children.as_slice());
            list(source, &here, at, looked, children, choosing)?
        }
        None => html! { p.note { "Choose a container in the tree." } },
    };
    let shown = match &object {
        Some(object) => panel(console, directory, object, &looked.view, choosing)?,
        None => html! { p.note { "Choose an object." } },
    };
    Ok(html! {
        (head(directory, ""))
        div.directory {
            nav.panel.tree aria-label="Tree" { (tree(source, &here, at.as_ref())?) }
            section.panel #list aria-label="Objects" { (list) }
            section.panel #object aria-label="Object" { (shown) }
        }
    })
}

/// What the list shows of an object.
fn wanted() -> Wanted {
    Wanted::only(["objectClass", "description"])
}

/// A page of children, and whether there are more, where all of them are known.
fn known(
    source: &dyn Source,
    children: &[ObjectId],
    from: usize,
) -> Result<(Vec<Entry>, bool), Problem> {
    let wanted = wanted();
    let mut shown = Vec::new();
    for id in children.iter().skip(from).take(PAGE) {
        shown.extend(source.entry(*id, &wanted).map_err(Problem::failed)?);
    }
    Ok((shown, children.len() > from.saturating_add(PAGE)))
}

/// The same, where they are not.
fn read(source: &dyn Source, at: &Entry, from: usize) -> Result<(Vec<Entry>, bool), Problem> {
    let wanted = wanted();
    let children = source
        .scan(at.id, Scope::Children, &wanted)
        .map_err(Problem::failed)?;
    let mut shown = Vec::new();
    let visible =
        children.filter(|child| !child.as_ref().is_ok_and(|child| child.state.is_deleted()));
    for child in visible.skip(from) {
        if shown.len() == PAGE {
            return Ok((shown, true));
        }
        shown.push(child.map_err(Problem::failed)?);
    }
    Ok((shown, false))
}

pub(super) fn list(
    source: &dyn Source,
    here: &str,
    at: &Entry,
    looked: &Looked,
    children: Option<&[ObjectId]>,
    choosing: Option<Choosing<'_>>,
) -> Result<Markup, Problem> {
    let (shown, has_more) = match children {
        Some(children) => known(source, children, looked.from)?,
        None => read(source, at, looked.from)?,
    };
    let place = format!("{here}?at={}", key(at));
    let with = |from: usize| format!("{place}&from={from}");
    let table = html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr { (choosing::heading(choosing)) th { "Name" } th { "Class" } th { "Description" } }
                }
                tbody {
                    @for child in &shown {
                        @let address = format!("{}&object={}", with(looked.from), key(child));
                        @let name = own_name(&child.dn);
                        tr {
                            (choosing::tick(choosing, child.guid.map(|guid| guid.to_string()).as_deref(), &name))
                            td {
                                a href=(address) hx-get=(address) hx-target="#object"
                                    hx-select="#object" hx-swap="outerHTML" hx-push-url="true" {
                                    (Brief(&name))
                                }
                                " "
                                a.open href=(format!("{here}?at={}", key(child)))
                                    aria-label=(format!("Open {}", label(&name))) { "▸" }
                            }
                            td { (kind(child)) }
                            td { (Brief(child.text("description").unwrap_or(""))) }
                        }
                    }
                }
            }
        }
    };
    Ok(html! {
        h2 { (Shown(&own_name(&at.dn))) }
        p.note {
            (Shown(&at.dn)) " "
            a href=(format!("{}&object={}", with(looked.from), key(at))) { "its attributes" } " "
            a href=(format!("{here}/ldif?object={}&beneath=1", key(at))) download { "all as LDIF" }
        }
        @if shown.is_empty() {
            p { "Nothing is beneath it" @if looked.from > 0 { " from here on" } "." }
        } @else {
            (choosing::form(choosing, &table))
        }
        @if looked.from > 0 || has_more {
            nav.pager aria-label="Pages" {
                @if looked.from > 0 { a rel="prev" href=(with(looked.from.saturating_sub(PAGE))) { "Before" } }
                span {
                    (looked.from.saturating_add(1)) "–" (looked.from.saturating_add(shown.len()))
                    @if let Some(children) = children { " of " (children.len()) }
                }
                @if has_more { a rel="next" href=(with(looked.from + PAGE)) { "Next" } }
            }
        }
    })
}
