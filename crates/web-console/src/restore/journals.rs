//! The journals of restores, and how a restore is taken back.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::extract::{Extension, Form, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use backup::beside::Beside;
use backup::watched::Watched;
use backup::words::{count, short_id};
use backup::{Report, Silent};
use jobs::record::StateFolder;
use maud::{Markup, html};
use object_restore::journal::{Effect, End, Step};
use object_restore::{Local, Records, Undone, undo_beside, words};
use serde::Deserialize;

use super::plan::pattern;
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::running::Running;
use crate::settings::ServerSettings;
use crate::text::{Brief, Shown, in_address};
use crate::work::{Teller, Work};

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
    let path = folder.join(format!("{name}{END}"));
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
        undone: std::fs::read_to_string(undone_file(&folder, &name)).ok(),
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

fn undone_file(folder: &FilePath, name: &str) -> PathBuf {
    folder.join(format!("{name}.undone"))
}

/// Reads a journal.
fn read(console: &Console, name: &str) -> Result<Records, Problem> {
    let missing = || Problem::not_found("there is no such journal");
    if !is_name(name) {
        return Err(missing());
    }
    let folder = console.state.journals().map_err(Problem::failed)?;
    let path = folder.join(format!("{name}{END}"));
    let size = path.metadata().map_err(|_| missing())?.len();
    if size > LARGEST {
        return Err(Problem::failed(format!(
            "{}: the journal is too large for a page: dsbackup undo reads it",
            path.display()
        )));
    }
    Records::read(&path).map_err(Problem::failed)
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
    let wanted = name.clone();
    let (records, undone) = console
        .read(move |console| {
            let records = read(console, &wanted)?;
            let folder = console.state.journals().map_err(Problem::failed)?;
            Ok((
                records,
                std::fs::read_to_string(undone_file(&folder, &wanted)).ok(),
            ))
        })
        .await?;
    let what = format!("journal {name}");
    let server = server_of(&console, &records).map(|(name, _)| name.to_owned());
    let content = content(
        &visitor,
        &name,
        &records,
        server.as_deref(),
        undone.as_deref(),
    );
    let response = page(&visitor, "/restore", "Restore", content);
    Ok((Extension(Done(what)), response).into_response())
}

/// The server of the configuration that a journal is of.
fn server_of<'c>(console: &'c Console, records: &Records) -> Option<(&'c str, &'c ServerSettings)> {
    let is_privileged = records.begin.request.privileged;
    let mut servers = console.settings.server.iter();
    let found = servers.find(|(_, server)| match &server.url {
        Some(url) => {
            let address = url.parse::<live::Address>();
            address.is_ok_and(|address| address.to_string() == records.begin.target)
        }
        None => is_privileged,
    });
    found.map(|(name, server)| (name.as_str(), server))
}

fn content(
    visitor: &Visitor,
    name: &str,
    records: &Records,
    server: Option<&str>,
    undone: Option<&str>,
) -> Markup {
    let begin = &records.begin;
    html! {
        h1 { "Restore of " (began(name)) }
        p.note {
            (count(begin.request.objects.len(), "object")) " of snapshot "
            code { (short_id(&begin.source)) } " into " (Shown(&begin.target)) "."
        }
        @if let Some(undone) = undone {
            p { span.badge.unknown { "taken back" } " " (Shown(undone)) }
        }
        @if visitor.may_operate() {
            @match server {
                Some(server) => {
                    form.row method="post" action=(format!("/restores/{}/undo", in_address(name))) {
                        input type="hidden" name="csrf" value=(visitor.session.csrf);
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
                None => p.problem {
                    "No server of the configuration is the one of this journal: dsbackup undo takes "
                    "it back."
                }
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

/// The answer to the question whether a restore shall be taken back.
#[derive(Deserialize)]
pub struct Confirmed {
    name: String,
}

/// Takes a restore back.
///
/// # Errors
/// If there is no such journal, its server's name was not typed, or another work goes on.
pub async fn undo(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    Form(form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let wanted = name.clone();
    let records = console.read(move |console| read(console, &wanted)).await?;
    let (server, settings) = server_of(&console, &records).ok_or_else(|| {
        Problem::wrong("no server of the configuration is the one of this journal")
    })?;
    if form.name != server {
        return Err(Problem::wrong(format!(
            "nothing was taken back: {server} was to be typed"
        )));
    }
    let settings = settings.clone();
    let title = format!("restore of {} taken back", began(&name));
    let what = format!("journal {name} at {server}");
    let (shared, told) = (Arc::clone(&console), what.clone());
    let user = visitor.session.user.clone();
    let address = format!("/restores/{}", in_address(&name));
    let work = (console.works).begin(title, &visitor.session.user, move |work| {
        work.lead_to(address, "The journal".into());
        let done = taken_back(&shared, &settings, &records, &name, &user, work);
        shared.audit.ended(&user, "undo", &told, &done);
        done
    })?;
    let address = format!("/work/{}", work.id);
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response();
    response.extensions_mut().insert(Done(what));
    Ok(response)
}

fn taken_back(
    console: &Console,
    settings: &ServerSettings,
    records: &Records,
    name: &str,
    user: &str,
    work: &Arc<Work>,
) -> Result<String, String> {
    let report = Teller(Arc::clone(work));
    report.note(&format!(
        "{} are taken back",
        count(records.steps.len(), "step")
    ));
    let running = Running::connect(settings).map_err(|problem| problem.text)?;
    let own = running.installation.as_ref();
    let beside = own.map(|own| Beside::new(own, None, &Silent));
    let local = beside.as_ref().map(|beside| beside as &dyn Local);
    let undone = undo_beside(&running.live, records, local, &Watched::silent(&report));
    let undone = undone.map_err(|error| error.to_string())?;
    note(&console.state, name, user).map_err(|problem| problem.text)?;
    outcome(&undone, &report)
}

/// Notes that a restore was taken back.
fn note(state: &StateFolder, name: &str, user: &str) -> Result<(), Problem> {
    let folder = state.journals().map_err(Problem::failed)?;
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(undone_file(&folder, name))
        .map_err(Problem::failed)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    write!(file, "{now}, by {user}").map_err(Problem::failed)
}

fn outcome(undone: &Undone, report: &Teller) -> Result<String, String> {
    for left in &undone.left {
        report.note(&format!("stays: {}", words::left_in_words(left)));
    }
    let text = format!(
        "{} deleted again, {} moved back, {} with their former values{}",
        count(undone.deleted, "object"),
        undone.moved,
        count(undone.attributes, "attribute"),
        match undone.files {
            0 => String::new(),
            files => format!(", files of {files} policies those of before"),
        }
    );
    match undone.left.is_empty() {
        true => Ok(text),
        false => Err(format!("{text}; {} stay as they are", undone.left.len())),
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
