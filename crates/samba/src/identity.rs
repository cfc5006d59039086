//! The identity of a domain, of a domain controller, and of one life of its database.

use ids::{DomainSid, Guid};
use serde::{Deserialize, Serialize};

/// The identity of a domain controller's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The server's short name, upper case.
    pub netbios_name: String,
    /// Its name in DNS.
    pub dns_name: String,
    /// The domain's name in DNS, upper case.
    pub realm: String,
    /// The domain's short name, upper case.
    pub workgroup: String,
    /// The domain's SID.
    pub domain_sid: DomainSid,
    /// objectGUID of the server's NTDS Settings: identifies the domain controller in all its lives.
    pub dsa_guid: Guid,
    /// The current life of the database; each restore begins a new one.
    pub invocation_id: Guid,
}

impl Identity {
    /// 28 bytes for the expiry token that identify this domain controller: its GUID, and the
    /// numbers of its domain's SID in little-endian order.
    pub fn signature(&self) -> [u8; 28] {
        signature(self.dsa_guid, self.domain_sid)
    }
}

/// Same as [`Identity::signature`].
pub fn signature(dsa_guid: Guid, domain_sid: DomainSid) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..16].copy_from_slice(&dsa_guid.0);
    for (place, number) in bytes[16..].chunks_exact_mut(4).zip(domain_sid.0) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}
