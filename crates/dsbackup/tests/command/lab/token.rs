//! Snapshots with another expiry token than the backup gave them.

use contract::ExpiryToken;
use repository::{
    BackupRequest, BoxError, Location, LockKind, NewFile, OpenSnapshot, Password, Repository,
    Source, SourceFile, StoredFile,
};

use super::{Lab, PASSWORD};

/// The token, so old that it has expired.
pub fn expired(token: Vec<u8>) -> Vec<u8> {
    let mut token = ExpiryToken::from_bytes(&token).expect("a token");
    token.created -= (u64::from(token.tombstone_lifetime_days) + 1) * 24 * 60 * 60;
    token.to_bytes()
}

/// A snapshot's files once more, with another token.
struct WithToken {
    snapshot: OpenSnapshot,
    files: Vec<repository::SnapshotFileInfo>,
    token: Vec<u8>,
}

impl Source for WithToken {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        let Some(file) = self.files.pop() else {
            return Ok(None);
        };
        Ok(Some(SourceFile {
            size: file.size,
            modified: file.modified,
            chunk_size: Default::default(),
            prove: false,
            content: Box::new(self.snapshot.open(&file.path)?),
            path: file.path,
        }))
    }

    fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        Ok(vec![NewFile {
            path: "expiry-token".into(),
            content: self.token.clone(),
        }])
    }
}

/// Stores the lab's last snapshot again, its token changed.
pub fn store_with_token(lab: &Lab, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let location = Location::parse(lab.repository().to_str().expect("plain")).expect("a location");
    let repository = Repository::open(&location, &Password::new(PASSWORD), &Default::default())
        .expect("the repository");
    let info = repository.snapshot("latest").expect("a snapshot");
    let snapshot = repository.open_snapshot(&info).expect("readable");
    let token = snapshot.read("expiry-token", 4096).expect("a token");
    let mut source = WithToken {
        files: snapshot
            .files()
            .filter(|file| file.path != "expiry-token")
            .collect(),
        snapshot,
        token: change(token),
    };
    let request = BackupRequest {
        host: info.host,
        path: repository::WHOLE.into(),
        label: info.label,
        tags: info.tags,
        time: std::time::SystemTime::now(),
        program: "test".into(),
    };
    let lock = (repository.lock(LockKind::Shared, std::time::Duration::ZERO)).expect("a lock");
    repository
        .backup(&lock, &request, &mut source, &mut |_| ())
        .expect("stored");
}
