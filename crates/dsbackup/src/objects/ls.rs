//! `dsbackup ls`: the tree of a directory, level by level.

use objects::{Entry, ObjectId, Scope, Source, Wanted, dn};
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
    #[serde(skip)]
    depth: usize,
}

/// How names are shown.
#[derive(Clone, Copy)]
enum Names {
    /// As distinguished names.
    Whole,
    /// Without what is above the objects.
    Relative,
    /// The same, indented by depth; the highest ones as distinguished names.
    Tree,
}

/// Lists the children of an object, or the naming contexts; with `--recursive` all beneath as a tree.
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
            if options.recursive {
                lines = tree(&*source, base, &wanted)?;
            } else {
                for entry in source.scan(base, Scope::Children, &wanted)? {
                    lines.push(line(&entry?));
                }
            }
        }
        None => {
            for context in &source.facts().naming_contexts {
                if options.recursive {
                    lines.extend(tree(&*source, context.id, &wanted)?);
                } else {
                    let head = source.entry(context.id, &wanted)?;
                    lines.extend(head.as_ref().map(line));
                }
            }
        }
    }
    let names = match (options.recursive, &options.dn) {
        (true, _) => Names::Tree,
        (false, Some(_)) => Names::Relative,
        (false, None) => Names::Whole,
    };
    report.result(&lines, || in_words(&lines, names))?;
    Ok(Outcome::Done)
}

/// An object of a naming context with all beneath it, each followed by what is beneath it, by name.
fn tree(source: &dyn Source, base: ObjectId, wanted: &Wanted) -> Result<Vec<Line>> {
    let mut found = Vec::new();
    for entry in source.scan(base, Scope::Subtree, wanted)? {
        let entry = entry?;
        let mut path: Vec<String> = (dn::parse(&entry.dn).unwrap_or_default().into_iter())
            .map(|part| part.value.to_lowercase())
            .collect();
        path.reverse();
        found.push((path, line(&entry)));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    let highest = found.iter().map(|(path, _)| path.len()).min();
    let lines = found.into_iter().map(|(path, line)| Line {
        depth: path.len() - highest.unwrap_or_default(),
        ..line
    });
    Ok(lines.collect())
}

fn line(entry: &Entry) -> Line {
    Line {
        dn: entry.dn.to_string(),
        class: entry.class().map(str::to_owned),
        guid: entry.guid.map(|guid| guid.to_string()),
        state: words::state(entry.state),
        depth: 0,
    }
}

fn in_words(lines: &[Line], names: Names) -> String {
    let rows: Vec<Vec<String>> = (lines.iter())
        .map(|line| {
            let name = match names {
                Names::Whole => &line.dn,
                Names::Tree if line.depth == 0 => &line.dn,
                Names::Relative | Names::Tree => dn::rdn(&line.dn),
            };
            let name = format!("{:1$}{2}", "", 2 * line.depth, words::printable(name));
            let class = line.class.as_deref().unwrap_or("-");
            vec![name, class.to_owned(), line.state.to_owned()]
        })
        .collect();
    table::lines(&["name", "class", ""], &rows)
}
