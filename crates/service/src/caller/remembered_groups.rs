//! The directory's last answers about the groups of those who may back up or restore. They serve
//! when the directory is down because it is to be restored: no ticket names Backup Operators.
//!
//! One small JSON file, `{"S-1-5-21-...-1105": {"counted": 1790000000, "groups": ["S-1-5-32-551",
//! ...]}, ...}`. Accounts without privileges are not in it, so that strangers cannot fill it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use ids::Sid;
use serde::{Deserialize, Serialize};

use store::clock;

/// How long an answer of the directory counts.
const GOOD_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The most bytes of the file: room for thousands of operators.
const SIZE: u64 = 1 << 20;

/// The file, and the lock for changes.
pub(super) struct RememberedGroups {
    folder: PathBuf,
    name: String,
    changing: Mutex<()>,
}

type Accounts = BTreeMap<String, Counted>;

#[derive(Serialize, Deserialize)]
struct Counted {
    /// The time of the answer, in seconds since 1970.
    counted: u64,
    groups: Vec<String>,
}

impl RememberedGroups {
    /// Keeps the answers in `file`, whose folder must exist.
    ///
    /// # Errors
    /// `hrInvalidParam` for a path that cannot hold the file.
    pub(super) fn new(file: &Path) -> Result<Self> {
        let unusable = |expected: &str| {
            Error::new(
                ResultCode::INVALID_PARAM,
                format!(
                    "kerberos: remember_groups = {}: expected {expected}",
                    file.display()
                ),
            )
        };
        let folder = file.parent().filter(|folder| folder.is_dir());
        let folder = folder.ok_or_else(|| unusable("a file in a folder that exists"))?;
        let name = file.file_name().and_then(|name| name.to_str());
        Ok(Self {
            folder: folder.to_owned(),
            name: name
                .ok_or_else(|| unusable("the name of a file"))?
                .to_owned(),
            changing: Mutex::new(()),
        })
    }

    /// Keeps the directory's answer about an account.
    pub(super) fn remember(&self, account: &Sid, groups: &HashSet<Sid>) {
        let mut groups: Vec<String> = groups.iter().map(Sid::to_string).collect();
        groups.sort();
        let counted = clock::now();
        self.change(account, Some(Counted { counted, groups }));
    }

    /// Forgets an account that has lost its privileges.
    pub(super) fn forget(&self, account: &Sid) {
        self.change(account, None);
    }

    /// The groups of an account in the directory's last answer; none if it is too old.
    ///
    /// # Errors
    /// The reason, for a file that exists but is not trusted.
    pub(super) fn recall(&self, account: &Sid) -> std::result::Result<HashSet<Sid>, String> {
        let accounts = self.read()?;
        let now = clock::now();
        let Some(known) = accounts.get(&account.to_string()) else {
            return Ok(HashSet::new());
        };
        // A time in the future means that the clock was wrong, now or then.
        let age = now.checked_sub(known.counted);
        if age.is_none_or(|age| age > GOOD_FOR.as_secs()) {
            return Ok(HashSet::new());
        }
        let groups = known.groups.iter().map(|group| group.parse());
        groups
            .collect::<std::result::Result<_, ids::ParseError>>()
            .map_err(|error| self.unusable(&error))
    }

    fn change(&self, account: &Sid, known: Option<Counted>) {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = self.read().and_then(|mut accounts| {
            match known {
                Some(known) => accounts.insert(account.to_string(), known),
                None if !accounts.contains_key(&account.to_string()) => return Ok(()),
                None => accounts.remove(&account.to_string()),
            };
            // Answers that are too old are dropped.
            let oldest = clock::now().saturating_sub(GOOD_FOR.as_secs());
            accounts.retain(|_, known| known.counted >= oldest);
            let content = serde_json::to_vec(&accounts).map_err(|error| self.unusable(&error))?;
            files::write_durably(&self.folder, &self.name, &content)
                .map_err(|error| self.unusable(&error))
        });
        if let Err(reason) = changed {
            tracing::error!(
                %account, reason,
                "cannot remember the groups in the directory's answer"
            );
        }
    }

    /// The file's accounts; none if it does not exist.
    fn read(&self) -> std::result::Result<Accounts, String> {
        let mut content = Vec::new();
        match File::open(self.folder.join(&self.name)) {
            Ok(file) => self
                .refuse_of_others(&file)
                .and_then(|()| file.take(SIZE + 1).read_to_end(&mut content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Accounts::new()),
            Err(error) => Err(error),
        }
        .map_err(|error| self.unusable(&error))?;
        if content.len() as u64 > SIZE {
            return Err(self.unusable(&"it is longer than 1 MiB"));
        }
        serde_json::from_slice(&content).map_err(|error| self.unusable(&error))
    }

    /// Refuses a file that other users may write: they could admit anyone.
    fn refuse_of_others(&self, file: &File) -> io::Result<()> {
        let access = platform::access::of_file(file)?;
        match access.owner_is_trusted && !access.others_may_write {
            true => Ok(()),
            false => Err(io::Error::other(
                "others may write it; remove it, it is made anew while the directory answers",
            )),
        }
    }

    fn unusable(&self, reason: &dyn std::fmt::Display) -> String {
        format!("{}: {reason}", self.folder.join(&self.name).display())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    #[test]
    fn groups_are_good_for_thirty_days_and_until_the_directory_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("groups.json");
        let remembered = RememberedGroups::new(&file).unwrap();
        let (operator, other) = (sid("S-1-5-21-1-2-3-1105"), sid("S-1-5-21-1-2-3-1106"));
        let groups = HashSet::from([sid("S-1-5-32-551"), operator.clone()]);
        assert_eq!(remembered.recall(&operator), Ok(HashSet::new()));
        remembered.remember(&operator, &groups);
        remembered.remember(&other, &groups);
        assert_eq!(remembered.recall(&operator), Ok(groups.clone()));
        remembered.forget(&other);
        assert_eq!(remembered.recall(&other), Ok(HashSet::new()));
        // The same after a restart of the service.
        let remembered = RememberedGroups::new(&file).unwrap();
        assert_eq!(remembered.recall(&operator), Ok(groups.clone()));

        let day = 24 * 60 * 60;
        let now = clock::now();
        for (counted, good) in [
            (now - 29 * day, true),
            (now - 31 * day, false),
            (now + day, false),
        ] {
            let known = serde_json::json!({
                operator.to_string(): {"counted": counted, "groups": ["S-1-5-32-551"]}
            });
            std::fs::write(&file, known.to_string()).unwrap();
            let recalled = remembered.recall(&operator).unwrap();
            assert_eq!(!recalled.is_empty(), good, "{counted} at {now}");
        }
    }

    #[test]
    fn a_file_that_others_may_write_or_that_makes_no_sense_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("groups.json");
        let remembered = RememberedGroups::new(&file).unwrap();
        let operator = sid("S-1-5-21-1-2-3-1105");
        remembered.remember(&operator, &HashSet::from([sid("S-1-5-32-551")]));
        let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
        for (open, counts) in [(0o660, false), (0o602, false), (0o644, true)] {
            mode(open).unwrap();
            assert_eq!(remembered.recall(&operator).is_ok(), counts, "{open:o}");
        }
        let text = format!("{{\"{operator}\": {{\"counted\": 1, \"groups\": []}}}}");
        for broken in ["", "[]", &text[1..], &" ".repeat((1 << 20) + 1)] {
            std::fs::write(&file, broken).unwrap();
            assert!(remembered.recall(&operator).is_err(), "{broken:.20}");
        }
    }

    #[test]
    fn a_place_that_is_none_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for place in ["missing/groups.json", "/", ".."] {
            assert!(RememberedGroups::new(&folder.path().join(place)).is_err());
        }
    }
}
