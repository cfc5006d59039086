//! Memberships of an object, through groups in groups.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use objects::membership::{Membership, Memberships};
use objects::{Source, Wanted};

use super::{address, find, head, key, link, open, own_name};
use crate::console::Console;
use crate::directories::Directory;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Shown;

/// The memberships of a list that are shown.
const SHOWN: usize = 500;

/// The page.
///
/// # Errors
/// If there is no such object, or the directory is damaged.
pub async fn members(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id, object)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let what = format!("{repository} {id} memberships of {object}");
    let content = console
        .read(move |console| {
            let directory = open(console, &repository, &id)?;
            content(&directory, &object)
        })
        .await?;
    let response = page(&visitor, "/snapshots", "Memberships", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(directory: &Directory, object: &str) -> Result<Markup, Problem> {
    let source: &dyn Source = &**directory;
    let entry = find(source, object, &Wanted::only(["objectClass"]))?;
    let memberships = Memberships::new(source);
    let groups = memberships.groups(entry.id).map_err(Problem::failed)?;
    let is_group = entry
        .classes()
        .any(|class| class.eq_ignore_ascii_case("group"));
    let members = match is_group {
        true => Some(memberships.members(entry.id).map_err(Problem::failed)?),
        false => None,
    };
    let here = address(&directory.repository, &directory.id);
    Ok(html! {
        (head(directory, ""))
        section.panel aria-label="Memberships" {
            h2 { "Memberships of " (Shown(&own_name(&entry.dn))) }
            p { a href=(format!("{here}?object={}", key(&entry))) { "Back to its attributes" } }
            (table(&here, "It is in these groups", "It is in no group.", &groups))
            @if let Some(members) = &members {
                (table(&here, "These are in it", "Nothing is in it.", members))
            }
        }
    })
}

fn table(here: &str, title: &str, none: &str, list: &[Membership]) -> Markup {
    html! {
        h3 { (title) }
        @if list.is_empty() { p { (none) } } @else {
            p.note {
                (list.len()) " in total"
                @if list.len() > SHOWN { ", the first " (SHOWN) " are shown" }
                "."
            }
            div.scroll tabindex="0" {
                table {
                    thead { tr { th { "Object" } th { "Through" } } }
                    tbody {
                        @for membership in list.iter().take(SHOWN) {
                            tr {
                                td { (link(here, &membership.object)) }
                                td { (way(here, membership)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The groups between both, and whether the last step is a primary group.
fn way(here: &str, membership: &Membership) -> Markup {
    html! {
        @for (number, group) in membership.through.iter().enumerate() {
            @if number > 0 { " › " }
            (link(here, group))
        }
        @if membership.is_primary {
            @if !membership.through.is_empty() { " › " }
            "primary group"
        }
    }
}
