//! The differences as a page of HTML of its own, as `dsbackup diff --html` writes it.

use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Response};
use backup::words::short_id;
use comparison::{Comparison, Options};
use documents::{Describe, Page, Servers};

use super::{Wanted, both, differences};
use crate::console::Console;
use crate::differences::Differences;
use crate::directories::Directory;
use crate::download;
use crate::guard::Done;
use crate::problem::Problem;

/// The file.
///
/// # Errors
/// If a directory cannot be read.
pub async fn html(
    State(console): State<Arc<Console>>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let what = format!("compare {} {} as HTML", wanted.before, wanted.after);
    let (directories, found) = console
        .read(move |console| {
            let found = differences(console, &wanted)?;
            Ok((both(console, &wanted)?, found))
        })
        .await?;
    let write = move |out: &mut dyn Write| write(&directories, &found, out);
    let response = download::file(
        &console,
        "text/html; charset=utf-8",
        "differences.html",
        write,
    );
    Ok((Extension(Done(what)), response).into_response())
}

fn name(directory: &Directory) -> String {
    match directory.is_running() {
        true => format!("{} at {}", directory.server, directory.time),
        false => format!(
            "snapshot {} of {}, {}",
            short_id(&directory.id),
            directory.server,
            directory.time
        ),
    }
}

fn write(
    directories: &[Arc<Directory>; 2],
    found: &Differences,
    out: &mut dyn Write,
) -> io::Result<()> {
    let [before, after] = directories;
    let names = [name(before), name(after)];
    let sources = [&***before, &***after];
    let comparison = Comparison::new(sources[0], sources[1], Options::default());
    let comparison = comparison.map_err(io::Error::other)?;
    let servers = Servers::of(sources).map_err(io::Error::other)?;
    let describe = Describe::new(sources, &servers, false);
    let totals = format!(
        "{} ({} and {} objects compared)",
        found.total.in_words(),
        found.objects[0],
        found.objects[1]
    );
    let mut page = Page::with_totals(out, &names, &totals)?;
    for change in comparison.changes() {
        let change = change.map_err(io::Error::other)?;
        page.add(&describe.shown(&change).map_err(io::Error::other)?)?;
    }
    page.end()
}
