//! The columns that hold passwords and keys.
//!
//! Nothing here reads their values; it only determines which must not be shown.

use std::collections::HashSet;

use ese::Database;
use ese::catalog::{Column, ColumnType};

use crate::attribute::Attribute;
use crate::directory::Directory;
use crate::{Error, Result};

/// The protection of a secret value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Encrypted with a key that is itself encrypted with the computer's boot key, which is not in
    /// the database.
    Encrypted,
    /// In clear text, or encrypted with a key in the same database.
    Clear,
}

/// Attributes that the directory encrypts (secret attributes in [MS-DRSR]), and its list of keys,
/// by their numbers in every forest.
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

/// Attributes with passwords or keys in clear text, or protected by a key in the same database, by
/// their numbers in every forest. Those without a number come from an extension of the schema, and
/// their numbers differ between forests.
const CLEAR: [(Option<u32>, &str); 18] = [
    (Some(35), "userPassword"),
    (Some(591_734), "unixUserPassword"),
    (None, "msSFU30Password"),
    (None, "clearTextPassword"),
    (None, "ms-Mcs-AdmPwd"),
    (None, "msLAPS-Password"),
    (None, "msLAPS-EncryptedPassword"),
    (None, "msLAPS-EncryptedPasswordHistory"),
    (None, "msLAPS-EncryptedDSRMPassword"),
    (None, "msLAPS-EncryptedDSRMPasswordHistory"),
    (Some(591_788), "msFVE-RecoveryPassword"),
    (Some(591_823), "msFVE-KeyPackage"),
    (Some(591_790), "msTPM-OwnerInformation"),
    (Some(591_932), "msTPM-OwnerInformationTemp"),
    (Some(591_999), "msKds-RootKeyData"),
    (Some(591_718), "msPKIAccountCredentials"),
    (Some(591_717), "msPKIDPAPIMasterKeys"),
    (Some(592_020), "msDS-ManagedPassword"),
];

/// The protection of an attribute's values, by its name (lDAPDisplayName, in any case) and number.
/// `None` if it is no secret.
pub fn protection_of(name: &str, number: Attribute) -> Option<Protection> {
    let is = |listed: &str| listed.eq_ignore_ascii_case(name);
    if (CLEAR.iter()).any(|(listed, name)| *listed == Some(number.0) || is(name)) {
        Some(Protection::Clear)
    } else if (ENCRYPTED.iter()).any(|(listed, name)| *listed == number.0 || is(name)) {
        Some(Protection::Encrypted)
    } else {
        None
    }
}

/// The columns of a directory's `datatable` that hold secrets.
#[derive(Debug, Default)]
pub struct SecretColumns {
    encrypted: HashSet<Attribute>,
    clear: HashSet<Attribute>,
    unread: Option<Error>,
}

impl SecretColumns {
    /// Determines the secret columns of the directory in `database` from its schema. Empty if it
    /// holds no directory.
    ///
    /// If the schema is unreadable, determines them by the numbers that are the same in every
    /// forest. Then every text or binary attribute of an extension counts as a secret in clear
    /// text, and [`Self::unread`] returns the error.
    ///
    /// # Errors
    /// Fails if not even the columns of the directory's table are readable.
    pub fn of(database: &Database) -> Result<Self> {
        let unread = match Directory::tables_of(database) {
            Ok(directory) => match Self::by_schema(&directory) {
                Ok(columns) => return Ok(columns),
                Err(error) => error,
            },
            Err(error) => error,
        };
        let Some(table) = database.table("datatable")? else {
            return match unread {
                Error::NotADirectory { .. } => Ok(Self::default()),
                error => Err(error),
            };
        };
        let attributes = (table.columns().iter())
            .filter_map(|column| Some((column, Attribute::of_column(&column.name)?)));
        let may_be_secret = |column: &Column| {
            column.kind.is_text()
                || column.kind.is_long_value()
                || column.kind == ColumnType::Binary
        };
        let unknown: HashSet<Attribute> = (attributes.clone())
            .filter(|(column, attribute)| may_be_secret(column) && !attribute.is_of_base_schema())
            .map(|(_, attribute)| attribute)
            .collect();
        if attributes.count() == 0 {
            // Another application's table of the same name.
            return Ok(Self::default());
        }
        let mut columns = Self::by_number();
        columns.clear.extend(unknown);
        columns.unread = Some(unread);
        Ok(columns)
    }

    /// The columns of attributes with the same number in every forest.
    fn by_number() -> Self {
        let numbers = CLEAR.iter().filter_map(|(number, _)| *number);
        Self {
            encrypted: (ENCRYPTED.iter())
                .map(|(number, _)| Attribute(*number))
                .collect(),
            clear: numbers.map(Attribute).collect(),
            unread: None,
        }
    }

    fn by_schema(directory: &Directory<'_>) -> Result<Self> {
        let mut columns = Self::by_number();
        let mut attributes = 0;
        directory.children(directory.schema()?, |object| {
            let Some(name) = object.text(Attribute::LDAP_DISPLAY_NAME)? else {
                return Ok(true);
            };
            attributes += 1;
            let id = object.number(Attribute::ATTRIBUTE_ID)?.unwrap_or(-1);
            let set = match protection_of(&name, Attribute(id as u32)) {
                Some(Protection::Encrypted) => &mut columns.encrypted,
                Some(Protection::Clear) => &mut columns.clear,
                None => return Ok(true),
            };
            for number in [Attribute::ATTRIBUTE_ID, Attribute::MSDS_INT_ID] {
                let number = object.number(number)?;
                set.extend(number.map(|number| Attribute(number as u32)));
            }
            Ok(true)
        })?;
        match attributes {
            0 => Err(directory.inconsistent("schema", "classes and attributes", "none")),
            _ => Ok(columns),
        }
    }

    /// The error from reading the schema, if the columns were determined by number.
    pub fn unread(&self) -> Option<&Error> {
        self.unread.as_ref()
    }

    /// The protection of a column's values. `None` if it holds no secret.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_forest_are_those_of_the_base_schema() {
        let fixed = CLEAR.iter().filter_map(|(number, _)| *number);
        for number in ENCRYPTED.iter().map(|(number, _)| *number).chain(fixed) {
            assert!(Attribute(number).is_of_base_schema(), "{number}");
        }
    }

    /// The numbers in the lists are those of the names in schemas.
    #[test]
    fn numbers_of_every_forest_are_those_of_real_schemas() {
        for name in ["sample-forest/clean", "ntds/contoso-small"] {
            let Some(fixture) = testkit::find(name) else {
                continue;
            };
            let folder = fixture.unpack();
            let database = Database::open(folder.path().join("ntds.dit")).expect("open");
            let directory = Directory::tables_of(&database).expect("a directory");
            let mut compared = 0;
            let schema = directory.schema().expect("a schema");
            let visited = directory.children(schema, |object| {
                let name = object
                    .text(Attribute::LDAP_DISPLAY_NAME)?
                    .unwrap_or_default();
                let listed = (CLEAR.iter())
                    .find(|(_, listed)| listed.eq_ignore_ascii_case(&name))
                    .and_then(|(number, _)| *number);
                if let Some(number) = listed {
                    let stored = object.number(Attribute::ATTRIBUTE_ID)?;
                    assert_eq!(stored, Some(number.into()), "{name}");
                    compared += 1;
                }
                Ok(true)
            });
            visited.expect("readable");
            println!("{name}: {compared} numbers compared");
        }
    }
}
