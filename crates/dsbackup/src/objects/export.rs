//! `dsbackup export`: objects as LDIF, CSV, JSON lines, or a snapshot of AD Explorer.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use adexplorer::Header;
use backup::Progress as _;
use documents::ldif;
use objects::{Entry, Source};
use serde_json::json;

use super::selection::{Selection, watched};
use super::source::{Opened, Sources};
use super::{csv, json};
use crate::cli::ExportOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Bar, Report};

/// Writes the objects of a directory to standard output, each as soon as it is read; a snapshot of
/// AD Explorer into a file.
///
/// # Errors
/// For a filter that is none, a base that is not there, and a directory that cannot be read.
pub fn run(options: &ExportOptions, report: Report) -> Result<Outcome> {
    let sources = Sources::new(&options.sources, report);
    let source = sources.open(&options.source)?;
    if let Some(file) = &options.adexplorer {
        return as_snapshot(&source, file, report);
    }
    let filter = options.filter.as_deref();
    let selection = Selection::new(&*source, &options.place, filter, &options.attributes, true)?;
    let bar = selection.watched(&*source, report.progress_of_stream(0))?;
    report::stream(|out| {
        if options.ldif {
            ldif::begin(out).map_err(Failure::Output)?;
            let render = |entry: &Entry, text: &mut Vec<u8>| {
                ldif::entry(text, entry).map_err(Failure::Output)
            };
            return selection.write(&*source, &bar, render, written_to(out));
        }
        if options.csv {
            return as_csv(&*source, &selection, out, &bar);
        }
        let render = |entry: &Entry, text: &mut Vec<u8>| {
            json::write(text, entry).map_err(Failure::Output)?;
            text.push(b'\n');
            Ok(())
        };
        selection.write(&*source, &bar, render, written_to(out))
    })?;
    Ok(Outcome::Done)
}

fn written_to(out: &mut (dyn Write + Send)) -> impl FnMut(&[u8]) -> Result<()> + Send {
    |text| out.write_all(text).map_err(Failure::Output)
}

/// The first line names all attributes that any object has: they are read twice.
fn as_csv(
    source: &dyn Source,
    selection: &Selection<'_>,
    out: &mut (dyn Write + Send),
    bar: &Bar,
) -> Result<()> {
    let mut names = BTreeSet::new();
    selection.visit(source, bar, |entry| {
        for attribute in &entry.attributes {
            if !names.contains(&*attribute.schema.name) {
                names.insert(attribute.schema.name.to_string());
            }
        }
        Ok(())
    })?;
    csv::heading(out, &names).map_err(Failure::Output)?;
    bar.count_anew(bar.done());
    let render = |entry: &Entry, text: &mut Vec<u8>| {
        csv::entry(text, entry, &names).map_err(Failure::Output)
    };
    selection.write(source, bar, render, written_to(out))
}

/// A snapshot of AD Explorer.
fn as_snapshot(source: &Opened, file: &Path, report: Report) -> Result<Outcome> {
    let header = Header {
        time: file_time(source.time().unwrap_or_else(SystemTime::now)),
        description: &source.name,
    };
    let bar = watched(&**source, report.progress(0))?;
    let created = platform::private::create(file).map_err(Failure::io("create", file))?;
    let mut out = BufWriter::new(created);
    let written = adexplorer::write(&**source, header, &mut out, &mut || bar.advance(1));
    let written = written.map_err(|error| {
        // Half a snapshot would be taken for a whole one.
        let _ = std::fs::remove_file(file);
        match error {
            adexplorer::Error::Source(error) => error.into(),
            adexplorer::Error::Write(error) => Failure::io("write", file)(error),
            error => Failure::NotFound(format!("{}: {error}", file.display())),
        }
    })?;
    drop(bar);
    let result = json!({ "file": file.display().to_string(), "objects": written.objects, "bytes": written.bytes });
    report.result(&result, || {
        let objects = report::count(written.objects as usize, "object");
        format!(
            "{}: {objects}, {}",
            file.display(),
            report::bytes(written.bytes)
        )
    })?;
    Ok(Outcome::Done)
}

/// 100 ns since 1601.
fn file_time(time: SystemTime) -> u64 {
    const TO_1970: u64 = 116_444_736_000_000_000;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let ticks = u64::try_from(since.as_nanos() / 100).unwrap_or(u64::MAX);
    ticks.saturating_add(TO_1970)
}
