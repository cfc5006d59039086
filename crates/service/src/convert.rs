//! Conversion between the messages of the interfaces and the types of stores. No other file knows
//! both.

use contract::{Error, ExpiryToken, FileType, Generations, Result, ResultCode, TypedName};
use model::time::{from_unix_ms, to_unix_ms};
use model::{Damage, DirectoryFacts, DirectoryIdentity, FileEntry, RestoredFile};
use store::RestorePlan;
use wire::v1;

/// The list of a backup's or a restore's files.
pub(crate) fn file_list(files: impl IntoIterator<Item = FileEntry>) -> v1::FileList {
    let files = files.into_iter().map(|file| v1::FileEntry {
        file_type: file.file_type.0.into(),
        name: file.name,
        size: file.size,
        modified_ms: to_unix_ms(file.modified),
        generation: file.generation.unwrap_or_default(),
        path: file.place.unwrap_or_default(),
    });
    v1::FileList {
        files: files.collect(),
    }
}

/// The list of a restore's destinations.
pub(crate) fn places(places: Vec<TypedName>) -> v1::FileList {
    let files = places.into_iter().map(|place| v1::FileEntry {
        file_type: place.file_type.0.into(),
        name: place.name,
        ..v1::FileEntry::default()
    });
    v1::FileList {
        files: files.collect(),
    }
}

/// The facts of the directory.
pub(crate) fn facts(facts: DirectoryFacts) -> v1::DirectoryFacts {
    let bounds = |range: Option<Generations>| range.map_or((0, 0), |range| (range.low, range.high));
    let (required_low, required_high) = bounds(facts.required);
    let (generation_low, generation_high) = bounds(facts.logs);
    v1::DirectoryFacts {
        store_kind: facts.store_kind,
        server: facts.server,
        database_signature: facts.database_signature,
        state: facts.state,
        page_size: facts.page_size,
        required_low,
        required_high,
        generation_low,
        generation_high,
        tombstone_lifetime_days: facts.tombstone_lifetime_days,
        log_base_name: facts.log_base_name,
        warnings: facts.warnings,
        directory: facts.directory.map(identity),
    }
}

fn identity(directory: DirectoryIdentity) -> v1::DirectoryIdentity {
    v1::DirectoryIdentity {
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
        classes: directory.classes.map(|classes| v1::ClassCounts {
            users: classes.users,
            groups: classes.groups,
            computers: classes.computers,
            contacts: classes.contacts,
            group_policies: classes.group_policies,
        }),
    }
}

/// The end of a file, with the damage found in it.
pub(crate) fn file_end(damage: Damage) -> v1::FileEnd {
    v1::FileEnd {
        damaged: damage.count,
        damage: damage.first,
    }
}

/// The plan of a restore, from its registration and token.
pub(crate) fn restore_plan(request: v1::RestoreRegisterRequest, token: ExpiryToken) -> RestorePlan {
    let databases = request.databases.into_iter();
    RestorePlan {
        token,
        checkpoint_folder: request.checkpoint_directory,
        log_folder: request.log_directory,
        databases: databases.map(|map| (map.old_path, map.new_path)).collect(),
        generations: Generations {
            low: request.generation_low,
            high: request.generation_high,
        },
    }
}

/// The announcement of one file of a restore.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER` for a SHA-256 of another length.
pub(crate) fn restored_file(start: v1::RestoreFileStart) -> Result<RestoredFile> {
    let sha256 = start.sha256.as_slice().try_into().map_err(|_| {
        Error::new(
            ResultCode::INVALID_PARAMETER,
            format!(
                "{}: expected a SHA-256 of 32 bytes, found {}",
                start.name,
                start.sha256.len()
            ),
        )
    })?;
    Ok(RestoredFile {
        file_type: u8::try_from(start.file_type).map_or(FileType::UNKNOWN, FileType),
        name: start.name,
        size: start.size,
        sha256,
        modified: from_unix_ms(start.modified_ms),
    })
}
