//! Verdicts of drills, kept in the repository beside the backups.
//!
//! One snapshot holds all of them. No retention policy takes it for a backup: it has a host, a path
//! and a tag of its own, and it is dated 1970, so that where a policy puts all snapshots into one
//! group it is the oldest and takes no backup's place; for the same reason it is never `latest`.
//! `docs/repository.md` says why it is a snapshot at all.
//!
//! Earlier releases stored each verdict as a snapshot of the server that it was about.
//! [`Verdicts::store`] moves them over.

use std::collections::BTreeMap;
use std::time::SystemTime;

use model::DirectoryIdentity;
use repository::{
    BackupRequest, BoxError, Error, Lock, NewFile, Repository, SnapshotInfo, Source, SourceFile,
    StoredFile,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Host, label and tag of the snapshot that holds the verdicts.
const REGISTER: &str = "dsbackup-verdicts";

/// Its path, as restic shows it.
const REGISTER_PATH: &str = "/dsbackup-verdicts";

/// The file in it: a list of verdicts.
const REGISTER_FILE: &str = "verdicts.json";

/// Label and tag of the snapshots in which earlier releases kept one verdict each.
const SINGLE: &str = "dsbackup-drill";

/// The file in each of them.
const SINGLE_FILE: &str = "drill.json";

/// The longest list of verdicts that is read.
const LIMIT: u64 = 64 << 20;

/// What a drill found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The snapshot that was restored, its whole id.
    pub snapshot: String,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// The program, with its version.
    pub tool: String,
    /// Whether the snapshot gives a clean database in which everything fits together.
    pub proven: bool,
    /// What is wrong with it, in words; the first hundred.
    pub findings: Vec<String>,
    /// Why the machine that drilled could not tell: then the snapshot is neither proven nor known
    /// to be damaged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_proven: Option<String>,
    /// What was found and is no damage of the snapshot, such as what its source had too; the first
    /// hundred.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// Flipped bits that recovery corrected, in words: the snapshot can be used, but a disk was not
    /// well.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub corrected: Vec<String>,
    /// The generations that were replayed.
    pub generations: Option<String>,
    /// Log records that were replayed.
    pub records: u64,
    /// Rows of all tables of the recovered database.
    pub rows: u64,
    /// Entries of all secondary indices.
    pub index_entries: u64,
    /// Objects in all partitions of a Samba domain controller.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub objects: Option<u64>,
    /// What the recovered database says of its directory, where it holds one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub directory: Option<DirectoryIdentity>,
}

impl Verdict {
    /// Whether it says something of the snapshot, and is not older than `days`. A time in the
    /// future is not old.
    pub fn is_fresh(&self, days: u32, now: SystemTime) -> bool {
        let age = jiff::Timestamp::try_from(now).ok().and_then(|now| {
            let drilled: jiff::Timestamp = self.time.parse().ok()?;
            Some(now.duration_since(drilled).as_secs())
        });
        self.not_proven.is_none() && age.is_some_and(|age| age < i64::from(days) * 86_400)
    }

    /// The verdict and its time, for lists.
    pub fn in_words(&self) -> String {
        self.in_words_of(&self.time)
    }

    /// The verdict with its time as it is to be shown.
    pub fn in_words_of(&self, time: &str) -> String {
        match (self.proven, &self.not_proven) {
            (true, _) if !self.corrected.is_empty() => format!("proven {time} with corrected bits"),
            (true, _) => format!("proven {time}"),
            (false, Some(_)) => format!("not proven {time}"),
            (false, None) => format!("FAILED its drill {time}"),
        }
    }
}

/// All verdicts of a repository: the newest on each snapshot.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// By the id of the snapshot. As stored: a verdict of a later release may say more, which is
    /// kept.
    by_snapshot: BTreeMap<String, Value>,
    /// The snapshots that hold them now.
    holders: Vec<SnapshotInfo>,
    /// Whether there is something to store.
    changed: bool,
    /// Snapshots of verdicts that cannot be read, each with the reason. They stay where they are.
    pub unreadable: Vec<String>,
}

/// Whether a snapshot holds verdicts instead of a directory.
pub fn holds_verdicts(snapshot: &SnapshotInfo) -> bool {
    is_register(snapshot) || is(snapshot, SINGLE)
}

fn is_register(snapshot: &SnapshotInfo) -> bool {
    is(snapshot, REGISTER)
}

/// restic knows no labels and drops them when it copies or tags a snapshot.
fn is(snapshot: &SnapshotInfo, name: &str) -> bool {
    snapshot.label == name || snapshot.tags.iter().any(|tag| tag == name)
}

impl Verdicts {
    /// Reads the verdicts that `snapshots`, all of a repository's, hold.
    pub fn read(repository: &Repository, snapshots: &[SnapshotInfo]) -> Self {
        let mut verdicts = Self::default();
        for holder in snapshots.iter().filter(|holder| holds_verdicts(holder)) {
            match read_one(repository, holder) {
                Ok(list) => {
                    for verdict in list {
                        verdicts.insert(verdict);
                    }
                    verdicts.holders.push(holder.clone());
                }
                Err(reason) => verdicts.unreadable.push(format!(
                    "the verdicts in snapshot {} cannot be read: {reason}",
                    holder.short_id()
                )),
            }
        }
        let single = verdicts.holders.iter().any(|holder| !is_register(holder));
        verdicts.changed = single || verdicts.holders.len() > 1;
        verdicts
    }

    /// The newest verdict on a snapshot. It stays true of a snapshot that restic or dsbackup copied
    /// or tagged.
    pub fn of(&self, snapshot: &SnapshotInfo) -> Option<Verdict> {
        std::iter::once(&snapshot.id)
            .chain(&snapshot.original)
            .filter_map(|id| self.by_snapshot.get(id))
            .max_by_key(|verdict| time(verdict))
            // One that cannot be understood is no reason to show nothing.
            .and_then(|verdict| serde_json::from_value(verdict.clone()).ok())
    }

    /// Adds a verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        let value = serde_json::to_value(verdict).expect("strings and numbers become JSON");
        self.changed |= self.insert(value);
    }

    /// Takes over what `others` say of these snapshots.
    pub fn take_over(&mut self, others: &Self, snapshots: &[SnapshotInfo]) {
        for snapshot in snapshots {
            for id in std::iter::once(&snapshot.id).chain(&snapshot.original) {
                if let Some(verdict) = others.by_snapshot.get(id) {
                    self.changed |= self.insert(verdict.clone());
                }
            }
        }
    }

    /// Drops the verdicts on snapshots other than these.
    pub fn retain(&mut self, snapshots: &[SnapshotInfo]) {
        let before = self.by_snapshot.len();
        self.by_snapshot.retain(|id, _| {
            snapshots
                .iter()
                .any(|snapshot| snapshot.id == *id || snapshot.original.as_ref() == Some(id))
        });
        self.changed |= self.by_snapshot.len() < before;
    }

    /// Inserts a verdict unless a newer one is there, or one that says more; returns whether it
    /// did. Times are whole seconds: of two verdicts of the same second the one that is inserted
    /// later stays.
    fn insert(&mut self, verdict: Value) -> bool {
        let Some(snapshot) = verdict.get("snapshot").and_then(Value::as_str) else {
            return false;
        };
        let stays = self.by_snapshot.get(snapshot).is_some_and(|known| {
            *known == verdict
                || time(known) > time(&verdict)
                || (!says_something(&verdict) && says_something(known))
        });
        if !stays {
            self.by_snapshot.insert(snapshot.to_owned(), verdict);
        }
        !stays
    }

    /// Stores the verdicts in one snapshot, where anything changed or they lay elsewhere, and then
    /// removes the snapshots that held them. After an interruption some verdicts are held twice,
    /// which does no harm.
    ///
    /// # Errors
    /// When the repository cannot be written.
    pub fn store(
        &mut self,
        repository: &Repository,
        lock: &Lock,
        program: &str,
    ) -> Result<(), Error> {
        if !self.changed {
            return Ok(());
        }
        let request = BackupRequest {
            host: REGISTER.to_owned(),
            path: REGISTER_PATH.to_owned(),
            label: REGISTER.to_owned(),
            tags: vec![REGISTER.to_owned()],
            time: SystemTime::UNIX_EPOCH,
            program: program.to_owned(),
        };
        let list: Vec<&Value> = self.by_snapshot.values().collect();
        let json = serde_json::to_vec_pretty(&list).expect("JSON becomes JSON");
        let stored =
            repository.backup(lock, &request, &mut OnlyRegister(Some(json)), &mut |_| ())?;
        let old: Vec<&str> = self.holders.iter().map(|old| old.id.as_str()).collect();
        repository.forget(&old)?;
        self.holders = vec![stored.snapshot];
        self.changed = false;
        Ok(())
    }
}

/// Moves verdicts that earlier releases stored as backups of a server to where they count as none.
///
/// # Errors
/// When the repository cannot be read or written.
pub fn move_over(repository: &Repository, lock: &Lock, program: &str) -> Result<(), Error> {
    Verdicts::read(repository, &repository.snapshots()?).store(repository, lock, program)
}

fn read_one(repository: &Repository, holder: &SnapshotInfo) -> Result<Vec<Value>, String> {
    let file = match is_register(holder) {
        true => REGISTER_FILE,
        false => SINGLE_FILE,
    };
    let json = repository
        .open_snapshot(holder)
        .and_then(|snapshot| snapshot.read(file, LIMIT))
        .map_err(|error| error.to_string())?;
    let list = match is_register(holder) {
        true => serde_json::from_slice(&json),
        false => serde_json::from_slice(&json).map(|verdict| vec![verdict]),
    };
    list.map_err(|error| error.to_string())
}

/// Whether the machine that drilled could tell.
fn says_something(verdict: &Value) -> bool {
    verdict.get("not_proven").is_none_or(Value::is_null)
}

/// RFC 3339 in UTC, which sorts as text.
fn time(verdict: &Value) -> &str {
    verdict
        .get("time")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Nothing but the list of verdicts.
struct OnlyRegister(Option<Vec<u8>>);

impl Source for OnlyRegister {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        Ok(None)
    }

    fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        let content = self.0.take().unwrap_or_default();
        let path = REGISTER_FILE.to_owned();
        Ok(vec![NewFile { path, content }])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(time: &str, proven: bool, not_proven: Option<&str>) -> Value {
        json!({ "snapshot": "a1", "time": time, "proven": proven, "not_proven": not_proven })
    }

    fn kept(verdicts: &[Value]) -> Value {
        let mut all = Verdicts::default();
        for verdict in verdicts {
            all.insert(verdict.clone());
        }
        all.by_snapshot["a1"].clone()
    }

    #[test]
    fn the_later_of_two_verdicts_within_one_second_stays() {
        let second = "2026-11-26T20:00:00Z";
        let no_room = said(second, false, Some("no room on the disk"));
        let proven = said(second, true, None);
        let failed = said(second, false, None);
        assert_eq!(kept(&[no_room.clone(), proven.clone()]), proven);
        assert_eq!(kept(&[proven.clone(), failed.clone()]), failed);
        assert_eq!(
            kept(&[proven.clone(), no_room]),
            proven,
            "it says more than the later one"
        );
        let earlier = said("2026-11-26T19:59:59Z", false, None);
        assert_eq!(kept(&[proven.clone(), earlier]), proven);
        let mut all = Verdicts::default();
        assert!(all.insert(proven.clone()) && !all.insert(proven));
    }
}
