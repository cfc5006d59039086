//! The identity of the directory.

use ::samba::ldb::{ExtendedDn, Record};

use super::id_of;
use super::index::{Index, Object};
use super::values::reference;
use crate::{Facts, Guid, Lookup, NamingContext, Reference, Result};

/// msDS-OptionalFeatureGUID of the Recycle Bin: 766ddcd8-acd0-445e-f3b9-a7f9b6744f2a.
const RECYCLE_BIN: [u8; 16] = [
    0xd8, 0xdc, 0x6d, 0x76, 0xd0, 0xac, 0x5e, 0x44, 0xf3, 0xb9, 0xa7, 0xf9, 0xb6, 0x74, 0x4f, 0x2a,
];

/// Reads the facts, beginning with `@ROOTDSE`.
pub fn read(index: &Index) -> Result<Facts> {
    let named = |attribute: &str| -> Option<Reference> {
        let value = index.root.get(attribute)?.first()?;
        let reference = reference(&ExtendedDn::parse(value.as_bytes())?, index);
        Some(reference).filter(|reference| !reference.is_phantom)
    };
    let contexts = index.partitions().iter().filter_map(|name| {
        let number = *index.find(&Lookup::Dn(name)).first()?;
        Some(NamingContext {
            id: id_of(number),
            dn: index.get(number)?.dn.clone(),
        })
    });
    let service = named("dsServiceName");
    let configuration = named("configurationNamingContext");
    let object = |reference: &Option<Reference>| -> Option<&Object> {
        let number = *index.find(&Lookup::Dn(&reference.as_ref()?.dn)).first()?;
        index.get(number)
    };
    let settings = object(&service);
    let server = settings.and_then(|settings| index.get(settings.parent?));
    let dns_host_name = match server {
        Some(server) => first(index, server, "dNSHostName")?,
        None => None,
    };
    let invocation_id = match settings {
        Some(settings) => first(index, settings, "invocationId")?,
        None => None,
    };
    Ok(Facts {
        kind: "Samba",
        default_naming_context: named("defaultNamingContext"),
        schema: named("schemaNamingContext"),
        root_domain: named("rootDomainNamingContext"),
        naming_contexts: contexts.collect(),
        dns_host_name: dns_host_name.and_then(|name| String::from_utf8(name).ok()),
        invocation_id: invocation_id.and_then(|id| id.try_into().ok()).map(Guid),
        recycle_bin_enabled: match &configuration {
            Some(configuration) => has_recycle_bin(index, configuration)?,
            None => false,
        },
        configuration,
        service,
    })
}

fn first(index: &Index, object: &Object, name: &str) -> Result<Option<Vec<u8>>> {
    Ok(all(index, object, name)?.into_iter().next())
}

fn all(index: &Index, object: &Object, name: &str) -> Result<Vec<Vec<u8>>> {
    let bytes = index.bytes(object)?;
    let record = Record::parse(&bytes)
        .map_err(|malformed| index.damaged(object, &format!("{}: {malformed}", object.dn)))?;
    Ok(record
        .values(name)
        .iter()
        .map(|value| value.to_vec())
        .collect())
}

fn has_recycle_bin(index: &Index, configuration: &Reference) -> Result<bool> {
    let partitions = format!("CN=Partitions,{}", configuration.dn);
    let found = index.find(&Lookup::Dn(&partitions));
    let Some(partitions) = found.first().and_then(|number| index.get(*number)) else {
        return Ok(false);
    };
    for value in all(index, partitions, "msDS-EnabledFeature")? {
        let feature = ExtendedDn::parse(&value).filter(|name| !name.is_removed);
        let guid = feature.and_then(|feature| feature.guid);
        let found = guid
            .map(|guid| index.find(&Lookup::Guid(guid)))
            .unwrap_or_default();
        let Some(feature) = found.first().and_then(|number| index.get(*number)) else {
            continue;
        };
        let guid = first(index, feature, "msDS-OptionalFeatureGUID")?;
        if guid.as_deref() == Some(&RECYCLE_BIN[..]) {
            return Ok(true);
        }
    }
    Ok(false)
}
