//! `dsbackup ls`: the tree of a directory, level by level.

use objects::{Entry, Scope, Wanted, dn};
use serde::Serialize;

use super::source::{self, Sources};
use super::{table, words};
use crate::cli::LsOptions;
use crate::failure::{Outcome, Result};
use crate::report::Report;

/// An object, as `--json` prints it.
#[derive(Serialize)]
struct Line {
    dn: String,
    class: Option<String>,
    guid: Option<String>,
    state: &'static str,
}

/// Lists the children of an object, or the naming contexts.
///
/// # Errors
/// Where there is no such object, or the directory cannot be read.
pub fn run(options: &LsOptions, report: Report) -> Result<Outcome> {
    let sources = Sources::new(&options.sources, report);
    let source = sources.open(&options.source)?;
    let wanted = Wanted::only(["objectClass"]);
    let mut lines = Vec::new();
    match &options.dn {
        Some(name) => {
            let base = source::at(&*source, name)?;
            for entry in source.scan(base, Scope::Children, &wanted)? {
                lines.push(line(&entry?));
            }
        }
        None => {
            for context in &source.facts().naming_contexts {
                let head = source.entry(context.id, &wanted)?;
                lines.extend(head.as_ref().map(line));
            }
        }
    }
    report.result(&lines, || in_words(&lines, options.dn.is_some()))?;
    Ok(Outcome::Done)
}

fn line(entry: &Entry) -> Line {
    Line {
        dn: entry.dn.to_string(),
        class: entry.class().map(str::to_owned),
        guid: entry.guid.map(|guid| guid.to_string()),
        state: words::state(entry.state),
    }
}

fn in_words(lines: &[Line], relative: bool) -> String {
    let rows: Vec<Vec<String>> = (lines.iter())
        .map(|line| {
            let name = if relative {
                dn::rdn(&line.dn)
            } else {
                &line.dn
            };
            let class = line.class.as_deref().unwrap_or("-");
            vec![
                words::printable(name),
                class.to_owned(),
                line.state.to_owned(),
            ]
        })
        .collect();
    table::lines(&["name", "class", ""], &rows)
}
