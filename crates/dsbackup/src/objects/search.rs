//! `dsbackup search`: the objects that fit a filter.

use std::io;

use objects::Source;
use objects::membership::Memberships;

use super::nested::Nested;
use super::selection::Selection;
use super::source::Sources;
use super::{json, table, words};
use crate::cli::SearchOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report};

/// Searches a directory.
///
/// # Errors
/// For a filter that is none, a base that is not there, and a directory that cannot be read.
pub fn run(options: &SearchOptions, report: Report) -> Result<Outcome> {
    let sources = Sources::new(&options.sources, report);
    let source = sources.open(&options.source)?;
    let selection = Selection::new(
        &*source,
        &options.place,
        Some(&options.filter),
        &options.attributes,
        report.is_json(),
    )?;
    match report.is_json() {
        true => for_machines(&*source, &selection, options, report)?,
        false => for_people(&*source, &selection, options, report)?,
    }
    Ok(Outcome::Done)
}

/// Between two objects of a list.
const SEPARATOR: &[u8] = b",\n";

/// A list, written as it is found.
fn for_machines(
    source: &dyn Source,
    selection: &Selection<'_>,
    options: &SearchOptions,
    report: Report,
) -> Result<()> {
    let memberships = options.recursive.then(|| Memberships::new(source));
    let bar = selection.watched(source, report.progress_of_stream(0))?;
    report::stream(|out| {
        let mut has_begun = false;
        // Each object has its separator before it, in whose place the list begins.
        let mut write = |text: &[u8]| -> io::Result<()> {
            let text = match has_begun {
                true => text,
                false => text.strip_prefix(SEPARATOR).unwrap_or(text),
            };
            if !has_begun && !text.is_empty() {
                has_begun = true;
                out.write_all(b"[\n")?;
            }
            out.write_all(text)
        };
        match &memberships {
            None => selection.write(
                source,
                &bar,
                |entry, text| {
                    text.extend(SEPARATOR);
                    json::write(text, entry).map_err(Failure::Output)
                },
                |text| write(text).map_err(Failure::Output),
            )?,
            Some(memberships) => selection.visit(source, &bar, |entry| {
                let mut object = json::entry(&entry);
                Nested::of(source, memberships, entry.id)?.add_to(&mut object);
                let text = [SEPARATOR, object.to_string().as_bytes()].concat();
                write(&text).map_err(Failure::Output)
            })?,
        }
        let end: &[u8] = if has_begun { b"\n]\n" } else { b"[]\n" };
        out.write_all(end).map_err(Failure::Output)
    })
}

fn for_people(
    source: &dyn Source,
    selection: &Selection<'_>,
    options: &SearchOptions,
    report: Report,
) -> Result<()> {
    let memberships = options.recursive.then(|| Memberships::new(source));
    let mut rows = Vec::new();
    let bar = selection.watched(source, report.progress(0))?;
    selection.visit(source, &bar, |entry| {
        let nested = match &memberships {
            Some(memberships) => Some(Nested::of(source, memberships, entry.id)?),
            None => None,
        };
        let mut row: Vec<String> = (options.attributes.iter())
            .map(|name| {
                if let Some(values) = nested.as_ref().and_then(|nested| nested.values(name)) {
                    return values;
                }
                let attributes = entry.attributes.iter();
                let mut named = attributes.filter(|attribute| {
                    let same = source.schema().attribute(name);
                    same.is_some_and(|same| same.name == attribute.schema.name)
                });
                let values = named.next().map(|attribute| {
                    let values = attribute.values.iter();
                    let values = values.map(|value| words::value(value, &attribute.schema));
                    values.collect::<Vec<_>>().join(", ")
                });
                values.unwrap_or_default()
            })
            .collect();
        if row.is_empty() {
            row.push(entry.class().unwrap_or("-").to_owned());
        }
        row.push(words::printable(&entry.dn));
        row.push(words::state(entry.state).to_owned());
        rows.push(row);
        Ok(())
    })?;
    drop(bar);
    let mut heading: Vec<&str> = options.attributes.iter().map(String::as_str).collect();
    if heading.is_empty() {
        heading.push("class");
    }
    heading.extend(["distinguished name", ""]);
    let found = report::count(rows.len(), "object");
    report.result(&(), || {
        format!("{}\n{found}", table::lines(&heading, &rows))
    })
}
