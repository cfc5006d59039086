//! Which columns hold passwords and keys.
//!
//! Nothing here reads such a value: it only says which are not to be shown.

use std::collections::HashSet;

use ese::Database;

use crate::attribute::Attribute;
use crate::directory::Directory;
use crate::{Error, Result};

/// How the directory keeps a secret value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Encrypted with a key that in turn is encrypted with the computer's boot key, which is not in the database.
    Encrypted,
    /// In clear, or under a key that lies in the same database.
    Clear,
}

/// Attributes that the directory encrypts, by the numbers that they have in every forest ([MS-DRSR] calls them secret
/// attributes), and its list of keys.
const ENCRYPTED: [(u32, &str); 13] = [
    (589_851, "currentValue"),
    (589_879, "dBCSPwd"),
    (589_914, "unicodePwd"),
    (589_918, "ntPwdHistory"),
    (589_924, "priorValue"),
    (589_949, "supplementalCredentials"),
    (589_953, "trustAuthIncoming"),
    (589_959, "trustAuthOutgoing"),
    (589_984, "lmPwdHistory"),
    (590_363, "initialAuthIncoming"),
    (590_364, "initialAuthOutgoing"),
    (590_689, "pekList"),
    (591_607, "msDS-ExecuteScriptPassword"),
];

/// Attributes whose values are passwords or keys in clear, or are protected by a key that lies in the same database. Their
/// numbers may differ from forest to forest.
const CLEAR: [&str; 17] = [
    "userPassword",
    "unixUserPassword",
    "msSFU30Password",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "msLAPS-EncryptedPassword",
    "msLAPS-EncryptedPasswordHistory",
    "msLAPS-EncryptedDSRMPassword",
    "msLAPS-EncryptedDSRMPasswordHistory",
    "msFVE-RecoveryPassword",
    "msFVE-KeyPackage",
    "msTPM-OwnerInformation",
    "msTPM-OwnerInformationTemp",
    "msKds-RootKeyData",
    "msPKIAccountCredentials",
    "msPKIDPAPIMasterKeys",
    "msDS-ManagedPassword",
];

/// The columns of a directory's `datatable` that hold secrets.
#[derive(Debug, Default)]
pub struct SecretColumns {
    encrypted: HashSet<Attribute>,
    clear: HashSet<Attribute>,
}

impl SecretColumns {
    /// The secret columns of the directory in `database`, by its schema; none where it holds no directory.
    ///
    /// # Errors
    /// Where the schema cannot be read: then nobody knows which columns are secret.
    pub fn of(database: &Database) -> Result<Self> {
        let directory = match Directory::tables_of(database) {
            Ok(directory) => directory,
            Err(Error::NotADirectory { .. }) => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let mut columns = Self {
            encrypted: ENCRYPTED
                .iter()
                .map(|(number, _)| Attribute(*number))
                .collect(),
            clear: HashSet::new(),
        };
        directory.children(directory.schema()?, |object| {
            let Some(name) = object.text(Attribute::LDAP_DISPLAY_NAME)? else {
                return Ok(true);
            };
            let is = |listed: &str| listed.eq_ignore_ascii_case(&name);
            let set = if ENCRYPTED.iter().any(|(_, listed)| is(listed)) {
                &mut columns.encrypted
            } else if CLEAR.iter().any(|listed| is(listed)) {
                &mut columns.clear
            } else {
                return Ok(true);
            };
            for number in [Attribute::ATTRIBUTE_ID, Attribute::MSDS_INT_ID] {
                let number = object.number(number)?;
                set.extend(number.map(|number| Attribute(number as u32)));
            }
            Ok(true)
        })?;
        Ok(columns)
    }

    /// How the values of a column are kept; `None` for one that holds no secret.
    pub fn protection(&self, table: &str, column: &str) -> Option<Protection> {
        let attribute = (table == "datatable").then(|| Attribute::of_column(column))??;
        if self.clear.contains(&attribute) {
            Some(Protection::Clear)
        } else if self.encrypted.contains(&attribute) {
            Some(Protection::Encrypted)
        } else {
            None
        }
    }
}
