//! `dsbackup export`: objects as LDIF, CSV or JSON lines.

use std::collections::BTreeSet;
use std::io::Write;

use objects::Source;

use super::selection::Selection;
use super::source::Sources;
use super::{csv, json, ldif};
use crate::cli::ExportOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report};

/// Writes the objects of a directory to standard output, each as soon as it is read.
///
/// # Errors
/// For a filter that is none, a base that is not there, and a directory that cannot be read.
pub fn run(options: &ExportOptions, report: Report) -> Result<Outcome> {
    let sources = Sources::new(&options.sources, report);
    let source = sources.open(&options.source)?;
    let filter = options.filter.as_deref();
    let selection = Selection::new(&*source, &options.place, filter, &options.attributes, true)?;
    report::stream(|out| {
        if options.ldif {
            ldif::begin(out).map_err(Failure::Output)?;
            return selection.visit(&*source, |entry| {
                ldif::entry(out, &entry).map_err(Failure::Output)
            });
        }
        if options.csv {
            return as_csv(&*source, &selection, out);
        }
        selection.visit(&*source, |entry| {
            writeln!(out, "{}", json::entry(&entry)).map_err(Failure::Output)
        })
    })?;
    Ok(Outcome::Done)
}

/// The first line names all attributes that any object has: they are read twice.
fn as_csv(source: &dyn Source, selection: &Selection<'_>, out: &mut dyn Write) -> Result<()> {
    let mut names = BTreeSet::new();
    selection.visit(source, |entry| {
        for attribute in &entry.attributes {
            if !names.contains(&*attribute.schema.name) {
                names.insert(attribute.schema.name.to_string());
            }
        }
        Ok(())
    })?;
    csv::heading(out, &names).map_err(Failure::Output)?;
    selection.visit(source, |entry| {
        csv::entry(out, &entry, &names).map_err(Failure::Output)
    })
}
