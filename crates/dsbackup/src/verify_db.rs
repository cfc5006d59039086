//! `dsbackup verify-db`: is a database sound?

use std::io::Write;
use std::path::Path;

use backup::Progress as _;
use ese::header::{DatabaseHeader, DatabaseHeaders, FileKind};
use ese::page::Pgno;
use ese::structure::Severity;
use ese::verify::{FlushMapUse, Place};
use ese::{Database, structure, verify};
use serde::Serialize;

use crate::cli::VerifyDbOptions;
use crate::database;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report, bytes, count};
use crate::samba_file;

/// One contradiction, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Finding {
    /// Bytes from the start of the file.
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Pgno>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<usize>,
    /// The table, index or tree that it belongs to, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    /// `damage`, `leak` for space that is lost and harms nobody, or `note` for what is unusual and
    /// that is all.
    severity: &'static str,
    what: String,
    expected: String,
    found: String,
}

/// The totals.
#[derive(Debug, Serialize)]
struct Totals {
    /// Whether no damage was found.
    sound: bool,
    damages: u64,
    leaks: u64,
    notes: u64,
    bytes: u64,
    state: Option<String>,
    pages: u64,
    uninitialised_pages: u64,
    bad_pages: u64,
    /// Bad pages whose flipped bits the error-correcting code names.
    correctable_pages: u64,
    /// How far the flush map helped to find writes that the disk lost.
    flush_map: String,
    /// What was seen of the structure; none where it was not checked.
    structure: Option<StructureTotals>,
    /// Why the structure was not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    structure_not_checked: Option<String>,
}

#[derive(Debug, Serialize)]
struct StructureTotals {
    trees: u64,
    rows: u64,
    index_entries: u64,
    long_values: u64,
    orphaned_long_values: u64,
    deleted_nodes: u64,
    used_pages: u64,
    space_pages: u64,
    available_pages: u64,
    leaked_pages: u64,
    /// Trees of which pages could not be read, so that not all of them was checked.
    incomplete_trees: u64,
}

/// Verifies a database file and lists all damage.
///
/// # Errors
/// Where the file cannot be read, or is no database; damage is an outcome.
pub fn run(options: &VerifyDbOptions, report: Report) -> Result<Outcome> {
    let not_verified = |failure| Failure::NotVerified(Box::new(failure));
    let path = &options.database;
    // Before anything else reads it: this refuses pipes and devices.
    FileKind::of_file(path).map_err(|error| not_verified(error.into()))?;
    if let Some(kind) =
        samba::DatabaseKind::of_file(path).map_err(|error| not_verified(error.into()))?
    {
        return samba_file::verify(path, kind, report).map_err(not_verified);
    }
    database::check(path, "verify").map_err(not_verified)?;
    let mut sound = false;
    report::stream(|out| {
        let mut list = FindingList::new(out, path, report);
        let totals = verify(options, &mut list, report)?;
        sound = totals.sound;
        list.end(&totals)
    })
    .map_err(not_verified)?;
    Ok(match sound {
        true => Outcome::Done,
        false => Outcome::DatabaseDamaged,
    })
}

fn verify(options: &VerifyDbOptions, list: &mut FindingList<'_>, report: Report) -> Result<Totals> {
    let path = &options.database;
    if let Ok(headers) = DatabaseHeaders::read(path) {
        list.header(&headers.header);
    }
    // The structure first: it knows which object a bad page belongs to.
    let (structure, not_checked) = match structure_of(path, options.checksums_only, report)? {
        Err(reason) => (None, Some(reason)),
        Ok(database) => {
            report.step(format!("checking how {} fits together", path.display()));
            let summary = structure::verify_structure(&database, &mut |finding| {
                list.structure(&finding);
            })?;
            (Some(summary), None)
        }
    };
    report.step("checking every page by itself");
    let bar = report.progress(database::size_of(path));
    bar.item("checking every page");
    let pages = verify::verify_database_watched(
        path,
        |finding| list.page(&finding),
        |read| bar.advance(read),
    )?;
    drop(bar);
    if pages.lacks_patch() {
        list.add(Finding {
            offset: pages.bytes,
            page: None,
            tag: None,
            object: None,
            severity: "damage",
            what: "end of the file".into(),
            expected: "the last page of a streaming backup".into(),
            found: "none: the copy was cut short".into(),
        });
    }
    Ok(Totals {
        sound: list.damages == 0,
        damages: list.damages,
        leaks: list.leaks,
        notes: list.notes,
        bytes: pages.bytes,
        state: (pages.headers.as_ref()).map(|headers| headers.header.state().to_string()),
        pages: pages.pages,
        uninitialised_pages: pages.uninitialised,
        bad_pages: pages.bad,
        correctable_pages: pages.correctable,
        flush_map: flush_map_in_words(&pages.flush_map),
        structure: structure.map(|seen| StructureTotals {
            trees: seen.trees,
            rows: seen.rows,
            index_entries: seen.index_entries,
            long_values: seen.long_values,
            orphaned_long_values: seen.orphaned_long_values,
            deleted_nodes: seen.deleted_nodes,
            used_pages: seen.used_pages,
            space_pages: seen.space_pages,
            available_pages: seen.available_pages,
            leaked_pages: seen.leaked_pages,
            incomplete_trees: seen.incomplete_trees,
        }),
        structure_not_checked: not_checked,
    })
}

/// The database, if its structure can be checked, or why not.
fn structure_of(
    path: &Path,
    checksums_only: bool,
    report: Report,
) -> Result<Result<Database, String>> {
    if checksums_only {
        return Ok(Err("--checksums-only".into()));
    }
    let bar = report.progress(database::size_of(path));
    bar.item("checking the structure");
    match Database::open_watched(path, move |read| bar.advance(read)) {
        Ok(database) if database.is_clean() => Ok(Ok(database)),
        Ok(database) => Ok(Err(format!(
            "the database is in the state {}: only with its logs replayed do its pages agree with \
             each other",
            database.headers().header.state()
        ))),
        Err(ese::Error::Damaged { .. }) => Ok(Err("no usable header".into())),
        Err(error) => Err(error.into()),
    }
}

fn flush_map_in_words(usage: &FlushMapUse) -> String {
    match usage {
        FlushMapUse::Absent => "none".into(),
        FlushMapUse::Unusable(reason) => format!("unusable: {reason}"),
        FlushMapUse::NotValid => "of another state of the database, as after a crash".into(),
        FlushMapUse::Checked {
            damaged_map_pages: 0,
        } => "every page was held against it".into(),
        FlushMapUse::Checked { damaged_map_pages } => format!(
            "pages were held against it as far as it is sound: {} of the map damaged",
            count(*damaged_map_pages, "page")
        ),
    }
}

/// Writes findings as they come, so that no number of them fills the memory.
struct FindingList<'o> {
    out: &'o mut (dyn Write + Send),
    json: bool,
    damages: u64,
    leaks: u64,
    notes: u64,
    /// Pages that were named as bad already, one bit each.
    bad_pages: Vec<u64>,
    failed: Option<std::io::Error>,
}

impl<'o> FindingList<'o> {
    fn new(out: &'o mut (dyn Write + Send), path: &Path, report: Report) -> Self {
        let mut list = Self {
            out,
            json: report.is_json(),
            damages: 0,
            leaks: 0,
            notes: 0,
            bad_pages: Vec::new(),
            failed: None,
        };
        if list.json {
            let file = to_json(&path.display().to_string());
            list.write(&format!("{{\"file\":{file},\n\"findings\":["));
        }
        list
    }

    /// What the engine's integrity check says of a header that is sound by itself.
    fn header(&mut self, header: &DatabaseHeader) {
        const STATE: u64 = std::mem::offset_of!(DatabaseHeader, state) as u64;
        const FORMAT: u64 = std::mem::offset_of!(DatabaseHeader, update_major) as u64;
        let found = [
            header.bad_state().map(|found| {
                let expected = "a clean shutdown, or a state that recovery leads on from";
                (STATE, "damage", expected, found)
            }),
            header.newer_format().map(|found| {
                let expected = "a format that is known here";
                (FORMAT, "note", expected, found)
            }),
        ];
        for (offset, severity, expected, found) in found.into_iter().flatten() {
            self.add(Finding {
                offset,
                page: None,
                tag: None,
                object: None,
                severity,
                what: "database header".into(),
                expected: expected.into(),
                found,
            });
        }
    }

    fn structure(&mut self, finding: &structure::Finding) {
        let fault = &finding.fault;
        // A page that is bad as a whole is not named again when pages are checked by themselves.
        if fault.tag().is_none() && finding.severity == Severity::Damage {
            let (word, bit) = place_of(fault.page());
            if self.bad_pages.len() <= word {
                self.bad_pages.resize(word + 1, 0);
            }
            self.bad_pages[word] |= bit;
        }
        self.add(Finding {
            offset: finding.offset,
            page: Some(fault.page()),
            tag: fault.tag(),
            object: Some(finding.object.clone()),
            severity: match finding.severity {
                Severity::Damage => "damage",
                Severity::Leak => "leak",
                Severity::Note => "note",
            },
            what: fault.what().into(),
            expected: fault.expected().into(),
            found: fault.found().into(),
        });
    }

    fn page(&mut self, finding: &verify::Finding) {
        let page = match finding.place {
            Place::Page(number) => Some(number),
            _ => None,
        };
        if page.is_some_and(|page| self.is_named(page)) {
            return;
        }
        let (expected, found) = match finding.in_file(Path::new("")) {
            ese::Error::Damaged {
                expected, found, ..
            } => (expected, found),
            other => ("a sound page".into(), other.to_string()),
        };
        self.add(Finding {
            offset: finding.offset,
            page,
            tag: None,
            object: None,
            severity: "damage",
            what: match page {
                Some(_) => "page".into(),
                None => finding.place.to_string(),
            },
            expected,
            found,
        });
    }

    fn is_named(&self, page: Pgno) -> bool {
        let (word, bit) = place_of(page);
        self.bad_pages.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn add(&mut self, finding: Finding) {
        let text = if self.json {
            let is_first = self.damages + self.leaks + self.notes == 0;
            let comma = if is_first { "" } else { "," };
            format!("{comma}\n{}", to_json(&finding))
        } else {
            finding.in_words() + "\n"
        };
        match finding.severity {
            "leak" => self.leaks += 1,
            "note" => self.notes += 1,
            _ => self.damages += 1,
        }
        self.write(&text);
    }

    /// Once writing failed nothing more is written; [`Self::ended`] says so.
    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(text.as_bytes()).err();
        }
    }

    fn ended(&mut self) -> Result<()> {
        self.failed
            .take()
            .map_or(Ok(()), |error| Err(Failure::Output(error)))
    }

    fn end(&mut self, totals: &Totals) -> Result<()> {
        let text = if self.json {
            format!("\n],\n\"totals\":{}}}\n", to_json(totals))
        } else {
            totals.in_words() + "\n"
        };
        self.write(&text);
        self.ended()
    }
}

/// Where the bit of a page is.
fn place_of(page: Pgno) -> (usize, u64) {
    (page as usize / 64, 1 << (page % 64))
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers become JSON")
}

impl Finding {
    fn in_words(&self) -> String {
        let mut text = format!("{}: offset {:#x}: ", self.severity, self.offset);
        if let Some(object) = &self.object {
            text += &format!("{object}: ");
        }
        match (self.page, self.tag) {
            (Some(page), Some(tag)) => text += &format!("page {page}, tag {tag}: "),
            (Some(page), None) => text += &format!("page {page}: "),
            _ => {}
        }
        text + &format!(
            "{}: expected {}, found {}",
            self.what, self.expected, self.found
        )
    }
}

impl Totals {
    fn in_words(&self) -> String {
        let mut text = format!(
            "pages: {}, {} never written, {} bad ({} correctable); {} in all; flush map: {}",
            self.pages,
            self.uninitialised_pages,
            self.bad_pages,
            self.correctable_pages,
            bytes(self.bytes),
            self.flush_map
        );
        text += &match (&self.structure, &self.structure_not_checked) {
            (Some(seen), _) => format!(
                "\nstructure: {} trees, {} rows, {} index entries, {} long values; pages: {} with \
                 nodes, {} with space \
                 trees, {} available, {} leaked",
                seen.trees,
                seen.rows,
                seen.index_entries,
                seen.long_values,
                seen.used_pages,
                seen.space_pages,
                seen.available_pages,
                seen.leaked_pages
            ),
            (None, reason) => {
                format!(
                    "\nstructure: not checked: {}",
                    reason.as_deref().unwrap_or("-")
                )
            }
        };
        let state = self.state.as_deref().unwrap_or("no usable header");
        let mut verdict = match self.damages {
            0 => format!("\nsound ({state})"),
            damages => format!(
                "\nDAMAGED ({state}): {}",
                count(damages as usize, "finding")
            ),
        };
        for (number, what) in [(self.leaks, "leak"), (self.notes, "note")] {
            if number > 0 {
                verdict += &format!(", {}", count(number as usize, what));
            }
        }
        text + &verdict
    }
}
