//! Snapshots of a Samba domain controller whose listing was made by an enemy who can write into the
//! repository.

use std::path::Path;

use serde_json::{Value, json};

use super::Lab;
use super::made_snapshot::MadeSnapshot;

/// One entry of a listing.
pub fn entry(path: &str, kind: &str, target: Option<&Path>) -> Value {
    let attributes = json!({
        "mode": 0o6777, "uid": 65534, "gid": 65534, "modified": 1, "modified_ns": 0,
        "extended": { "security.capability": "0100000200000000000000000000000000000000",
         "user.planted": "01" },
    });
    match target {
        Some(target) => {
            json!({ "path": path, "kind": kind, "target": target, "attributes": attributes })
        }
        None => json!({ "path": path, "kind": kind, "attributes": attributes }),
    }
}

/// Listings that lead to `outside`, each with a name.
pub fn listings(outside: &Path) -> Vec<(&'static str, Vec<Value>)> {
    let victim = outside.join("victim");
    vec![
        (
            "a name beneath a link",
            vec![
                entry("out", "link", Some(outside)),
                entry("out/victim", "file", None),
            ],
        ),
        (
            "a folder beneath a link",
            vec![
                entry("out", "link", Some(outside)),
                entry("out/new", "folder", None),
            ],
        ),
        (
            "the name first, the link later",
            vec![
                entry("out/victim", "file", None),
                entry("out", "link", Some(outside)),
            ],
        ),
        (
            "a name twice",
            vec![entry("x", "link", Some(&victim)), entry("x", "file", None)],
        ),
        ("a link without a target", vec![entry("x", "link", None)]),
        (
            "a link under a name of our own",
            vec![entry("dsbackup.smb.conf", "link", Some(&victim))],
        ),
        (
            "a link in the place of a database",
            vec![entry("private/sam.ldb.d/X.ldb", "link", Some(&victim))],
        ),
    ]
}

/// Stores a snapshot of the server dc1.lab.example.com with such a listing, as the newest.
pub fn store(lab: &Lab, entries: &[Value]) {
    let databases = [
        "private/sam.ldb",
        "private/sam.ldb.d/metadata.tdb",
        "private/secrets.ldb",
    ];
    let folders = ["private", "private/sam.ldb.d", "state"];
    let mut all: Vec<Value> = folders.map(|path| entry(path, "folder", None)).to_vec();
    all.extend(databases.map(|path| entry(path, "file", None)));
    all.extend_from_slice(entries);
    let listing = json!({
        "version": 1,
        "identity": {
            "netbios_name": "DC1", "dns_name": "dc1.lab.example.com", "realm": "LAB.EXAMPLE.COM",
            "workgroup": "LAB", "domain_sid": "S-1-5-21-1-2-3",
            "dsa_guid": "01010101-0101-0101-0101-010101010101",
            "invocation_id": "02020202-0202-0202-0202-020202020202",
        },
        "usn_before": 1, "pinned_from_us": 1, "pinned_to_us": 2, "tombstone_lifetime_days": 180,
        "naming_contexts": [], "samba_version": "4.17.12", "roots": [], "entries": all,
         "left_out": [],
    });
    let mut signature = [1; 28];
    signature[16..].copy_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
    let now = std::time::SystemTime::now();
    let seconds = now
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let token = contract::ExpiryToken {
        created: seconds,
        tombstone_lifetime_days: 180,
        signature,
    };
    let listing = serde_json::to_vec(&listing).expect("JSON");
    let content = b"not what is looked at".to_vec();
    let mut files = databases
        .map(|path| (path.to_owned(), "database", content.clone()))
        .to_vec();
    files.push(("samba-state.json".into(), "listing", listing));
    let snapshot = MadeSnapshot {
        server: "dc1.lab.example.com",
        tool: "an enemy's",
        time: now,
        token: token.to_bytes(),
        files,
    };
    snapshot.store(lab);
}

/// A folder that nothing may reach, with what it is to be afterwards.
pub struct Outside {
    folder: std::path::PathBuf,
    before: String,
}

impl Outside {
    /// Makes it.
    pub fn new(lab: &Lab) -> Self {
        let folder = lab.path("outside");
        std::fs::create_dir(&folder).expect("make it");
        std::fs::write(folder.join("victim"), "untouched").expect("write");
        let before = state(&folder);
        Self { folder, before }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Fails if anything of it has changed.
    pub fn assert_untouched(&self, what: &str) {
        assert_eq!(state(&self.folder), self.before, "{what}");
    }
}

/// Names, modes, owners, times and content.
fn state(folder: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).expect("list") {
        let path = entry.expect("entry").path();
        let found = path.symlink_metadata().expect("metadata");
        lines.push(format!(
            "{} {:o} {} {} {} {:?}",
            path.display(),
            found.mode(),
            found.uid(),
            found.gid(),
            found.mtime_nsec(),
            std::fs::read(&path).ok()
        ));
    }
    lines.sort();
    let found = folder.metadata().expect("metadata");
    format!("{:o} {} {lines:?}", found.mode(), found.uid())
}
