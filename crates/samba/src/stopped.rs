//! A domain controller that does not run: what its databases say of it, read by Samba's own
//! libraries.

use ids::{DomainSid, Guid};
use serde::Deserialize;

use crate::directory::{self, DEFAULT_TOMBSTONE_LIFETIME, Facts};
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::installation::Installation;
use crate::tree;

/// What the script prints.
#[derive(Deserialize)]
struct Found {
    server: String,
    dns_name: String,
    domain_sid: DomainSid,
    dsa_guid: Guid,
    invocation_id: Guid,
    highest_usn: u64,
    tombstone_lifetime_days: Option<u32>,
    naming_contexts: Vec<String>,
}

/// Whether no domain controller listens, and its databases are there.
pub fn is_stopped(installation: &Installation) -> bool {
    !directory::listens(installation)
        && [installation.sam(), installation.metadata()]
            .iter()
            .all(|path| path.exists())
}

/// What the databases say of the domain controller.
///
/// # Errors
/// [`Error::Unavailable`] and [`Error::Tool`] if Samba's libraries are missing or cannot open a
/// database; [`Error::Refused`] if it is not the one in smb.conf.
pub fn facts(installation: &Installation) -> Result<Facts> {
    let arguments = [
        installation.smb_conf.as_os_str(),
        installation.private.as_os_str(),
    ];
    let found: Found = tree::run("stopped", include_str!("scripts/stopped.py"), &arguments)?;
    let own = format!("CN={},", installation.netbios_name);
    if !found.server.to_uppercase().starts_with(&own) {
        return Err(Error::Refused(format!(
            "the databases in {} are those of {}, and {} describes {}",
            installation.private.display(),
            found.server,
            installation.smb_conf.display(),
            installation.netbios_name
        )));
    }
    Ok(Facts {
        identity: Identity {
            netbios_name: installation.netbios_name.clone(),
            dns_name: found.dns_name,
            realm: installation.realm.clone(),
            workgroup: installation.workgroup.clone(),
            domain_sid: found.domain_sid,
            dsa_guid: found.dsa_guid,
            invocation_id: found.invocation_id,
        },
        highest_usn: found.highest_usn,
        tombstone_lifetime_days: found
            .tombstone_lifetime_days
            .unwrap_or(DEFAULT_TOMBSTONE_LIFETIME),
        naming_contexts: found.naming_contexts,
    })
}
