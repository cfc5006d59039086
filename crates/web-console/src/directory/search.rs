//! The search: by name, or by an LDAP filter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use objects::filter::{Filter, Matcher, Substrings};
use objects::{Entries, Entry, Scope, Source, Wanted};
use serde::Deserialize;

use super::{address, head, key, kind, open, own_name};
use crate::console::Console;
use crate::directories::Directory;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::{Brief, Shown, in_address};

/// The objects on a page.
const PAGE: usize = 100;

/// How long a search may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The longest filter, in bytes.
const LONGEST: usize = 4_000;

/// The attributes in which a name is looked for.
const NAMES: &[&str] = &[
    "name",
    "displayName",
    "sAMAccountName",
    "mail",
    "userPrincipalName",
];

/// What is looked for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    from: usize,
}

struct Hits {
    entries: Vec<Entry>,
    has_more: bool,
    /// Whether the time was over before the end.
    is_cut: bool,
}

/// The result.
///
/// # Errors
/// For a filter that is none, and a directory that cannot be read.
pub async fn search(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let what = format!("{repository} {id} {}", asked.q);
    let content = console
        .read(move |console| {
            let directory = open(console, &repository, &id)?;
            content(&directory, &asked)
        })
        .await?;
    let response = page(&visitor, "/snapshots", "Search", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(directory: &Directory, asked: &Asked) -> Result<Markup, Problem> {
    let here = address(&directory.repository, &directory.id);
    let text = asked.q.trim();
    let result = match (text.is_empty(), filter(text)) {
        (true, _) => html! { p { "Nothing was asked for." } },
        (false, Err(reason)) => html! { p.problem role="alert" { (Shown(&reason)) } },
        (false, Ok(filter)) => {
            let hits = hits(&**directory, &filter, asked.from)?;
            let next = |from: usize| format!("{here}/search?q={}&from={from}", in_address(text));
            html! {
                @if hits.is_cut {
                    p.problem role="alert" {
                        "The search took longer than " (LIMIT.as_secs()) " s: not all was looked at."
                    }
                }
                @if hits.entries.is_empty() {
                    p { "Nothing was found" @if asked.from > 0 { " from here on" } "." }
                } @else {
                    (table(&here, &hits.entries))
                }
                @if asked.from > 0 || hits.has_more {
                    nav.pager aria-label="Pages" {
                        @if asked.from > 0 {
                            a rel="prev" href=(next(asked.from.saturating_sub(PAGE))) { "Before" }
                        }
                        @if hits.has_more { a rel="next" href=(next(asked.from + PAGE)) { "Next" } }
                    }
                }
            }
        }
    };
    Ok(html! {
        (head(directory, text))
        section.panel aria-label="Result" { (result) }
    })
}

/// Objects with their classes, as links.
pub fn table(here: &str, entries: &[Entry]) -> Markup {
    html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { th { "Name" } th { "Class" } th { "Distinguished name" } } }
                tbody {
                    @for entry in entries {
                        tr {
                            td {
                                a href=(format!("{here}?object={}", key(entry))) {
                                    (Brief(&own_name(&entry.dn)))
                                }
                            }
                            td { (kind(entry)) }
                            td { (Brief(&entry.dn)) }
                        }
                    }
                }
            }
        }
    }
}

/// The filter that a text is, or that finds objects by their names.
fn filter(text: &str) -> Result<Filter, String> {
    if text.len() > LONGEST {
        return Err(format!("a filter has at most {LONGEST} bytes"));
    }
    if text.starts_with('(') {
        return text
            .parse::<Filter>()
            .map_err(|error| format!("{text:?}: {error}"));
    }
    let parts = Substrings {
        middle: vec![text.as_bytes().to_vec()],
        ..Substrings::default()
    };
    let of = |name: &&str| Filter::Substrings((*name).to_owned(), parts.clone());
    Ok(Filter::Or(NAMES.iter().map(of).collect()))
}

fn hits(source: &dyn Source, filter: &Filter, from: usize) -> Result<Hits, Problem> {
    let mut names: Vec<String> = filter.attributes().into_iter().collect();
    names.push("objectclass".into());
    let known: Vec<String> = (names.iter())
        .filter_map(|name| source.schema().attribute(name))
        .map(|attribute| attribute.name.to_string())
        .collect();
    let wanted = Wanted::only(known.iter().map(String::as_str));
    let bases = source
        .facts()
        .naming_contexts
        .iter()
        .map(|context| context.id);
    let bases: Vec<_> = bases.collect();
    let candidates = filter
        .candidates_within(source, &bases, Scope::Subtree, false)
        .map_err(Problem::failed)?;
    let entries: Entries<'_> = match candidates {
        Some(ids) => {
            let wanted = &wanted;
            Box::new(
                ids.into_iter()
                    .filter_map(move |id| source.entry(id, wanted).transpose()),
            )
        }
        None => source.all(&wanted).map_err(Problem::failed)?,
    };
    let matcher = Matcher::new(source);
    let deadline = Instant::now() + LIMIT;
    let mut hits = Hits {
        entries: Vec::new(),
        has_more: false,
        is_cut: false,
    };
    let mut passed = 0;
    for entry in entries {
        if Instant::now() > deadline {
            hits.is_cut = true;
            break;
        }
        let entry = entry.map_err(Problem::failed)?;
        if entry.is_hidden || !matcher.matches(filter, &entry).map_err(Problem::failed)? {
            continue;
        }
        if passed < from {
            passed += 1;
        } else if hits.entries.len() < PAGE {
            hits.entries.push(entry);
        } else {
            hits.has_more = true;
            break;
        }
    }
    Ok(hits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_filter_whatever_it_holds() {
        let Ok(Filter::Or(parts)) = filter("a*)(b=*") else {
            panic!("a name");
        };
        assert_eq!(parts.len(), NAMES.len());
        assert!(filter("(sn=M*)").is_ok());
        assert!(filter("(sn=M*").is_err());
        assert!(filter(&"x".repeat(LONGEST + 1)).is_err());
    }
}
