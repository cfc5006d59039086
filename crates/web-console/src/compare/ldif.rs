//! The differences as LDIF change records, as `dsbackup diff --ldif` writes them.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Response};
use comparison::{Comparison, Options};
use documents::changes;

use super::{Wanted, both};
use crate::console::Console;
use crate::directories::Directory;
use crate::download;
use crate::guard::Done;
use crate::problem::Problem;

/// The file.
///
/// # Errors
/// If there is no such directory.
pub async fn ldif(
    State(console): State<Arc<Console>>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let what = format!("compare {} {} as LDIF", wanted.before, wanted.after);
    let directories = console.read(move |console| both(console, &wanted)).await?;
    let write = move |out: &mut dyn Write| write(&directories, out);
    let kind = "text/x-ldif; charset=utf-8";
    let response = download::file(&console, kind, "differences.ldif", write);
    Ok((Extension(Done(what)), response).into_response())
}

fn write([before, after]: &[Arc<Directory>; 2], out: &mut dyn Write) -> io::Result<()> {
    let comparison = Comparison::new(&***before, &***after, Options::default());
    let comparison = comparison.map_err(io::Error::other)?;
    changes::write(out, &comparison, &***after).map_err(io::Error::other)
}
