//! Who may log in.
//!
//! The file has one line for each user: name, argon2id hash and role, separated by colons. Lines
//! that begin with `#` are comments.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random;

/// The longest file that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The longest password, in bytes: hashing takes time for each of them.
pub const LONGEST_PASSWORD: usize = 1024;

/// The fewest characters of a new password.
const SHORTEST_PASSWORD: usize = 12;

/// The user of a console without a file of users.
pub const ONLY_USER: &str = "admin";

/// The permissions that the file must not have: any for others than the owner.
const TOO_OPEN: u32 = 0o077;

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Look at everything.
    View,
    /// Start work, too: drills, removals, restores.
    Operate,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::View => "view",
            Self::Operate => "operate",
        })
    }
}

/// Those who may log in.
pub struct Users {
    known: BTreeMap<String, User>,
    /// Compared where there is no such user, so that the time does not tell.
    nobody: String,
}

struct User {
    hash: String,
    role: Role,
}

impl Users {
    /// Reads the file.
    ///
    /// # Errors
    /// If it cannot be read, others than its owner can read or write it, or a line is no user.
    pub fn read(path: &Path) -> Result<Self> {
        let opened = std::fs::File::open(path).map_err(Error::io("read", path))?;
        let found = opened.metadata().map_err(Error::io("read", path))?;
        if found.mode() & TOO_OPEN != 0 {
            return Err(Error::Refused(format!(
                "{}: the file of users has mode {:04o}, so that others can read or write it: \
                 chmod 600 {0}",
                path.display(),
                found.mode() & 0o7777
            )));
        }
        let mut text = String::new();
        (opened.take(LIMIT).read_to_string(&mut text)).map_err(Error::io("read", path))?;
        Self::parse(&text).map_err(|reason| Error::Refused(format!("{}: {reason}", path.display())))
    }

    /// As [`Users::read`], from the text of the file.
    ///
    /// # Errors
    /// The line that is no user, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut known = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason: &str| format!("line {}: {reason}", number + 1);
            let fields: Vec<&str> = line.trim_end().split(':').collect();
            let (name, hash, role) = match fields[..] {
                [name, hash] => (name, hash, Role::Operate),
                [name, hash, "operate"] => (name, hash, Role::Operate),
                [name, hash, "view"] => (name, hash, Role::View),
                _ => {
                    return Err(wrong(
                        "expected NAME:HASH, NAME:HASH:view or NAME:HASH:operate",
                    ));
                }
            };
            check_name(name).map_err(|reason| wrong(&reason))?;
            let parsed = PasswordHash::new(hash);
            if !parsed.is_ok_and(|hash| hash.algorithm.as_str() == "argon2id") {
                return Err(wrong("expected a hash that begins with $argon2id$"));
            }
            let hash = hash.to_owned();
            if known.insert(name.to_owned(), User { hash, role }).is_some() {
                return Err(wrong(&format!("the user {name} is there twice")));
            }
        }
        Self::of(known)
    }

    /// One user, [`ONLY_USER`], with a new password, which is returned.
    ///
    /// # Errors
    /// If the system has no random bits.
    pub fn with_new_password() -> Result<(Self, Zeroizing<String>)> {
        let failed = |error| Error::io("make a password", "getrandom")(error);
        let word = Zeroizing::new(random::word().map_err(failed)?);
        let password = Zeroizing::new(word[..32].to_owned());
        let users = hashed(&password).and_then(|hash| {
            let role = Role::Operate;
            Self::of(BTreeMap::from([(
                ONLY_USER.to_owned(),
                User { hash, role },
            )]))
        });
        Ok((users.map_err(Error::Refused)?, password))
    }

    fn of(known: BTreeMap<String, User>) -> Result<Self, String> {
        let nobody = random::word().map_err(|error| error.to_string())?;
        Ok(Self {
            known,
            nobody: hashed(&nobody)?,
        })
    }

    /// The number of users.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// What the user may do, if the password is right. Takes a while and 19 MiB of memory.
    pub fn check(&self, name: &str, password: &str) -> Option<Role> {
        let user = self.known.get(name);
        let hash = user.map_or(&self.nobody, |user| &user.hash);
        let fits = PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        });
        user.filter(|_| fits && password.len() <= LONGEST_PASSWORD)
            .map(|user| user.role)
    }
}

/// Adds a user to the file, which is made if there is none, or changes the user's line. The file
/// is replaced as a whole, with mode 0600.
///
/// # Errors
/// As [`Users::read`] for a file that is there; for a name that is none; for a password that is too
/// short or too long.
pub fn add(path: &Path, name: &str, password: &str, role: Role) -> Result<()> {
    let mut text = String::new();
    if path.symlink_metadata().is_ok() {
        Users::read(path)?;
        text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    }
    let is_other = |line: &&str| line.split(':').next() != Some(name);
    let mut new: String = text
        .lines()
        .filter(is_other)
        .flat_map(|line| [line, "\n"])
        .collect();
    new += &line(name, password, role)?;
    let beside = path.with_extension("new");
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    let mut file = options.open(&beside).map_err(Error::io("write", &beside))?;
    (file.write_all(new.as_bytes()))
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(Error::io("write", path))
}

/// The line of a new user.
///
/// # Errors
/// For a name that is none, and a password that is too short or too long.
fn line(name: &str, password: &str, role: Role) -> Result<String> {
    let refused = |reason: String| Error::Refused(reason);
    check_name(name).map_err(refused)?;
    let count = password.chars().count();
    if count < SHORTEST_PASSWORD || password.len() > LONGEST_PASSWORD {
        return Err(refused(format!(
            "a password has at least {SHORTEST_PASSWORD} characters, and at most \
             {LONGEST_PASSWORD} bytes"
        )));
    }
    Ok(format!(
        "{name}:{}:{role}\n",
        hashed(password).map_err(refused)?
    ))
}

fn hashed(password: &str) -> Result<String, String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// Names become words in logs and pages.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    match !name.is_empty() && name.len() <= 64 && name.chars().all(fits) {
        true => Ok(()),
        false => Err("a name has letters, digits, - _ . and @, at most 64 bytes".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_logs_in_with_the_password_of_the_file_only() {
        let text = format!(
            "# people\n{}{}",
            line("anna", "a long password", Role::Operate).unwrap(),
            line("otto", "another password", Role::View).unwrap(),
        );
        assert!(!text.contains("password"), "{text}");
        let users = Users::parse(&text).unwrap();
        assert_eq!(users.check("anna", "a long password"), Some(Role::Operate));
        assert_eq!(users.check("otto", "another password"), Some(Role::View));
        for (name, password) in [
            ("anna", "another password"),
            ("anna", ""),
            ("nobody", "a long password"),
            ("", ""),
        ] {
            assert_eq!(users.check(name, password), None, "{name} {password}");
        }
    }

    #[test]
    fn what_is_no_user_is_refused_with_its_line() {
        let hash = hashed("x").unwrap();
        for wrong in [
            "anna".to_owned(),
            "anna:secret".into(),
            "anna:$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA".into(),
            format!("an na:{hash}"),
            format!("anna:{hash}:root"),
            format!("b:{hash}\nb:{hash}"),
        ] {
            let error = Users::parse(&format!("\n{wrong}")).err().unwrap();
            assert!(error.starts_with("line "), "{error}");
        }
        assert!(line("anna", "too short", Role::View).is_err());
    }

    #[test]
    fn adding_a_user_again_changes_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.users");
        add(&path, "anna", "the first password", Role::Operate).unwrap();
        add(&path, "otto", "another password", Role::Operate).unwrap();
        add(&path, "anna", "the second password", Role::View).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let users = Users::read(&path).unwrap();
        assert_eq!(users.count(), 2);
        assert_eq!(users.check("anna", "the first password"), None);
        assert_eq!(users.check("anna", "the second password"), Some(Role::View));
        assert!(add(&path, "a:b", "a long password", Role::View).is_err());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, format!("a:{}\n", hashed("x").unwrap())).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(Users::read(&path).is_err());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(Users::read(&path).unwrap().count(), 1);
    }
}
