//! `dsbackup diff`: what differs between two directories.
//!
//! ```text
//! Comparison ──> ObjectChange ──> Shown ──> text, html
//!        │             └────────────────> json
//!        └──────────────────────────────> LDIF
//! ```

mod files;
mod json;
mod text;

use std::collections::HashSet;
use std::io::{BufWriter, ErrorKind, Write as _};

use backup::Progress as _;
use comparison::{Comparison, Kind, ObjectChange, Options};
use documents::{Describe, Page, Servers, changes};
use objects::Source;
use serde::Serialize;

use self::files::ChangedFile;
pub use self::json::change as as_json;
pub use self::text::write as as_text;
use super::live;
use super::source::Sources;
use crate::cli::DiffOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report};

/// How many objects differ in which way. One that was moved and changed counts in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Totals {
    before: usize,
    after: usize,
    added: usize,
    deleted: usize,
    restored: usize,
    moved: usize,
    renamed: usize,
    changed: usize,
    /// Files of SYSVOL; absent if it was not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<usize>,
}

/// Compares two directories.
///
/// # Errors
/// Where one cannot be read, for names of attributes, classes and objects that neither has, and
/// where the page cannot be written.
pub fn run(options: &DiffOptions, report: Report) -> Result<Outcome> {
    let opener = Sources::new(&options.sources, report);
    let before = live::open(&options.before, &options.live, &opener)?;
    let after = live::open(&options.after, &options.live, &opener)?;
    let names = [&before, &after].map(|opened| opened.name.clone());
    let sources = [&*before, &*after];
    check_names(options, sources)?;
    let comparison = watched(sources, chosen(options), report)?;
    warn(&comparison, &names, report);
    let servers = Servers::of(sources)?;
    let describe = Describe::new(sources, &servers, !options.attributes.is_empty());
    let mut page = match &options.html {
        Some(file) => {
            let created = platform::private::create(file).map_err(Failure::io("create", file))?;
            let page = Page::begin(BufWriter::new(created), &names);
            Some(page.map_err(Failure::io("write", file))?)
        }
        None => None,
    };
    let [objects_before, objects_after] = comparison.objects();
    let mut totals = Totals {
        before: objects_before,
        after: objects_after,
        ..Totals::default()
    };
    if let Some(file) = &options.ldif {
        let created = platform::private::create(file).map_err(Failure::io("create", file))?;
        let mut out = BufWriter::new(created);
        let written = changes::write(&mut out, &comparison, sources[1]);
        let written = written.and_then(|()| Ok(out.flush()?));
        written.map_err(|error| match error {
            changes::Error::Read(error) => error.into(),
            changes::Error::Write(error) => Failure::io("write", file)(error),
        })?;
    }
    // What is in a file is not printed, too.
    let is_printed = options.html.is_none() && options.ldif.is_none();
    let bar = match is_printed {
        true => report.progress_of_stream(0),
        false => report.progress(0),
    };
    bar.item("objects that may differ");
    bar.count_anew(comparison.candidates() as u64);
    let written = |result: std::io::Result<()>| match &options.html {
        Some(file) => result.map_err(Failure::io("write", file)),
        None => result.map_err(Failure::Output),
    };
    // A page is written to its end, even if nobody reads standard output any more.
    let printed = |result: std::io::Result<()>| match result {
        Err(error) if options.html.is_some() && error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Failure::Output),
    };
    report::stream(|out| {
        let mut json = report.is_json().then(json::Document::default);
        for change in comparison.changes() {
            bar.advance(1);
            let change = change?;
            totals.add(&change);
            if let Some(json) = &mut json {
                let mut object = json::change(&change, &servers);
                if let Some(name) = describe.display_name(&change)? {
                    object["display_name"] = name.into();
                }
                printed(json.add(out, &object))?;
            }
            match &mut page {
                Some(page) => written(page.add(&describe.shown(&change)?))?,
                None if json.is_some() || !is_printed => {}
                None => printed(text::write(out, &describe.shown(&change)?))?,
            }
        }
        let files = changed_files(options, &opener, sources)?;
        totals.files = files.as_ref().map(Vec::len);
        if let Some(json) = &mut json {
            let files = files
                .as_ref()
                .map(|files| files.iter().map(ChangedFile::as_json).collect::<Vec<_>>());
            json.files = files;
        }
        for file in files.into_iter().flatten() {
            match &mut page {
                Some(page) => written(page.add(&file.into_shown()))?,
                None if json.is_some() || !is_printed => {}
                None => printed(text::write(out, &file.into_shown()))?,
            }
        }
        printed(match json {
            Some(json) => json.end(out, &totals),
            None => writeln!(out, "{}", totals.in_words()),
        })
    })?;
    if let Some(page) = page {
        written(page.end_with(&totals.in_words()))?;
    }
    Ok(match options.exit_code && totals.differ() {
        true => Outcome::Different,
        false => Outcome::Done,
    })
}

/// Compares two sources, and shows how far that is.
fn watched<'s>(
    sources: [&'s dyn Source; 2],
    options: Options,
    report: Report,
) -> Result<Comparison<'s>> {
    let [before, after] = sources;
    let bar = report.progress_of("comparing objects", 0);
    // Counting is some work too, of no use where nobody looks.
    if bar.is_shown()
        && options.base.is_none()
        && let (Some(ones), Some(others)) =
            (before.estimated_objects()?, after.estimated_objects()?)
    {
        bar.count_anew(ones.saturating_add(others));
    }
    Ok(Comparison::watched(before, after, options, &|| {
        bar.advance(1)
    })?)
}

/// The files of SYSVOL that differ, if both sources have it and the comparison is not limited to
/// other things.
fn changed_files(
    options: &DiffOptions,
    opener: &Sources<'_>,
    sources: [&dyn Source; 2],
) -> Result<Option<Vec<ChangedFile>>> {
    let policies = |class: &String| class.eq_ignore_ascii_case("groupPolicyContainer");
    let is_limited = !options.attributes.is_empty() || options.base.is_some();
    let has_class = options.classes.is_empty() || options.classes.iter().any(policies);
    let is_running = [&options.before, &options.after].map(|source| live::is_server(source));
    if is_limited || !has_class || is_running.contains(&true) {
        return Ok(None);
    }
    if [&options.before, &options.after].map(|source| opener.lacks_files(source)) != [false; 2] {
        return Ok(None);
    }
    let before = opener.files(&options.before)?;
    let after = opener.files(&options.after)?;
    files::compare([&before, &after], sources)
}

/// Says what could not be compared.
fn warn(comparison: &Comparison<'_>, names: &[String; 2], report: Report) {
    let lacks = [
        (
            comparison.without_guid(),
            "without objectGUID could not be compared",
        ),
        (
            comparison.without_descriptor(),
            "show no security descriptor to this account; it was not compared",
        ),
    ];
    for (counts, what) in lacks {
        for (count, name) in counts.into_iter().zip(names) {
            if count > 0 {
                let objects = report::count(count, "object");
                report.warn(format!("{name}: {objects} {what}"));
            }
        }
    }
}

fn chosen(options: &DiffOptions) -> Options {
    let lower = |names: &[String]| -> HashSet<String> {
        names.iter().map(|name| name.to_ascii_lowercase()).collect()
    };
    Options {
        base: options.base.clone(),
        classes: lower(&options.classes),
        attributes: lower(&options.attributes),
        all: options.all,
        deleted: options.deleted,
        ..Options::default()
    }
}

/// A mistyped name would find no differences.
fn check_names(options: &DiffOptions, sources: [&dyn Source; 2]) -> Result<()> {
    let knows =
        |is_known: &dyn Fn(&dyn Source) -> bool| sources.iter().any(|source| is_known(*source));
    for name in &options.attributes {
        if !knows(&|source| source.schema().attribute(name).is_some()) {
            return Err(Failure::NotFound(format!(
                "{name}: neither schema has this attribute"
            )));
        }
    }
    for name in &options.classes {
        if !knows(&|source| source.schema().class(name).is_some()) {
            return Err(Failure::NotFound(format!(
                "{name}: neither schema has this class"
            )));
        }
    }
    Ok(())
}

impl Totals {
    fn add(&mut self, change: &ObjectChange) {
        match change.kind {
            Kind::Added => self.added += 1,
            Kind::Deleted => self.deleted += 1,
            Kind::Restored => self.restored += 1,
            Kind::Changed => {
                self.moved += usize::from(change.is_moved);
                self.renamed += usize::from(change.is_renamed);
                let is_changed =
                    !change.attributes.is_empty() || !change.is_moved && !change.is_renamed;
                self.changed += usize::from(is_changed);
            }
        }
    }

    fn differ(&self) -> bool {
        let none = Self {
            before: self.before,
            after: self.after,
            files: self.files.map(|_| 0),
            ..Self::default()
        };
        *self != none
    }

    fn in_words(&self) -> String {
        let counts = [
            (self.added, "added"),
            (self.deleted, "deleted"),
            (self.restored, "restored"),
            (self.moved, "moved"),
            (self.renamed, "renamed"),
            (self.changed, "changed"),
        ];
        let files = self.files.filter(|count| *count > 0);
        let files = files.map(|count| format!("{} of SYSVOL", report::count(count, "file")));
        let counts: Vec<String> = (counts.iter())
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .chain(files)
            .collect();
        let found = match counts.is_empty() {
            true => "no differences".to_owned(),
            false => counts.join(", "),
        };
        format!(
            "{found} ({} and {} objects compared)",
            self.before, self.after
        )
    }
}
