//! The settings of a group policy: its files in SYSVOL, as text.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use backup::view::{FileKind, FileList, ListedFile, secret_in};
use backup::words::bytes;
use backup::{Silent, Snapshot, lock};
use documents::text::decoded;
use maud::{Markup, Render, html};
use object_restore::policy_folder;
use objects::Wanted;
use serde::Deserialize;

use super::{address, find, head, key};
use crate::console::Console;
use crate::directories::Directory;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::{Brief, Shown, in_address};

/// The files that are listed.
const LISTED: usize = 1_000;

/// The bytes of the largest file that is shown.
const LARGEST: u64 = 1 << 20;

/// The bytes that a file takes in a page; the rest is cut.
const ROOM: usize = 200_000;

/// How long the lock of another program is waited for.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// Which file is shown.
#[derive(Deserialize)]
pub struct Asked {
    /// Its path in the snapshot.
    path: Option<String>,
}

/// The page: the files of a policy, or one of them.
///
/// # Errors
/// If the object is no policy, and the snapshot has no such file.
pub async fn files(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id, object)): Path<(String, String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let what = format!(
        "{repository} {id} files of {object} {}",
        asked.path.as_deref().unwrap_or("")
    );
    let content = console
        .read(move |console| {
            let directory = console.directory(&repository, &id)?;
            content(console, &directory, &object, asked.path.as_deref())
        })
        .await?;
    let response = page(&visitor, "/snapshots", "Settings files", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(
    console: &Console,
    directory: &Directory,
    object: &str,
    path: Option<&str>,
) -> Result<Markup, Problem> {
    if directory.is_running() {
        return Err(Problem::wrong(
            "files are in snapshots: look into one of them",
        ));
    }
    let wanted = Wanted::only(["objectClass", "displayName", "gPCFileSysPath"]);
    let policy = find(&**directory, object, &wanted)?;
    let place = policy.text("gPCFileSysPath").unwrap_or("");
    let folder = policy_folder(place).ok_or_else(|| {
        Problem::not_found(format!("{place:?}: the object names no folder of SYSVOL"))
    })?;
    let shelf = console
        .library
        .shelf(&console.configuration()?, &directory.repository)?;
    let _lock = lock::for_reading(&shelf.repository, PATIENCE, &Silent).map_err(Problem::failed)?;
    let info = shelf
        .repository
        .snapshot(&directory.id)
        .map_err(Problem::failed)?;
    let snapshot = Snapshot::open(&shelf.repository, &info).map_err(Problem::failed)?;
    let list = FileList::of_snapshot(snapshot).map_err(Problem::failed)?;
    let folder = format!("sysvol/{folder}");
    let found: Vec<&ListedFile> = list.beneath(&folder).collect();
    let here = address(&directory.repository, &directory.id);
    let own = format!("{here}/object/{}/files", key(&policy));
    let shown = match path {
        None => listed(&own, &folder, &found),
        Some(path) => {
            // Only what is in the folder of this policy.
            let file = found.iter().find(|file| file.path == path);
            let file = file.ok_or_else(|| Problem::not_found("the policy has no such file"))?;
            html! {
                h3 { (Shown(&file.path)) }
                p { a href=(own) { "All files of the policy" } }
                (one(&list, file)?)
            }
        }
    };
    Ok(html! {
        (head(directory, ""))
        section.panel aria-label="Settings files" {
            h2 { "Group policy " (Shown(policy.text("displayName").unwrap_or(&policy.dn))) }
            p { a href=(format!("{here}?object={}", key(&policy))) { "Back to its attributes" } }
            (shown)
        }
    })
}

fn listed(own: &str, folder: &str, files: &[&ListedFile]) -> Markup {
    html! {
        @if files.is_empty() {
            p { "The snapshot has no files of this policy." }
        } @else {
            p.note { (Shown(folder)) @if files.len() > LISTED { ", the first " (LISTED) } }
            div.scroll tabindex="0" {
                table {
                    thead { tr { th { "File" } th.number { "Size" } th { "Changed" } } }
                    tbody {
                        @for file in files.iter().take(LISTED) {
                            @let name = file.path.get(folder.len()..).unwrap_or("");
                            @let name = name.trim_start_matches('/');
                            tr {
                                @match &file.kind {
                                    FileKind::File(size) => {
                                        td {
                                            a href=(format!("{own}?path={}", in_address(&file.path))) {
                                                (Brief(name))
                                            }
                                        }
                                        td.number { (bytes(*size)) }
                                    }
                                    FileKind::Folder => { td { (Brief(name)) "/" } td {} },
                                    FileKind::Link(target) => {
                                        td { (Brief(name)) " → " (Brief(target)) }
                                        td {}
                                    }
                                }
                                td {
                                    @if let Some(time) = file.modified {
                                        (backup::time::from_system(time))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn one(list: &FileList, file: &ListedFile) -> Result<Markup, Problem> {
    let FileKind::File(size) = file.kind else {
        return Err(Problem::not_found("this is no file"));
    };
    let content = list.open(file).map_err(Problem::failed)?;
    if let Some(what) = secret_in(&file.path, &content).map_err(Problem::failed)? {
        return Ok(html! {
            p { span.badge.warning { "withheld" } " It holds " (what) "." }
        });
    }
    if size > LARGEST {
        return Ok(
            html! { p { (bytes(size)) " are too much for a page: dsbackup cat writes it." } },
        );
    }
    let mut found = Vec::new();
    content
        .visit(&file.path, |piece| {
            found.extend_from_slice(piece);
            Ok::<_, backup::Error>(())
        })
        .map_err(Problem::failed)?;
    Ok(match decoded(&found) {
        Some(text) => as_text(&text),
        None => html! { p { (bytes(size)) ", no text: dsbackup cat writes it." } },
    })
}

/// The lines of a text, as many as a page has room for.
fn as_text(text: &str) -> Markup {
    let mut room = ROOM;
    let mut lines = Vec::new();
    let mut is_cut = false;
    for line in text.lines() {
        let line = Shown(line).render();
        match room.checked_sub(line.0.len() + 20) {
            Some(left) => room = left,
            None => {
                is_cut = true;
                break;
            }
        }
        lines.push(line);
    }
    html! {
        div.plan tabindex="0" { @for line in &lines { div { (line) } } }
        @if is_cut { p.note { "The first " (lines.len()) " lines." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_the_page_stays_small() {
        let text = as_text("<script>alert(1)</script>\n\u{202e}x\r\n\"><b>\n").into_string();
        assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
        assert!(
            !text.contains('\u{202e}') && text.contains("U+202E"),
            "{text}"
        );
        for piece in ["<", "\u{202e}", "&\n", "x", "\n"] {
            let long = as_text(&piece.repeat(1 << 20)).into_string();
            assert!(long.len() < 290_000, "{piece:?}: {} bytes", long.len());
        }
    }
}
