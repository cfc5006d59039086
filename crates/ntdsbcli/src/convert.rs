//! Conversion between the messages of the interfaces and the types of this crate.

use std::time::SystemTime;

use contract::{FileType, Generations, TypedName};
use model::time::{from_unix_ms, to_unix_ms};
use model::{ClassCounts, Damage, DirectoryFacts, DirectoryIdentity, FileEntry, RestoredFile};
use wire::v1;

/// The files of a backup.
pub(crate) fn files(list: v1::FileList) -> Vec<FileEntry> {
    let files = list.files.into_iter().map(|entry| FileEntry {
        file_type: file_type(entry.file_type),
        name: entry.name,
        size: entry.size,
        modified: from_unix_ms(entry.modified_ms),
        generation: (entry.generation != 0).then_some(entry.generation),
        place: (!entry.path.is_empty()).then_some(entry.path),
    });
    files.collect()
}

/// The destinations of a restore.
pub(crate) fn places(list: v1::FileList) -> Vec<TypedName> {
    let places = list.files.into_iter().map(|entry| TypedName {
        file_type: file_type(entry.file_type),
        name: entry.name,
    });
    places.collect()
}

fn file_type(number: u32) -> FileType {
    u8::try_from(number).map_or(FileType::UNKNOWN, FileType)
}

/// The service's facts of the directory.
pub(crate) fn facts(facts: v1::DirectoryFacts) -> DirectoryFacts {
    let generations = |low, high| (high != 0).then_some(Generations { low, high });
    DirectoryFacts {
        required: generations(facts.required_low, facts.required_high),
        logs: generations(facts.generation_low, facts.generation_high),
        store_kind: facts.store_kind,
        server: facts.server,
        database_signature: facts.database_signature,
        state: facts.state,
        page_size: facts.page_size,
        tombstone_lifetime_days: facts.tombstone_lifetime_days,
        warnings: facts.warnings,
        log_base_name: facts.log_base_name,
        directory: facts.directory.map(identity),
    }
}

fn identity(directory: v1::DirectoryIdentity) -> DirectoryIdentity {
    DirectoryIdentity {
        domain: directory.domain,
        netbios_name: directory.netbios_name,
        domain_sid: directory.domain_sid,
        forest: directory.forest,
        server: directory.server,
        dsa_guid: directory.dsa_guid,
        invocation_id: directory.invocation_id,
        naming_contexts: directory.naming_contexts,
        highest_committed_usn: directory.highest_committed_usn,
        objects: directory.objects,
        deleted_objects: directory.deleted_objects,
        links: directory.links,
        classes: directory.classes.map(|classes| ClassCounts {
            users: classes.users,
            groups: classes.groups,
            computers: classes.computers,
            contacts: classes.contacts,
            group_policies: classes.group_policies,
        }),
    }
}

/// The damage found in a file.
pub(crate) fn damage(end: v1::FileEnd) -> Damage {
    Damage {
        count: end.damaged,
        first: end.damage,
    }
}

/// The announcement of a file of a restore.
pub(crate) fn restore_file_start(handle: Vec<u8>, file: &RestoredFile) -> v1::RestoreFileStart {
    v1::RestoreFileStart {
        handle,
        file_type: file.file_type.0.into(),
        name: file.name.clone(),
        size: file.size,
        sha256: file.sha256.to_vec(),
        modified_ms: to_unix_ms(file.modified.max(SystemTime::UNIX_EPOCH)),
    }
}
