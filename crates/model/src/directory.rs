//! The facts of a directory at the beginning of its backup.

use contract::Generations;
use serde::{Deserialize, Serialize};

/// The service's facts of the directory at the pinned moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryFacts {
    /// The kind of store, such as `ese-folder`.
    pub store_kind: String,
    /// The server's name.
    pub server: String,
    /// The database's signature, 28 bytes as in its header.
    pub database_signature: Vec<u8>,
    /// `Clean Shutdown`, `Dirty Shutdown` and so on.
    pub state: String,
    /// Bytes in a page.
    pub page_size: u32,
    /// The log generations that recovery of the database needs.
    pub required: Option<Generations>,
    /// The generations of the logs beside it.
    pub logs: Option<Generations>,
    /// Days.
    pub tombstone_lifetime_days: u32,
    /// The base name of logs and checkpoint.
    pub log_base_name: String,
    /// Warnings for the administrator: logs that recovery will miss, unusable files.
    pub warnings: Vec<String>,
    /// The directory in the database; `None` if it holds none, or was not shut down.
    pub directory: Option<DirectoryIdentity>,
}

/// The identity of a directory, its highest USN, and its counts. Part of the manifest: the names of
/// the fields are durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryIdentity {
    /// The DNS name of the domain; empty if the directory has none.
    pub domain: String,
    /// The NetBIOS name of the domain; empty as above.
    pub netbios_name: String,
    /// The SID of the domain; empty as above.
    pub domain_sid: String,
    /// The DNS name of the forest.
    pub forest: String,
    /// The name of the server object.
    pub server: String,
    /// The objectGUID of the server's NTDS Settings, in its usual form.
    pub dsa_guid: String,
    /// The invocation id, a GUID.
    pub invocation_id: String,
    /// The distinguished names of its naming contexts.
    pub naming_contexts: Vec<String>,
    /// The highest USN of its changes.
    pub highest_committed_usn: u64,
    /// Objects that are not deleted.
    pub objects: u64,
    /// Objects that are deleted and not yet removed.
    pub deleted_objects: u64,
    /// Values of linked attributes.
    pub links: u64,
    /// The objects that are not deleted, by class. Absent in backups of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassCounts>,
}

/// The number of objects of some classes. Durable, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCounts {
    /// Users, without computers.
    pub users: u64,
    /// Groups.
    pub groups: u64,
    /// Computers.
    pub computers: u64,
    /// Contacts.
    pub contacts: u64,
    /// Group policies.
    pub group_policies: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As release 0.1.0 wrote it before it counted classes.
    const EARLIER: &str = r#"{"domain":"corp.example","netbios_name":"CORP",
        "domain_sid":"S-1-5-21-1-2-3","forest":"corp.example","server":"DC01",
        "dsa_guid":"3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18",
        "invocation_id":"e1450b96-7fa3-4c88-9d12-60a5f3c8b74d",
        "naming_contexts":["DC=corp,DC=example"],"highest_committed_usn":4542,"objects":1200,
        "deleted_objects":9,"links":310}"#;

    #[test]
    fn a_directory_of_an_earlier_release_has_no_counts_of_classes() {
        let earlier: DirectoryIdentity = serde_json::from_str(EARLIER).expect("readable");
        assert_eq!((earlier.objects, earlier.classes), (1200, None));
        let same: serde_json::Value = serde_json::from_str(EARLIER).expect("JSON");
        assert_eq!(serde_json::to_value(&earlier).expect("JSON"), same);
        let counted = DirectoryIdentity {
            classes: Some(ClassCounts {
                users: 7,
                ..ClassCounts::default()
            }),
            ..earlier
        };
        let json = serde_json::to_vec(&counted).expect("JSON");
        let read: DirectoryIdentity = serde_json::from_slice(&json).expect("readable");
        assert_eq!(read, counted);
    }
}
