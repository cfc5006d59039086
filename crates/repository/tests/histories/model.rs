//! The expected content of a history's repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use repository::*;

use crate::common::{self, ListSource, PASSWORD, location};
use crate::random::Random;

/// The size of a chunk: the smallest, so that little content has many.
const CHUNK: usize = 4096;

/// The longest wait for another process's lock.
const PATIENCE: Duration = Duration::from_secs(60);

/// A repository that every history copies, because making one takes long.
pub fn template(path: &Path) {
    let options = InitOptions {
        chunk_size: CHUNK as u32,
        ..InitOptions::default()
    };
    let password = Password::new(PASSWORD);
    Repository::init(&location(path), &password, &options, &BTreeMap::new()).unwrap();
}

/// The content of a backup, reproducible from its number: the numbers of the chunks of each file.
#[derive(Clone)]
pub struct NewBackup {
    pub label: String,
    files: Vec<Vec<u64>>,
}

impl NewBackup {
    /// Some files of chunks that repeat within and between backups.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(1000) + number);
        let mut file = |_| {
            let chunks = random.below(40);
            (0..chunks)
                .map(|_| random.below(60) + random.below(2) * 100 * number)
                .collect()
        };
        Self {
            label: format!("{seed}-{number}"),
            files: (0..4).map(&mut file).collect(),
        }
    }

    fn content(&self, file: usize) -> Vec<u8> {
        let chunk = |number: &u64| {
            let mut chunk = Vec::with_capacity(CHUNK);
            common::Noise::new(*number, CHUNK as u64)
                .read_to_end(&mut chunk)
                .unwrap();
            chunk
        };
        self.files[file].iter().flat_map(chunk).collect()
    }

    /// Makes the backup.
    pub fn store(&self, repository: &Repository) -> Result<SnapshotInfo, Error> {
        let file = |index| {
            let content = self.content(index);
            let path = format!("folder-{}/file-{index}", index % 2);
            common::file(&path, content.len() as u64, Cursor::new(content))
        };
        let mut source = ListSource::new((0..self.files.len()).map(file).collect());
        let request = BackupRequest {
            host: "dc1".into(),
            path: WHOLE.into(),
            label: self.label.clone(),
            tags: Vec::new(),
            time: SystemTime::now(),
            program: "histories".into(),
        };
        let lock = repository.lock(LockKind::Shared, PATIENCE)?;
        let backup = repository.backup(&lock, &request, &mut source, &mut |_| ())?;
        Ok(backup.snapshot)
    }

    /// Compares all files of a snapshot with the original content.
    fn restores(&self, repository: &Repository, snapshot: &SnapshotInfo) -> Result<(), Error> {
        let opened = repository.open_snapshot(snapshot)?;
        assert_eq!(opened.files().count(), self.files.len(), "{}", self.label);
        for (index, _) in self.files.iter().enumerate() {
            let path = format!("folder-{}/file-{index}", index % 2);
            let read = opened.read(&path, 1 << 30)?;
            assert!(
                read == self.content(index),
                "{} {path}: other content",
                self.label
            );
        }
        Ok(())
    }
}

/// The state shared by both repositories: the backups begun, and the log of steps.
pub struct Place {
    pub seed: u64,
    begun: BTreeMap<String, NewBackup>,
    told: Vec<String>,
}

impl Place {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            begun: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    pub fn new_backup(&mut self, _: &mut Random) -> NewBackup {
        let number = self.begun.len() as u64;
        let backup = NewBackup::new(self.seed, number);
        self.tell(format!("backup {number}"));
        self.begun.insert(backup.label.clone(), backup.clone());
        backup
    }

    /// The number of the last backup begun.
    pub fn last_number(&self) -> u64 {
        self.begun.len() as u64 - 1
    }

    pub fn tell(&mut self, what: String) {
        self.told.push(what);
    }

    /// For messages: how to reproduce this state.
    pub fn story(&self) -> String {
        format!("DSBACKUP_HISTORY={}: {}", self.seed, self.told.join(", "))
    }
}

/// A repository and its expected content.
pub struct Side {
    pub path: PathBuf,
    pub repository: Repository,
    /// The ids of snapshots that must be listed.
    must: BTreeSet<String>,
    /// The ids of snapshots that a killed command may have removed.
    may: BTreeSet<String>,
    /// After damage to a file: the snapshots that could be restored then, and must be restorable
    /// still.
    sound: Option<BTreeSet<String>>,
}

impl Side {
    pub fn new(template: &Path, path: PathBuf) -> Self {
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([template, &path])
            .status();
        assert!(copied.unwrap().success());
        Self {
            repository: common::open(&path),
            path,
            must: BTreeSet::new(),
            may: BTreeSet::new(),
            sound: None,
        }
    }

    pub fn is_harmed(&self) -> bool {
        self.sound.is_some()
    }

    /// Records a new snapshot.
    pub fn has(&mut self, place: &Place, snapshot: SnapshotInfo) {
        if let Some(sound) = &mut self.sound
            && restores(place, &self.repository, &snapshot).is_ok()
        {
            sound.insert(snapshot.id.clone());
        }
        self.must.insert(snapshot.id);
    }

    /// Accepts an error only after damage to a file.
    pub fn excuse(&self, place: &Place, error: &Error) {
        let damage = matches!(
            error,
            Error::Damaged { .. } | Error::NotPrunable { .. } | Error::Storage { .. }
        );
        assert!(self.is_harmed() && damage, "{error}: {}", place.story());
    }

    fn exclusive(&self) -> Lock {
        self.repository
            .lock(LockKind::Exclusive, PATIENCE)
            .expect("a lock in time")
    }

    /// The ids of some snapshots.
    pub fn some(&self, random: &mut Random) -> Vec<String> {
        let ids = self.must.iter().cloned();
        ids.filter(|_| random.below(3) == 0).collect()
    }

    pub fn forget(&mut self, place: &mut Place, random: &mut Random) {
        let doomed = self.some(random);
        place.tell(format!("forget {}", doomed.len()));
        let ids: Vec<&str> = doomed.iter().map(String::as_str).collect();
        let _lock = self.exclusive();
        self.repository.forget(&ids).expect("forgotten");
        self.removed(&doomed);
    }

    pub fn removed(&mut self, ids: &[String]) {
        for id in ids {
            self.must.remove(id);
            if let Some(sound) = &mut self.sound {
                sound.remove(id);
            }
        }
    }

    /// Records that a killed command may have removed them.
    pub fn may_be_removed(&mut self, ids: &[String]) {
        self.removed(ids);
        self.may.extend(ids.iter().cloned());
    }

    pub fn prune(&mut self, place: &mut Place) {
        place.tell("prune".into());
        let lock = self.exclusive();
        if let Err(error) = self.repository.prune(&lock, false, &mut |_, _, _| ()) {
            self.excuse(place, &error);
        }
    }

    pub fn repair(&mut self, place: &mut Place) {
        place.tell("repair".into());
        let lock = self.exclusive();
        let repaired = self
            .repository
            .repair_index(&lock, false, &mut |_, _, _| ())
            .expect("repaired");
        assert!(
            self.is_harmed() || repaired.missing_packs == 0,
            "{}",
            place.story()
        );
    }

    pub fn copy_to(&mut self, two: &mut Self, place: &mut Place, random: &mut Random) {
        place.tell("copy".into());
        let chosen = self.some(random);
        let mut snapshots = self.repository.snapshots().expect("listed");
        snapshots.retain(|snapshot| chosen.contains(&snapshot.id));
        let lock = two
            .repository
            .lock(LockKind::Shared, PATIENCE)
            .expect("a lock");
        let copied = self
            .repository
            .copy_to(&snapshots, &two.repository, &lock, &mut |_, _, _| ());
        let copied = copied.expect("copied");
        assert!(
            self.is_harmed() || copied.damaged.is_empty(),
            "{copied:?}: {}",
            place.story()
        );
        for (_, copy) in copied.copied {
            two.has(place, copy);
        }
    }

    /// Flips a bit of a file, truncates or removes it, and describes the damage.
    pub fn harm(&mut self, random: &mut Random) -> String {
        let mut files = common::packs(&self.path);
        for folder in ["index", "snapshots"] {
            let entries = std::fs::read_dir(self.path.join(folder)).unwrap().flatten();
            files.extend(entries.map(|entry| entry.path()));
        }
        files.sort();
        self.sound = Some(BTreeSet::new());
        let Some(file) = random.pick(&files) else {
            return "nothing".into();
        };
        let mut content = std::fs::read(file).unwrap();
        let length = content.len() as u64;
        let how = match random.below(4) {
            0 => "cut short",
            1 => "emptied",
            2 if !file.starts_with(self.path.join("snapshots")) => "removed",
            _ => "flipped",
        };
        match how {
            "cut short" => content.truncate(random.below(length) as usize),
            "emptied" => content.clear(),
            _ if content.is_empty() => {}
            _ => content[random.below(length) as usize] ^= 1 << random.below(8),
        }
        match how {
            "removed" => std::fs::remove_file(file).unwrap(),
            _ => std::fs::write(file, content).unwrap(),
        }
        format!("{how} {}", file.strip_prefix(&self.path).unwrap().display())
    }

    /// Records which snapshots are restorable after the damage.
    pub fn take_stock(&mut self, place: &Place) {
        self.repository = common::open(&self.path);
        let snapshots = self.repository.snapshots().expect("listed");
        let sound = snapshots
            .into_iter()
            .filter(|snapshot| restores(place, &self.repository, snapshot).is_ok());
        self.sound = Some(sound.map(|snapshot| snapshot.id).collect());
    }

    /// Checks that every listed snapshot restores bit by bit or is reported as damaged, and that no
    /// snapshot is missing.
    pub fn verify(&mut self, place: &Place) {
        if self.is_harmed() {
            self.repository = common::open(&self.path);
        }
        let repository = &self.repository;
        let snapshots = repository.snapshots().expect("listed");
        let listed: BTreeSet<&String> = snapshots.iter().map(|snapshot| &snapshot.id).collect();
        let unreadable = repository.unreadable();
        assert!(
            self.is_harmed() || unreadable.is_empty(),
            "{unreadable:?}: {}",
            place.story()
        );
        for id in &self.must {
            let named = unreadable
                .iter()
                .any(|noted| noted.file.ends_with(id.as_str()));
            assert!(
                listed.contains(id) || named,
                "snapshot {id} is lost: {}",
                place.story()
            );
        }
        let mut damaged = Vec::new();
        for snapshot in &snapshots {
            if let Err(error) = restores(place, repository, snapshot) {
                assert!(
                    self.is_harmed(),
                    "{}: {error}: {}",
                    snapshot.label,
                    place.story()
                );
                assert!(
                    matches!(error, Error::Damaged { .. }),
                    "{error}: {}",
                    place.story()
                );
                let was_sound = self
                    .sound
                    .as_ref()
                    .is_some_and(|sound| sound.contains(&snapshot.id));
                assert!(
                    !was_sound,
                    "{} was sound: {error}: {}",
                    snapshot.label,
                    place.story()
                );
                damaged.push(snapshot.label.clone());
            }
        }
        let report = repository.check(true, &mut |_, _, _| ()).expect("checked");
        assert!(
            self.is_harmed() || report.is_sound(),
            "{report:?}: {}",
            place.story()
        );
        if !damaged.is_empty() {
            assert!(
                !report.is_sound(),
                "{damaged:?} unnoticed: {}",
                place.story()
            );
        }
    }

    /// After a kill: records the existing snapshots, whoever made them.
    pub fn look_again(&mut self, place: &Place) {
        self.repository.unlock(false).expect("unlocked");
        for snapshot in self.repository.snapshots().expect("listed") {
            if !self.must.contains(&snapshot.id) && !self.may.contains(&snapshot.id) {
                self.has(place, snapshot);
            }
        }
    }
}

fn restores(place: &Place, repository: &Repository, snapshot: &SnapshotInfo) -> Result<(), Error> {
    let given = place.begun.get(&snapshot.label);
    let given =
        given.unwrap_or_else(|| panic!("{} was never made: {}", snapshot.label, place.story()));
    given.restores(repository, snapshot)
}
