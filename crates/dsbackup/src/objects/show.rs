//! `dsbackup show`: all of an object.

use std::collections::HashMap;

use objects::descriptor::Domains;
use objects::membership::Memberships;
use objects::{
    Entry, Guid, Link, LinkDirection, LinkState, Lookup, ObjectId, Sid, Source, Value, Wanted, dn,
};
use serde_json::{Value as Json, json};

use super::nested::Nested;
use super::source::Sources;
use super::{history, json, table, words};
use crate::cli::ShowOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::Report;

/// Shows objects.
///
/// # Errors
/// Where no object fits, or several do, and where the directory cannot be read. Then none is shown.
pub fn run(options: &ShowOptions, report: Report) -> Result<Outcome> {
    let sources = Sources::new(&options.sources, report);
    let source = sources.open(&options.source)?;
    let mut entries = Vec::new();
    for name in &options.objects {
        let entry = source.entry(find(&*source, name)?, &Wanted::everything())?;
        entries.push(entry.ok_or_else(|| nothing(name))?);
    }
    if options.history {
        let [entry] = entries.as_slice() else {
            return Err(Failure::Usage(
                "--history follows one object: name only one".into(),
            ));
        };
        let guid = entry.guid.ok_or_else(|| {
            Failure::NotFound(format!("{}: it has no objectGUID to follow", entry.dn))
        })?;
        return history::run(&sources, &source, guid, report);
    }
    let servers = match options.metadata {
        true => Some(objects::servers::names(&*source)?),
        false => None,
    };
    let memberships = options.recursive.then(|| Memberships::new(&*source));
    let shown = (entries.iter())
        .map(|entry| Shown::of(&*source, entry, servers.as_ref(), memberships.as_ref()))
        .collect::<Result<Vec<_>>>()?;
    let words = || {
        let each: Vec<String> = shown.iter().map(|shown| shown.in_words(&*source)).collect();
        each.join("\n\n\n")
    };
    match shown.as_slice() {
        [one] => report.result(&one.for_machines(&*source), words)?,
        several => {
            let several = several.iter().map(|shown| shown.for_machines(&*source));
            report.result(&several.collect::<Vec<_>>(), words)?;
        }
    }
    Ok(Outcome::Done)
}

/// What is shown of an object.
struct Shown<'s> {
    entry: &'s Entry,
    sddl: Option<String>,
    /// The names of the servers, if replication metadata is shown.
    servers: Option<&'s HashMap<Guid, String>>,
    nested: Option<Nested>,
}

impl<'s> Shown<'s> {
    fn of(
        source: &dyn Source,
        entry: &'s Entry,
        servers: Option<&'s HashMap<Guid, String>>,
        memberships: Option<&Memberships<'_>>,
    ) -> Result<Self> {
        Ok(Self {
            sddl: sddl(source, entry),
            nested: match memberships {
                Some(memberships) => Some(Nested::of(source, memberships, entry.id)?),
                None => None,
            },
            entry,
            servers,
        })
    }

    fn for_machines(&self, source: &dyn Source) -> Json {
        let mut object = json::entry(self.entry);
        object["sddl"] = self.sddl.clone().into();
        if let Some(servers) = self.servers {
            object["metadata"] = stamps_for_machines(source, self.entry, servers);
            let links = self.entry.links.iter();
            object["links"] = links.map(|link| link_for_machines(link, servers)).collect();
        }
        if let Some(nested) = &self.nested {
            nested.add_to(&mut object);
        }
        object
    }

    fn in_words(&self, source: &dyn Source) -> String {
        let mut text = attributes_in_words(self.entry, self.sddl.as_deref());
        if let Some(servers) = self.servers {
            text += "\n\n";
            text += &stamps_in_words(source, self.entry, servers);
            text += &links_in_words(self.entry, servers);
        }
        if let Some(nested) = &self.nested {
            text += &nested.in_words();
        }
        text
    }
}

fn nothing(text: &str) -> Failure {
    Failure::NotFound(format!(
        "{text}: the directory has no such object (a distinguished name, GUID, SID, userPrincipalName or \
         sAMAccountName names one)"
    ))
}

/// The one object that `text` names.
///
/// # Errors
/// Where none fits, or several do.
pub fn find(source: &dyn Source, text: &str) -> Result<ObjectId> {
    let bare = text.trim_matches(['{', '}']);
    let mut found = if let Ok(guid) = bare.parse::<Guid>() {
        source.find(&Lookup::Guid(guid))?
    } else if let Ok(sid) = text.parse::<Sid>() {
        source.find(&Lookup::Sid(&sid))?
    } else if text.contains('=') {
        source.find(&Lookup::Dn(text))?
    } else if text.contains('@') {
        source.find(&Lookup::PrincipalName(text))?
    } else {
        let account = match text.split_once('\\') {
            Some((domain, account)) => {
                check_domain(source, domain, text)?;
                account
            }
            None => text,
        };
        source.find(&Lookup::Account(account))?
    };
    if found.len() > 1 {
        // One that is not deleted goes before those that are.
        let mut live = Vec::new();
        for id in &found {
            let entry = source.entry(*id, &Wanted::names())?;
            live.extend(
                entry
                    .filter(|entry| !entry.state.is_deleted())
                    .map(|entry| entry.id),
            );
        }
        if live.len() == 1 {
            found = live;
        }
    }
    match found.as_slice() {
        [id] => Ok(*id),
        [] => Err(nothing(text)),
        several => {
            let mut names = Vec::new();
            for id in several {
                let entry = source.entry(*id, &Wanted::names())?;
                names.extend(entry.map(|entry| entry.dn.to_string()));
            }
            Err(Failure::NotFound(format!(
                "{text}: several objects: {}",
                names.join("; ")
            )))
        }
    }
}

/// Refuses an account of another domain than the directory's own, whose names are in it.
fn check_domain(source: &dyn Source, domain: &str, text: &str) -> Result<()> {
    // The groups that every domain has.
    if domain.eq_ignore_ascii_case("BUILTIN") {
        return Ok(());
    }
    let Some(own) = &source.facts().default_naming_context else {
        return Ok(());
    };
    let domains = forest::domains(source)?;
    let own = (domains.iter()).find(|domain| dn::fold(&domain.dn) == dn::fold(&own.dn));
    match own {
        Some(own)
            if ![&own.netbios_name, &own.name]
                .iter()
                .any(|name| name.eq_ignore_ascii_case(domain)) =>
        {
            Err(Failure::NotFound(format!(
                "{text}: this directory is of the domain {}",
                own.netbios_name
            )))
        }
        _ => Ok(()),
    }
}

fn sddl(source: &dyn Source, entry: &Entry) -> Option<String> {
    let facts = source.facts();
    let sid = |name: &Option<objects::Reference>| name.as_ref()?.sid.clone();
    let (domain, root) = (sid(&facts.default_naming_context), sid(&facts.root_domain));
    let domains = Domains {
        domain: domain.as_ref(),
        root: root.as_ref(),
    };
    Some(entry.descriptor()?.to_sddl(domains))
}

fn attributes_in_words(entry: &Entry, sddl: Option<&str>) -> String {
    let mut rows = vec![vec!["dn".to_owned(), words::printable(&entry.dn)]];
    let state = words::state(entry.state);
    if !state.is_empty() {
        rows.push(vec!["state".into(), state.into()]);
    }
    let mut attributes: Vec<_> = entry.attributes.iter().collect();
    attributes.sort_by_key(|attribute| attribute.schema.name.to_lowercase());
    for attribute in attributes {
        for value in &attribute.values {
            let text = match (value, sddl) {
                (Value::Descriptor(_), Some(sddl)) => sddl.to_owned(),
                _ if &*attribute.schema.name == "replPropertyMetaData" => continue,
                _ => words::value(value, &attribute.schema),
            };
            rows.push(vec![attribute.schema.name.to_string(), text]);
        }
    }
    table::lines(&["attribute", "value"], &rows)
}

fn server(servers: &HashMap<Guid, String>, life: Guid) -> String {
    servers
        .get(&life)
        .cloned()
        .unwrap_or_else(|| life.to_string())
}

fn attribute_name(source: &dyn Source, stamp: &objects::metadata::AttributeMetadata) -> String {
    match source.schema().attribute_of_number(stamp.attribute) {
        Some(attribute) => attribute.name.to_string(),
        None => format!("{:#x}", stamp.attribute.0),
    }
}

fn stamps_in_words(source: &dyn Source, entry: &Entry, servers: &HashMap<Guid, String>) -> String {
    let rows: Vec<Vec<String>> = (entry.metadata.iter())
        .map(|stamp| {
            vec![
                attribute_name(source, stamp),
                stamp.version.to_string(),
                stamp.changed.to_string(),
                server(servers, stamp.invocation_id),
                stamp.originating_usn.to_string(),
                stamp.local_usn.to_string(),
            ]
        })
        .collect();
    table::lines(
        &[
            "attribute",
            "version",
            "changed (UTC)",
            "by",
            "USN there",
            "USN here",
        ],
        &rows,
    )
}

fn links_in_words(entry: &Entry, servers: &HashMap<Guid, String>) -> String {
    let rows: Vec<Vec<String>> = (entry.links.iter())
        .map(|link| {
            let stamp = link.metadata;
            let time = |time: Option<objects::Time>| time.map(|time| time.to_string());
            vec![
                link.attribute.name.to_string(),
                link_state(link).to_owned(),
                time(stamp.map(|stamp| stamp.created)).unwrap_or_default(),
                time(
                    link.removed
                        .or(link.deactivated)
                        .or(stamp.map(|stamp| stamp.changed)),
                )
                .unwrap_or_default(),
                stamp
                    .map(|stamp| server(servers, stamp.invocation_id))
                    .unwrap_or_default(),
                words::printable(&link.other.dn),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let heading = [
        "link",
        "state",
        "made (UTC)",
        "changed (UTC)",
        "by",
        "object",
    ];
    format!("\n\n{}", table::lines(&heading, &rows))
}

fn link_state(link: &Link) -> &'static str {
    match link.state() {
        LinkState::Present => "present",
        LinkState::Removed => "removed",
        LinkState::Deactivated => "deactivated",
    }
}

fn stamps_for_machines(
    source: &dyn Source,
    entry: &Entry,
    servers: &HashMap<Guid, String>,
) -> Json {
    let stamps = entry.metadata.iter().map(|stamp| {
        json!({
            "attribute": attribute_name(source, stamp),
            "version": stamp.version,
            "changed": stamp.changed.generalized(),
            "invocation_id": stamp.invocation_id.to_string(),
            "server": servers.get(&stamp.invocation_id),
            "originating_usn": stamp.originating_usn,
            "local_usn": stamp.local_usn,
        })
    });
    stamps.collect()
}

fn link_for_machines(link: &Link, servers: &HashMap<Guid, String>) -> Json {
    let mut object = json!({
        "attribute": *link.attribute.name,
        "direction": match link.direction {
            LinkDirection::Forward => "forward",
            LinkDirection::Back => "back",
        },
        "dn": *link.other.dn,
        "guid": link.other.guid.map(|guid| guid.to_string()),
        "state": link_state(link),
        "removed": link.removed.map(|time| time.generalized()),
        "deactivated": link.deactivated.map(|time| time.generalized()),
    });
    if let Some(stamp) = link.metadata {
        object["version"] = stamp.version.into();
        object["created"] = stamp.created.generalized().into();
        object["changed"] = stamp.changed.generalized().into();
        object["invocation_id"] = stamp.invocation_id.to_string().into();
        object["server"] = json!(servers.get(&stamp.invocation_id));
        object["originating_usn"] = stamp.originating_usn.into();
        object["local_usn"] = stamp.local_usn.into();
    }
    object
}
