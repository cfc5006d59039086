//! One snapshot: its facts, its chain, its verdict, its files; and its drill.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use backup::drill::{DrillRequest, drill};
use backup::list::Listed;
use backup::words::{bytes, count, short_id};
use backup::{Part, Verdict, lock};
use maud::{Markup, html};
use model::Manifest;
use serde::Deserialize;

use super::{address, worth};
use crate::console::Console;
use crate::directory;
use crate::guard::Visitor;
use crate::library::Shelf;
use crate::page::{page, pager};
use crate::problem::Problem;
use crate::text::{Shown, in_address};
use crate::work::Teller;
use crate::work_page::begun;

/// The files on a page.
const PAGE: usize = 200;

/// How long a work waits for the lock of another program.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which files are shown.
#[derive(Deserialize)]
pub struct Files {
    #[serde(default)]
    from: usize,
}

struct Found {
    listed: Listed,
    /// Those that continue it.
    later: Vec<Listed>,
    manifest: Result<Manifest, String>,
}

/// The page of a snapshot.
///
/// # Errors
/// If there is none, or the repository cannot be read.
pub async fn detail(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
    Query(files): Query<Files>,
) -> Result<Response, Problem> {
    let name = repository.clone();
    let found = console
        .read(move |console| find(console, &name, &id))
        .await?;
    let title = format!("Snapshot {}", short_id(&found.listed.snapshot));
    let content = content(&visitor, &repository, &found, files.from);
    Ok(page(&visitor, "/snapshots", &title, content))
}

fn find(console: &Console, repository: &str, id: &str) -> Result<Found, Problem> {
    let shelf = console
        .library
        .shelf(&console.configuration()?, repository)?;
    let listed = shelf.listed(id)?;
    let list = shelf.list()?;
    let is_later = |other: &&Listed| other.continues.as_deref() == Some(id);
    Ok(Found {
        later: list.iter().filter(is_later).cloned().collect(),
        listed,
        manifest: manifest_of(&shelf, id).map_err(|error| error.to_string()),
    })
}

fn manifest_of(shelf: &Shelf, id: &str) -> backup::Result<Manifest> {
    let info = shelf.repository.snapshot(id)?;
    Ok(Part::open(&shelf.repository, &info)?.manifest)
}

/// The manifest of a snapshot, as a file.
///
/// # Errors
/// If there is no such snapshot, or it cannot be read.
pub async fn manifest(
    State(console): State<Arc<Console>>,
    Path((repository, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = format!("attachment; filename=\"{}.json\"", short_id(&id));
    let json = console
        .read(move |console| {
            let shelf = (console.library).shelf(&console.configuration()?, &repository)?;
            shelf.listed(&id)?;
            let manifest = manifest_of(&shelf, &id).map_err(Problem::failed)?;
            Ok(manifest.to_json())
        })
        .await?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, name),
    ];
    Ok((headers, json).into_response())
}

fn content(visitor: &Visitor, repository: &str, found: &Found, from: usize) -> Markup {
    let listed = &found.listed;
    let here = address(repository, &listed.snapshot);
    html! {
        div.title {
            h1 { "Snapshot " (short_id(&listed.snapshot)) }
            p { (worth(listed)) }
        }
        @if let Some(reason) = &listed.unusable {
            p.problem role="alert" { "It cannot be restored: " (Shown(reason)) }
        }
        div.actions {
            @if listed.unusable.is_none() {
                a.button href=(directory::address(repository, &listed.snapshot)) {
                    "Look into the directory"
                }
                @let name = format!("{repository}/{}", listed.snapshot);
                a.button href=(format!("/compare?before={}", in_address(&name))) { "Compare …" }
                a.button href=(format!("{here}/whole")) { "Restore the controller …" }
            }
            @if visitor.may_operate() {
                form method="post" action=(format!("{here}/drill")) {
                    input type="hidden" name="csrf" value=(visitor.session.csrf);
                    button.primary { "Drill now" }
                }
                a.button href=(format!("{here}/forget")) { "Forget …" }
            }
        }
        div.columns {
            section.panel { h2 { "Facts" } (facts(repository, found)) }
            section.panel { h2 { "Verdict" } (verdict(listed.drill.as_ref())) }
        }
        section.panel {
            h2 { "Files" }
            @match &found.manifest {
                Err(reason) => p.problem { (Shown(reason)) },
                Ok(manifest) => {
                    p.note {
                        (count(manifest.files.len(), "file")) ", "
                        a href=(format!("{here}/manifest")) download { "the manifest" }
                    }
                    (files(manifest, from))
                    (pager(from, PAGE, manifest.files.len(), &|from| {
                        format!("{here}?from={from}")
                    }))
                }
            }
        }
    }
}

fn facts(repository: &str, found: &Found) -> Markup {
    let listed = &found.listed;
    html! {
        dl {
            dt { "Id" } dd { code { (listed.snapshot) } }
            dt { "Time" } dd { (listed.time) }
            dt { "Server" } dd {
                a href=(format!("/snapshots?server={}", in_address(&listed.server))) {
                    (Shown(&listed.server))
                }
            }
            dt { "Repository" } dd { (Shown(repository)) }
            @if let Some(directory) = &listed.directory {
                dt { "Domain" } dd { (Shown(&directory.domain)) " (" (Shown(&directory.netbios_name)) ")" }
                dt { "Forest" } dd { (Shown(&directory.forest)) }
                dt { "Invocation id" } dd { code { (directory.invocation_id) } }
                dt { "Highest USN" } dd { (directory.highest_committed_usn) }
                dt { "Objects" } dd {
                    (directory.objects) ", " (directory.deleted_objects) " deleted, "
                    (directory.links) " links"
                }
            }
            dt { "Size" } dd { (listed.bytes.map_or_else(|| "?".into(), bytes)) }
            @if let Some(state) = &listed.state { dt { "Database" } dd { (state) } }
            @if let Some(logs) = listed.logs {
                dt { "Logs" } dd { "generations " (logs.lowest) " to " (logs.highest) }
            }
            @if let Some(required) = listed.required {
                dt { "Required" } dd { "generations " (required.lowest) " to " (required.highest) }
            }
            @if let Some(expires) = &listed.expires {
                dt { "May be restored until" } dd { (expires) }
            }
            @if !listed.tags.is_empty() { dt { "Tags" } dd { (Shown(&listed.tags.join(", "))) } }
            @if let Some(before) = &listed.continues {
                dt { "Continues" } dd { a href=(address(repository, before)) { (short_id(before)) } }
            }
            @if !found.later.is_empty() {
                dt { "Continued by" }
                dd {
                    @for later in &found.later {
                        a href=(address(repository, &later.snapshot)) {
                            (short_id(&later.snapshot))
                        } " "
                    }
                }
            }
            @if let Ok(manifest) = &found.manifest {
                dt { "Made by" } dd { (Shown(&manifest.tool)) }
                dt { "Tombstone lifetime" } dd { (manifest.tombstone_lifetime_days) " days" }
            }
        }
    }
}

fn verdict(verdict: Option<&Verdict>) -> Markup {
    let Some(verdict) = verdict else {
        return html! { p { "Nobody has restored this snapshot yet: drill it." } };
    };
    html! {
        p { (verdict.in_words()) ", by " (Shown(&verdict.tool)) }
        @if let Some(reason) = &verdict.not_proven {
            p.problem { (Shown(reason)) }
        }
        dl {
            @if let Some(generations) = &verdict.generations {
                dt { "Replayed" }
                dd { "generations " (generations) ", " (verdict.records) " records" }
            }
            dt { "Verified" }
            dd {
                @match verdict.objects {
                    Some(objects) => { (objects) " objects" }
                    None => {
                        (verdict.rows) " rows, " (verdict.index_entries)
                        " index entries"
                    }
                }
            }
        }
        @for (title, texts) in [
            ("Findings", &verdict.findings),
            ("Corrected bits", &verdict.corrected),
            ("Notes", &verdict.notes),
        ] {
            @if !texts.is_empty() {
                h3 { (title) }
                ul { @for text in texts.iter() { li { (Shown(text)) } } }
            }
        }
    }
}

fn files(manifest: &Manifest, from: usize) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr {
                        th { "Path" } th { "Type" } th.number { "Size" } th { "Changed" } th { "SHA-256" }
                    }
                }
                tbody {
                    @for file in manifest.files.iter().skip(from).take(PAGE) {
                        tr {
                            td { (Shown(&file.path)) }
                            td { (Shown(&file.file_type)) }
                            td.number { (bytes(file.size)) }
                            td { (Shown(&file.modified)) }
                            td.code { (Shown(file.sha256.get(..16).unwrap_or(&file.sha256))) "…" }
                        }
                    }
                }
            }
        }
    }
}

/// Drills a snapshot.
///
/// # Errors
/// If there is none, or another work goes on.
pub async fn drill_now(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (name, wanted) = (repository.clone(), id.clone());
    let shelf = console
        .read(move |console| {
            let shelf = console.library.shelf(&console.configuration()?, &name)?;
            shelf.listed(&wanted)?;
            Ok(shelf)
        })
        .await?;
    let title = format!("drill of snapshot {} in {repository}", short_id(&id));
    let shared = Arc::clone(&console);
    let what = format!("{repository} {id}");
    let work = console
        .works
        .begin(title, &visitor.session.user, move |work| {
            let report = Teller(Arc::clone(work));
            let drilled = drill_one(&shared, &shelf.repository, &id, &report);
            shelf.changed();
            shared.seen.forget();
            drilled
        })?;
    Ok(begun(&work, what))
}

fn drill_one(
    console: &Console,
    repository: &repository::Repository,
    id: &str,
    report: &Teller,
) -> Result<String, String> {
    let failed = |error: backup::Error| error.to_string();
    let _lock = lock::for_reading(repository, PATIENCE, report).map_err(failed)?;
    let request = DrillRequest {
        snapshots: &[id.to_owned()],
        all: false,
        fresh_for: 0,
        scratch: &console.settings.cache,
    };
    let done = drill(repository, &request, report).map_err(failed)?;
    let verdict = done.first().map(|drill| &drill.verdict);
    match verdict {
        Some(verdict) if verdict.proven => Ok(verdict.in_words()),
        Some(verdict) => Err(match &verdict.not_proven {
            Some(reason) => format!("not proven: {reason}"),
            None => format!("FAILED its drill: {}", verdict.findings.join("; ")),
        }),
        None => Err("nothing was drilled".into()),
    }
}
