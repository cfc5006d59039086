//! Identity, progress and counts of the directory, as of an NTDS.

use ::ntds::{Counts, Domain, Facts, NamingContext, TombstoneLifetime};
use ::samba::ldb::{ExtendedDn, Record};

use super::Samba;
use super::index::Object;
use crate::{Entry, Lookup, Reference, Result, Scope, Source, State, Value, Wanted, dn};

/// Bit of `instanceType`: the server may change the naming context.
const IS_WRITABLE: i64 = 4;

/// Reads all records, with a call of `watch` for each, and the objects that tell the identity.
pub fn take(samba: &Samba, watch: &dyn Fn()) -> Result<Facts> {
    let found = &samba.facts;
    let service = found.service.as_ref();
    let dsa_guid = service.and_then(|service| service.guid);
    let server = service
        .and_then(|service| dn::parent(&service.dn))
        .and_then(dn::own_value);
    let lifetimes = lifetimes(samba)?;
    let mut counted = Counted::default();
    for number in samba.index.numbers() {
        watch();
        if let Some(object) = samba.index.get(number) {
            counted.add(samba, object)?;
        }
    }
    let usn = samba.index.usn.unwrap_or(counted.highest_usn);
    Ok(Facts {
        domain: match &found.default_naming_context {
            Some(head) => Some(domain(samba, head)?),
            None => None,
        },
        forest: match &found.root_domain {
            Some(root) => cross_reference(samba, root)?.0,
            None => None,
        },
        server: server.ok_or_else(|| samba.lacks("the name of its own server"))?,
        dsa_guid: dsa_guid.ok_or_else(|| samba.lacks("the GUID of its own server"))?,
        invocation_id: (found.invocation_id)
            .ok_or_else(|| samba.lacks("the invocation id of its own server"))?,
        tombstone_lifetime: lifetimes.0,
        deleted_object_lifetime_days: lifetimes.1,
        recycle_bin_enabled: found.recycle_bin_enabled,
        naming_contexts: naming_contexts(samba)?,
        highest_committed_usn: usn,
        reserved_usn: usn,
        counts: counted.counts,
    })
}

#[derive(Default)]
struct Counted {
    counts: Counts,
    highest_usn: u64,
}

impl Counted {
    fn add(&mut self, samba: &Samba, object: &Object) -> Result<()> {
        let bytes = samba.index.bytes(object)?;
        let record = Record::parse(&bytes).map_err(|malformed| {
            let reason = format!("{}: {malformed}", object.dn);
            samba.index.damaged(object, &reason)
        })?;
        let usn = record.value("uSNChanged").and_then(number);
        self.highest_usn = self.highest_usn.max(usn.unwrap_or(0));
        self.add_links(samba, &record);
        let counts = &mut self.counts;
        match State::of(object.marks, samba.facts.recycle_bin_enabled) {
            State::Live => count_classes(&record, counts),
            State::Tombstone => counts.deleted.tombstones += 1,
            State::InRecycleBin => counts.deleted.recycle_bin += 1,
            State::Recycled => counts.deleted.recycled += 1,
        }
        Ok(())
    }
    fn add_links(&mut self, samba: &Samba, record: &Record<'_>) {
        let links = &mut self.counts.links;
        for element in &record.elements {
            let name = std::str::from_utf8(element.name).unwrap_or_default();
            let attribute = samba.schema.attribute(name);
            if !attribute.is_some_and(|attribute| attribute.is_forward_link()) {
                continue;
            }
            for value in &element.values {
                match ExtendedDn::parse(value).is_some_and(|name| name.is_removed) {
                    true => links.removed += 1,
                    false => links.present += 1,
                }
            }
        }
    }
}

fn count_classes(record: &Record<'_>, counts: &mut Counts) {
    counts.objects += 1;
    let classes = record.values("objectClass");
    let is = |class: &[u8]| {
        classes
            .iter()
            .any(|found| found.eq_ignore_ascii_case(class))
    };
    if is(b"computer") {
        counts.computers += 1;
    } else if is(b"user") {
        counts.users += 1;
    } else if is(b"group") {
        counts.groups += 1;
    } else if is(b"contact") {
        counts.contacts += 1;
    } else if is(b"groupPolicyContainer") {
        counts.group_policies += 1;
    }
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn domain(samba: &Samba, head: &Reference) -> Result<Domain> {
    let (dns_name, netbios_name) = cross_reference(samba, head)?;
    Ok(Domain {
        dns_name,
        netbios_name,
        name: head.dn.to_string(),
        guid: head.guid,
        sid: head.sid.clone(),
    })
}

/// The DNS and NetBIOS names of a naming context, from its cross-reference.
fn cross_reference(samba: &Samba, context: &Reference) -> Result<(Option<String>, Option<String>)> {
    let wanted = Wanted::only(["nCName", "dnsRoot", "nETBIOSName"]);
    let Some(partitions) = in_configuration(samba, "CN=Partitions", &wanted)? else {
        return Ok((None, None));
    };
    for entry in samba.scan(partitions.id, Scope::OneLevel, &wanted)? {
        let entry = entry?;
        let name = entry.value("nCName").and_then(Value::reference);
        if name.is_some_and(|name| name.guid == context.guid) {
            let text = |name| entry.text(name).map(str::to_owned);
            return Ok((text("dnsRoot"), text("nETBIOSName")));
        }
    }
    Ok((None, None))
}

/// The tombstone lifetime, and that of objects in the Recycle Bin in days.
fn lifetimes(samba: &Samba) -> Result<(TombstoneLifetime, u32)> {
    let wanted = Wanted::only(["tombstoneLifetime", "msDS-DeletedObjectLifetime"]);
    let place = "CN=Directory Service,CN=Windows NT,CN=Services";
    let service = in_configuration(samba, place, &wanted)?;
    let days = |name| service.as_ref()?.value(name)?.integer();
    let tombstones = TombstoneLifetime::of(days("tombstoneLifetime"));
    let deleted = days("msDS-DeletedObjectLifetime");
    let deleted = deleted.map_or(tombstones, |days| TombstoneLifetime::of(Some(days)));
    Ok((tombstones, deleted.days))
}

fn in_configuration(samba: &Samba, place: &str, wanted: &Wanted) -> Result<Option<Entry>> {
    let Some(configuration) = &samba.facts.configuration else {
        return Ok(None);
    };
    let name = format!("{place},{}", configuration.dn);
    match samba.find(&Lookup::Dn(&name))?.first() {
        Some(id) => samba.entry(*id, wanted),
        None => Ok(None),
    }
}

fn naming_contexts(samba: &Samba) -> Result<Vec<NamingContext>> {
    let wanted = Wanted::only(["instanceType"]);
    let mut contexts = Vec::new();
    for context in &samba.facts.naming_contexts {
        let head = samba.entry(context.id, &wanted)?;
        let kind = head
            .as_ref()
            .and_then(|head| head.value("instanceType")?.integer());
        contexts.push(NamingContext {
            name: context.dn.to_string(),
            guid: head.and_then(|head| head.guid),
            writable: kind.is_some_and(|kind| kind & IS_WRITABLE != 0),
        });
    }
    Ok(contexts)
}
