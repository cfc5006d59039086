//! The tree: the naming contexts, and what is above and beneath the chosen object.

use maud::{Markup, html};
use objects::{Entry, ObjectId, Scope, Source, Wanted, dn};

use super::{key, own_name};
use crate::problem::Problem;
use crate::text::Brief;

/// The children of an object that are looked at for the tree, and those that are shown. All are in
/// the list beside it.
const LOOKED_AT: usize = 2_000;
const SHOWN: usize = 200;

/// Classes without anything beneath them that somebody looks for.
const LEAVES: &[&str] = &[
    "attributeSchema",
    "classSchema",
    "computer",
    "contact",
    "controlAccessRight",
    "dnsNode",
    "foreignSecurityPrincipal",
    "group",
    "inetOrgPerson",
    "secret",
    "trustedDomain",
    "user",
];

/// The tree with the way to `chosen` open.
///
/// # Errors
/// If the directory is damaged.
pub fn tree(source: &dyn Source, here: &str, chosen: Option<&Entry>) -> Result<Markup, Problem> {
    let way = match chosen {
        Some(chosen) => way(source, chosen)?,
        None => Vec::new(),
    };
    let wanted = Wanted::only(["objectClass"]);
    let mut roots = Vec::new();
    for context in &source.facts().naming_contexts {
        let entry = source.entry(context.id, &wanted).map_err(Problem::failed)?;
        // A context beneath another is shown there.
        let parent = entry.as_ref().and_then(|entry| entry.parent);
        let is_beneath = parent.is_some_and(|parent| {
            (source.facts().naming_contexts.iter())
                .any(|other| other.id != context.id && is_above(source, other.id, parent))
        });
        roots.extend(entry.filter(|_| !is_beneath));
    }
    level(source, here, &roots, &way, false)
}

fn is_above(source: &dyn Source, above: ObjectId, beneath: ObjectId) -> bool {
    let mut next = Some(beneath);
    for _ in 0..dn::MOST_PARTS {
        match next {
            Some(id) if id == above => return true,
            Some(id) => {
                let entry = source.entry(id, &Wanted::names()).ok().flatten();
                next = entry.and_then(|entry| entry.parent.filter(|parent| *parent != id));
            }
            None => return false,
        }
    }
    false
}

/// The objects from the top down to `entry`.
fn way(source: &dyn Source, entry: &Entry) -> Result<Vec<ObjectId>, Problem> {
    let mut way = vec![entry.id];
    let mut next = entry.parent;
    while let Some(id) = next.filter(|id| !way.contains(id) && way.len() < dn::MOST_PARTS) {
        way.push(id);
        let above = source.entry(id, &Wanted::names());
        next = above
            .map_err(Problem::failed)?
            .and_then(|above| above.parent);
    }
    way.reverse();
    Ok(way)
}

fn level(
    source: &dyn Source,
    here: &str,
    entries: &[Entry],
    way: &[ObjectId],
    is_cut: bool,
) -> Result<Markup, Problem> {
    let mut items = Vec::new();
    for entry in entries {
        let is_open = way.contains(&entry.id);
        let beneath = match is_open {
            true => {
                let (children, is_cut) = containers(source, entry.id)?;
                Some(level(source, here, &children, way, is_cut)?)
            }
            false => None,
        };
        items.push((entry, way.last() == Some(&entry.id), beneath));
    }
    Ok(html! {
        ul {
            @for (entry, is_chosen, beneath) in &items {
                li {
                    a href=(format!("{here}?at={}", key(entry)))
                        aria-current=[is_chosen.then_some("true")] {
                        (Brief(&name_of(source, entry)))
                    }
                    @if let Some(beneath) = beneath { (beneath) }
                }
            }
            @if is_cut { li.note { "… and more, in the list" } }
        }
    })
}

/// The whole name for the head of a naming context, its own for others.
fn name_of(source: &dyn Source, entry: &Entry) -> String {
    let mut contexts = source.facts().naming_contexts.iter();
    match contexts.any(|context| context.id == entry.id) {
        true => entry.dn.to_string(),
        false => own_name(&entry.dn),
    }
}

/// The children that may have something beneath them, and whether there may be more.
fn containers(source: &dyn Source, id: ObjectId) -> Result<(Vec<Entry>, bool), Problem> {
    let wanted = Wanted::only(["objectClass"]);
    let mut found = Vec::new();
    let children = source
        .scan(id, Scope::Children, &wanted)
        .map_err(Problem::failed)?;
    for (number, child) in children.enumerate() {
        if number == LOOKED_AT || found.len() == SHOWN {
            return Ok((found, true));
        }
        let child = child.map_err(Problem::failed)?;
        let is_leaf = child.class().is_some_and(|class| LEAVES.contains(&class));
        if !is_leaf && !child.state.is_deleted() {
            found.push(child);
        }
    }
    Ok((found, false))
}
