//! Tables.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Column, ColumnId, Index};
use crate::record::{FIRST_TAGGED, FIRST_VARIABLE, Fid};
use crate::tree::TreeId;

/// The flags of a table (`JET_bitObject...`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TableFlags(pub u32);

/// A table with its columns and indices.
#[derive(Debug)]
pub struct Table {
    /// The table's name.
    pub name: String,
    /// The tree of its rows.
    pub tree: TreeId,
    /// Its flags.
    pub flags: TableFlags,
    /// The tree of its long values, if it has one.
    pub long_values: Option<TreeId>,
    /// The length of the chunks of its long values, in bytes.
    pub chunk_len: u32,
    /// The template that it is derived from.
    pub template: Option<Arc<Table>>,
    columns: Vec<Column>,
    last_columns: LastColumns,
    indexes: Vec<Index>,
    column_names: HashMap<String, usize>,
    sections: Vec<Section>,
}

/// The columns of a table itself, or those of its template, by their storage in a record.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Whether records mark the tagged columns of this section as derived.
    pub derived: bool,
    /// Positions of fixed and variable columns in the table's columns, by number.
    pub fixed: Vec<usize>,
    pub variable: Vec<usize>,
    /// Positions of tagged columns, from number 256 on.
    tagged: Vec<Option<u32>>,
    /// Positions of tagged columns with a default, by number.
    pub tagged_defaults: Vec<usize>,
}

impl TableFlags {
    /// A table of the engine itself.
    pub fn is_system(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// Columns and indices cannot be changed.
    pub fn is_fixed_ddl(self) -> bool {
        self.0 & 0x4000_0000 != 0
    }

    /// A template for other tables.
    pub fn is_template(self) -> bool {
        self.0 & 0x2000_0000 != 0
    }

    /// Derived from a template.
    pub fn is_derived(self) -> bool {
        self.0 & 0x1000_0000 != 0
    }
}

impl std::fmt::Debug for TableFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TableFlags({:#x})", self.0)
    }
}

/// The highest column numbers that a table ever used, deleted columns included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastColumns {
    pub fixed: Fid,
    pub variable: Fid,
    pub tagged: Fid,
}

impl Default for LastColumns {
    fn default() -> Self {
        Self {
            fixed: 0,
            variable: FIRST_VARIABLE - 1,
            tagged: FIRST_TAGGED - 1,
        }
    }
}

impl LastColumns {
    /// Counts the column `fid`.
    pub fn note(&mut self, fid: Fid) {
        let last = match fid {
            FIRST_TAGGED.. => &mut self.tagged,
            FIRST_VARIABLE.. => &mut self.variable,
            _ => &mut self.fixed,
        };
        *last = fid.max(*last);
    }
}

/// The parts of a table, unsorted.
pub(super) struct Parts {
    pub name: String,
    pub tree: TreeId,
    pub flags: TableFlags,
    pub long_values: Option<TreeId>,
    pub chunk_len: u32,
    pub template: Option<Arc<Table>>,
    pub columns: Vec<Column>,
    pub last_columns: LastColumns,
    pub indexes: Vec<Index>,
}

impl Table {
    pub(super) fn new(parts: Parts) -> Self {
        let mut columns = parts.columns;
        let mut last_columns = parts.last_columns;
        if let Some(template) = &parts.template {
            columns.extend(template.columns.iter().cloned());
            let last = template.last_columns;
            for fid in [last.fixed, last.variable, last.tagged] {
                last_columns.note(fid);
            }
        }
        columns.sort_by_key(|column| column.id);
        let mut indexes = parts.indexes;
        indexes.sort_by(|a, b| a.name.cmp(&b.name));

        let mut own = Section::default();
        let mut template = Section {
            derived: true,
            ..Section::default()
        };
        let is_derived = parts.template.is_some();
        for (position, column) in columns.iter().enumerate() {
            // Templates of the oldest form share the derived table's numbers; its records do not
            // mark them.
            let of_template = is_derived
                && column.id.is_template()
                && (!column.id.is_tagged() || column.flags.is_marked_in_derived());
            let section = if of_template { &mut template } else { &mut own };
            section.add(position, column);
        }
        let column_names = (columns.iter().enumerate())
            .map(|(position, column)| (column.name.clone(), position))
            .collect();
        Self {
            name: parts.name,
            tree: parts.tree,
            flags: parts.flags,
            long_values: parts.long_values,
            chunk_len: parts.chunk_len,
            template: parts.template,
            columns,
            last_columns,
            indexes,
            column_names,
            sections: if is_derived {
                vec![own, template]
            } else {
                vec![own]
            },
        }
    }

    /// The columns by number: the table's own, then those of its template.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column `name`: the exact spelling if there is one, otherwise in any case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        match self.column_names.get(name) {
            Some(position) => self.columns.get(*position),
            None => (self.columns.iter()).find(|column| column.name.eq_ignore_ascii_case(name)),
        }
    }

    /// The column with the number `id`.
    pub fn column_by_id(&self, id: ColumnId) -> Option<&Column> {
        self.position_of(id).map(|(_, column)| column)
    }

    /// The column with the number `id`, and its position among the columns.
    pub(crate) fn position_of(&self, id: ColumnId) -> Option<(usize, &Column)> {
        let position = self
            .columns
            .binary_search_by_key(&id, |column| column.id)
            .ok()?;
        Some((position, self.columns.get(position)?))
    }

    /// The indices, sorted by name.
    pub fn indexes(&self) -> &[Index] {
        &self.indexes
    }

    /// The index `name`: the exact spelling if there is one, otherwise in any case.
    pub fn index(&self, name: &str) -> Option<&Index> {
        let exact = self.indexes.iter().find(|index| index.name == name);
        exact.or_else(|| (self.indexes.iter()).find(|index| index.name.eq_ignore_ascii_case(name)))
    }

    /// The primary index; a table without one has its rows in order of insertion.
    pub fn primary_index(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| index.flags.is_primary())
    }

    /// The highest column numbers that records may hold.
    pub(crate) fn last_columns(&self) -> LastColumns {
        self.last_columns
    }

    /// The table's own columns, then those of its template.
    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The positions of all columns, in the order of values in [`crate::rows::Row::visit`]: that of
    /// [`Self::columns`], except in tables derived from a template of the oldest form.
    pub fn visit_order(&self) -> Vec<usize> {
        let of_section = |section: &Section| -> Vec<usize> {
            let tagged = section.tagged.iter().flatten();
            let tagged = tagged.map(|position| *position as usize);
            let untagged = section.fixed.iter().chain(&section.variable).copied();
            untagged.chain(tagged).collect()
        };
        self.sections.iter().flat_map(of_section).collect()
    }

    /// Whether records mark the tagged column `column` as derived.
    pub(crate) fn is_marked_derived(&self, column: &Column) -> bool {
        self.template.is_some() && column.id.is_template() && column.flags.is_marked_in_derived()
    }
}

impl Section {
    fn add(&mut self, position: usize, column: &Column) {
        if column.id.is_fixed() {
            self.fixed.push(position);
        } else if column.id.is_variable() {
            self.variable.push(position);
        } else {
            let slot = usize::from(column.id.fid() - FIRST_TAGGED);
            if self.tagged.len() <= slot {
                self.tagged.resize(slot + 1, None);
            }
            self.tagged[slot] = u32::try_from(position).ok();
            if column.default.is_some() {
                self.tagged_defaults.push(position);
            }
        }
    }

    /// The position of the tagged column `fid` in the table's columns; `None` if it was deleted.
    #[inline]
    pub fn tagged(&self, fid: Fid) -> Option<usize> {
        let slot = usize::from(fid.checked_sub(FIRST_TAGGED)?);
        (*self.tagged.get(slot)?).map(|position| position as usize)
    }
}
