//! What a recovery must know of a forest.

use serde::Serialize;

/// The engine of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// NTDS on ESE.
    Windows,
    /// Samba.
    Samba,
}

/// A forest, as the configuration in one of its directories describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forest {
    /// The engine of that directory.
    pub kind: Kind,
    /// The DNS name of the root domain.
    pub name: String,
    /// The distinguished name of the configuration.
    pub configuration: String,
    /// Days until deleted objects are removed.
    pub tombstone_lifetime_days: u32,
    /// Whether the Recycle Bin is enabled.
    pub recycle_bin_enabled: bool,
    /// The server of the schema master.
    pub schema_master: Option<String>,
    /// The server of the domain naming master.
    pub naming_master: Option<String>,
    /// Its domains: the root first, parents before their children.
    pub domains: Vec<Domain>,
    /// Its domain controllers, by name.
    pub controllers: Vec<Controller>,
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domain {
    /// The DNS name.
    pub name: String,
    /// The NetBIOS name.
    pub netbios_name: String,
    /// The distinguished name.
    pub dn: String,
    /// The distinguished name of the parent domain; `None` for the root of a tree.
    pub parent: Option<String>,
    /// What only a directory of the domain itself holds.
    pub details: Option<Details>,
}

/// What only a domain's own controllers hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The server of the PDC emulator.
    pub pdc: Option<String>,
    /// The server of the RID master.
    pub rid_master: Option<String>,
    /// The server of the infrastructure master.
    pub infrastructure_master: Option<String>,
    /// The RIDs that the RID master may assign.
    pub rid_pool: Option<RidPool>,
    /// When the password of krbtgt was changed, RFC 3339, UTC.
    pub krbtgt_changed: Option<String>,
    /// Trusts with other domains, those within the forest as well.
    pub trusts: Vec<Trust>,
    /// How SYSVOL replicates.
    pub sysvol: Option<Sysvol>,
}

/// `rIDAvailablePool` of the RID manager (\[MS-ADTS\] 6.1.5.3): the next RID in the lower 32 bits,
/// the end of the pool in the upper ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RidPool {
    /// The first RID of the next block.
    pub next: u32,
    /// The end of the pool.
    pub end: u32,
}

impl RidPool {
    /// From the value of the attribute.
    pub fn from_value(value: i64) -> Self {
        let value = value.cast_unsigned();
        Self {
            next: (value & u64::from(u32::MAX)) as u32,
            end: (value >> 32) as u32,
        }
    }

    /// The value of the attribute after `rids` more RIDs were assigned. `None` if the pool has not
    /// so many.
    pub fn raised_by(self, rids: u32) -> Option<i64> {
        let next = self
            .next
            .checked_add(rids)
            .filter(|next| *next < self.end)?;
        Some(((u64::from(self.end) << 32) | u64::from(next)).cast_signed())
    }
}

/// A trust (\[MS-ADTS\] 6.1.6.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trust {
    /// The name of the other domain.
    pub partner: String,
    /// Whether users of the partner are trusted.
    pub outbound: bool,
    /// Whether the partner trusts users of this domain.
    pub inbound: bool,
    /// Whether the partner is in the same forest.
    pub within_forest: bool,
}

/// How SYSVOL replicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sysvol {
    /// DFS Replication.
    Dfsr,
    /// The older File Replication Service.
    Frs,
}

/// A domain controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Controller {
    /// The name of its server object.
    pub name: String,
    /// Its DNS name.
    pub dns_name: Option<String>,
    /// Its site.
    pub site: String,
    /// The distinguished name of its server object.
    pub dn: String,
    /// The distinguished name of its domain.
    pub domain: Option<String>,
    /// Whether it holds the global catalog.
    pub is_global_catalog: bool,
    /// Whether it is read-only.
    pub is_read_only: bool,
}

impl Forest {
    /// The controllers of a domain.
    pub fn controllers_of<'f>(&'f self, domain: &'f str) -> impl Iterator<Item = &'f Controller> {
        self.controllers.iter().filter(move |controller| {
            (controller.domain.as_deref()).is_some_and(|dn| dn.eq_ignore_ascii_case(domain))
        })
    }

    /// The controller with this name or DNS name, in any case.
    pub fn controller(&self, name: &str) -> Option<&Controller> {
        self.controllers.iter().find(|controller| {
            let dns_name = controller.dns_name.as_deref().unwrap_or_default();
            controller.name.eq_ignore_ascii_case(name) || dns_name.eq_ignore_ascii_case(name)
        })
    }

    /// The domain with this distinguished name, in any case.
    pub fn domain(&self, dn: &str) -> Option<&Domain> {
        self.domains
            .iter()
            .find(|domain| domain.dn.eq_ignore_ascii_case(dn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_rid_pool_keeps_its_end() {
        // The pool of a new domain: the next RID is 1601, the last 1073741823.
        let pool = RidPool::from_value(4_611_686_014_132_422_209);
        assert_eq!((pool.next, pool.end), (1601, 1_073_741_823));
        let raised = RidPool::from_value(pool.raised_by(100_000).unwrap());
        assert_eq!((raised.next, raised.end), (101_601, 1_073_741_823));
        assert_eq!(pool.raised_by(u32::MAX), None);
        assert_eq!(pool.raised_by(1_073_741_823 - 1601), None);
    }
}
