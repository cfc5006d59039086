//! The catalog and tables: rows of MSysObjects and its copy, tables with a secondary index, and
//! operations on their rows.

use super::engine::{COUNTER, Engine, Result};
use super::page::{INDEX, NON_UNIQUE};

/// The positions of the catalog and its copy among the trees.
const CATALOG: usize = 0;
const SHADOW: usize = 1;

const LONG: u32 = 4;
const SHORT: u32 = 3;
const BINARY: u32 = 9;
const TEXT: u32 = 10;

const TABLE: u16 = 1;
const COLUMN: u16 = 2;
const KEY: u16 = 3;

/// The bits of an index: unique, primary, and entries for rows with NULL in its columns.
const UNIQUE_KEYS: u32 = 0x01;
const PRIMARY: u32 = 0x20;
const NULLS: u32 = 0x0e;
/// The bit of a column to which several sessions may add at a time.
const ESCROW: u32 = 0x20;

/// The trees of a table, by their positions.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub rows: usize,
    /// The secondary index over the third column, whose values repeat.
    pub tags: usize,
}

/// An application's operation on a row.
enum Operation {
    Insert,
    Replace,
    Delete,
    Add,
}

/// An object of the catalog.
struct Object<'a> {
    table: u32,
    kind: u16,
    id: u32,
    name: &'a str,
    /// The root of a tree, the type of a column.
    root: u32,
    space: u32,
    flags: u32,
    code_page: u32,
    key: &'a [i16],
}

impl Object<'_> {
    fn key(&self) -> Vec<u8> {
        let kind = (self.kind ^ 0x8000).to_be_bytes();
        [&row_key(self.table)[..], &[0x7f], &kind, &row_key(self.id)].concat()
    }

    fn row(&self) -> Vec<u8> {
        const FIXED: u8 = 7;
        const NAME: u8 = 128;
        const KEY_COLUMNS: u8 = 132;
        const NULL: u16 = 0x8000;
        let last = if self.key.is_empty() {
            NAME
        } else {
            KEY_COLUMNS
        };
        let mut row = vec![FIXED, last, 31, 0];
        row.extend(self.table.to_le_bytes());
        row.extend(self.kind.to_le_bytes());
        for field in [self.id, self.root, self.space, self.flags, self.code_page] {
            row.extend(field.to_le_bytes());
        }
        // No fixed column is NULL.
        row.push(0);
        let end = self.name.len() as u16;
        row.extend(end.to_le_bytes());
        if !self.key.is_empty() {
            for _ in NAME + 1..KEY_COLUMNS {
                row.extend((end | NULL).to_le_bytes());
            }
            row.extend((end + 2 * self.key.len() as u16).to_le_bytes());
        }
        row.extend(self.name.bytes());
        row.extend(self.key.iter().flat_map(|column| column.to_le_bytes()));
        row
    }
}

/// A column: number, name, type, length, code page.
type Column = (u32, &'static str, u32, u32, u32);

/// The columns of the catalog that its rows here have.
const CATALOG_COLUMNS: [Column; 12] = [
    (1, "ObjidTable", LONG, 4, 0),
    (2, "Type", SHORT, 2, 0),
    (3, "Id", LONG, 4, 0),
    (4, "ColtypOrPgnoFDP", LONG, 4, 0),
    (5, "SpaceUsage", LONG, 4, 0),
    (6, "Flags", LONG, 4, 0),
    (7, "PagesOrLocale", LONG, 4, 0),
    (128, "Name", TEXT, 255, 1252),
    (129, "Stats", BINARY, 255, 0),
    (130, "TemplateTable", TEXT, 255, 1252),
    (131, "DefaultValue", BINARY, 255, 0),
    (132, "KeyFldIDs", BINARY, 255, 0),
];

impl Engine {
    /// Creates the catalog and its copy, at the places of every engine.
    pub fn create_catalog(&mut self, session: u16) -> Result {
        self.create_tree(session, None, 20, true, 0)?;
        self.create_tree(session, None, 5, true, 0)?;
        for (tree, name) in [(CATALOG, "MSysObjects"), (SHADOW, "MSysObjectsShadow")] {
            let columns = CATALOG_COLUMNS.map(|column| (column, 0));
            self.describe(session, tree, name, &columns, &[1, 2, 3])?;
        }
        Ok(())
    }

    /// Creates a table of three fixed columns and a variable one.
    pub fn create_table(&mut self, session: u16) -> Result {
        let rows = self.trees.len();
        let pages = self.random.between(4, 40) as u32;
        self.create_tree(session, None, pages, true, 0)?;
        let pages = self.random.between(4, 6) as u32;
        self.create_tree(session, Some(rows), pages, false, INDEX | NON_UNIQUE)?;
        let name = format!("table{rows}");
        let columns = [
            ((1, "number", LONG, 4, 0), 0),
            ((2, "counter", LONG, 4, 0), ESCROW),
            ((3, "tag", LONG, 4, 0), 0),
            ((128, "data", BINARY, 0, 0), 0),
        ];
        self.describe(session, rows, &name, &columns, &[1])?;
        let (table, tags) = (self.trees[rows].object, self.trees[rows + 1].clone());
        self.enter(
            session,
            &Object {
                table,
                kind: KEY,
                id: tags.object,
                name: "tags",
                root: tags.root,
                space: 80,
                flags: NULLS,
                code_page: 0,
                key: &[3],
            },
        )?;
        self.tables.push(Table {
            rows,
            tags: rows + 1,
        });
        Ok(())
    }

    /// Drops a table that no session uses; returns whether there was one. Its pages go back to the
    /// database.
    pub fn drop_table(&mut self, session: u16) -> Result<bool> {
        let Some(at) = self
            .tables
            .len()
            .checked_sub(1)
            .map(|last| self.random.between(0, last))
        else {
            return Ok(false);
        };
        let table = self.tables[at];
        let is_used = |tree: usize| {
            let mut versions = self.sessions.values().flat_map(|session| &session.versions);
            versions.any(|version| version.tree == tree)
        };
        if is_used(table.rows) || is_used(table.tags) {
            return Ok(false);
        }
        let tree = self.trees[table.rows].clone();
        self.begin(session, 1)?;
        let prefix = row_key(tree.object);
        let keys: Vec<Vec<u8>> = (self.content[CATALOG].keys())
            .map(|(key, _)| key.clone())
            .filter(|key| key.starts_with(&prefix))
            .collect();
        for catalog in [CATALOG, SHADOW] {
            for key in &keys {
                let is_deleted = self.delete(session, catalog, key, &[])?;
                assert!(is_deleted, "nobody else changes the catalog");
            }
        }
        self.commit(session)?;
        self.tables.remove(at);
        self.trees[table.rows].is_dropped = true;
        self.trees[table.tags].is_dropped = true;
        self.begin(session, 1)?;
        self.free_tree(session, &tree)?;
        self.commit(session)?;
        Ok(true)
    }

    /// Adds a table, its columns with their flags, and its primary index to the catalog.
    fn describe(
        &mut self,
        session: u16,
        tree: usize,
        name: &str,
        columns: &[(Column, u32)],
        key: &[i16],
    ) -> Result {
        let tree = self.trees[tree].clone();
        let table = Object {
            table: tree.object,
            kind: TABLE,
            id: tree.object,
            name,
            root: tree.root,
            space: 80,
            flags: 0,
            code_page: 0,
            key: &[],
        };
        self.enter(session, &table)?;
        for ((id, name, kind, space, code_page), flags) in columns {
            self.enter(
                session,
                &Object {
                    kind: COLUMN,
                    id: *id,
                    name,
                    root: *kind,
                    space: *space,
                    flags: *flags,
                    code_page: *code_page,
                    ..table
                },
            )?;
        }
        self.enter(
            session,
            &Object {
                kind: KEY,
                name: "Id",
                flags: UNIQUE_KEYS | PRIMARY | NULLS,
                key,
                ..table
            },
        )
    }

    fn enter(&mut self, session: u16, object: &Object<'_>) -> Result {
        for catalog in [CATALOG, SHADOW] {
            self.begin(session, 1)?;
            let is_new = self.insert(session, catalog, &object.key(), &object.row())?;
            assert!(is_new, "objects have numbers of their own");
            self.commit(session)?;
        }
        Ok(())
    }

    /// Changes a row and its index entry, both or neither.
    pub fn work_on_row(&mut self, session: u16) -> Result {
        let table = self
            .tables
            .get(self.random.below(self.tables.len()))
            .copied();
        let Some(table) = table else {
            return Ok(());
        };
        // Rows are added in order, or anywhere.
        let number = match self.random.below(4) {
            0 if self.in_order => self.content[table.rows].len(),
            _ => self.random.below(self.rows),
        } as u32;
        let key = row_key(number);
        let place = (key.clone(), Vec::new());
        let old_tag = self.content[table.rows].get(&place).map(|row| tag_key(row));
        let longest = self.area() / 8;
        let len = match self.random.once_in(3) {
            true => self.random.below(longest),
            false => self.random.below(longest / 4),
        };
        let row = self.row(number, len);
        let tag = tag_key(&row);
        let grows = self.grows;
        let operation = match self.random.below(8) {
            0 | 1 => Operation::Replace,
            2 => Operation::Add,
            3 if grows => Operation::Delete,
            3..6 if !grows => Operation::Delete,
            _ => Operation::Insert,
        };
        self.begin(session, 1)?;
        let done = match (operation, old_tag) {
            (Operation::Insert, None) => {
                self.insert(session, table.rows, &key, &row)?
                    && self.insert(session, table.tags, &tag, &key)?
            }
            (Operation::Delete, Some(old)) => {
                self.delete(session, table.rows, &key, &[])?
                    && self.delete(session, table.tags, &old, &key)?
            }
            (Operation::Replace | Operation::Insert, Some(old)) => {
                self.replace(session, table.rows, &key, &row)?
                    && (old == tag
                        || self.delete(session, table.tags, &old, &key)?
                            && self.insert(session, table.tags, &tag, &key)?)
            }
            (Operation::Add, Some(_)) => {
                let delta = self.random.between(1, 100) as i32 - 50;
                delta != 0 && self.add(session, table.rows, &key, delta)?
            }
            (_, None) => false,
        };
        match done {
            true => self.commit(session),
            false => self.roll_back(session),
        }
    }

    /// A row: three fixed columns, of which the second is a counter, and a variable one.
    fn row(&mut self, number: u32, len: usize) -> Vec<u8> {
        const END_OF_FIXED: u16 = 17;
        let counter = self.random.below(100) as u32;
        let tag = self.random.below(9) as u32;
        let fill = self.random.next() as u8;
        let mut row = vec![3, 128];
        row.extend(END_OF_FIXED.to_le_bytes());
        for field in [number, counter, tag] {
            row.extend(field.to_le_bytes());
        }
        row.push(0);
        row.extend((len as u16).to_le_bytes());
        row.resize(row.len() + len, fill);
        row
    }
}

/// The part of a number in a key: not NULL, the highest byte first.
fn row_key(number: u32) -> Vec<u8> {
    [&[0x7f][..], &(number ^ 0x8000_0000).to_be_bytes()].concat()
}

/// The key of a row's index entry.
fn tag_key(row: &[u8]) -> Vec<u8> {
    const TAG: usize = COUNTER + 4;
    let tag = row[TAG..TAG + 4].try_into().expect("four bytes");
    row_key(u32::from_le_bytes(tag))
}
