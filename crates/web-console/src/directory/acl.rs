//! Who may do what with an object, in words.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use objects::descriptor::{Ace, Acl};
use objects::{Guid, Lookup, Scope, Sid, Source, Wanted};

use super::{address, find, head, key, open, own_name};
use crate::console::Console;
use crate::directories::Directory;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Shown;

/// Rights by their bits (\[MS-ADTS\] 5.1.3.2).
const RIGHTS: &[(u32, &str)] = &[
    (0x1, "create children"),
    (0x2, "delete children"),
    (0x4, "list"),
    (0x8, "validated write"),
    (0x10, "read"),
    (0x20, "write"),
    (0x40, "delete the tree"),
    (0x80, "list this object"),
    (0x100, "extended right"),
    (0x1_0000, "delete"),
    (0x2_0000, "read permissions"),
    (0x4_0000, "change permissions"),
    (0x8_0000, "change the owner"),
    (0x10_0000, "synchronize"),
    (0x100_0000, "read the audit rules"),
];

/// All rights of an object, in both spellings.
const FULL: u32 = 0xf_01ff;
const GENERIC_ALL: u32 = 0x1000_0000;

/// Names of accounts that no directory holds.
const WELL_KNOWN: &[(&str, &str)] = &[
    ("S-1-1-0", "Everyone"),
    ("S-1-3-0", "Creator Owner"),
    ("S-1-3-1", "Creator Group"),
    ("S-1-5-7", "Anonymous"),
    ("S-1-5-9", "Enterprise Domain Controllers"),
    ("S-1-5-10", "Self"),
    ("S-1-5-11", "Authenticated Users"),
    ("S-1-5-18", "System"),
];

/// Flags of an entry.
const TO_CHILDREN: u8 = 0x02;
const ONLY_CHILDREN: u8 = 0x08;
const INHERITED: u8 = 0x10;

/// The page.
///
/// # Errors
/// If there is no such object, or the directory is damaged.
pub async fn acl(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id, object)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let what = format!("{repository} {id} permissions of {object}");
    let content = console
        .read(move |console| {
            let directory = open(console, &repository, &id)?;
            content(&directory, &object)
        })
        .await?;
    let response = page(&visitor, "/snapshots", "Permissions", content);
    Ok((Extension(Done(what)), response).into_response())
}

fn content(directory: &Directory, object: &str) -> Result<Markup, Problem> {
    let source: &dyn Source = &**directory;
    let entry = find(source, object, &Wanted::only(["nTSecurityDescriptor"]))?;
    let here = address(&directory.repository, &directory.id);
    let mut names = Names {
        source,
        accounts: HashMap::new(),
        rights: rights(source)?,
    };
    let descriptor = entry.descriptor();
    Ok(html! {
        (head(directory, ""))
        section.panel aria-label="Permissions" {
            h2 { "Permissions of " (Shown(&own_name(&entry.dn))) }
            p { a href=(format!("{here}?object={}", key(&entry))) { "Back to its attributes" } }
            @match &descriptor {
                None => p { "The object has no security descriptor that can be read." },
                Some(descriptor) => {
                    dl {
                        dt { "Owner" }
                        dd { (account(&mut names, descriptor.owner.as_ref())?) }
                    }
                    h3 { "Access" }
                    @match &descriptor.dacl {
                        Some(list) => (table(&mut names, list)?),
                        None if descriptor.has_dacl() => p.problem { "Everybody has all rights." },
                        None => p { "There is no list." },
                    }
                    @if let Some(list) = &descriptor.sacl {
                        h3 { "Audit rules" }
                        (table(&mut names, list)?)
                    }
                }
            }
        }
    })
}

fn table(names: &mut Names<'_>, list: &Acl) -> Result<Markup, Problem> {
    let mut rows = Vec::new();
    for entry in &list.entries {
        rows.push((
            entry,
            account(names, entry.sid.as_ref())?,
            object(names, entry),
        ));
    }
    Ok(html! {
        div.scroll tabindex="0" {
            table {
                thead { tr { th { "Kind" } th { "Who" } th { "What" } th { "Of" } th { "Where" } } }
                tbody {
                    @for (entry, account, object) in &rows {
                        tr {
                            td { (kind(entry.kind)) }
                            td { (account) }
                            td { (in_words(entry.mask)) }
                            td { (object) }
                            td { (place(entry.flags)) }
                        }
                    }
                }
            }
        }
    })
}

fn kind(kind: u8) -> &'static str {
    match kind {
        0 | 5 | 9 | 11 => "allow",
        1 | 6 | 10 | 12 => "deny",
        2 | 7 | 13 | 15 => "audit",
        _ => "other",
    }
}

fn in_words(mask: u32) -> String {
    if mask & FULL == FULL || mask & GENERIC_ALL != 0 {
        return "everything".into();
    }
    let mut words: Vec<String> = (RIGHTS.iter())
        .filter(|(bit, _)| mask & bit != 0)
        .map(|(_, word)| (*word).to_owned())
        .collect();
    let known = RIGHTS.iter().fold(0, |known, (bit, _)| known | bit);
    if mask & !known != 0 {
        words.push(format!("{:#x}", mask & !known));
    }
    words.join(", ")
}

fn place(flags: u8) -> &'static str {
    match (
        flags & TO_CHILDREN != 0,
        flags & ONLY_CHILDREN != 0,
        flags & INHERITED != 0,
    ) {
        (false, _, true) => "here, inherited",
        (false, _, false) => "here",
        (true, true, true) => "beneath, inherited",
        (true, true, false) => "beneath",
        (true, false, true) => "here and beneath, inherited",
        (true, false, false) => "here and beneath",
    }
}

/// Names of accounts, and of attributes, classes and rights.
struct Names<'s> {
    source: &'s dyn Source,
    accounts: HashMap<Sid, String>,
    /// Extended rights and property sets.
    rights: HashMap<Guid, String>,
}

fn account(names: &mut Names<'_>, sid: Option<&Sid>) -> Result<Markup, Problem> {
    let Some(sid) = sid else {
        return Ok(html! { "?" });
    };
    if !names.accounts.contains_key(sid) {
        let text = sid.to_string();
        let known = WELL_KNOWN.iter().find(|(known, _)| *known == text);
        let name = match known {
            Some((_, name)) => (*name).to_owned(),
            None => named(names.source, sid)?.unwrap_or(text),
        };
        names.accounts.insert(sid.clone(), name);
    }
    let name = names.accounts.get(sid).map_or("", String::as_str);
    Ok(html! { span title=(sid) { (Shown(name)) } })
}

fn named(source: &dyn Source, sid: &Sid) -> Result<Option<String>, Problem> {
    for id in source.find(&Lookup::Sid(sid)).map_err(Problem::failed)? {
        let entry = source
            .entry(id, &Wanted::names())
            .map_err(Problem::failed)?;
        if let Some(entry) = entry {
            return Ok(Some(own_name(&entry.dn)));
        }
    }
    Ok(None)
}

/// Extended rights and property sets, by their GUIDs.
fn rights(source: &dyn Source) -> Result<HashMap<Guid, String>, Problem> {
    let mut rights = HashMap::new();
    let Some(configuration) = &source.facts().configuration else {
        return Ok(rights);
    };
    let folder = format!("CN=Extended-Rights,{}", configuration.dn);
    let wanted = Wanted::only(["rightsGuid"]);
    for id in source.find(&Lookup::Dn(&folder)).map_err(Problem::failed)? {
        let entries = source.scan(id, Scope::OneLevel, &wanted);
        for entry in entries.map_err(Problem::failed)? {
            let entry = entry.map_err(Problem::failed)?;
            let guid = entry.text("rightsGuid").and_then(|text| text.parse().ok());
            if let Some(guid) = guid {
                rights.insert(guid, own_name(&entry.dn));
            }
        }
    }
    Ok(rights)
}

/// The attribute, class or right that an entry is about, and the class that inherits it.
fn object(names: &Names<'_>, entry: &Ace) -> Markup {
    let name = |guid: &Guid| -> String {
        let schema = names.source.schema();
        let of_attribute = || {
            let mut attributes = schema.attributes().iter();
            attributes.find(|attribute| attribute.guid.as_ref() == Some(guid))
        };
        let of_class = || {
            let mut classes = schema.classes().iter();
            classes.find(|class| class.guid.as_ref() == Some(guid))
        };
        if let Some(right) = names.rights.get(guid) {
            return right.clone();
        }
        let found = of_attribute().map(|attribute| attribute.name.to_string());
        found
            .or_else(|| of_class().map(|class| class.name.to_string()))
            .unwrap_or_else(|| guid.to_string())
    };
    html! {
        @if let Some(guid) = &entry.object { (Shown(&name(guid))) }
        @if let Some(class) = &entry.inherited_object { " (for " (Shown(&name(class))) ")" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_words() {
        assert_eq!(in_words(0xf_01ff), "everything");
        assert_eq!(in_words(0x1000_0000), "everything");
        assert_eq!(in_words(0x30), "read, write");
        assert_eq!(in_words(0x2_0000 | 0x200), "read permissions, 0x200");
        assert_eq!(place(0), "here");
        assert_eq!(place(0x1a), "beneath, inherited");
    }
}
