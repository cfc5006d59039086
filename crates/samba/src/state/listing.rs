//! The listing: a small file in every snapshot that describes the other files.
//!
//! A backup application handles names and bytes. The listing holds the rest of a domain
//! controller's state: folders, links, owners, modes, extended attributes, and the point in time.
//! Only the store that wrote it reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::dbcheck::Dbcheck;
use crate::directory::Facts;
use crate::error::{Error, Result};
use crate::identity::Identity;
use crate::state::{Attributes, Entry, Kind, OWN_PREFIX, State};

/// The listing's path in a snapshot.
pub const LISTING_PATH: &str = "samba-state.json";

/// The only version of the listing's format that is written and read.
const VERSION: u32 = 1;

/// The content of a snapshot of a domain controller, and its point in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    version: u32,
    /// The backed-up domain controller.
    pub identity: Identity,
    /// highestCommittedUSN shortly before the point in time was pinned. The snapshot holds all
    /// changes up to it.
    pub usn_before: u64,
    /// The time at which commits to the directory were blocked, in microseconds since 1970-01-01
    /// UTC.
    pub pinned_from_us: u64,
    /// The time at which they were allowed again.
    pub pinned_to_us: u64,
    /// The tombstone lifetime in days.
    pub tombstone_lifetime_days: u32,
    /// The naming contexts.
    pub naming_contexts: Vec<String>,
    /// Samba's version.
    pub samba_version: String,
    /// The paths of the roots on the server.
    pub roots: Vec<Root>,
    /// Every file, folder and link; folders before their content.
    pub entries: Vec<ListedEntry>,
    /// Files that are not in the snapshot, with the reason.
    pub left_out: Vec<(String, String)>,
    /// What may be missing, or has to be restored by hand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The findings of dbcheck in the directory itself, at most a day older. None if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbcheck: Option<Dbcheck>,
}

/// A root: a folder or file of the server, whose name is the first part of its entries' paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The first part of the paths below it.
    pub name: String,
    /// Its path on the server.
    pub original: PathBuf,
}

/// An entry of the listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedEntry {
    /// Its path in the snapshot: names joined by `/`. Folders and links have one, too.
    pub path: String,
    /// Its kind.
    pub kind: ListedKind,
    /// The target of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Owner, mode and so on.
    pub attributes: Attributes,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListedKind {
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// An LMDB database.
    Lmdb,
    /// A TDB database.
    Tdb,
    /// Any other file.
    File,
}

impl Listing {
    /// The listing of a state.
    pub fn new(
        state: &State,
        facts: &Facts,
        pinned: (SystemTime, SystemTime),
        samba_version: String,
    ) -> Self {
        let since_1970 = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_micros() as u64)
        };
        Self {
            version: VERSION,
            identity: facts.identity.clone(),
            usn_before: facts.highest_usn,
            pinned_from_us: since_1970(pinned.0),
            pinned_to_us: since_1970(pinned.1),
            tombstone_lifetime_days: facts.tombstone_lifetime_days,
            naming_contexts: facts.naming_contexts.clone(),
            samba_version,
            roots: state.roots.clone(),
            entries: state.entries.iter().map(ListedEntry::from).collect(),
            left_out: state
                .left_out
                .iter()
                .map(|(path, reason)| (path.to_string_lossy().into_owned(), (*reason).to_owned()))
                .collect(),
            warnings: state.warnings.clone(),
            dbcheck: None,
        }
    }

    /// Parses a listing, and refuses one with paths outside the folder that it describes.
    ///
    /// # Errors
    /// [`Error::Refused`] for anything but a listing of a known version with plain paths.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct AnyVersion {
            version: u32,
        }
        let malformed = |error: serde_json::Error| {
            Error::Refused(format!(
                "{LISTING_PATH} of the snapshot cannot be read: {error}"
            ))
        };
        let AnyVersion { version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if version != VERSION {
            return Err(Error::Refused(format!(
                "{LISTING_PATH} of the snapshot is of version {version}, this release knows \
                 {VERSION}: use the release that made the snapshot, or a newer one"
            )));
        }
        let listing: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        listing.check_entries()?;
        Ok(listing)
    }

    /// Checks that the entries can be made beneath one folder: plain names, each once, none beneath
    /// a file or link, and none of dsbackup's own.
    fn check_entries(&self) -> Result<()> {
        let refused = |path: &str, what: &str| {
            Err(Error::Refused(format!(
                "{LISTING_PATH} of the snapshot names {path:?}, {what}: the snapshot is not used"
            )))
        };
        let mut kinds = BTreeMap::new();
        for entry in &self.entries {
            let path = entry.path.as_str();
            let plain = path.split('/').all(|part| !matches!(part, "" | "." | ".."))
                && !path.contains('\0');
            if !plain {
                return refused(path, "which is no plain path");
            }
            if path.split('/').any(|part| part.starts_with(OWN_PREFIX)) || path == LISTING_PATH {
                return refused(path, "which is a name reserved for dsbackup");
            }
            if (entry.kind == ListedKind::Link) != entry.target.is_some() {
                return refused(
                    path,
                    "a link without a target, or a target of what is no link",
                );
            }
            if kinds.insert(path, entry.kind).is_some() {
                return refused(path, "more than once");
            }
        }
        for path in kinds.keys() {
            let above = path
                .match_indices('/')
                .filter_map(|(end, _)| path.get(..end));
            for folder in above {
                if kinds
                    .get(folder)
                    .is_some_and(|kind| *kind != ListedKind::Folder)
                {
                    return refused(path, "which is beneath a link or a file");
                }
            }
        }
        Ok(())
    }

    /// The listing in its stored form.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

impl ListedEntry {
    /// Whether this is a file, of whichever kind.
    pub fn is_file(&self) -> bool {
        matches!(
            self.kind,
            ListedKind::Lmdb | ListedKind::Tdb | ListedKind::File
        )
    }
}

impl From<&Entry> for ListedEntry {
    fn from(entry: &Entry) -> Self {
        let (kind, target) = match &entry.kind {
            Kind::Folder => (ListedKind::Folder, None),
            Kind::Link(target) => (ListedKind::Link, Some(target.clone())),
            Kind::Lmdb => (ListedKind::Lmdb, None),
            Kind::Tdb => (ListedKind::Tdb, None),
            Kind::File => (ListedKind::File, None),
        };
        Self {
            path: entry.path.clone(),
            kind,
            target,
            attributes: entry.attributes.clone(),
        }
    }
}

#[cfg(test)]
impl Listing {
    /// The listing of a state, with a made-up identity.
    pub(crate) fn example(state: &State) -> Self {
        use ids::{DomainSid, Guid};
        Self {
            version: VERSION,
            identity: Identity {
                netbios_name: "DC1".into(),
                dns_name: "dc1.lab.example.com".into(),
                realm: "LAB.EXAMPLE.COM".into(),
                workgroup: "LAB".into(),
                domain_sid: DomainSid([1, 2, 3]),
                dsa_guid: Guid([1; 16]),
                invocation_id: Guid([2; 16]),
            },
            usn_before: 4000,
            pinned_from_us: 1,
            pinned_to_us: 2,
            tombstone_lifetime_days: 180,
            naming_contexts: vec!["DC=lab,DC=example,DC=com".into()],
            samba_version: "4.17.12".into(),
            roots: state.roots.clone(),
            entries: state.entries.iter().map(ListedEntry::from).collect(),
            left_out: Vec::new(),
            warnings: state.warnings.clone(),
            dbcheck: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(path: &str) -> Listing {
        let entry = Entry {
            path: path.into(),
            original: "/var/lib/samba/private/sam.ldb".into(),
            kind: Kind::Lmdb,
            attributes: Attributes {
                mode: 0o600,
                uid: 0,
                gid: 3_000_000,
                modified: 1,
                modified_ns: 2,
                extended: [("security.NTACL".to_owned(), "04".to_owned())].into(),
            },
        };
        Listing::example(&State {
            entries: vec![entry],
            ..State::default()
        })
    }

    #[test]
    fn json_leads_back_to_the_listing() {
        let listing = listing("private/sam.ldb");
        assert_eq!(Listing::from_json(&listing.to_json()).unwrap(), listing);
    }

    #[test]
    fn names_beneath_links_duplicates_and_links_without_target_are_refused() {
        let with = |more: &[(&str, ListedKind, Option<&str>)]| {
            let mut listing = listing("private/sam.ldb");
            let attributes = listing.entries[0].attributes.clone();
            listing
                .entries
                .extend(more.iter().map(|(path, kind, target)| ListedEntry {
                    path: (*path).into(),
                    kind: *kind,
                    target: target.map(Into::into),
                    attributes: attributes.clone(),
                }));
            Listing::from_json(&listing.to_json())
        };
        let (file, link) = (ListedKind::File, ListedKind::Link);
        assert!(with(&[("sysvol/link", link, Some("/etc"))]).is_ok());
        for refused in [
            &[("x", link, Some("/etc")), ("x/passwd", file, None)][..],
            &[("x/y/passwd", file, None), ("x", link, Some("/"))],
            &[("x", file, None), ("x/y", file, None)],
            &[("x", link, Some("/etc")), ("x", ListedKind::Folder, None)],
            &[("private/sam.ldb", file, None)],
            &[("x", link, None)],
            &[("x", file, Some("/etc"))],
        ] {
            let error = with(refused).unwrap_err();
            assert!(matches!(error, Error::Refused(_)), "{refused:?}: {error}");
        }
    }

    #[test]
    fn paths_that_leave_the_folder_and_other_versions_are_refused() {
        for path in [
            "../x",
            "/etc/passwd",
            "private/../../x",
            "private//x",
            "",
            "a/./b",
        ] {
            let error = Listing::from_json(&listing(path).to_json()).unwrap_err();
            assert!(
                error.to_string().contains("no plain path"),
                "{path}: {error}"
            );
        }
        for own in [
            "dsbackup.smb.conf",
            "private/dsbackup.previous",
            LISTING_PATH,
        ] {
            let error = Listing::from_json(&listing(own).to_json()).unwrap_err();
            assert!(error.to_string().contains("reserved"), "{own}: {error}");
        }
        let error = Listing::from_json(br#"{"version": 2}"#).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
        assert!(Listing::from_json(b"[]").is_err());
    }
}
