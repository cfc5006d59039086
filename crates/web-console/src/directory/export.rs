//! Objects as LDIF.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use backup::words::short_id;
use documents::ldif;
use objects::{Entry, ObjectId, Scope, Source, Wanted};
use serde::Deserialize;

use super::find;
use crate::console::Console;
use crate::directories::Directory;
use crate::download;
use crate::guard::Done;
use crate::problem::Problem;

/// Which objects.
#[derive(Deserialize)]
pub struct Asked {
    /// The object; all of the directory if none is named.
    #[serde(default)]
    object: String,
    /// Whether all beneath it is meant, too.
    #[serde(default)]
    beneath: String,
}

/// The file.
///
/// # Errors
/// If there is no such directory or object.
pub async fn ldif(
    State(console): State<Arc<Console>>,
    Path((repository, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let what = format!("{repository} {id} as LDIF {}", asked.object);
    let scope = match asked.object.is_empty() || !asked.beneath.is_empty() {
        true => Scope::Subtree,
        false => Scope::Base,
    };
    let (directory, bases) = console
        .read(move |console| {
            let directory = console.directory(&repository, &id)?;
            let bases = match asked.object.as_str() {
                "" => {
                    let contexts = directory.facts().naming_contexts.iter();
                    contexts.map(|context| context.id).collect()
                }
                key => vec![find(&**directory, key, &Wanted::names())?.id],
            };
            Ok((directory, bases))
        })
        .await?;
    let name = format!("{}.ldif", short_id(&directory.id));
    let write = move |out: &mut dyn Write| write(&directory, &bases, scope, out);
    let response = download::file(&console, "text/x-ldif; charset=utf-8", &name, write);
    Ok((Extension(Done(what)), response).into_response())
}

fn write(
    directory: &Directory,
    bases: &[ObjectId],
    scope: Scope,
    out: &mut dyn Write,
) -> io::Result<()> {
    let wanted = Wanted {
        links: true,
        back_links: true,
        ..Wanted::default()
    };
    let source: &dyn Source = &**directory;
    ldif::begin(out)?;
    for base in bases {
        for entry in source
            .scan(*base, scope, &wanted)
            .map_err(io::Error::other)?
        {
            one(out, entry.map_err(io::Error::other)?)?;
        }
    }
    Ok(())
}

fn one(out: &mut dyn Write, mut entry: Entry) -> io::Result<()> {
    (entry.attributes).retain(|attribute| !ldif::is_only_by_name(&attribute.schema.name));
    ldif::entry(out, &entry)
}
