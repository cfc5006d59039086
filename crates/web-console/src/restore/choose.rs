//! Objects come into the basket, and leave it.

use std::sync::Arc;

use axum::extract::{Extension, Form, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use backup::list::Listed;
use objects::{Entry, Guid, Lookup, Source, Value, Wanted};
use serde::Deserialize;

use crate::basket::{Item, MOST, Origin};
use crate::console::Console;
use crate::directories::{Directory, NOW};
use crate::guard::{Done, Visitor};
use crate::problem::Problem;

/// The snapshots that are looked into for objects that were deleted.
const SNAPSHOTS: usize = 10;

/// The fields of a form, of which some come more than once.
type Fields = Vec<(String, String)>;

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    let mut found = fields.iter().filter(|(key, _)| key == name);
    found.next().map_or("", |(_, value)| value.as_str())
}

/// Puts objects into the basket. The field `deleted` says that they are deleted in the directory on
/// whose page they were chosen: they come from the last snapshot in which they live.
///
/// # Errors
/// If there are none, or not in one snapshot.
pub async fn add(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let named = fields.iter().filter(|(key, _)| key == "object");
    let guids: Result<Vec<Guid>, _> = named.map(|(_, value)| value.parse()).collect();
    let guids = guids.map_err(|_| Problem::wrong("an object is named by its objectGUID here"))?;
    if guids.is_empty() {
        return Err(Problem::wrong("nothing was chosen: tick objects first"));
    }
    if guids.len() > MOST {
        return Err(Problem::wrong(format!("choose at most {MOST} objects")));
    }
    let repository = field(&fields, "repository").to_owned();
    let id = field(&fields, "id").to_owned();
    let is_deleted = !field(&fields, "deleted").is_empty();
    let count = guids.len();
    let (origin, items) = console
        .read(move |console| {
            let directory = console.directory(&repository, &id)?;
            match is_deleted {
                true => from_before(console, &directory, &guids),
                false => from_here(&directory, &guids),
            }
        })
        .await?;
    let what = format!("{count} objects of {} {}", origin.repository, origin.id);
    let added = visitor.session.basket().add(&origin, items);
    added.map_err(Problem::busy)?;
    Ok(to_basket(what))
}

fn to_basket(what: String) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, "/restore")]).into_response();
    response.extensions_mut().insert(Done(what));
    response
}

fn from_here(directory: &Directory, guids: &[Guid]) -> Result<(Origin, Vec<Item>), Problem> {
    if directory.is_running() {
        return Err(Problem::wrong(
            "objects come back from a snapshot, not from a running server",
        ));
    }
    let items = living(&**directory, guids)?;
    match items.len() == guids.len() {
        true => Ok((origin(directory), items)),
        false => Err(Problem::not_found(
            "one of the objects is not in this snapshot, or is deleted in it",
        )),
    }
}

fn origin(directory: &Directory) -> Origin {
    Origin {
        repository: directory.repository.clone(),
        id: directory.id.clone(),
        server: directory.server.clone(),
        time: directory.time.clone(),
    }
}

/// The objects that live in a directory.
fn living(source: &dyn Source, guids: &[Guid]) -> Result<Vec<Item>, Problem> {
    let mut items = Vec::new();
    for guid in guids {
        let entry = entry(source, *guid, &Wanted::only(["objectClass"]))?;
        if let Some(entry) = entry.filter(|entry| !entry.state.is_deleted()) {
            items.push(Item {
                guid: *guid,
                class: entry.class().unwrap_or("?").to_owned(),
                dn: entry.dn.to_string(),
            });
        }
    }
    Ok(items)
}

fn entry(source: &dyn Source, guid: Guid, wanted: &Wanted) -> Result<Option<Entry>, Problem> {
    let found = source.find(&Lookup::Guid(guid)).map_err(Problem::failed)?;
    match found.first() {
        Some(id) => source.entry(*id, wanted).map_err(Problem::failed),
        None => Ok(None),
    }
}

/// Objects that are deleted in a directory, from the newest snapshot of before in which all of them
/// live.
fn from_before(
    console: &Console,
    directory: &Directory,
    guids: &[Guid],
) -> Result<(Origin, Vec<Item>), Problem> {
    let mut deleted = String::from("9999");
    for guid in guids {
        let changed = entry(&**directory, *guid, &Wanted::only(["whenChanged"]))?
            .ok_or_else(|| Problem::not_found("the directory has no such object"))?;
        if let Some(Value::Time(time)) = changed.value("whenChanged") {
            deleted = deleted.min(time.to_string().replace(' ', "T"));
        }
    }
    let mut looked = 0;
    for (repository, listed) in before(console, directory, &deleted)?
        .into_iter()
        .take(SNAPSHOTS)
    {
        let snapshot = console.directory(&repository, &listed.snapshot)?;
        let of_domain = |directory: &Directory| directory.facts().default_naming_context.clone();
        if of_domain(&snapshot) != of_domain(directory) {
            continue;
        }
        looked += 1;
        let items = living(&**snapshot, guids)?;
        if items.len() == guids.len() {
            return Ok((origin(&snapshot), items));
        }
    }
    Err(Problem::not_found(format!(
        "{looked} snapshots of before the deletion were looked into, and in none of them all these \
         objects live: choose fewer at once"
    )))
}

/// The snapshots of before a time, the newest first: for a snapshot those of its repository, for a
/// running server those of all.
fn before(
    console: &Console,
    directory: &Directory,
    time: &str,
) -> Result<Vec<(String, Listed)>, Problem> {
    let configuration = console.configuration()?;
    let mut found = Vec::new();
    for name in configuration.repositories.keys() {
        if directory.repository != NOW && directory.repository != *name {
            continue;
        }
        let list = (console.library.shelf(&configuration, name)).and_then(|shelf| shelf.list());
        for listed in list.unwrap_or_default().iter() {
            if listed.unusable.is_none() && listed.time.as_str() < time {
                found.push((name.clone(), listed.clone()));
            }
        }
    }
    found.sort_by(|(_, a), (_, b)| b.time.cmp(&a.time));
    Ok(found)
}

/// The object that leaves the basket; all of them if none is named.
#[derive(Deserialize)]
pub struct Left {
    #[serde(default)]
    object: String,
}

/// Takes an object, or all of them, out of the basket.
///
/// # Errors
/// If what is named is no object.
pub async fn remove(
    Extension(visitor): Extension<Visitor>,
    Form(left): Form<Left>,
) -> Result<Response, Problem> {
    let mut basket = visitor.session.basket();
    if left.object.is_empty() {
        basket.empty();
    } else {
        let guid = left.object.parse();
        basket.remove(guid.map_err(|_| Problem::wrong("an object is named by its objectGUID"))?);
    }
    drop(basket);
    Ok(to_basket(left.object))
}
