//! The registered places of a directory: the values in the registry that say where NTDS has its
//! files. Paths are those of Windows, on every system.

use contract::{Error, Result, ResultCode};

/// The key, below `HKLM`.
pub use store_ese::invocation_id::REGISTRY_KEY as KEY;

/// The value with the database's path.
pub const DATABASE: &str = "DSA Database file";
/// The value with the folder of the logs.
pub const LOGS: &str = "Database log files path";
/// The value with the folder of the checkpoint and of temporary files.
pub const WORKING: &str = "DSA Working Directory";

/// Where NTDS has its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The database's folder.
    pub database_folder: String,
    /// The database's name in it.
    pub database_file: String,
    /// The folder of the logs.
    pub log_folder: String,
    /// The folder of the checkpoint.
    pub checkpoint_folder: String,
}

impl Places {
    /// Reads the values. Absent folders are the database's.
    ///
    /// # Errors
    /// `hrDatabaseNotFound` if no database is registered; `hrInvalidPath` for a value that is no
    /// absolute path on a drive.
    pub fn of_values(value: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let database = value(DATABASE).ok_or_else(|| {
            Error::new(
                ResultCode::DATABASE_NOT_FOUND,
                format!(
                    "HKLM\\{KEY} has no value {DATABASE:?}: this computer is no domain controller"
                ),
            )
        })?;
        let database = absolute(DATABASE, &database)?;
        let (database_folder, database_file) = match database.rsplit_once('\\') {
            Some((folder, file)) if folder.len() > 2 && !file.is_empty() => (folder, file),
            _ => return Err(no_path(DATABASE, &database)),
        };
        let folder = |name: &str| match value(name) {
            Some(folder) => absolute(name, &folder),
            None => Ok(database_folder.to_owned()),
        };
        Ok(Self {
            log_folder: folder(LOGS)?,
            checkpoint_folder: folder(WORKING)?,
            database_folder: database_folder.to_owned(),
            database_file: database_file.to_owned(),
        })
    }

    /// The database's path.
    pub fn database(&self) -> String {
        format!("{}\\{}", self.database_folder, self.database_file)
    }

    /// The drives of the directory, each once.
    pub fn drives(&self) -> Vec<char> {
        let folders = [
            &self.database_folder,
            &self.log_folder,
            &self.checkpoint_folder,
        ];
        let mut drives: Vec<char> = folders.into_iter().filter_map(|path| drive(path)).collect();
        drives.sort_unstable();
        drives.dedup();
        drives
    }
}

/// The letter of a path's drive, in upper case.
pub fn drive(path: &str) -> Option<char> {
    let mut characters = path.chars();
    let letter = (characters.next()).filter(char::is_ascii_alphabetic)?;
    (characters.next() == Some(':')).then(|| letter.to_ascii_uppercase())
}

/// The value, without a backslash at its end.
fn absolute(name: &str, value: &str) -> Result<String> {
    let path = value.trim_end_matches(['\\', '\0']);
    let is_absolute = drive(path).is_some() && path.get(2..3) == Some("\\");
    let climbs = path.split('\\').any(|part| part == "..");
    match is_absolute && !climbs {
        true => Ok(path.to_owned()),
        false => Err(no_path(name, value)),
    }
}

fn no_path(name: &str, value: &str) -> Error {
    Error::new(
        ResultCode::INVALID_PATH,
        format!(
            "HKLM\\{KEY}: the value {name:?} is {value:?}: expected an absolute path such as \
             C:\\Windows\\NTDS"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(values: &[(&str, &str)]) -> Result<Places> {
        Places::of_values(|wanted| {
            let found = values.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_directory_may_lie_on_three_drives() {
        let found = places(&[
            (DATABASE, r"D:\NTDS\ntds.dit"),
            (LOGS, "e:\\NTDS logs\\"),
            (WORKING, r"C:\Windows\NTDS"),
        ])
        .unwrap();
        assert_eq!(found.database(), r"D:\NTDS\ntds.dit");
        assert_eq!(found.log_folder, r"e:\NTDS logs");
        assert_eq!(found.checkpoint_folder, r"C:\Windows\NTDS");
        assert_eq!(found.drives(), ['C', 'D', 'E']);
    }

    #[test]
    fn absent_folders_are_the_databases() {
        let found = places(&[(DATABASE, r"C:\Windows\NTDS\ntds.dit")]).unwrap();
        assert_eq!(found.log_folder, r"C:\Windows\NTDS");
        assert_eq!(found.checkpoint_folder, r"C:\Windows\NTDS");
        assert_eq!(found.drives(), ['C']);
    }

    #[test]
    fn a_computer_without_a_database_is_no_domain_controller() {
        let error = places(&[(LOGS, r"C:\Windows\NTDS")]).unwrap_err();
        assert_eq!(error.code, ResultCode::DATABASE_NOT_FOUND);
        assert!(error.reason.contains("no domain controller"), "{error}");
    }

    #[test]
    fn a_value_that_is_no_absolute_path_is_refused() {
        for value in [
            "",
            "ntds.dit",
            r"\Windows\NTDS\ntds.dit",
            r"C:ntds.dit",
            r"C:\ntds.dit",
            r"C:\Windows\..\ntds.dit",
            r"\\server\share\ntds.dit",
            "ä:\\x\\y",
        ] {
            let error = places(&[(DATABASE, value)]).unwrap_err();
            assert_eq!(error.code, ResultCode::INVALID_PATH, "{value}");
        }
    }
}
