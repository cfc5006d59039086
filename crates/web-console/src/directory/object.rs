//! One object: as it was, as it is now, and what differs between both.

use maud::{Markup, html};
use objects::{Entry, Lookup, Source, Wanted};

use super::attributes::attributes;
use super::{address, key, own_name};
use crate::choosing::{self, Choosing};
use crate::compare::detail::difference;
use crate::console::Console;
use crate::directories::{Directory, NOW};
use crate::problem::Problem;
use crate::text::Shown;

/// What of an object is shown, as addresses say it, and in words.
const VIEWS: [(&str, &str); 3] = [("", "Then"), ("now", "Now"), ("difference", "Difference")];

/// The part of the page that shows an object.
///
/// # Errors
/// If a directory cannot be read.
pub fn panel(
    console: &Console,
    directory: &Directory,
    object: &Entry,
    view: &str,
    choosing: Option<Choosing<'_>>,
) -> Result<Markup, Problem> {
    let source: &dyn Source = &**directory;
    let here = address(&directory.repository, &directory.id);
    let content = match view {
        "now" => now(console, directory, object),
        "difference" => differences(console, directory, object),
        _ => Ok(html! {
            (attributes(source, &here, object))
            @if !object.state.is_deleted() && let Some(guid) = &object.guid {
                (choosing::button(choosing, &guid.to_string()))
            }
        }),
    };
    // The object of then is shown even where the server of now does not answer.
    let content = content.unwrap_or_else(|problem| {
        html! {
            h2 { (Shown(&own_name(&object.dn))) }
            p.problem role="alert" { (Shown(&problem.text)) }
        }
    });
    Ok(html! {
        @if !directory.is_running() { (switch(&here, object, view)) }
        (content)
    })
}

/// The links between then, now, the difference, and the history.
fn switch(here: &str, object: &Entry, view: &str) -> Markup {
    let place = format!("{here}?object={}", key(object));
    html! {
        nav.views aria-label="When" {
            @for (name, title) in VIEWS {
                @let address = match name {
                    "" => place.clone(),
                    name => format!("{place}&view={name}"),
                };
                a href=(address) hx-get=(address) hx-target="#object" hx-select="#object"
                    hx-swap="outerHTML" hx-push-url="true"
                    aria-current=[(name == view).then_some("true")] { (title) }
            }
            a href=(format!("{here}/object/{}/history", key(object))) { "History" }
        }
    }
}

fn now(console: &Console, directory: &Directory, object: &Entry) -> Result<Markup, Problem> {
    let Some(running) = console.now_of(directory)? else {
        return Ok(unknown());
    };
    let source: &dyn Source = &**running;
    let found = match object.guid {
        Some(guid) => source.find(&Lookup::Guid(guid)).map_err(Problem::failed)?,
        None => Vec::new(),
    };
    let entry = match found.first() {
        Some(id) => source
            .entry(*id, &Wanted::everything())
            .map_err(Problem::failed)?,
        None => None,
    };
    Ok(match entry {
        Some(entry) => attributes(source, &address(NOW, &running.id), &entry),
        None => html! {
            h2 { (Shown(&own_name(&object.dn))) }
            p { "The directory of now has no trace of it." }
        },
    })
}

fn differences(
    console: &Console,
    directory: &Directory,
    object: &Entry,
) -> Result<Markup, Problem> {
    let Some(running) = console.now_of(directory)? else {
        return Ok(unknown());
    };
    let guid = object.guid.ok_or_else(|| {
        Problem::wrong("the object has no objectGUID, by which it could be found again")
    })?;
    let difference = difference([&**directory, &**running], guid)?;
    Ok(difference.unwrap_or_default())
}

fn unknown() -> Markup {
    html! {
        p.problem {
            "No running server is named in the configuration: add [console.server.NAME] "
            "(docs/console.md)."
        }
    }
}
