//! The records of the catalog. Their columns have fixed numbers and offsets, known without a
//! catalog.

use crate::page::{Node, PageView, u16_at, u32_at};
use crate::record::{Fid, Malformed, Record, Slot, Tagged, ValueForm};
use crate::tree::TreeId;

/// The kind of object that a catalog record describes (`sysobj...` in `cat.hxx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Table,
    Column,
    Index,
    LongValues,
    Callback,
    Other(u16),
}

/// A record of the catalog. Several fields differ in meaning between columns and trees.
#[derive(Debug, Clone)]
pub(crate) struct CatalogRow<'a> {
    /// The object id of the table that the object belongs to.
    pub table: u32,
    pub kind: ObjectKind,
    /// The object id of a tree, or the number of a column.
    pub id: u32,
    pub name: &'a [u8],
    /// The root page of a tree, or the type of a column.
    pub root_or_type: u32,
    /// The density of a tree, or the greatest length of a column.
    pub space: u32,
    pub flags: u32,
    /// The number of initial pages of a tree, the code page of a column, or the locale of an index.
    pub pages_or_locale: u32,
    pub record_offset: Option<u16>,
    pub map_flags: Option<u32>,
    pub key_most: Option<u16>,
    pub chunk_len: Option<u32>,
    /// The template of a table, or the callback of a column.
    pub template: Option<&'a [u8]>,
    pub default: Option<&'a [u8]>,
    pub key_columns: Option<&'a [u8]>,
    pub segment_most: Option<u16>,
    pub conditions: Option<&'a [u8]>,
    pub tuple_limits: Option<&'a [u8]>,
    /// The version of the sort order of an index's text; `sort_id` is its GUID.
    pub sort_version: Option<&'a [u8]>,
    pub sort_id: Option<&'a [u8]>,
    pub locale_name: Option<&'a [u8]>,
}

/// Fixed columns: number, offset in the record, length.
const TABLE: (Fid, usize, usize) = (1, 4, 4);
const TYPE: (Fid, usize, usize) = (2, 8, 2);
const ID: (Fid, usize, usize) = (3, 10, 4);
const ROOT_OR_TYPE: (Fid, usize, usize) = (4, 14, 4);
const SPACE: (Fid, usize, usize) = (5, 18, 4);
const FLAGS: (Fid, usize, usize) = (6, 22, 4);
const PAGES_OR_LOCALE: (Fid, usize, usize) = (7, 26, 4);
const RECORD_OFFSET: (Fid, usize, usize) = (9, 31, 2);
const MAP_FLAGS: (Fid, usize, usize) = (10, 33, 4);
const KEY_MOST: (Fid, usize, usize) = (11, 37, 2);
const CHUNK_LEN: (Fid, usize, usize) = (12, 39, 4);

/// Variable and tagged columns.
const NAME: Fid = 128;
const TEMPLATE: Fid = 130;
const DEFAULT: Fid = 131;
const KEY_COLUMNS: Fid = 132;
const SEGMENT_MOST: Fid = 133;
const CONDITIONS: Fid = 134;
const TUPLE_LIMITS: Fid = 135;
const SORT_VERSION: Fid = 136;
const SORT_ID: Fid = 137;
const LOCALE_NAME: Fid = 261;

impl<'a> CatalogRow<'a> {
    /// Reads the record in `node` of the leaf `page`, of the catalog or its copy.
    pub fn read(page: PageView<'a>, node: &Node<'a>) -> Result<Self, Malformed> {
        let record = Record::new(node.data, page.size(), page.flags().has_new_record_format())?;
        let fixed = |(fid, offset, len)| -> Result<Option<&'a [u8]>, Malformed> {
            Ok(match record.fixed(fid, offset, len)? {
                Slot::Value(value) => Some(value),
                Slot::Null | Slot::Missing => None,
            })
        };
        let u32 = |column| -> Result<Option<u32>, Malformed> {
            Ok(fixed(column)?.and_then(|value| u32_at(value, 0)))
        };
        let u16 = |column| -> Result<Option<u16>, Malformed> {
            Ok(fixed(column)?.and_then(|value| u16_at(value, 0)))
        };
        let variable = |fid| -> Result<Option<&'a [u8]>, Malformed> {
            Ok(match record.variable(fid)? {
                Slot::Value(value) => Some(value),
                Slot::Null | Slot::Missing => None,
            })
        };
        let demanded = |fid| Malformed {
            what: "catalog record",
            expected: "a value",
            column: Some(fid),
        };
        let kind = match u16(TYPE)?.ok_or(demanded(TYPE.0))? {
            1 => ObjectKind::Table,
            2 => ObjectKind::Column,
            3 => ObjectKind::Index,
            4 => ObjectKind::LongValues,
            5 => ObjectKind::Callback,
            other => ObjectKind::Other(other),
        };
        let locale_name = match record
            .tagged()?
            .find(LOCALE_NAME, false)?
            .map(|field| field.content)
        {
            Some(Tagged::Values(mut values)) => match values.next().transpose()? {
                Some((ValueForm::Plain, value)) => Some(value),
                _ => None,
            },
            _ => None,
        };
        Ok(Self {
            table: u32(TABLE)?.ok_or(demanded(TABLE.0))?,
            kind,
            id: u32(ID)?.ok_or(demanded(ID.0))?,
            name: variable(NAME)?.ok_or(demanded(NAME))?,
            root_or_type: u32(ROOT_OR_TYPE)?.ok_or(demanded(ROOT_OR_TYPE.0))?,
            space: u32(SPACE)?.ok_or(demanded(SPACE.0))?,
            flags: u32(FLAGS)?.ok_or(demanded(FLAGS.0))?,
            pages_or_locale: u32(PAGES_OR_LOCALE)?.ok_or(demanded(PAGES_OR_LOCALE.0))?,
            record_offset: u16(RECORD_OFFSET)?,
            map_flags: u32(MAP_FLAGS)?,
            key_most: u16(KEY_MOST)?,
            chunk_len: u32(CHUNK_LEN)?,
            template: variable(TEMPLATE)?,
            default: variable(DEFAULT)?,
            key_columns: variable(KEY_COLUMNS)?,
            segment_most: variable(SEGMENT_MOST)?.and_then(|value| u16_at(value, 0)),
            conditions: variable(CONDITIONS)?,
            tuple_limits: variable(TUPLE_LIMITS)?,
            sort_version: variable(SORT_VERSION)?,
            sort_id: variable(SORT_ID)?,
            locale_name,
        })
    }

    /// Whether this is a deleted column.
    pub fn is_deleted_column(&self) -> bool {
        const NO_TYPE: u32 = 0;
        self.kind == ObjectKind::Column && self.root_or_type == NO_TYPE
    }

    /// The tree that the record describes.
    pub fn tree(&self) -> TreeId {
        TreeId {
            root: self.root_or_type,
            objid: self.id,
        }
    }
}
