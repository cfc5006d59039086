//! Records: the layout of a row's values in the data of a node (`rec.hxx`, `tagfld.hxx`).
//!
//! A record is a header, the fixed columns at the catalog's offsets, a NULL bit for each of them,
//! the variable columns with an array of their ends, and the tagged columns, which carry their
//! numbers.

mod form;
mod tagged;
mod tagged_old;

pub use form::ValueForm;
pub use tagged::{Tagged, TaggedField, TaggedFields, TaggedIter, TaggedValues};

use crate::page::{PageSize, u16_at};

/// A column's number (FID): 1 to 127 fixed, 128 to 255 variable, 256 and above tagged.
pub type Fid = u16;

/// The first variable column's number.
pub const FIRST_VARIABLE: Fid = 128;
/// The first tagged column's number.
pub const FIRST_TAGGED: Fid = 256;

/// A record, borrowed from its page.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    data: &'a [u8],
    large_page: bool,
    new_format: bool,
    last_fixed: Fid,
    last_variable: Fid,
    /// The starts of the NULL bits of fixed columns, of the ends of the variable columns, of their
    /// data, and of the tagged columns.
    nulls: usize,
    ends: usize,
    variable: usize,
    tagged: usize,
}

/// The content of a record for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<'a> {
    /// No content: the column was added after the record was written, so its default applies.
    Missing,
    /// NULL.
    Null,
    /// A value.
    Value(&'a [u8]),
}

/// The reason why bytes are not a record, and the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The invalid part of the record.
    pub what: &'static str,
    /// The content that the format requires.
    pub expected: &'static str,
    /// The column, if the part is that of one column.
    pub column: Option<Fid>,
}

impl Malformed {
    fn new(what: &'static str, expected: &'static str) -> Self {
        Self {
            what,
            expected,
            column: None,
        }
    }

    fn of(self, column: Fid) -> Self {
        Self {
            column: Some(column),
            ..self
        }
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(column) = self.column {
            write!(f, " of column {column}")?;
        }
        write!(f, ": expected {}", self.expected)
    }
}

impl<'a> Record<'a> {
    const HEADER_LEN: usize = 4;

    /// Reads `data`, the data of a node of a table's primary tree, as a record.
    ///
    /// `size` is the database's page size, `new_format` the page's flag for records with an array
    /// of tagged columns.
    pub fn new(data: &'a [u8], size: PageSize, new_format: bool) -> Result<Self, Malformed> {
        let short = Malformed::new("record header", "four bytes");
        let [last_fixed, last_variable, ..] = *data.first_chunk::<4>().ok_or(short)?;
        let ends = usize::from(u16_at(data, 2).ok_or(short)?);
        let fixed = usize::from(last_fixed);
        if fixed >= usize::from(FIRST_VARIABLE) {
            return Err(Malformed::new("record header", "a fixed column below 128"));
        }
        let Some(variables) =
            usize::from(last_variable).checked_sub(usize::from(FIRST_VARIABLE) - 1)
        else {
            return Err(Malformed::new(
                "record header",
                "a variable column above 126",
            ));
        };
        let nulls = ends
            .checked_sub(fixed.div_ceil(8))
            .filter(|nulls| *nulls >= Self::HEADER_LEN)
            .ok_or(Malformed::new(
                "record header",
                "fixed data between the header and the NULL bits",
            ))?;
        let variable = ends + variables * 2;
        let variable_len = match variables.checked_sub(1) {
            None => 0,
            Some(last) => {
                let end = u16_at(data, ends + last * 2);
                let end = end.ok_or(Malformed::new(
                    "variable columns",
                    "an array inside the record",
                ))?;
                usize::from(end & !NULL_VARIABLE)
            }
        };
        let tagged = variable + variable_len;
        if tagged > data.len() {
            return Err(Malformed::new(
                "variable columns",
                "an end inside the record",
            ));
        }
        Ok(Self {
            data,
            large_page: size.is_large(),
            new_format,
            last_fixed: Fid::from(last_fixed),
            last_variable: Fid::from(last_variable),
            nulls,
            ends,
            variable,
            tagged,
        })
    }

    /// The record's bytes.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The highest fixed column in the record; 0 if there is none.
    pub fn last_fixed(&self) -> Fid {
        self.last_fixed
    }

    /// The highest variable column in the record; 127 if there is none.
    pub fn last_variable(&self) -> Fid {
        self.last_variable
    }

    /// The end of the fixed columns' data, in bytes from the record's start.
    pub fn fixed_end(&self) -> usize {
        self.nulls
    }

    /// The fixed column `fid`, of `len` bytes at `offset` from the record's start.
    pub fn fixed(&self, fid: Fid, offset: usize, len: usize) -> Result<Slot<'a>, Malformed> {
        if fid > self.last_fixed || fid == 0 {
            return Ok(Slot::Missing);
        }
        let index = usize::from(fid - 1);
        let null = self
            .data
            .get(self.nulls + index / 8)
            .is_some_and(|bits| bits >> (index % 8) & 1 == 1);
        if null {
            return Ok(Slot::Null);
        }
        match self.data.get(offset..offset + len) {
            Some(value) if offset >= Self::HEADER_LEN && offset + len <= self.nulls => {
                Ok(Slot::Value(value))
            }
            _ => Err(
                Malformed::new("fixed column", "a place inside the record's fixed data").of(fid),
            ),
        }
    }

    /// The variable column `fid`.
    pub fn variable(&self, fid: Fid) -> Result<Slot<'a>, Malformed> {
        let Some(index) = fid.checked_sub(FIRST_VARIABLE).map(usize::from) else {
            return Ok(Slot::Missing);
        };
        if fid > self.last_variable {
            return Ok(Slot::Missing);
        }
        let bad = Malformed::new(
            "variable column",
            "an end inside the record, not before its start",
        )
        .of(fid);
        let end = u16_at(self.data, self.ends + index * 2).ok_or(bad)?;
        if end & NULL_VARIABLE != 0 {
            return Ok(Slot::Null);
        }
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => u16_at(self.data, self.ends + before * 2).ok_or(bad)? & !NULL_VARIABLE,
        };
        let (start, end) = (
            self.variable + usize::from(start),
            self.variable + usize::from(end),
        );
        match self.data.get(start..end) {
            Some(value) if end <= self.tagged => Ok(Slot::Value(value)),
            _ => Err(bad),
        }
    }

    /// The tagged columns, in the order of the record: those of a template first, then by number.
    pub fn tagged(&self) -> Result<TaggedFields<'a>, Malformed> {
        let data = self.data.get(self.tagged..).unwrap_or_default();
        if self.new_format {
            TaggedFields::new(data, self.large_page)
        } else {
            Ok(TaggedFields::old(data))
        }
    }
}

/// Set in the end of a variable column that is NULL.
const NULL_VARIABLE: u16 = 0x8000;
