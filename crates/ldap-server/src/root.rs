//! The rootDSE (\[MS-ADTS\] 3.1.1.3.2).

use objects::{Lookup, Reference, Source, Time, Value, Wanted};

use crate::answer::{START_TLS, WHO_AM_I};
use crate::render::Attribute;
use crate::request::{CONTROLS, Request};
use crate::subschema;

/// The requested attributes of the rootDSE.
///
/// # Errors
/// Fails if the directory is damaged.
pub fn attributes(
    source: &dyn Source,
    request: &Request,
    has_tls: bool,
    mechanisms: &[&str],
) -> objects::Result<Vec<Attribute>> {
    let facts = source.facts();
    let mut all = Vec::new();
    let mut add = |name: &str, reference: Option<&Reference>| {
        all.extend(reference.map(|found| Attribute::text(name, [&*found.dn])));
    };
    add(
        "defaultNamingContext",
        facts.default_naming_context.as_ref(),
    );
    add("configurationNamingContext", facts.configuration.as_ref());
    add("schemaNamingContext", facts.schema.as_ref());
    add("rootDomainNamingContext", facts.root_domain.as_ref());
    add("dsServiceName", facts.service.as_ref());
    if let Some(service) = &facts.service {
        all.extend(objects::dn::parent(&service.dn).map(|dn| Attribute::text("serverName", [dn])));
    }
    let contexts = facts.naming_contexts.iter().map(|context| &*context.dn);
    all.push(Attribute::text("namingContexts", contexts));
    all.extend(subschema::name(facts).map(|dn| Attribute::text("subschemaSubentry", [dn])));
    all.extend(
        facts
            .dns_host_name
            .iter()
            .map(|name| Attribute::text("dnsHostName", [name])),
    );
    let partitions = (facts.configuration.as_ref()).map(|dn| format!("CN=Partitions,{}", dn.dn));
    for (name, dn) in [
        (
            "domainFunctionality",
            dn(facts.default_naming_context.as_ref()),
        ),
        ("forestFunctionality", partitions),
        ("domainControllerFunctionality", dn(facts.service.as_ref())),
    ] {
        let level = level(source, dn.as_deref())?;
        all.extend(level.map(|level| Attribute::text(name, [level.to_string()])));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now
        .ok()
        .and_then(|now| Time::from_unix(now.as_secs() as i64));
    all.extend(now.map(|now| Attribute::text("currentTime", [now.generalized()])));
    all.push(Attribute::text("isSynchronized", ["TRUE"]));
    all.push(Attribute::text("supportedLDAPVersion", ["3"]));
    all.push(Attribute::text("supportedControl", CONTROLS));
    // Active Directory, of Windows 2000, 2003, 2008.
    let capabilities = [
        "1.2.840.113556.1.4.800",
        "1.2.840.113556.1.4.1670",
        "1.2.840.113556.1.4.1935",
    ];
    all.push(Attribute::text("supportedCapabilities", capabilities));
    let mut extensions = vec![WHO_AM_I.to_vec()];
    extensions.extend(has_tls.then(|| START_TLS.to_vec()));
    all.push(Attribute::new("supportedExtension", extensions));
    if !mechanisms.is_empty() {
        let mechanisms = mechanisms.iter().copied();
        all.push(Attribute::text("supportedSASLMechanisms", mechanisms));
    }
    all.push(Attribute::text("vendorName", ["dsbackup"]));
    let wanted = &request.attributes;
    all.retain(|own| wanted.all || wanted.named(&own.name()).is_some());
    if request.types_only {
        all = all.into_iter().map(Attribute::without_values).collect();
    }
    Ok(all)
}

fn dn(reference: Option<&Reference>) -> Option<String> {
    reference.map(|found| found.dn.to_string())
}

/// The functional level at an object.
fn level(source: &dyn Source, dn: Option<&str>) -> objects::Result<Option<i64>> {
    let Some(dn) = dn else {
        return Ok(None);
    };
    let wanted = Wanted::only(["msDS-Behavior-Version"]);
    for id in source.find(&Lookup::Dn(dn))? {
        if let Some(entry) = source.entry(id, &wanted)? {
            return Ok(entry
                .value("msDS-Behavior-Version")
                .and_then(Value::integer));
        }
    }
    Ok(None)
}
