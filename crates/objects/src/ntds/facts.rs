//! The identity of the directory.

use ntds::Dnt;

use super::core::{Core, dnt_of, id_of};
use super::scan;
use crate::{
    Entry, Facts, Guid, LinkState, NamingContext, ObjectId, Reference, Result, Scope, Value, Wanted,
};

/// `instanceType`: the head of a naming context, and one that is not held here.
const IS_HEAD: i64 = 1;
const IS_NOT_HELD: i64 = 2;

/// msDS-OptionalFeatureGUID of the Recycle Bin: 766ddcd8-acd0-445e-f3b9-a7f9b6744f2a.
const RECYCLE_BIN: [u8; 16] = [
    0xd8, 0xdc, 0x6d, 0x76, 0xd0, 0xac, 0x5e, 0x44, 0xf3, 0xb9, 0xa7, 0xf9, 0xb6, 0x74, 0x4f, 0x2a,
];

/// Reads the facts, and records in `core` whether the Recycle Bin is enabled.
pub fn read(core: &mut Core) -> Result<Facts> {
    let server = read_entry(core, core.tables.server, &Wanted::everything())?;
    let schema = core.tables.schema;
    let configuration = core.named(schema)?.parent;
    let root = core.named(configuration)?.parent;
    let partitions = child(core, configuration, "Partitions")?;
    core.recycle_bin = match &partitions {
        Some(partitions) => has_recycle_bin(core, partitions)?,
        None => false,
    };
    let mut naming_contexts = Vec::new();
    if let Some(partitions) = &partitions {
        for head in heads(core, partitions.id)? {
            naming_contexts.push(NamingContext {
                id: id_of(head),
                dn: core.reference(head)?.dn,
            });
        }
    }
    let domain = server.as_ref().and_then(|server| {
        let links = server.links.iter();
        let mut present = links.filter(|link| link.state() == LinkState::Present);
        let domain = present.find(|link| &*link.attribute.name == "msDS-HasDomainNCs")?;
        Some(domain.other.clone())
    });
    let reference = |dnt: Dnt| -> Result<Option<Reference>> {
        Ok(Some(core.reference(dnt)?).filter(|reference| !reference.is_phantom))
    };
    let root_domain = reference(root)?;
    Ok(Facts {
        kind: "NTDS",
        default_naming_context: domain.or_else(|| root_domain.clone()),
        configuration: reference(configuration)?,
        schema: reference(schema)?,
        root_domain,
        naming_contexts,
        service: reference(core.tables.server)?,
        dns_host_name: match server.as_ref().and_then(|server| server.parent) {
            Some(parent) => {
                let wanted = Wanted::only(["dNSHostName"]);
                let object = core.entry(parent, &core.select(&wanted))?;
                object.and_then(|object| object.text("dNSHostName").map(str::to_owned))
            }
            None => None,
        },
        invocation_id: server.and_then(|server| match server.value("invocationId")? {
            Value::Bytes(bytes) => bytes.as_slice().try_into().ok().map(Guid),
            _ => None,
        }),
        recycle_bin_enabled: core.recycle_bin,
    })
}

fn read_entry(core: &Core, dnt: Dnt, wanted: &Wanted) -> Result<Option<Entry>> {
    core.entry(id_of(dnt), &core.select(wanted))
}

fn child(core: &Core, parent: Dnt, name: &str) -> Result<Option<Entry>> {
    let wanted = Wanted::only(["name", "msDS-EnabledFeature"]);
    for entry in scan::scan(core, id_of(parent), Scope::Children, &wanted)? {
        let entry = entry?;
        if entry
            .text("name")
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
        {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn has_recycle_bin(core: &Core, partitions: &Entry) -> Result<bool> {
    let wanted = Wanted::only(["msDS-OptionalFeatureGUID"]);
    for value in partitions.values("msDS-EnabledFeature") {
        let guid = value.reference().and_then(|reference| reference.guid);
        let Some(guid) = guid else { continue };
        for id in super::lookup::find(core, &crate::Lookup::Guid(guid))? {
            let feature = core.entry(id, &core.select(&wanted))?;
            let guid = feature
                .as_ref()
                .and_then(|feature| feature.value("msDS-OptionalFeatureGUID"));
            if matches!(guid, Some(Value::Bytes(bytes)) if *bytes == RECYCLE_BIN) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The heads of naming contexts that the directory holds, in the order of its cross-references.
fn heads(core: &Core, partitions: ObjectId) -> Result<Vec<Dnt>> {
    let wanted = Wanted::only(["nCName"]);
    let kind = Wanted::only(["instanceType"]);
    let mut heads = Vec::new();
    for entry in scan::scan(core, partitions, Scope::OneLevel, &wanted)? {
        let entry = entry?;
        let guid = (entry.value("nCName"))
            .and_then(Value::reference)
            .and_then(|reference| reference.guid);
        let Some(guid) = guid else { continue };
        for id in super::lookup::find(core, &crate::Lookup::Guid(guid))? {
            let head = core.entry(id, &core.select(&kind))?;
            let head = head
                .as_ref()
                .and_then(|head| head.value("instanceType")?.integer());
            if head.is_some_and(|kind| kind & IS_HEAD != 0 && kind & IS_NOT_HELD == 0) {
                heads.extend(dnt_of(id));
            }
        }
    }
    Ok(heads)
}
