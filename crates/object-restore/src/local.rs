//! What only programs beside the server can do.

use std::path::Path;

use ids::Guid;
use live::{Control, Operation};

/// A change, with what the server must know besides.
pub type Change = (Operation, Vec<Control>);

/// The computer of the server, for what its socket does not do. See [`crate::Pair::beside`].
///
/// Files of a group policy are named by the path of their folder beneath SYSVOL,
/// `corp.example/Policies/{GUID}`.
pub trait Local {
    /// Begins to write many changes at once. What this process has begun with `journal` is over only
    /// when the lock on it is gone, also if the process is killed.
    ///
    /// # Errors
    /// Why that cannot be.
    fn transactions(&self, journal: &Path) -> Result<Box<dyn Transactions + '_>, String>;

    /// Sets the sAMAccountType of objects that came out of Samba's Recycle Bin, without which
    /// searches for accounts do not find them.
    ///
    /// # Errors
    /// What the server's tools say.
    fn set_account_types(&self, objects: &[(Guid, i64)]) -> Result<(), String>;

    /// How many files and folders of a policy differ from the backup.
    ///
    /// # Errors
    /// Why the backup has none, or they cannot be read.
    fn differing_files(&self, policy: &str) -> Result<usize, String>;

    /// Puts the files of a policy back as they were, with owners and access rights. Those of now
    /// are kept under the name `aside`.
    ///
    /// # Errors
    /// What the system says; then those of now are there, or kept.
    fn restore_files(&self, policy: &str, aside: &str) -> Result<(), String>;

    /// Takes that back. What is there then is kept, too.
    ///
    /// # Errors
    /// What the system says.
    fn take_files_back(&self, policy: &str, aside: &str) -> Result<(), String>;
}

/// Changes in transactions of the server's own database, each of which waits for the disk once, not once
/// for each change.
pub trait Transactions {
    /// Makes all changes.
    ///
    /// # Errors
    /// Where that failed.
    fn write(&mut self, changes: &[Change]) -> Result<(), Failed>;
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Failed {
    /// One of the changes was refused: none was made. In the server's words.
    Refused(String),
    /// Nothing can be written so; nothing was changed.
    Unavailable(String),
    /// Whether anything was changed is unknown.
    Broken(String),
}

/// The folder of a policy's files beneath SYSVOL, from its gPCFileSysPath
/// (`\\corp.example\sysvol\corp.example\Policies\{GUID}`); `None` for a path that leads elsewhere.
pub fn policy_folder(path: &str) -> Option<String> {
    let mut parts = path.split('\\').skip_while(|part| part.is_empty()).skip(1);
    let is_sysvol = parts.next()?.eq_ignore_ascii_case("sysvol");
    let rest: Vec<&str> = parts.collect();
    let is_plain =
        |part: &&str| !part.is_empty() && !part.contains('/') && !matches!(*part, "." | "..");
    (is_sysvol && rest.len() == 3 && rest.iter().all(is_plain)).then(|| rest.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_a_folder_beneath_sysvol_and_nothing_else() {
        let folder = |path: &str| policy_folder(path);
        let expected = Some("corp.example/Policies/{A}".to_owned());
        assert_eq!(
            folder(r"\\corp.example\SysVol\corp.example\Policies\{A}"),
            expected
        );
        assert_eq!(folder(r"\\corp.example\sysvol\corp.example\..\{A}"), None);
        assert_eq!(folder(r"\\corp.example\sysvol\corp.example\a/b\{A}"), None);
        assert_eq!(
            folder(r"\\corp.example\netlogon\corp.example\Policies\{A}"),
            None
        );
        assert_eq!(folder(""), None);
    }
}
