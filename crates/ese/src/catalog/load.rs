//! Reads the catalog's records of a table.

use std::sync::Arc;

use super::row::{CatalogRow, ObjectKind};
use super::table::{LastColumns, Parts};
use super::{
    Column, ColumnFlags, ColumnId, ColumnType, Condition, Index, IndexFlags, KeyColumn, Table,
    TableEntry, TupleLimits, catalog_error, decode_1252,
};
use crate::Result;
use crate::page::{Fault, u16_at, u32_at};
use crate::page_file::PageFile;
use crate::record::{Fid, Malformed};
use crate::tree::{TreeCursor, TreeId};

/// Calls `visit` with all records of a catalog, or with those of one table, in key order: for each
/// table the table itself, its columns, its indices, its long values.
pub(super) fn scan(
    pages: &PageFile,
    catalog: TreeId,
    table: Option<u32>,
    mut visit: impl FnMut(&CatalogRow<'_>) -> Result<()>,
) -> Result<()> {
    let mut cursor = TreeCursor::new(pages, catalog);
    let prefix = table.map(key_of_table);
    let mut found = match &prefix {
        Some(prefix) => {
            cursor.seek(prefix, &[])?;
            cursor.node()?.is_some()
        }
        None => cursor.advance()?,
    };
    while found {
        if let (Some(page), Some(node)) = (cursor.page(), cursor.node()?) {
            if prefix.is_some_and(|prefix| !node.key.starts_with(&prefix)) {
                break;
            }
            if !node.flags.is_deleted() {
                let row = CatalogRow::read(page, &node).map_err(|malformed| {
                    let tag = cursor.index().unwrap_or_default()
                        + usize::from(page.header().reserved_tags);
                    record_error(pages, page.number(), tag, malformed)
                })?;
                visit(&row)?;
            }
        }
        found = cursor.advance()?;
    }
    Ok(())
}

#[cold]
fn record_error(pages: &PageFile, page: u32, tag: usize, malformed: Malformed) -> crate::Error {
    pages.fault(
        Fault::new(
            page,
            "catalog record",
            malformed.expected,
            malformed.to_string(),
        )
        .at_tag(tag),
    )
}

/// The prefix of a table's keys in the catalog: the normalised object id.
fn key_of_table(objid: u32) -> [u8; 5] {
    let [a, b, c, d] = (objid ^ 0x8000_0000).to_be_bytes();
    [0x7f, a, b, c, d]
}

/// Columns and indices of a table; `template` loads the template of that name.
pub(super) fn table(
    pages: &PageFile,
    catalog: TreeId,
    entry: &TableEntry,
    template: impl Fn(&str) -> Result<Arc<Table>>,
) -> Result<Table> {
    let mut template_name = None;
    let mut chunk_len = None;
    let mut columns: Vec<Column> = Vec::new();
    let mut last_columns = LastColumns::default();
    let mut indexes: Vec<(Index, Vec<u8>, Vec<u8>)> = Vec::new();
    scan(pages, catalog, Some(entry.tree.objid), |row| {
        match row.kind {
            ObjectKind::Table => {
                template_name = row.template.map(decode_1252);
                chunk_len = row.chunk_len;
            }
            ObjectKind::Column => {
                last_columns.note(row.id as Fid);
                columns.extend(column(pages, entry, row)?);
            }
            ObjectKind::Index => indexes.push((
                index(row),
                row.key_columns.unwrap_or_default().to_vec(),
                row.conditions.unwrap_or_default().to_vec(),
            )),
            _ => {}
        }
        Ok(())
    })?;
    let template = template_name
        .filter(|_| entry.flags.is_derived())
        .map(|name| template(&name))
        .transpose()?;
    if [super::CATALOG, super::SHADOW_CATALOG].contains(&entry.tree) {
        // The catalog's offsets of its own columns are wrong; the engine has them built in.
        columns
            .iter_mut()
            .for_each(|column| column.record_offset = 0);
    }
    patch_offsets(&mut columns, template.as_deref());

    let own_first = OwnFirst::of(&columns, template.as_deref());
    let mut finished = Vec::with_capacity(indexes.len());
    for (mut index, key, conditions) in indexes {
        let segments = |bytes: &[u8]| {
            if index.flags.has_extended_columns() {
                extended_segments(bytes)
            } else {
                old_segments(bytes, entry.flags.is_template(), own_first)
            }
        };
        let segments = segments(&key).zip(segments(&conditions));
        let Some((key, conditions)) = segments else {
            let found = format!("{} and {} bytes", key.len(), conditions.len());
            let name = format!("{}, index {}", entry.name, index.name);
            return Err(catalog_error(pages, &name, "whole key columns", found));
        };
        index.key = (key.iter())
            .map(|segment| KeyColumn {
                column: segment.column,
                descending: segment.descending,
            })
            .collect();
        index.conditions = (conditions.iter())
            .map(|segment| Condition {
                column: segment.column,
                must_be_null: segment.must_be_null,
            })
            .collect();
        let defined_by = match &template {
            Some(template) if index.flags.is_derived() => template.index(&index.name),
            _ => None,
        };
        if let Some(definition) = defined_by {
            index = Index {
                name: index.name,
                tree: index.tree,
                ..definition.clone()
            };
        }
        if index.flags.is_primary() {
            shorten_primary_key(&mut index, |id| {
                let of_template = template.iter().flat_map(|template| template.columns());
                let mut all = columns.iter().chain(of_template);
                all.find(|column| column.id == id)
            });
        }
        finished.push(index);
    }
    Ok(Table::new(Parts {
        name: entry.name.clone(),
        tree: entry.tree,
        flags: entry.flags,
        long_values: entry.long_values,
        chunk_len: chunk_len
            .filter(|len| *len > 0)
            .unwrap_or_else(|| pages.page_size().long_value_chunk_len()),
        template,
        columns,
        last_columns,
        indexes: finished,
    }))
}

/// A column; `None` if it was deleted.
fn column(pages: &PageFile, entry: &TableEntry, row: &CatalogRow<'_>) -> Result<Option<Column>> {
    const DELETED: u32 = 0;
    let name = decode_1252(row.name);
    let bad = |expected: &str, found: String| {
        catalog_error(pages, &format!("{}.{name}", entry.name), expected, found)
    };
    let Ok(fid) = Fid::try_from(row.id) else {
        return Err(bad("a column number below 65536", row.id.to_string()));
    };
    if fid == 0 {
        return Err(bad("a column number", "0".into()));
    }
    let Some(kind) = ColumnType::new(row.root_or_type) else {
        if row.root_or_type == DELETED {
            return Ok(None);
        }
        return Err(bad(
            "a column type from 1 to 18",
            row.root_or_type.to_string(),
        ));
    };
    let id = ColumnId::new(fid, entry.flags.is_template());
    let flags = ColumnFlags(row.flags);
    if id.is_fixed()
        && kind.fixed_len().is_none()
        && row.space as usize > crate::page::PageSize::MAX
    {
        return Err(bad(
            "a fixed column that fits a page",
            format!("{} bytes", row.space),
        ));
    }
    Ok(Some(Column {
        id,
        kind,
        // The code page is the lower half of the field.
        code_page: row.pages_or_locale as u16,
        flags,
        max_len: row.space,
        record_offset: usize::from(row.record_offset.unwrap_or_default()),
        default: row
            .default
            .filter(|_| flags.has_default() && !flags.has_user_defined_default())
            .map(<[u8]>::to_vec),
        name,
    }))
}

/// Fixed columns without an offset in the catalog follow the column before them.
fn patch_offsets(columns: &mut [Column], template: Option<&Table>) {
    const FIRST_OFFSET: usize = 4;
    let after = |column: &Column| column.record_offset + column.fixed_len();
    let mut next = template
        .into_iter()
        .flat_map(|template| template.columns())
        .filter(|column| column.id.is_fixed())
        .map(after)
        .max()
        .unwrap_or(FIRST_OFFSET);
    columns.sort_by_key(|column| column.id);
    for column in columns.iter_mut().filter(|column| column.id.is_fixed()) {
        if column.record_offset == 0 {
            column.record_offset = next;
        }
        next = after(column);
    }
}

/// An index, still without its key columns.
fn index(row: &CatalogRow<'_>) -> Index {
    const OLD_KEY_MOST: u16 = 255;
    const OLD_MAP_FLAGS: u32 = 0x3_0401;
    let flags = IndexFlags(row.flags);
    let key_most = row.key_most.unwrap_or(OLD_KEY_MOST);
    Index {
        name: decode_1252(row.name),
        tree: row.tree(),
        flags,
        key: Vec::new(),
        conditions: Vec::new(),
        locale: match row.locale_name {
            Some(name) => decode_utf16(name),
            None => super::text::locale_name(row.pages_or_locale),
        },
        map_flags: match flags.has_localized_text() {
            true => row.map_flags.unwrap_or(OLD_MAP_FLAGS),
            false => 0,
        },
        segment_most: row.segment_most.unwrap_or(key_most),
        key_most,
        tuples: row.tuple_limits.and_then(tuple_limits),
    }
}

/// The engine lowers the limits of a primary index to the longest key that its columns can form.
fn shorten_primary_key<'c>(index: &mut Index, column: impl Fn(ColumnId) -> Option<&'c Column>) {
    const SEGMENT_HEADER: usize = 1;
    let segment_most =
        (index.segment_most != index.key_most).then_some(usize::from(index.segment_most));
    let mut longest = 0;
    for part in &index.key {
        let Some(column) = column(part.column) else {
            return;
        };
        let whole = SEGMENT_HEADER + column.fixed_len();
        longest += match (column.kind.fixed_len(), segment_most) {
            (Some(_), _) => whole,
            (None, Some(most)) if column.id.is_fixed() && !column.kind.is_text() => whole.min(most),
            (None, Some(most)) => most,
            (None, None) if column.id.is_fixed() && !column.kind.is_text() => whole,
            (None, None) => return,
        };
    }
    if let Ok(longest) = u16::try_from(longest) {
        index.segment_most = index.segment_most.min(longest);
        index.key_most = index.key_most.min(longest);
    }
}

fn decode_utf16(bytes: &[u8]) -> String {
    let units = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn tuple_limits(bytes: &[u8]) -> Option<TupleLimits> {
    Some(TupleLimits {
        shortest: u32_at(bytes, 0)?,
        longest: u32_at(bytes, 4)?,
        indexed: u32_at(bytes, 8)?,
        step: u32_at(bytes, 12).unwrap_or(1),
        first: u32_at(bytes, 16).unwrap_or(0),
    })
}

/// A column of a key or a condition, as stored.
struct Segment {
    column: ColumnId,
    descending: bool,
    must_be_null: bool,
}

/// Segments of four bytes: flags, a reserved byte, the column.
fn extended_segments(bytes: &[u8]) -> Option<Vec<Segment>> {
    const TEMPLATE: u8 = 0x80;
    const DESCENDING: u8 = 0x40;
    const MUST_BE_NULL: u8 = 0x20;
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    Some(
        (bytes.chunks_exact(4))
            .map(|segment| Segment {
                column: ColumnId::new(
                    u16::from_le_bytes([segment[2], segment[3]]),
                    segment[0] & TEMPLATE != 0,
                ),
                descending: segment[0] & DESCENDING != 0,
                must_be_null: segment[0] & MUST_BE_NULL != 0,
            })
            .collect(),
    )
}

/// The first fixed, variable and tagged column of a derived table itself: in the old form their
/// numbers follow those of the template.
#[derive(Clone, Copy)]
struct OwnFirst(Option<[Fid; 3]>);

impl OwnFirst {
    fn of(own: &[Column], template: Option<&Table>) -> Self {
        Self(template.map(|_| {
            let first = |fits: fn(ColumnId) -> bool| {
                let fids = own
                    .iter()
                    .filter(|column| fits(column.id))
                    .map(|column| column.id.fid());
                fids.min().unwrap_or(Fid::MAX)
            };
            [
                first(ColumnId::is_fixed),
                first(ColumnId::is_variable),
                first(ColumnId::is_tagged),
            ]
        }))
    }

    fn is_template_column(self, fid: Fid) -> bool {
        let id = ColumnId::new(fid, false);
        self.0.is_some_and(|[fixed, variable, tagged]| match id {
            id if id.is_fixed() => fid < fixed,
            id if id.is_variable() => fid < variable,
            _ => fid < tagged,
        })
    }
}

/// Segments of two bytes: the column, negative if it is descending or must be NULL.
fn old_segments(bytes: &[u8], of_template: bool, own_first: OwnFirst) -> Option<Vec<Segment>> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    (0..bytes.len() / 2)
        .map(|position| {
            let stored = u16_at(bytes, position * 2)? as i16;
            let fid = stored.unsigned_abs();
            Some(Segment {
                column: ColumnId::new(fid, of_template || own_first.is_template_column(fid)),
                descending: stored < 0,
                must_be_null: stored < 0,
            })
        })
        .collect()
}
