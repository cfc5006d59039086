//! A directory in a snapshot: its tree, its objects, their attributes.

pub mod acl;
pub mod attributes;
pub mod browse;
pub mod deleted;
pub mod export;
pub mod files;
pub mod history;
#[cfg(test)]
mod hostile;
pub mod members;
mod object;
pub mod search;
mod tree;

use std::sync::Arc;

use maud::{Markup, html};
use objects::{Entry, Guid, Lookup, ObjectId, Reference, Source, Wanted, dn, words};

use crate::console::Console;
use crate::directories::Directory;
use crate::problem::Problem;
use crate::text::{Brief, Shown, in_address};

/// The address of a directory.
pub fn address(repository: &str, id: &str) -> String {
    format!("/directory/{}/{}", in_address(repository), in_address(id))
}

/// Opens the directory of a snapshot.
///
/// # Errors
/// If there is none, or it cannot be read.
fn open(console: &Console, repository: &str, id: &str) -> Result<Arc<Directory>, Problem> {
    console.directory(repository, id)
}

/// Names an object in addresses: its GUID, or its number in this snapshot.
fn key(entry: &Entry) -> String {
    match entry.guid {
        Some(guid) => guid.to_string(),
        None => format!("~{}", entry.id.0),
    }
}

/// The object that a key names.
///
/// # Errors
/// If there is none.
fn find(source: &dyn Source, key: &str, wanted: &Wanted) -> Result<Entry, Problem> {
    let id = match (key.parse::<Guid>(), key.strip_prefix('~')) {
        (Ok(guid), _) => {
            let found = source.find(&Lookup::Guid(guid)).map_err(Problem::failed)?;
            found.first().copied()
        }
        (Err(_), Some(number)) => number.parse().ok().map(ObjectId),
        (Err(_), None) => None,
    };
    let entry = match id {
        Some(id) => source.entry(id, wanted).map_err(Problem::failed)?,
        None => None,
    };
    entry.ok_or_else(|| Problem::not_found("the directory has no such object in this snapshot"))
}

/// The value of an object's own name, such as `Sales` of `OU=Sales,DC=corp,DC=example`.
fn own_name(name: &str) -> String {
    dn::own_value(name).unwrap_or_else(|| name.to_owned())
}

/// A link to an object that a value refers to.
fn link(here: &str, other: &Reference) -> Markup {
    html! {
        @match other.guid.filter(|_| !other.is_phantom) {
            Some(guid) => a href=(format!("{here}?object={guid}")) { (Brief(&other.dn)) },
            None => (Brief(&other.dn)),
        }
    }
}

/// The class of an object, and whether it is deleted.
fn kind(entry: &Entry) -> Markup {
    let state = words::state(entry.state);
    html! {
        (Brief(entry.class().unwrap_or("?")))
        @if !state.is_empty() { " " span.badge.warning { (state) } }
    }
}

/// The head of each page of a directory: where we are, and the search.
fn head(directory: &Directory, query: &str) -> Markup {
    let here = address(&directory.repository, &directory.id);
    html! {
        div.title {
            h1 { a href=(here) { "Directory of " (Shown(&directory.server)) } }
            @if directory.is_running() { p.note { "As it is now." } } @else { p.note {
                "As of " time { (directory.time) } ", snapshot "
                a href=(crate::snapshots::address(&directory.repository, &directory.id)) {
                    (backup::words::short_id(&directory.id))
                } "."
            } }
        }
        form.row method="get" action=(format!("{here}/search")) role="search" {
            label {
                "Name, account, mail; or an LDAP filter such as (sn=M*)"
                input type="search" name="q" value=(query) size="40" maxlength="4000";
            }
            button { "Search" }
            a href=(format!("{here}/deleted")) { "Deleted objects" }
            a href=(format!("{here}/ldif")) download { "All as LDIF" }
        }
    }
}
