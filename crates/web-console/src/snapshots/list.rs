//! The list of snapshots.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::response::Response;
use backup::list::Listed;
use backup::words::{bytes, count, short_id};
use maud::{Markup, html};
use serde::Deserialize;

use super::timeline::timeline;
use super::{address, worth};
use crate::console::Console;
use crate::directories::NOW;
use crate::directory;
use crate::guard::Visitor;
use crate::page::{page, pager};
use crate::problem::Problem;
use crate::text::{Shown, in_address};

/// The snapshots on a page.
const PAGE: usize = 100;

/// What is listed.
#[derive(Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    repository: String,
    #[serde(default)]
    server: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    from: usize,
}

/// Everything that the page shows.
struct Found {
    repositories: Vec<String>,
    /// With the names of their repositories, oldest first.
    snapshots: Vec<(String, Listed)>,
    /// Repositories that cannot be read, with the reason.
    unreadable: Vec<(String, String)>,
}

/// The list.
///
/// # Errors
/// If the configuration cannot be used.
pub async fn list(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let found = console.read(find).await?;
    let servers: Vec<&String> = console.settings.server.keys().collect();
    let content = html! {
        (content(&found, &wanted))
        (running(&servers))
    };
    Ok(page(&visitor, "/snapshots", "Snapshots", content))
}

fn find(console: &Console) -> Result<Found, Problem> {
    let configuration = console.configuration()?;
    let mut found = Found {
        repositories: configuration.repositories.keys().cloned().collect(),
        snapshots: Vec::new(),
        unreadable: Vec::new(),
    };
    for name in &found.repositories {
        let listed = console.library.shelf(&configuration, name);
        match listed.and_then(|shelf| shelf.list()) {
            Ok(list) => {
                let named = list.iter().map(|listed| (name.clone(), listed.clone()));
                found.snapshots.extend(named);
            }
            Err(problem) => found.unreadable.push((name.clone(), problem.text)),
        }
    }
    found
        .snapshots
        .sort_by(|(_, a), (_, b)| a.time.cmp(&b.time));
    Ok(found)
}

fn content(found: &Found, wanted: &Wanted) -> Markup {
    let fits = |(repository, listed): &&(String, Listed)| {
        (wanted.repository.is_empty() || *repository == wanted.repository)
            && (wanted.server.is_empty() || listed.server.eq_ignore_ascii_case(&wanted.server))
            && (wanted.tag.is_empty() || listed.tags.contains(&wanted.tag))
    };
    let fitting = found.snapshots.iter().filter(fits);
    let fitting: Vec<(&str, &Listed)> = fitting
        .map(|(repository, listed)| (repository.as_str(), listed))
        .collect();
    html! {
        h1 { "Snapshots" }
        @for (name, reason) in &found.unreadable {
            p.problem role="alert" { (Shown(name)) " cannot be read: " (Shown(reason)) }
        }
        (filter(found, wanted))
        @if fitting.is_empty() {
            p { "There is no such snapshot." }
        } @else {
            div.panel { (timeline(&fitting)) }
            p.note { (count(fitting.len(), "snapshot")) ", the newest first." }
            (table(&fitting, wanted.from))
            (pager(wanted.from, PAGE, fitting.len(), &|from| {
                format!(
                    "/snapshots?repository={}&server={}&tag={}&from={from}",
                    in_address(&wanted.repository),
                    in_address(&wanted.server),
                    in_address(&wanted.tag)
                )
            }))
        }
    }
}

/// The running servers of the configuration.
fn running(servers: &[&String]) -> Markup {
    html! {
        @if !servers.is_empty() {
            section.panel aria-label="Now" {
                h2 { "Now" }
                ul {
                    @for server in servers {
                        @let here = directory::address(NOW, server);
                        li {
                            a href=(here) { "The running directory of " (server) } ", "
                            a href=(format!("{here}/deleted")) { "its deleted objects" }
                        }
                    }
                }
            }
        }
    }
}

fn filter(found: &Found, wanted: &Wanted) -> Markup {
    let all = found.snapshots.iter();
    let servers: BTreeSet<&str> = all
        .clone()
        .map(|(_, listed)| listed.server.as_str())
        .collect();
    let tags: BTreeSet<&str> = all
        .flat_map(|(_, listed)| listed.tags.iter().map(String::as_str))
        .collect();
    let repositories: BTreeSet<&str> = found.repositories.iter().map(String::as_str).collect();
    html! {
        form.row method="get" action="/snapshots" {
            (choice("repository", "Repository", &repositories, &wanted.repository))
            (choice("server", "Server", &servers, &wanted.server))
            (choice("tag", "Tag", &tags, &wanted.tag))
            button { "Show" }
        }
    }
}

fn choice(name: &str, label: &str, values: &BTreeSet<&str>, chosen: &str) -> Markup {
    html! {
        label {
            (label)
            select name=(name) {
                option value="" { "all" }
                @for value in values {
                    option value=(value) selected[*value == chosen] { (value) }
                }
            }
        }
    }
}

fn table(snapshots: &[(&str, &Listed)], from: usize) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr {
                        th { "Time" } th { "Snapshot" } th { "Server" } th { "Repository" }
                        th.number { "Size" } th { "Worth" } th { "Logs" } th { "May be restored until" }
                        th { "Tags" }
                    }
                }
                tbody {
                    @for (repository, listed) in snapshots.iter().rev().skip(from).take(PAGE) {
                        tr {
                            td { time { (listed.time) } }
                            td {
                                a href=(address(repository, &listed.snapshot)) {
                                    (short_id(&listed.snapshot))
                                }
                            }
                            td { (Shown(&listed.server)) }
                            td { (Shown(repository)) }
                            td.number { (listed.bytes.map_or_else(|| "?".into(), bytes)) }
                            td { (worth(listed)) }
                            td {
                                @if let Some(logs) = listed.logs {
                                    (logs.lowest) "–" (logs.highest)
                                }
                                @if listed.continues.is_some() { " (only logs)" }
                            }
                            td { (listed.expires.as_deref().unwrap_or("?")) }
                            td { (Shown(&listed.tags.join(", "))) }
                        }
                    }
                }
            }
        }
    }
}
