//! A file of records.

use std::path::Path;

use crate::database::DatabaseKind;
use crate::error::{Error, Result};
use crate::{lmdb, tdb};

/// A file of records without writers.
pub struct File(Kind);

enum Kind {
    Tdb(tdb::Records),
    Lmdb(lmdb::Records),
}

impl From<tdb::Records> for File {
    fn from(records: tdb::Records) -> Self {
        Self(Kind::Tdb(records))
    }
}

impl From<lmdb::Records> for File {
    fn from(records: lmdb::Records) -> Self {
        Self(Kind::Lmdb(records))
    }
}

/// The position of a record in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(PlaceKind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceKind {
    Tdb(tdb::Place),
    Lmdb(lmdb::Place),
}

impl File {
    /// Opens a TDB or LMDB file.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is neither; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        match DatabaseKind::of_file(path)? {
            Some(DatabaseKind::Tdb) => Ok(Self(Kind::Tdb(tdb::Records::open(path)?))),
            Some(DatabaseKind::Lmdb) => Ok(Self(Kind::Lmdb(lmdb::Records::open(path)?))),
            None => Err(Error::damaged(
                path,
                "it is missing, or neither a TDB nor an LMDB database",
            )),
        }
    }

    /// Its format.
    pub fn kind(&self) -> DatabaseKind {
        match &self.0 {
            Kind::Tdb(_) => DatabaseKind::Tdb,
            Kind::Lmdb(_) => DatabaseKind::Lmdb,
        }
    }

    /// Calls `visit` with the key, value and position of every record.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the position; [`Error::Io`]; errors of `visit`.
    pub fn visit<E: From<Error>>(
        &self,
        mut visit: impl FnMut(&[u8], &[u8], Place) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.0 {
            Kind::Tdb(records) => {
                records.visit(|key, value, place| visit(key, value, Place(PlaceKind::Tdb(place))))
            }
            Kind::Lmdb(records) => {
                records.visit(|key, value, place| visit(key, value, Place(PlaceKind::Lmdb(place))))
            }
        }
    }

    /// The value at a position of this file.
    ///
    /// # Errors
    /// Same as [`Self::visit`].
    pub fn read(&self, place: Place) -> Result<Vec<u8>> {
        match (&self.0, place.0) {
            (Kind::Tdb(records), PlaceKind::Tdb(place)) => records.read(place),
            (Kind::Lmdb(records), PlaceKind::Lmdb(place)) => records.read(place),
            _ => Err(Error::Refused("a place of another file".into())),
        }
    }
}
