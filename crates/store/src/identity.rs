//! The identity of a directory in a backup.

use model::{ClassCounts, DirectoryIdentity};
use ntds::Facts;

/// The identity of the directory in a backup.
pub fn identity(facts: &Facts) -> DirectoryIdentity {
    let domain = facts.domain.as_ref();
    let text = |text: Option<String>| text.unwrap_or_default();
    DirectoryIdentity {
        domain: text(domain.and_then(|domain| domain.dns_name.clone())),
        netbios_name: text(domain.and_then(|domain| domain.netbios_name.clone())),
        domain_sid: text(domain.and_then(|domain| Some(domain.sid.as_ref()?.to_string()))),
        forest: text(facts.forest.clone()),
        server: facts.server.clone(),
        dsa_guid: facts.dsa_guid.to_string(),
        invocation_id: facts.invocation_id.to_string(),
        naming_contexts: (facts.naming_contexts.iter())
            .map(|context| context.name.clone())
            .collect(),
        highest_committed_usn: facts.highest_committed_usn,
        objects: facts.counts.objects,
        deleted_objects: facts.counts.deleted.total(),
        links: facts.counts.links.total(),
        classes: Some(ClassCounts {
            users: facts.counts.users,
            groups: facts.counts.groups,
            computers: facts.counts.computers,
            contacts: facts.counts.contacts,
            group_policies: facts.counts.group_policies,
        }),
    }
}
