//! Who a server is: its rootDSE, and what that names.

use ids::Guid;
use objects::ldap::ExtendedDn;
use objects::{Facts, NamingContext, Reference};
use rasn_ldap::{Filter, ResultCode, SearchRequestScope};

use crate::connection::{Connection, Search, Sent};
use crate::known::Known;
use crate::schema::first;
use crate::{Error, Result, controls};

/// msDS-OptionalFeatureGUID of the Recycle Bin: 766ddcd8-acd0-445e-f3b9-a7f9b6744f2a.
const RECYCLE_BIN: [u8; 16] = [
    0xd8, 0xdc, 0x6d, 0x76, 0xd0, 0xac, 0x5e, 0x44, 0xf3, 0xb9, 0xa7, 0xf9, 0xb6, 0x74, 0x4f, 0x2a,
];

/// What a server says of itself to everybody.
pub struct Root(Sent);

impl Root {
    /// Asks the server.
    pub fn read(connection: &mut Connection) -> Result<Self> {
        let names = [
            "defaultNamingContext",
            "configurationNamingContext",
            "schemaNamingContext",
            "rootDomainNamingContext",
            "namingContexts",
            "dsServiceName",
            "dnsHostName",
            "vendorName",
            "supportedCapabilities",
        ];
        let root = entry(connection, "", &names, false)?;
        root.map(Self).ok_or_else(|| Error::Answer {
            server: connection.server().to_owned(),
            expected: "its rootDSE",
            found: "empty".into(),
        })
    }

    /// Whether the server takes no changes: a read-only domain controller.
    /// Source: \[MS-ADTS\] 3.1.1.3.4.3, LDAP_CAP_ACTIVE_DIRECTORY_PARTIAL_SECRETS_OID.
    pub fn is_read_only(&self) -> bool {
        const PARTIAL_SECRETS: &[u8] = b"1.2.840.113556.1.4.1920";
        let mut capabilities = self.values("supportedCapabilities");
        capabilities.any(|value| value == PARTIAL_SECRETS)
    }

    /// One of its texts.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(first(&self.0, name)?).ok()
    }

    /// One of its names, without GUID and SID.
    pub fn name(&self, attribute: &str) -> Option<&str> {
        let value = first(&self.0, attribute)?;
        Some(ExtendedDn::parse(value)?.dn)
    }

    fn contexts(&self) -> impl Iterator<Item = &str> {
        let values = self.values("namingContexts");
        values.filter_map(|value| Some(ExtendedDn::parse(value)?.dn))
    }

    fn values(&self, attribute: &str) -> impl Iterator<Item = &[u8]> {
        let mut attributes = self.0.attributes.iter();
        let found = attributes.find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        let values = found.into_iter().flat_map(|(_, values)| values);
        values.map(Vec::as_slice)
    }
}

/// Reads what the rootDSE names.
pub fn read(connection: &mut Connection, root: &Root, known: &mut Known) -> Result<Facts> {
    let mut reference = |attribute: &str| -> Result<Option<Reference>> {
        let Some(name) = root.name(attribute) else {
            return Ok(None);
        };
        let found = entry(connection, name, &["1.1"], true)?;
        Ok(found.and_then(|entry| Some(reference(&ExtendedDn::parse(entry.dn.as_bytes())?))))
    };
    let default_naming_context = reference("defaultNamingContext")?;
    let configuration = reference("configurationNamingContext")?;
    let schema = reference("schemaNamingContext")?;
    let root_domain = reference("rootDomainNamingContext")?;
    let service = reference("dsServiceName")?;
    let mut naming_contexts = Vec::new();
    for name in root.contexts() {
        if let Some(head) = entry(connection, name, &["1.1"], true)?
            && let Some(name) = ExtendedDn::parse(head.dn.as_bytes())
        {
            let dn = name.dn.into();
            let id = known.met(name.guid, &dn);
            naming_contexts.push(NamingContext { id, dn });
        }
    }
    let invocation_id = match &service {
        Some(service) => {
            let settings = entry(connection, &service.dn, &["invocationId"], true)?;
            let id = settings
                .as_ref()
                .and_then(|entry| first(entry, "invocationId"));
            id.and_then(|bytes| bytes.try_into().ok()).map(Guid)
        }
        None => None,
    };
    Ok(Facts {
        kind: "LDAP",
        recycle_bin_enabled: match &configuration {
            Some(configuration) => has_recycle_bin(connection, &configuration.dn)?,
            None => false,
        },
        default_naming_context,
        configuration,
        schema,
        root_domain,
        naming_contexts,
        service,
        dns_host_name: root.text("dnsHostName").map(str::to_owned),
        invocation_id,
    })
}

fn has_recycle_bin(connection: &mut Connection, configuration: &str) -> Result<bool> {
    let partitions = format!("CN=Partitions,{configuration}");
    let Some(partitions) = entry(connection, &partitions, &["msDS-EnabledFeature"], true)? else {
        return Ok(false);
    };
    for value in partitions.attributes.iter().flat_map(|(_, values)| values) {
        let Some(feature) = ExtendedDn::parse(value) else {
            continue;
        };
        let names = ["msDS-OptionalFeatureGUID"];
        let feature = entry(connection, feature.dn, &names, true)?;
        let guid = feature.as_ref().and_then(|entry| first(entry, names[0]));
        if guid == Some(&RECYCLE_BIN[..]) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An object that a value names.
pub fn reference(name: &ExtendedDn<'_>) -> Reference {
    Reference {
        dn: name.dn.into(),
        guid: name.guid,
        sid: name.sid.clone(),
        is_phantom: false,
    }
}

/// An object by name; `None` where there is none.
fn entry(
    connection: &mut Connection,
    base: &str,
    attributes: &[&str],
    extended: bool,
) -> Result<Option<Sent>> {
    let search = Search {
        base: base.to_owned(),
        scope: SearchRequestScope::BaseObject,
        filter: Filter::Present("objectClass".into()),
        attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
        controls: extended
            .then(controls::extended_names)
            .into_iter()
            .collect(),
    };
    match connection.page(&search, &[]) {
        Ok(page) => Ok(page.entries.into_iter().next()),
        Err(Error::Refused {
            // A global catalog names the contexts of other domains, and refers to their servers.
            code: ResultCode::NoSuchObject | ResultCode::InvalidDnSyntax | ResultCode::Referral,
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}
