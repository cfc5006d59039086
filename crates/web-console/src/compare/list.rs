//! The choice of two snapshots, and what differs between them.

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Response};
use backup::list::Listed;
use backup::words::short_id;
use maud::{Markup, html};

use super::{Wanted, differences};
use crate::choosing::{self, Choosing};
use crate::console::Console;
use crate::differences::{Counts, Differences, Row};
use crate::directories::NOW;
use crate::guard::{Done, Visitor};
use crate::page::{page, pager};
use crate::problem::Problem;
use crate::text::{Brief, in_address, label};

/// The objects on a page.
const PAGE: usize = 100;

/// The snapshots that can be chosen, the newest ones.
const CHOICES: usize = 400;

/// The width of a bar, in its own units.
const WIDTH: usize = 200;

/// The page.
///
/// # Errors
/// If a snapshot cannot be read.
pub async fn compare(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let what = format!("compare {} {}", wanted.before, wanted.after);
    let is_whole = wanted.is_whole();
    let who = visitor.clone();
    let content = console
        .read(move |console| content(&who, console, &wanted))
        .await?;
    let response = page(&visitor, "/compare", "Compare", content);
    Ok(match is_whole {
        true => (Extension(Done(what)), response).into_response(),
        false => response,
    })
}

fn content(visitor: &Visitor, console: &Console, wanted: &Wanted) -> Result<Markup, Problem> {
    let servers: Vec<&String> = console.settings.server.keys().collect();
    let choices = choices(console)?;
    let result = match wanted.is_whole() {
        true => {
            let found = differences(console, wanted)?;
            html! {
                @if wanted.is_of_now() {
                    p.note {
                        "As of " (found.time) ". "
                        a href=(format!("/compare?{}&fresh=1", wanted.pair())) { "Look again" }
                    }
                }
                (summary(&found))
                (list(visitor, &found, wanted))
            }
        }
        false => html! { p.note { "Choose two snapshots, or one and a running server." } },
    };
    Ok(html! {
        h1 { "Compare" }
        form.row method="get" action="/compare" {
            (choice("before", "Before", &servers, &choices, &wanted.before))
            (choice("after", "After", &servers, &choices, &wanted.after))
            button.primary { "Compare" }
        }
        (result)
    })
}

/// The usable snapshots of all repositories that can be read, the newest first.
fn choices(console: &Console) -> Result<Vec<(String, Listed)>, Problem> {
    let configuration = console.configuration()?;
    let mut choices = Vec::new();
    for name in configuration.repositories.keys() {
        let list = (console.library.shelf(&configuration, name)).and_then(|shelf| shelf.list());
        let list = list.unwrap_or_default();
        let usable = list.iter().filter(|listed| listed.unusable.is_none());
        choices.extend(usable.map(|listed| (name.clone(), listed.clone())));
    }
    choices.sort_by(|(_, a), (_, b)| b.time.cmp(&a.time));
    choices.truncate(CHOICES);
    Ok(choices)
}

fn choice(
    name: &str,
    label: &str,
    servers: &[&String],
    choices: &[(String, Listed)],
    chosen: &str,
) -> Markup {
    html! {
        label {
            (label)
            select name=(name) required {
                option value="" { "" }
                @for server in servers {
                    @let value = format!("{NOW}/{server}");
                    option value=(value) selected[value == chosen] { "now, at " (server) }
                }
                @for (repository, listed) in choices {
                    @let value = format!("{repository}/{}", listed.snapshot);
                    option value=(value) selected[value == chosen] {
                        (listed.time) " " (listed.server) " " (short_id(&listed.snapshot)) " "
                        (repository)
                    }
                }
            }
        }
    }
}

fn summary(found: &Differences) -> Markup {
    let most = found
        .classes
        .values()
        .map(|counts| counts.sum())
        .max()
        .unwrap_or(0);
    html! {
        section.panel aria-label="Summary" {
            h2 { "Summary" }
            p {
                (found.objects[0]) " and " (found.objects[1]) " objects were compared: "
                (found.total.in_words()) "."
            }
            @if most > 0 {
                table {
                    thead {
                        tr {
                            th { "Class" } th.number { "Added" } th.number { "Deleted" }
                            th.number { "Restored" } th.number { "Changed" } th { "Bar" }
                        }
                    }
                    tbody {
                        @for (class, counts) in &found.classes {
                            tr {
                                td { (Brief(class)) }
                                td.number { (counts.added) } td.number { (counts.deleted) }
                                td.number { (counts.restored) } td.number { (counts.changed) }
                                td { (bar(*counts, most)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The numbers as a bar of four parts, as wide as their share of the largest class.
fn bar(counts: Counts, most: usize) -> Markup {
    let width = |count: usize| count * WIDTH / most.max(1);
    let parts = [
        ("is-added", counts.added),
        ("is-deleted", counts.deleted),
        ("is-restored", counts.restored),
        ("is-changed", counts.changed),
    ];
    let mut from = 0;
    let parts = parts.map(|(class, count)| {
        let place = (class, from, width(count));
        from += width(count);
        place
    });
    html! {
        svg.bars viewBox=(format!("0 0 {WIDTH} 10")) role="img" aria-label=(counts.in_words()) {
            @for (class, from, width) in parts {
                rect.(class) x=(from) y="0" width=(width) height="10" {}
            }
        }
    }
}

/// The objects that differ, a page of them, and the files with all of them.
pub fn list(visitor: &Visitor, found: &Differences, wanted: &Wanted) -> Markup {
    let fitting: Vec<&Row> = found.rows.iter().filter(|row| wanted.fits(row)).collect();
    let address = |from: usize| {
        format!(
            "/compare?{}&what={}&class={}&name={}&from={from}",
            wanted.pair(),
            in_address(&wanted.what),
            in_address(&wanted.class),
            in_address(&wanted.name)
        )
    };
    let choosing = (wanted.before.split_once('/'))
        .and_then(|(repository, id)| Choosing::named(visitor, repository, id));
    let table = html! {
        div.scroll tabindex="0" {
            table {
                thead {
                    tr { (choosing::heading(choosing)) th { "What" } th { "Class" } th { "Object" } th { "Attributes" } }
                }
                tbody {
                    @for row in fitting.iter().skip(wanted.from).take(PAGE) {
                        tr {
                            (choosing::tick(choosing, row.is_of_before().then_some(row.guid.as_str()), &row.dn))
                            td { (row.what()) }
                            td { (Brief(&row.class)) }
                            td {
                                a href=(format!("/compare/object/{}?{}", row.guid, wanted.pair())) {
                                    (Brief(&row.dn))
                                }
                            }
                            td { (Brief(&row.attributes.join(", "))) }
                        }
                    }
                }
            }
        }
    };
    html! {
        section.panel aria-label="Objects" {
            h2 { "Objects" }
            (filter(found, wanted))
            p {
                a href=(format!("/compare/csv?{}", wanted.pair())) download { "All as CSV" }
                ", "
                a href=(format!("/compare/html?{}", wanted.pair())) download { "as a page with all values" }
                ", "
                a href=(format!("/compare/ldif?{}", wanted.pair())) download { "as LDIF change records" }
            }
            @if found.rows.len() < found.total.sum() {
                p.problem { "The first " (found.rows.len()) " are listed." }
            }
            @if fitting.is_empty() { p { "There is no such object." } } @else {
                (choosing::form(choosing, &table))
            }
            (pager(wanted.from, PAGE, fitting.len(), &address))
        }
    }
}

fn filter(found: &Differences, wanted: &Wanted) -> Markup {
    html! {
        form.row method="get" action="/compare" {
            input type="hidden" name="before" value=(wanted.before);
            input type="hidden" name="after" value=(wanted.after);
            label {
                "What"
                select name="what" {
                    option value="" { "all" }
                    @for what in ["added", "deleted", "restored", "moved", "changed"] {
                        option value=(what) selected[what == wanted.what] { (what) }
                    }
                }
            }
            label {
                "Class"
                select name="class" {
                    option value="" { "all" }
                    @for class in found.classes.keys() {
                        option value=(class) selected[*class == wanted.class] { (label(class)) }
                    }
                }
            }
            label { "Name holds" input type="search" name="name" value=(wanted.name) maxlength="500"; }
            button { "Show" }
        }
    }
}
