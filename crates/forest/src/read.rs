//! Reads a forest from one of its directories.

use ntds::TombstoneLifetime;
use objects::{Entry, Lookup, Reference, Result, Scope, Source, Time, Value, Wanted, dn};

use crate::model::{Controller, Details, Domain, Forest, Kind, RidPool, Sysvol, Trust};

/// systemFlags of a cross-reference: it is of a domain.
const IS_DOMAIN: i64 = 2;

/// options of NTDS Settings: the server holds the global catalog.
const IS_GLOBAL_CATALOG: i64 = 1;

/// trustDirection.
const INBOUND: i64 = 1;
const OUTBOUND: i64 = 2;

/// trustAttributes: the partner is in the same forest.
const WITHIN_FOREST: i64 = 0x20;

/// Reads the forest, with the details of the directory's own domain. `None` if the directory is
/// none of a domain controller.
///
/// # Errors
/// Fails if the directory is damaged.
pub fn read(source: &dyn Source) -> Result<Option<Forest>> {
    let facts = source.facts();
    let (Some(configuration), Some(own)) = (&facts.configuration, &facts.default_naming_context)
    else {
        return Ok(None);
    };
    let reader = Reader { source };
    let mut domains = reader.domains(&configuration.dn)?;
    for domain in &mut domains {
        if domain.dn.eq_ignore_ascii_case(&own.dn) {
            domain.details = Some(reader.details(&own.dn)?);
        }
    }
    let root = facts.root_domain.as_ref().unwrap_or(own);
    let domains = in_order(domains, &root.dn);
    let Some(first) = domains.first() else {
        return Ok(None);
    };
    let service = format!(
        "CN=Directory Service,CN=Windows NT,CN=Services,{}",
        configuration.dn
    );
    let lifetime = reader.integer(&service, "tombstoneLifetime")?;
    let schema = facts.schema.as_ref();
    Ok(Some(Forest {
        kind: match facts.kind {
            "Samba" => Kind::Samba,
            _ => Kind::Windows,
        },
        name: first.name.clone(),
        configuration: configuration.dn.to_string(),
        tombstone_lifetime_days: TombstoneLifetime::of(lifetime).days,
        recycle_bin_enabled: facts.recycle_bin_enabled,
        schema_master: match schema {
            Some(schema) => reader.role_owner(&schema.dn)?,
            None => None,
        },
        naming_master: reader.role_owner(&format!("CN=Partitions,{}", configuration.dn))?,
        controllers: reader.controllers(&configuration.dn, &domains)?,
        domains,
    }))
}

/// The domains of the forest, without their details; none if the directory has no configuration.
///
/// # Errors
/// Fails if the directory is damaged.
pub fn domains(source: &dyn Source) -> Result<Vec<Domain>> {
    match &source.facts().configuration {
        Some(configuration) => Reader { source }.domains(&configuration.dn),
        None => Ok(Vec::new()),
    }
}

/// The root first, then each domain after its parent.
fn in_order(mut domains: Vec<Domain>, root: &str) -> Vec<Domain> {
    domains.sort_by_key(|domain| {
        let is_root = domain.dn.eq_ignore_ascii_case(root);
        (
            !is_root,
            domain.name.matches('.').count(),
            domain.name.to_lowercase(),
        )
    });
    domains
}

struct Reader<'s> {
    source: &'s dyn Source,
}

impl Reader<'_> {
    fn object(&self, dn: &str, attributes: &[&str]) -> Result<Option<Entry>> {
        let wanted = Wanted::only(attributes.iter().copied());
        match self.source.find(&Lookup::Dn(dn))?.first() {
            Some(id) => self.source.entry(*id, &wanted),
            None => Ok(None),
        }
    }

    fn integer(&self, dn: &str, attribute: &str) -> Result<Option<i64>> {
        let object = self.object(dn, &[attribute])?;
        Ok(object.and_then(|object| object.value(attribute)?.integer()))
    }

    /// The name of the server that holds the role at an object.
    fn role_owner(&self, dn: &str) -> Result<Option<String>> {
        let object = self.object(dn, &["fSMORoleOwner"])?;
        let owner = object.as_ref().and_then(|object| {
            let owner = object.value("fSMORoleOwner")?.reference()?;
            server_of(&owner.dn)
        });
        Ok(owner)
    }

    /// The objects at and beneath `base` that have the class.
    fn beneath(
        &self,
        base: &str,
        scope: Scope,
        class: &[&str],
        wanted: &Wanted,
    ) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        for base in self.source.find(&Lookup::Dn(base))? {
            for entry in self.source.scan(base, scope, wanted)? {
                let entry = entry?;
                if entry
                    .class()
                    .is_some_and(|its| class.iter().any(|one| its.eq_ignore_ascii_case(one)))
                {
                    found.push(entry);
                }
            }
        }
        Ok(found)
    }

    fn domains(&self, configuration: &str) -> Result<Vec<Domain>> {
        let wanted = Wanted::only([
            "objectClass",
            "nCName",
            "dnsRoot",
            "nETBIOSName",
            "systemFlags",
        ]);
        let partitions = format!("CN=Partitions,{configuration}");
        let references = self.beneath(&partitions, Scope::OneLevel, &["crossRef"], &wanted)?;
        let mut domains: Vec<Domain> = (references.iter())
            .filter(|reference| {
                let flags = reference.value("systemFlags").and_then(Value::integer);
                flags.is_some_and(|flags| flags & IS_DOMAIN != 0)
            })
            .filter_map(|reference| {
                let head = reference.value("nCName")?.reference()?;
                let name = reference.text("dnsRoot").map(str::to_owned);
                Some(Domain {
                    name: name.or_else(|| dns_name(&head.dn))?,
                    netbios_name: reference.text("nETBIOSName").unwrap_or_default().to_owned(),
                    dn: head.dn.to_string(),
                    parent: None,
                    details: None,
                })
            })
            .collect();
        let names: Vec<String> = domains.iter().map(|domain| domain.dn.clone()).collect();
        for domain in &mut domains {
            let parent = dn::parent(&domain.dn);
            domain.parent = (names.iter())
                .find(|name| parent.is_some_and(|parent| parent.eq_ignore_ascii_case(name)))
                .cloned();
        }
        Ok(domains)
    }

    fn controllers(&self, configuration: &str, domains: &[Domain]) -> Result<Vec<Controller>> {
        let sites = format!("CN=Sites,{configuration}");
        let wanted = Wanted::only([
            "objectClass",
            "options",
            "msDS-HasDomainNCs",
            "hasMasterNCs",
            "msDS-hasFullReplicaNCs",
        ]);
        let kinds = ["nTDSDSA", "nTDSDSARO"];
        let mut controllers = Vec::new();
        for settings in self.beneath(&sites, Scope::Subtree, &kinds, &wanted)? {
            let Some(server) = dn::parent(&settings.dn) else {
                continue;
            };
            let held = [
                "msDS-HasDomainNCs",
                "hasMasterNCs",
                "msDS-hasFullReplicaNCs",
            ]
            .into_iter()
            .flat_map(|name| settings.values(name))
            .filter_map(Value::reference);
            let domain = domain_among(held, domains);
            let object = self.object(server, &["dNSHostName"])?;
            controllers.push(Controller {
                name: dn::own_value(server).unwrap_or_default(),
                dns_name: (object.as_ref())
                    .and_then(|server| server.text("dNSHostName"))
                    .map(str::to_owned),
                site: (dn::parent(server).and_then(dn::parent))
                    .and_then(dn::own_value)
                    .unwrap_or_default(),
                dn: server.to_owned(),
                domain,
                is_global_catalog: (settings.value("options").and_then(Value::integer))
                    .is_some_and(|options| options & IS_GLOBAL_CATALOG != 0),
                is_read_only: settings.class() == Some("nTDSDSARO"),
            });
        }
        controllers.sort_by_key(|controller| controller.name.to_lowercase());
        Ok(controllers)
    }

    fn details(&self, domain: &str) -> Result<Details> {
        let system = format!("CN=System,{domain}");
        let rid_manager = format!("CN=RID Manager$,{system}");
        let pool = self.integer(&rid_manager, "rIDAvailablePool")?;
        let replicated_by_dfsr = format!("CN=DFSR-GlobalSettings,{system}");
        let by_frs = format!("CN=File Replication Service,{system}");
        let sysvol = match self.object(&replicated_by_dfsr, &["cn"])? {
            Some(_) => Some(Sysvol::Dfsr),
            None => self.object(&by_frs, &["cn"])?.map(|_| Sysvol::Frs),
        };
        Ok(Details {
            pdc: self.role_owner(domain)?,
            rid_master: self.role_owner(&rid_manager)?,
            infrastructure_master: self.role_owner(&format!("CN=Infrastructure,{domain}"))?,
            rid_pool: pool.map(RidPool::from_value),
            krbtgt_changed: self.krbtgt_changed(domain)?,
            trusts: self.trusts(&system)?,
            sysvol,
        })
    }

    fn krbtgt_changed(&self, domain: &str) -> Result<Option<String>> {
        let wanted = Wanted::only(["pwdLastSet"]);
        for id in self.source.find(&Lookup::Account("krbtgt"))? {
            let Some(account) = self.source.entry(id, &wanted)? else {
                continue;
            };
            let is_of_domain = dn::fold(&account.dn)
                .zip(dn::fold(domain))
                .is_some_and(|(account, domain)| account.ends_with(&format!(",{domain}")));
            let changed = account.value("pwdLastSet").and_then(Value::integer);
            if let (true, Some(ticks)) = (is_of_domain, changed.filter(|ticks| *ticks > 0)) {
                let seconds = Time::from_filetime(ticks).unix();
                return Ok(seconds
                    .and_then(|seconds| u64::try_from(seconds).ok())
                    .map(backup::time::from_seconds));
            }
        }
        Ok(None)
    }

    fn trusts(&self, system: &str) -> Result<Vec<Trust>> {
        let wanted = Wanted::only([
            "objectClass",
            "trustPartner",
            "trustDirection",
            "trustAttributes",
        ]);
        let found = self.beneath(system, Scope::OneLevel, &["trustedDomain"], &wanted)?;
        let mut trusts: Vec<Trust> = (found.iter())
            .map(|trust| {
                let number = |name| trust.value(name).and_then(Value::integer).unwrap_or(0);
                Trust {
                    partner: (trust.text("trustPartner").map(str::to_owned))
                        .or_else(|| dn::own_value(&trust.dn))
                        .unwrap_or_default(),
                    outbound: number("trustDirection") & OUTBOUND != 0,
                    inbound: number("trustDirection") & INBOUND != 0,
                    within_forest: number("trustAttributes") & WITHIN_FOREST != 0,
                }
            })
            .collect();
        trusts.sort_by_key(|trust| trust.partner.to_lowercase());
        Ok(trusts)
    }
}

/// The first domain that a server holds.
fn domain_among<'r>(
    mut held: impl Iterator<Item = &'r Reference>,
    domains: &[Domain],
) -> Option<String> {
    held.find_map(|head| {
        let mut domains = domains.iter();
        let domain = domains.find(|domain| domain.dn.eq_ignore_ascii_case(&head.dn));
        domain.map(|domain| domain.dn.clone())
    })
}

/// The server of an NTDS Settings object.
fn server_of(settings: &str) -> Option<String> {
    dn::own_value(dn::parent(settings)?)
}

/// `corp.example` of `DC=corp,DC=example`.
fn dns_name(name: &str) -> Option<String> {
    let labels: Vec<String> = (dn::parse(name)?.into_iter())
        .map(|part| part.value)
        .collect();
    Some(labels.join("."))
}
