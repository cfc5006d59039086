//! A snapshot of a Samba domain controller that no backup made.

use std::time::{Duration, SystemTime};

use repository::{
    BackupRequest, BoxError, Location, LockKind, NewFile, Password, Repository, Source, SourceFile,
    StoredFile,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Lab, PASSWORD};

/// The snapshot.
pub struct MadeSnapshot<'s> {
    /// The server that it says it is of.
    pub server: &'s str,
    /// The program that its manifest names.
    pub tool: &'s str,
    /// The point in time of the data.
    pub time: SystemTime,
    /// The bytes of its expiry token.
    pub token: Vec<u8>,
    /// Its files: path, type, content.
    pub files: Vec<(String, &'static str, Vec<u8>)>,
}

impl MadeSnapshot<'_> {
    /// Stores it in the lab's repository, with a manifest that describes the files.
    pub fn store(self, lab: &Lab) {
        let files: Vec<Value> = (self.files.iter())
            .map(|(path, file_type, content)| {
                let sha256: String = (Sha256::digest(content).iter())
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                json!({
                    "type": file_type, "path": path, "original": format!("/var/lib/samba/{path}"),
                    "size": content.len(), "sha256": sha256, "modified": "2026-01-01T00:00:00Z",
                })
            })
            .collect();
        let manifest = json!({
            "format": 1, "tool": self.tool, "created": "2026-01-01T00:00:00Z",
            "expires": "2036-01-01T00:00:00Z", "tombstone_lifetime_days": 180,
            "server": self.server, "store": "samba",
            "database": {
                "signature": "01".repeat(28), "state": "Clean Shutdown", "page_size": 0,
                "required": null,
            },
            "log_base_name": "edb", "logs": null, "files": files, "damaged": false,
        });
        let manifest = serde_json::to_vec(&manifest).expect("JSON");
        let own = [("expiry-token", self.token), ("manifest.json", manifest)];
        let files = self
            .files
            .into_iter()
            .map(|(path, _, content)| (path, content));
        let made = files
            .chain(own.map(|(path, content)| (path.to_owned(), content)))
            .map(|(path, content)| NewFile { path, content })
            .collect();

        let location = lab.repository();
        let location = Location::parse(location.to_str().expect("plain")).expect("a location");
        let password = Password::new(PASSWORD);
        let repository = Repository::open(&location, &password, &Default::default());
        let repository = repository.expect("the repository");
        let request = BackupRequest {
            host: self.server.into(),
            path: repository::WHOLE.into(),
            label: "dsbackup".into(),
            tags: Vec::new(),
            time: self.time,
            program: "dsbackup 0.1.0".into(),
        };
        let lock = repository.lock(LockKind::Shared, Duration::ZERO);
        let lock = lock.map_err(|error| error.to_string()).expect("a lock");
        let stored = repository.backup(&lock, &request, &mut Made(made), &mut |_| ());
        stored.map_err(|error| error.to_string()).expect("stored");
    }
}

/// Only files that are made here.
struct Made(Vec<NewFile>);

impl Source for Made {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        Ok(None)
    }

    fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        Ok(std::mem::take(&mut self.0))
    }
}
