//! A directory's database, open for reading.

use std::path::Path;
use std::sync::Arc;

use ese::Database;
use ese::catalog::{Column, Table};
use ese::rows::{Row, Rows, Value};

use crate::attribute::{Attribute, AttributeColumns};
use crate::{Error, Guid, Result};

/// The number of an object's row in `datatable` (distinguished name tag).
pub type Dnt = i32;

/// The root of all distinguished names.
pub(crate) const ROOT: Dnt = 2;

/// A directory's database, open for reading.
pub struct Directory<'d> {
    database: &'d Database,
    pub(crate) data: Arc<Table>,
    pub(crate) links: Arc<Table>,
    hidden: Arc<Table>,
    pub(crate) attributes: AttributeColumns,
}

/// Whether the database has the tables of a directory.
///
/// # Errors
/// Fails if the catalog is unreadable.
pub fn is_directory(database: &Database) -> Result<bool> {
    match Directory::tables_of(database) {
        Ok(_) => Ok(true),
        Err(Error::NotADirectory { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The invocation id, read from a few pages. In a dirty database this is the id in its pages: the
/// logs may still hold a change of it.
///
/// # Errors
/// [`Error::NotADirectory`]. Fails if the database is damaged or incomplete.
pub fn invocation_id(database: &Database) -> Result<Guid> {
    let directory = Directory::tables_of(database)?;
    let dsa = directory.server_notes()?.dsa;
    let id = directory.object(dsa, "NTDS Settings", |object| {
        object.guid(Attribute::INVOCATION_ID)
    })?;
    id.ok_or_else(|| directory.inconsistent("NTDS Settings", "an invocation id", "none"))
}

impl<'d> Directory<'d> {
    /// Opens the directory in `database`.
    ///
    /// ```
    /// # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
    /// # let path = folder.path().join("ntds.dit");
    /// let database = ese::Database::open(&path)?;
    /// let facts = ntds::Directory::of(&database)?.facts()?;
    /// assert_eq!(facts.forest.as_deref(), Some("corp.example"));
    /// assert_eq!(facts.tombstone_lifetime.days, 180);
    /// # Ok::<(), ntds::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotADirectory`]; [`Error::NeedsReplay`] for a dirty database; [`Error::Engine`].
    pub fn of(database: &'d Database) -> Result<Self> {
        let directory = Self::tables_of(database)?;
        if !database.is_clean() {
            return Err(Error::NeedsReplay {
                file: database.file().to_path_buf(),
                state: database.headers().header.state().to_string(),
            });
        }
        Ok(directory)
    }

    /// Opens the directory's tables, whatever the state of the database.
    pub(crate) fn tables_of(database: &'d Database) -> Result<Self> {
        let missing = |what: &str| Error::NotADirectory {
            file: database.file().to_path_buf(),
            what: what.to_owned(),
        };
        let table = |name: &str| {
            let table = database.table(name)?;
            table.ok_or_else(|| missing(&format!("table {name}")))
        };
        let (data, links, hidden) = (
            table("datatable")?,
            table("link_table")?,
            table("hiddentable")?,
        );
        let columns: [(&Table, &[&str]); 3] = [
            (
                &data,
                &["DNT_col", "PDNT_col", "OBJ_col", "NCDNT_col", "RDNtyp_col"],
            ),
            (&links, &["link_DNT", "backlink_DNT", "link_base"]),
            (&hidden, &["dsa_col", "usn_col"]),
        ];
        for (table, names) in columns {
            if let Some(name) = names.iter().find(|name| table.column(name).is_none()) {
                return Err(missing(&format!("column {name} in {}", table.name)));
            }
        }
        let attributes = AttributeColumns::of(&data);
        for attribute in [
            Attribute::OBJECT_CLASS,
            Attribute::RDN,
            Attribute::OBJECT_GUID,
        ] {
            if attributes.position(attribute).is_none() {
                return Err(missing(&format!(
                    "column of attribute {} in datatable",
                    attribute.0
                )));
            }
        }
        Ok(Self {
            database,
            data,
            links,
            hidden,
            attributes,
        })
    }

    /// The database.
    pub fn database(&self) -> &'d Database {
        self.database
    }

    /// The path of the database, for errors.
    pub(crate) fn file(&self) -> &Path {
        self.database.file()
    }

    /// A cursor over all rows of `datatable`.
    pub(crate) fn objects(&self) -> Rows<'d> {
        self.database.rows(&self.data)
    }

    /// The server's own row: the DNT of its NTDS Settings object, and the USN up to which it has
    /// reserved numbers.
    pub(crate) fn server_notes(&self) -> Result<ServerNotes> {
        let mut rows = self.database.rows(&self.hidden);
        let Some(row) = rows.next()? else {
            return Err(self.inconsistent("hiddentable", "one row", "none"));
        };
        let number = |name: &str| match self.hidden.column(name) {
            Some(column) => Ok::<_, Error>(as_number(&row.typed(column)?)),
            None => Ok(None),
        };
        let Some(dsa) = number("dsa_col")?.and_then(|dnt| Dnt::try_from(dnt).ok()) else {
            return Err(self.inconsistent("hiddentable", "the server's own object", "none"));
        };
        let version = (number("osmajorversion_col")?).zip(number("osminorversion_col")?);
        Ok(ServerNotes {
            dsa,
            usn: number("usn_col")?.unwrap_or_default(),
            version,
        })
    }

    /// The column of an attribute, if any.
    pub(crate) fn column(&self, attribute: Attribute) -> Option<&Column> {
        self.attributes.find(&self.data, attribute)
    }

    /// Calls `read` with the row of an object. `None` if there is no such row.
    pub(crate) fn with_object<T>(
        &self,
        dnt: Dnt,
        read: impl FnOnce(&Object<'_, '_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut rows = self.objects();
        match rows.find(&key_of(dnt))? {
            Some(row) => read(&Object {
                directory: self,
                row,
            })
            .map(Some),
            None => Ok(None),
        }
    }

    /// Calls `read` with the row of an object that another row refers to.
    pub(crate) fn object<T>(
        &self,
        dnt: Dnt,
        what: &str,
        read: impl FnOnce(&Object<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        self.with_object(dnt, read)?
            .ok_or_else(|| self.inconsistent(what, &format!("the row with the DNT {dnt}"), "none"))
    }

    /// Calls `visit` with each child of an object, until it returns `false`.
    pub(crate) fn children(
        &self,
        parent: Dnt,
        mut visit: impl FnMut(&Object<'_, '_>) -> Result<bool>,
    ) -> Result<()> {
        let Some(index) = self.data.index("PDNT_index") else {
            return Err(self.inconsistent("datatable", "the index PDNT_index", "none"));
        };
        let prefix = key_of(parent);
        let mut rows = self.objects();
        let mut entries = self.database.entries(index);
        let mut entry = entries.seek(&prefix)?;
        while let Some(found) = entry {
            if !found.key.starts_with(&prefix) {
                break;
            }
            let Some(row) = rows.find(found.bookmark)? else {
                let place = format!("PDNT_index, child of DNT {parent}");
                return Err(self.inconsistent(&place, "a row", "none"));
            };
            let goes_on = visit(&Object {
                directory: self,
                row,
            })?;
            if !goes_on {
                break;
            }
            entry = entries.next()?;
        }
        Ok(())
    }

    /// The child of `parent` with a name, whatever its case.
    pub(crate) fn child(&self, parent: Dnt, name: &str) -> Result<Option<Dnt>> {
        let mut found = None;
        self.children(parent, |child| {
            if child
                .text(Attribute::RDN)?
                .is_some_and(|rdn| rdn.eq_ignore_ascii_case(name))
            {
                found = Some(child.dnt()?);
            }
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    #[cold]
    pub(crate) fn inconsistent(&self, object: &str, expected: &str, found: &str) -> Error {
        Error::Inconsistent {
            file: self.file().to_path_buf(),
            object: object.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// The row of `hiddentable`.
pub(crate) struct ServerNotes {
    pub dsa: Dnt,
    pub usn: i64,
    /// Major and minor version of Windows.
    pub version: Option<(i64, i64)>,
}

/// A row of `datatable`.
pub(crate) struct Object<'r, 'd> {
    directory: &'r Directory<'d>,
    row: Row<'r>,
}

impl Object<'_, '_> {
    fn fixed(&self, name: &str) -> Result<Option<i64>> {
        match self.directory.data.column(name) {
            Some(column) => Ok(as_number(&self.row.typed(column)?)),
            None => Ok(None),
        }
    }

    fn as_dnt(&self, number: Option<i64>) -> Option<Dnt> {
        number.and_then(|dnt| Dnt::try_from(dnt).ok())
    }

    /// The object's number.
    pub fn dnt(&self) -> Result<Dnt> {
        let dnt = self.fixed("DNT_col")?;
        self.as_dnt(dnt)
            .ok_or_else(|| (self.directory).inconsistent("datatable", "a DNT in every row", "none"))
    }

    /// The parent's number.
    pub fn parent(&self) -> Result<Option<Dnt>> {
        let dnt = self.fixed("PDNT_col")?;
        Ok(self.as_dnt(dnt))
    }

    /// The naming attribute of the object.
    pub fn naming_attribute(&self) -> Result<Option<Attribute>> {
        let number = self.fixed("RDNtyp_col")?;
        Ok(number.map(|number| Attribute(number as u32)))
    }

    /// The first value of a number or reference.
    pub fn number(&self, attribute: Attribute) -> Result<Option<i64>> {
        match self.directory.column(attribute) {
            Some(column) => Ok(as_number(&self.row.typed(column)?)),
            None => Ok(None),
        }
    }

    /// The first value of a reference.
    pub fn reference(&self, attribute: Attribute) -> Result<Option<Dnt>> {
        let number = self.number(attribute)?;
        Ok(self.as_dnt(number))
    }

    /// The first value of a text attribute.
    pub fn text(&self, attribute: Attribute) -> Result<Option<String>> {
        match self.directory.column(attribute) {
            Some(column) => Ok(match self.row.typed(column)? {
                Value::Text(text) => Some(text),
                _ => None,
            }),
            None => Ok(None),
        }
    }

    /// The first value, as bytes.
    pub fn bytes(&self, attribute: Attribute) -> Result<Option<Vec<u8>>> {
        match self.directory.column(attribute) {
            Some(column) => Ok(self.row.value(column)?.map(std::borrow::Cow::into_owned)),
            None => Ok(None),
        }
    }

    /// The first value, as a GUID.
    pub fn guid(&self, attribute: Attribute) -> Result<Option<Guid>> {
        let bytes = self.bytes(attribute)?;
        Ok(bytes.and_then(|bytes| bytes.try_into().ok()).map(Guid))
    }
}

/// An integer of any type.
pub fn as_number(value: &Value<'_>) -> Option<i64> {
    match *value {
        Value::Bit(bit) => Some(bit.into()),
        Value::UnsignedByte(number) => Some(number.into()),
        Value::Short(number) => Some(number.into()),
        Value::UnsignedShort(number) => Some(number.into()),
        Value::Long(number) => Some(number.into()),
        Value::UnsignedLong(number) => Some(number.into()),
        Value::Currency(number) | Value::LongLong(number) => Some(number),
        _ => None,
    }
}

const HAS_VALUE: u8 = 0x7f;

/// The DNT of a normalized form. `None` if the bytes are none.
pub fn dnt_of_key(key: &[u8]) -> Option<Dnt> {
    let (&[HAS_VALUE], number) = key.split_first_chunk()? else {
        return None;
    };
    let number = u32::from_be_bytes(number.try_into().ok()?);
    Some((number ^ 0x8000_0000) as Dnt)
}

/// The normalized form of a DNT in the key of an index.
pub fn key_of(number: Dnt) -> [u8; 5] {
    let [a, b, c, d] = ((number as u32) ^ 0x8000_0000).to_be_bytes();
    [HAS_VALUE, a, b, c, d]
}
