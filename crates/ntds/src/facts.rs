//! The facts about a directory that backups need: identity, last changes, size.

use serde::Serialize;

use crate::attribute::Attribute;
use crate::census::Counts;
use crate::directory::{Directory, Dnt, ServerNotes};
use crate::{Guid, Result, Sid};

/// The facts of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// The domain of the domain controller. None in a lightweight directory (AD LDS).
    pub domain: Option<Domain>,
    /// The DNS name of the forest, which is its root domain's.
    pub forest: Option<String>,
    /// The name of the server object, for example `DC01`.
    pub server: String,
    /// The objectGUID of the server's NTDS Settings object, which identifies the domain controller
    /// to its partners.
    pub dsa_guid: Guid,
    /// Identifies the current life of the database; each restore begins a new one.
    pub invocation_id: Guid,
    /// The time until deleted objects are removed.
    pub tombstone_lifetime: TombstoneLifetime,
    /// The time that deleted objects stay in the Recycle Bin, in days.
    pub deleted_object_lifetime_days: u32,
    /// Whether the Recycle Bin is enabled in the forest.
    pub recycle_bin_enabled: bool,
    /// The naming contexts in the database, in the order of their creation.
    pub naming_contexts: Vec<NamingContext>,
    /// The highest USN of any change in the database. Does not cover an object that was changed
    /// last and then removed.
    pub highest_committed_usn: u64,
    /// The USN up to which the server has reserved numbers. After a crash it continues above it.
    pub reserved_usn: u64,
    /// The number of objects and links.
    pub counts: Counts,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// For example `corp.example`.
    pub dns_name: Option<String>,
    /// For example `CORP`.
    pub netbios_name: Option<String>,
    /// The distinguished name.
    pub name: String,
    /// The objectGUID.
    pub guid: Option<Guid>,
    /// The SID.
    pub sid: Option<Sid>,
}

/// A naming context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamingContext {
    /// The distinguished name.
    pub name: String,
    /// The objectGUID of its head.
    pub guid: Option<Guid>,
    /// Whether the server holds a full, writable replica. Otherwise it is partial or read-only.
    pub writable: bool,
}

/// The time until deleted objects are removed. An older backup must not be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TombstoneLifetime {
    /// In days.
    pub days: u32,
    /// Whether this is the default, because the directory does not specify it.
    pub is_default: bool,
}

impl TombstoneLifetime {
    /// The effective lifetime, from the directory's own setting. A directory service of before
    /// Windows Server 2008 R2 has another rule.
    pub fn of(days: Option<i64>) -> Self {
        effective_lifetime(days, None)
    }
}

/// Bit of `instanceType`: the server may change the naming context.
const IS_WRITABLE: i64 = 4;

/// Half the link id of `msDS-HasDomainNCs`, from a server to its domain.
const HAS_DOMAIN: i64 = 1013;
/// Half the link id of `msDS-EnabledFeature`, from a scope to an optional feature.
const ENABLED_FEATURE: i64 = 1084;

/// The objects from which the rest of the facts are found.
struct Places {
    notes: ServerNotes,
    configuration: Dnt,
    forest_root: Option<Dnt>,
    /// objectGUID of the server's NTDS Settings.
    dsa_guid: Guid,
    invocation_id: Guid,
    server: String,
}

impl Directory<'_> {
    /// All facts. Reads the whole tables of objects and links.
    ///
    /// # Errors
    /// Fails if the database is damaged or incomplete.
    pub fn facts(&self) -> Result<Facts> {
        self.facts_watched(&|| {})
    }

    /// As [`Self::facts`]. Calls `watch` for each object.
    ///
    /// # Errors
    /// As [`Self::facts`].
    pub fn facts_watched(&self, watch: &dyn Fn()) -> Result<Facts> {
        let places = self.places()?;
        let service = self.service_object(&places)?;
        let tombstone_lifetime = self.lifetime(service, &places)?;
        let deleted_object_lifetime_days = match service {
            Some(service) => self.object(service, "Directory Service", |object| {
                object.number(Attribute::DELETED_OBJECT_LIFETIME)
            })?,
            None => None,
        };
        let census = self.census(watch)?;
        let partitions = self.child(places.configuration, "Partitions")?;
        let contexts = census.naming_contexts.iter();
        Ok(Facts {
            domain: self.domain(&places, partitions, &census.naming_contexts)?,
            forest: match (partitions, places.forest_root) {
                (Some(partitions), Some(root)) => self.cross_reference(partitions, root)?.0,
                _ => None,
            },
            recycle_bin_enabled: match (partitions, census.recycle_bin_feature) {
                (Some(partitions), Some(feature)) => self
                    .has_link(partitions, ENABLED_FEATURE, Some(feature))?
                    .is_some(),
                _ => false,
            },
            naming_contexts: contexts
                .map(|(head, instance_type)| self.naming_context(*head, *instance_type))
                .collect::<Result<_>>()?,
            tombstone_lifetime,
            deleted_object_lifetime_days: deleted_object_lifetime_days
                .map_or(tombstone_lifetime, |days| TombstoneLifetime::of(Some(days)))
                .days,
            highest_committed_usn: u64::try_from(census.highest_usn).unwrap_or_default(),
            reserved_usn: u64::try_from(places.notes.usn).unwrap_or_default(),
            counts: census.counts,
            server: places.server,
            dsa_guid: places.dsa_guid,
            invocation_id: places.invocation_id,
        })
    }

    /// The tombstone lifetime, read from a few pages.
    ///
    /// # Errors
    /// Fails if the database is damaged or incomplete.
    pub fn tombstone_lifetime(&self) -> Result<TombstoneLifetime> {
        let places = self.places()?;
        let service = self.service_object(&places)?;
        self.lifetime(service, &places)
    }

    /// The server's own object, NTDS Settings.
    ///
    /// # Errors
    /// Fails if the database is damaged or refers to none.
    pub fn server_object(&self) -> Result<Dnt> {
        Ok(self.server_notes()?.dsa)
    }

    /// The head of the schema's naming context.
    ///
    /// # Errors
    /// Fails if the database is damaged or refers to none.
    pub fn schema(&self) -> Result<Dnt> {
        let dsa = self.server_notes()?.dsa;
        let schema = self.object(dsa, "NTDS Settings", |object| {
            object.reference(Attribute::DMD_LOCATION)
        })?;
        schema.ok_or_else(|| self.lacks("NTDS Settings", "a reference to the schema"))
    }

    fn places(&self) -> Result<Places> {
        let notes = self.server_notes()?;
        let (schema, server, dsa_guid, invocation_id) =
            self.object(notes.dsa, "NTDS Settings", |object| {
                Ok((
                    object.reference(Attribute::DMD_LOCATION)?,
                    object.parent()?,
                    object.guid(Attribute::OBJECT_GUID)?,
                    object.guid(Attribute::INVOCATION_ID)?,
                ))
            })?;
        let lacks = |what| self.lacks("NTDS Settings", what);
        let schema = schema.ok_or_else(|| lacks("a reference to the schema"))?;
        let server = server.ok_or_else(|| lacks("a parent"))?;
        // The schema is below the configuration, which is below the root of the forest.
        let configuration = self
            .object(schema, "schema", |object| object.parent())?
            .ok_or_else(|| self.lacks("schema", "a parent"))?;
        let forest_root = self.object(configuration, "configuration", |object| object.parent())?;
        Ok(Places {
            configuration,
            forest_root,
            dsa_guid: dsa_guid.ok_or_else(|| lacks("an objectGUID"))?,
            invocation_id: invocation_id.ok_or_else(|| lacks("an invocation id"))?,
            server: self
                .object(server, "server", |object| object.text(Attribute::RDN))?
                .ok_or_else(|| self.lacks("server", "a name"))?,
            notes,
        })
    }

    #[cold]
    fn lacks(&self, object: &str, what: &str) -> crate::Error {
        self.inconsistent(object, what, "none")
    }

    /// CN=Directory Service,CN=Windows NT,CN=Services in the configuration.
    fn service_object(&self, places: &Places) -> Result<Option<Dnt>> {
        let mut object = Some(places.configuration);
        for name in ["Services", "Windows NT", "Directory Service"] {
            object = match object {
                Some(parent) => self.child(parent, name)?,
                None => None,
            };
        }
        Ok(object)
    }

    /// The rule of [MS-ADTS] 3.1.1.1.15.
    fn lifetime(&self, service: Option<Dnt>, places: &Places) -> Result<TombstoneLifetime> {
        let days = match service {
            Some(service) => self.object(service, "Directory Service", |object| {
                object.number(Attribute::TOMBSTONE_LIFETIME)
            })?,
            None => None,
        };
        Ok(effective_lifetime(days, places.notes.version))
    }

    fn naming_context(&self, head: Dnt, instance_type: i64) -> Result<NamingContext> {
        Ok(NamingContext {
            name: self.name_of(head)?,
            guid: self.object(head, "naming context", |object| {
                object.guid(Attribute::OBJECT_GUID)
            })?,
            writable: instance_type & IS_WRITABLE != 0,
        })
    }

    fn domain(
        &self,
        places: &Places,
        partitions: Option<Dnt>,
        contexts: &[(Dnt, i64)],
    ) -> Result<Option<Domain>> {
        // The server refers to its domain by a link. Before Windows Server 2003 the domain is the
        // only writable one in the database.
        let mut head = self.has_link(places.notes.dsa, HAS_DOMAIN, None)?;
        let candidates = contexts.iter().filter(|(_, kind)| kind & IS_WRITABLE != 0);
        for (candidate, _) in candidates {
            if head.is_none() && self.domain_sid(*candidate)?.is_some() {
                head = Some(*candidate);
            }
        }
        let Some(head) = head else {
            return Ok(None);
        };
        let (dns_name, netbios_name) = match partitions {
            Some(partitions) => self.cross_reference(partitions, head)?,
            None => (None, None),
        };
        Ok(Some(Domain {
            dns_name,
            netbios_name,
            name: self.name_of(head)?,
            guid: self.object(head, "domain", |object| object.guid(Attribute::OBJECT_GUID))?,
            sid: self.domain_sid(head)?,
        }))
    }

    fn domain_sid(&self, head: Dnt) -> Result<Option<Sid>> {
        let sid = self.object(head, "domain", |object| object.bytes(Attribute::OBJECT_SID))?;
        Ok(sid.as_deref().and_then(Sid::from_stored))
    }

    /// The DNS and NetBIOS names of a naming context, from its cross-reference.
    fn cross_reference(
        &self,
        partitions: Dnt,
        context: Dnt,
    ) -> Result<(Option<String>, Option<String>)> {
        let mut names = (None, None);
        self.children(partitions, |child| {
            let is_it = child.reference(Attribute::NC_NAME)? == Some(context);
            if is_it {
                names = (
                    child.text(Attribute::DNS_ROOT)?,
                    child.text(Attribute::NETBIOS_NAME)?,
                );
            }
            Ok(!is_it)
        })?;
        Ok(names)
    }

    /// The target of the first present link of this kind, or of the first one to `to`.
    fn has_link(&self, from: Dnt, base: i64, to: Option<Dnt>) -> Result<Option<Dnt>> {
        let column = |name: &str| self.links.column(name);
        let (Some(link), Some(kind), Some(backlink)) = (
            column("link_DNT"),
            column("link_base"),
            column("backlink_DNT"),
        ) else {
            return Ok(None);
        };
        let mut rows = self.database().rows(&self.links);
        let mut next = rows.seek(&crate::directory::key_of(from))?;
        while let Some(row) = next {
            let number = |column| -> Result<Option<i64>> {
                Ok(crate::directory::as_number(&row.typed(column)?))
            };
            if number(link)? != Some(from.into()) {
                break;
            }
            let mut is_gone = false;
            for name in ["link_deltime", "link_deactivetime"] {
                if let Some(column) = column(name) {
                    is_gone |= number(column)?.is_some();
                }
            }
            let target = number(backlink)?.and_then(|dnt| Dnt::try_from(dnt).ok());
            let fits = to.is_none() || target == to;
            if number(kind)? == Some(base) && fits && !is_gone {
                return Ok(target);
            }
            next = rows.next()?;
        }
        Ok(None)
    }
}

/// The default lifetime, in days.
const DEFAULT_LIFETIME: u32 = 60;
/// The minimum lifetime, in days. Shorter ones count as this.
const SHORTEST_LIFETIME: u32 = 2;

fn effective_lifetime(days: Option<i64>, version: Option<(i64, i64)>) -> TombstoneLifetime {
    const WINDOWS_SERVER_2008_R2: (i64, i64) = (6, 1);
    let is_old = version.is_some_and(|version| version < WINDOWS_SERVER_2008_R2);
    let (days, is_default) = match days {
        None => (DEFAULT_LIFETIME, true),
        Some(days) if days < i64::from(SHORTEST_LIFETIME) && is_old => (DEFAULT_LIFETIME, true),
        Some(days) => {
            let days = u32::try_from(days.max(0)).unwrap_or(u32::MAX);
            (days.max(SHORTEST_LIFETIME), false)
        }
    };
    TombstoneLifetime { days, is_default }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifetime_follows_the_published_rule() {
        let days = |days, version| effective_lifetime(days, version).days;
        assert_eq!(days(None, Some((10, 0))), 60);
        assert_eq!(days(Some(180), Some((10, 0))), 180);
        assert_eq!(days(Some(1), Some((10, 0))), 2);
        assert_eq!(days(Some(-5), Some((6, 1))), 2);
        assert_eq!(days(Some(1), Some((6, 0))), 60);
        // The shorter one if the version is unknown.
        assert_eq!(days(Some(0), None), 2);
    }
}
