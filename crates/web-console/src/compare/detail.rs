//! What differs in one object, value by value.

use std::sync::Arc;

use axum::extract::{Extension, Path, Query, State};
use axum::response::{IntoResponse, Response};
use comparison::{
    AttributeChange, Change, Found, Kind, ObjectChange, Options, Stamp, ValueChange, compare,
};
use maud::{Markup, html};
use objects::{Guid, Source, words};

use super::{Wanted, both};
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Shown;

/// The values of an attribute that are shown on each side.
const VALUES: usize = 100;

/// The characters of all values that are shown, so that the page stays small.
const CHARACTERS: usize = 100_000;

/// What a value counts as, besides its text, and at most.
const FRAME: usize = 100;
const LONGEST: usize = 4_000;

/// The page.
///
/// # Errors
/// If a snapshot cannot be read, or neither has the object.
pub async fn detail(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path(guid): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let what = format!("compare {} {} object {guid}", wanted.before, wanted.after);
    let content = console
        .read(move |console| content(console, &guid, &wanted))
        .await?;
    let response = page(&visitor, "/compare", "Differences", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(console: &Console, guid: &str, wanted: &Wanted) -> Result<Markup, Problem> {
    let guid: Guid = (guid.parse())
        .map_err(|_| Problem::not_found("an object is named by its objectGUID here"))?;
    let [before, after] = both(console, wanted)?;
    let Some(difference) = difference([&**before, &**after], guid)? else {
        return Err(Problem::not_found("neither directory has this object"));
    };
    Ok(html! {
        h1 { "Differences" }
        p { a href=(format!("/compare?{}", wanted.pair())) { "All differences" } }
        (difference)
    })
}

/// What differs in an object between two directories; `None` where neither has it.
///
/// # Errors
/// If a directory cannot be read.
pub fn difference(sources: [&dyn Source; 2], guid: Guid) -> Result<Option<Markup>, Problem> {
    let [one, other] = sources;
    let before = Found::of(one, guid).map_err(Problem::failed)?;
    let after = Found::of(other, guid).map_err(Problem::failed)?;
    if before.is_none() && after.is_none() {
        return Ok(None);
    }
    let change = compare(
        before.as_ref().map(|found| found.seen(one.schema())),
        after.as_ref().map(|found| found.seen(other.schema())),
        &Options {
            deleted: true,
            ..Options::default()
        },
    );
    Ok(Some(match &change {
        None => html! { p { "Nothing that counts differs in this object." } },
        Some(change) => shown(change),
    }))
}

/// A change of an object, value by value.
pub fn shown(change: &ObjectChange) -> Markup {
    let mut room = CHARACTERS;
    html! {
        h2 { (Shown(change.dn())) }
        p {
            @match change.kind {
                Kind::Added => "Only the second directory has it.",
                Kind::Deleted => "It lives only in the first directory.",
                Kind::Restored => "It is deleted in the first directory, and lives in the second.",
                Kind::Changed => {
                    @if change.is_moved || change.is_renamed {
                        @if let Some(before) = &change.before { "It was " (Shown(&before.dn)) "." }
                    }
                }
            }
        }
        @if let Some(stamp) = change.stamp() { p.note { (moment(stamp)) } }
        div.scroll tabindex="0" {
            table {
                thead { tr { th { "Attribute" } th { "Before" } th { "After" } th { "When" } } }
                tbody { @for change in &change.attributes { (attribute(change, &mut room)) } }
            }
        }
    }
}

fn attribute(change: &AttributeChange, room: &mut usize) -> Markup {
    html! {
        tr {
            td { (Shown(&change.attribute.name)) }
            @match &change.change {
                Change::Values { removed, added } => {
                    td { (values(change, removed, room)) }
                    td { (values(change, added, room)) }
                }
                Change::Withheld => {
                    td { span.badge.warning { "withheld" } }
                    td { span.badge.warning { "withheld" } " it was set anew" }
                }
                Change::Descriptor(descriptor) => {
                    td {
                        (list("access", descriptor.dacl.removed.len()))
                        (list("audit", descriptor.sacl.removed.len()))
                    }
                    td {
                        (list("access", descriptor.dacl.added.len()))
                        (list("audit", descriptor.sacl.added.len()))
                        @if descriptor.owner.is_some() { div { "another owner" } }
                        @if descriptor.dacl.is_reordered { div { "another order" } }
                    }
                }
            }
            td { @if let Some(stamp) = change.stamp() { (moment(stamp)) } }
        }
    }
}

fn list(kind: &str, count: usize) -> Markup {
    html! { @if count > 0 { div { (count) " rules of " (kind) } } }
}

fn values(change: &AttributeChange, values: &[ValueChange], room: &mut usize) -> Markup {
    let mut shown = Vec::new();
    for value in values.iter().take(VALUES) {
        let text = words::value(&value.value, &change.attribute);
        let needed = FRAME + text.len().min(LONGEST);
        if needed > *room {
            break;
        }
        *room -= needed;
        shown.push(text);
    }
    html! {
        @for text in &shown { div.value { (Shown(text)) } }
        @if values.len() > shown.len() { div.note { "… " (values.len()) " values" } }
    }
}

fn moment(stamp: &Stamp) -> String {
    format!("{} UTC, version {}", stamp.changed, stamp.version)
}
