//! The journals of restores: their list, and one of them.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use backup::words::{count, short_id};
use jobs::record::StateFolder;
use maud::{Markup, html};
use object_restore::Records;
use object_restore::journal::{self, Effect, End, Step};

use super::plan::pattern;
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::settings::ServerSettings;
use crate::text::{Brief, Shown, in_address};
use crate::work::Work;

/// How names of journals begin and end.
const START: &str = "restore-";
const END: &str = ".jsonl";

/// The journals that are listed, the newest ones.
const LISTED: usize = 200;

/// The largest journal that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// The steps that are shown.
const SHOWN: usize = 500;

/// A journal.
pub struct Known {
    /// Names it in addresses: that of its file without its end.
    pub name: String,
    /// When the restore began.
    pub began: String,
    /// Whether it came to its end.
    pub has_ended: bool,
    /// When it was taken back, and by whom.
    pub undone: Option<String>,
}

/// A new journal: its name, and its file, which is not there yet.
///
/// # Errors
/// If the folder cannot be made.
pub fn new(state: &StateFolder) -> Result<(String, PathBuf), Problem> {
    let folder = state.journals().map_err(Problem::failed)?;
    let now = jiff::Timestamp::now()
        .strftime("%Y%m%d-%H%M%S-%3f")
        .to_string();
    let name = format!("{START}{now}");
    let path = file(&folder, &name);
    Ok((name, path))
}

/// All journals of the console, the newest first.
///
/// # Errors
/// If their folder cannot be read.
pub fn all(state: &StateFolder) -> Result<Vec<Known>, Problem> {
    let folder = state.journals().map_err(Problem::failed)?;
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .map_err(Problem::failed)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(END)?.to_owned()))
        .filter(|name| is_name(name))
        .collect();
    names.sort_by(|a, b| b.cmp(a));
    names.truncate(LISTED);
    let known = names.into_iter().map(|name| Known {
        began: began(&name),
        has_ended: journal::has_ended(&file(&folder, &name)).unwrap_or(false),
        undone: undone(&folder, &name),
        name,
    });
    Ok(known.collect())
}

/// Names have nothing that leads out of the folder.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_digit() || c == '-';
    name.strip_prefix(START)
        .is_some_and(|rest| !rest.is_empty() && rest.len() <= 40 && rest.chars().all(fits))
}

/// The time in a name, such as `2026-11-20 08:00:00`.
fn began(name: &str) -> String {
    let digits: Vec<char> = name.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().iter().collect();
    let [year, month, day, hour, minute, second]: [String; 6] = [
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14),
    ];
    format!("{year}-{month}-{day} {hour}:{minute}:{second} UTC")
}

fn file(folder: &FilePath, name: &str) -> PathBuf {
    folder.join(format!("{name}{END}"))
}

/// The file that tells when a restore was taken back, and by whom.
pub fn undone_file(folder: &FilePath, name: &str) -> PathBuf {
    folder.join(format!("{name}.undone"))
}

fn undone(folder: &FilePath, name: &str) -> Option<String> {
    std::fs::read_to_string(undone_file(folder, name)).ok()
}

/// The address of a journal's page.
pub fn address(name: &str) -> String {
    format!("/restores/{}", in_address(name))
}

/// A journal that was read.
pub struct Read {
    /// Names it in addresses.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What is in it.
    pub records: Records,
    /// When it was taken back, and by whom.
    pub undone: Option<String>,
}

impl Read {
    /// Whether the restore can go on.
    pub fn is_unfinished(&self) -> bool {
        !self.records.has_ended && self.undone.is_none()
    }

    /// When the restore began.
    pub fn began(&self) -> String {
        began(&self.name)
    }

    /// The server of the configuration that it is of, with its name there.
    pub fn server<'c>(&self, console: &'c Console) -> Option<(&'c str, &'c ServerSettings)> {
        let begin = &self.records.begin;
        let mut servers = console.settings.server.iter();
        let found = servers.find(|(_, server)| match &server.url {
            Some(url) => {
                let address = url.parse::<live::Address>();
                address.is_ok_and(|address| address.to_string() == begin.target)
            }
            None => begin.request.privileged,
        });
        found.map(|(name, server)| (name.as_str(), server))
    }

    /// The same, and its name was typed.
    ///
    /// # Errors
    /// If there is none, or another name was typed.
    pub fn confirmed<'c>(
        &self,
        console: &'c Console,
        typed: &str,
    ) -> Result<(&'c str, &'c ServerSettings), Problem> {
        let (name, server) = self.server(console).ok_or_else(|| {
            Problem::wrong("no server of the configuration is the one of this journal")
        })?;
        match typed == name {
            true => Ok((name, server)),
            false => Err(Problem::wrong(format!(
                "nothing was done: {name} was to be typed"
            ))),
        }
    }
}

/// Reads a journal.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn read(console: &Console, name: &str) -> Result<Read, Problem> {
    let missing = || Problem::not_found("there is no such journal");
    if !is_name(name) {
        return Err(missing());
    }
    let folder = console.state.journals().map_err(Problem::failed)?;
    let path = file(&folder, name);
    let size = path.metadata().map_err(|_| missing())?.len();
    if size > LARGEST {
        return Err(Problem::failed(format!(
            "{}: the journal is too large for a page: dsbackup undo reads it",
            path.display()
        )));
    }
    Ok(Read {
        records: Records::read(&path).map_err(Problem::failed)?,
        undone: undone(&folder, name),
        name: name.to_owned(),
        path,
    })
}

/// The page of a journal.
///
/// # Errors
/// If there is none, or it cannot be read.
pub async fn detail(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let what = format!("journal {name}");
    let read = console.read(move |console| read(console, &name)).await?;
    let server = read.server(&console).map(|(name, _)| name);
    let work = console.works.leading_to(&address(&read.name));
    let content = content(&visitor, &read, server, work.as_deref());
    let response = page(&visitor, "/restore", "Restore", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(visitor: &Visitor, read: &Read, server: Option<&str>, work: Option<&Work>) -> Markup {
    let records = &read.records;
    let begin = &records.begin;
    html! {
        h1 { "Restore of " (read.began()) }
        p.note {
            (count(begin.request.objects.len(), "object")) " of snapshot "
            code { (short_id(&begin.source)) } " into " (Shown(&begin.target)) "."
        }
        @if let Some(undone) = &read.undone {
            p { span.badge.unknown { "taken back" } " " (Shown(undone)) }
        }
        @if let Some(work) = work {
            p { span.badge.unknown { "goes on" } " " a href=(work.address()) { (Shown(&work.title)) } }
        } @else {
            @if read.is_unfinished() {
                p.problem { "It did not come to its end: something cut it off." }
            }
            @match server {
                Some(server) if visitor.may_operate() => (buttons(visitor, read, server)),
                Some(_) => {}
                None => p.problem {
                    "No server of the configuration is the one of this journal: dsbackup "
                    "restore-objects --resume goes on with it, dsbackup undo takes it back."
                },
            }
        }
        section.panel aria-label="Steps" {
            h2 { "Steps" }
            @if records.steps.is_empty() { p { "Nothing was written." } } @else {
                p.note {
                    (count(records.steps.len(), "step"))
                    @if records.steps.len() > SHOWN { ", the first " (SHOWN) " are shown" }
                }
                div.scroll tabindex="0" {
                    table {
                        thead { tr { th { "Object" } th { "What" } th { "Result" } } }
                        tbody {
                            @for (step, end) in records.steps.iter().take(SHOWN) {
                                tr {
                                    td { (Brief(&step.dn)) }
                                    td { (Brief(&what(step))) }
                                    td { (result(end)) }
                                }
                            }
                        }
                    }
                }
            }
        }
        p { a href="/restore" { "All restores" } }
    }
}

fn buttons(visitor: &Visitor, read: &Read, server: &str) -> Markup {
    let csrf = &visitor.session.csrf;
    let here = address(&read.name);
    html! {
        @if read.is_unfinished() {
            form.row method="post" action=(format!("{here}/plan")) {
                input type="hidden" name="csrf" value=(csrf);
                button.primary { "Plan the rest" }
            }
            p.note { "What is done already is not written again. Nothing is written yet." }
        }
        form.row method="post" action=(format!("{here}/undo")) {
            input type="hidden" name="csrf" value=(csrf);
            label {
                "Type " (server) " to take it back"
                input name="name" required autocomplete="off" pattern=(pattern(server));
            }
            button.danger { "Take back" }
        }
        p.note {
            "Objects that came back are deleted again; values and places are those of "
            "before. What somebody changed since stays, and so do passwords."
        }
    }
}

fn what(step: &Step) -> String {
    match &step.write {
        Effect::Reanimate { .. } => "came back".into(),
        Effect::Create => "made anew".into(),
        Effect::Move { .. } => "moved".into(),
        Effect::Files { .. } => "its files in SYSVOL".into(),
        Effect::Modify { changes } => {
            let names = changes.iter().map(|change| change.attribute.as_str());
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

fn result(end: &End) -> &'static str {
    match end {
        End::Done => "done",
        End::Refused => "refused",
        End::Unknown => "not known",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_journal_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let (name, path) = new(&StateFolder::at(folder.path())).unwrap();
        assert!(is_name(&name), "{name}");
        assert!(path.starts_with(folder.path()), "{path:?}");
        for foreign in [
            "",
            "restore-",
            "restore-../x",
            "restore-1/2",
            "x",
            "restore-1.jsonl",
            "../restore-1",
        ] {
            assert!(!is_name(foreign), "{foreign}");
        }
        assert_eq!(
            began("restore-20261120-080000-123"),
            "2026-11-20 08:00:00 UTC"
        );
    }
}
