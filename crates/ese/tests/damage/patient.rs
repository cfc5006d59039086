//! A database in memory that can be damaged on purpose, with right checksums.

use std::collections::{HashMap, HashSet};

use ese::Database;
use ese::checksum::{header_checksum, seal_page};
use ese::long_value::LongValueKey;
use ese::page::{Extents, PageKind, PageSize, PageView, Pgno, Tag};

/// A database, and its structure before any damage.
#[derive(Clone)]
pub struct Patient {
    pub name: String,
    pub bytes: Vec<u8>,
    pub size: PageSize,
    count: u32,
    /// Pages in use by a tree.
    used: HashSet<Pgno>,
    /// The first page of the database's available space.
    available: Option<Pgno>,
    /// Tables with a secondary index that has one entry for every row, by object.
    indexed: HashSet<u32>,
    /// Indices whose entries can be counted from the rows, by object.
    exact: HashSet<u32>,
    /// Trees whose keys can be computed from the values of rows, by object.
    computed: HashSet<u32>,
    /// The objects' names in findings.
    names: HashMap<u32, String>,
    /// Roots of the trees of owned extents, by object.
    owned_roots: HashMap<u32, Pgno>,
}

impl Patient {
    /// The database of a fixture; `None` if the fixture is not installed.
    pub fn of(name: &str) -> Option<Self> {
        let fixture = testkit::find(name)?;
        let folder = fixture.unpack();
        let file = std::fs::read_dir(folder.path())
            .expect("list the folder")
            .map(|entry| entry.expect("folder entry").path())
            .find(|path| {
                path.extension()
                    .is_some_and(|kind| kind == "edb" || kind == "dit")
            })?;
        let bytes = std::fs::read(file).expect("read the database");
        let database = Database::over(bytes.clone(), name).expect("open the database");
        let size = database.page_size();
        let mut patient = Self {
            name: name.into(),
            size,
            count: database.page_count(),
            bytes,
            used: HashSet::new(),
            available: None,
            indexed: HashSet::new(),
            exact: HashSet::new(),
            computed: HashSet::new(),
            names: HashMap::from([(1, "the database's space".into())]),
            owned_roots: HashMap::new(),
        };
        patient.explore(&database);
        Some(patient)
    }

    fn explore(&mut self, database: &Database) {
        let mut trees = vec![1];
        for entry in database.tables().expect("tables") {
            let table = database
                .table(&entry.name)
                .expect("a table")
                .expect("is there");
            trees.push(table.tree.root);
            let name = format!("table {}", table.name);
            if let Some(tree) = table.long_values {
                self.names
                    .insert(tree.objid, format!("{name}, long values"));
            }
            trees.extend(table.long_values.map(|tree| tree.root));
            for index in table.indexes() {
                let columns: Vec<_> = (index.key.iter())
                    .filter_map(|part| table.column_by_id(part.column))
                    .collect();
                if index.tuples.is_none() && !columns.iter().any(|column| column.is_unicode()) {
                    self.computed.insert(index.tree.objid);
                }
                if index.flags.is_primary() {
                    continue;
                }
                trees.push(index.tree.root);
                self.names
                    .insert(index.tree.objid, format!("{name}, index {}", index.name));
                let single = columns.iter().all(|column| !column.flags.is_multi_valued());
                if single && index.tuples.is_none() {
                    self.exact.insert(index.tree.objid);
                    let every_row =
                        index.flags.allows_all_nulls() && index.flags.allows_some_nulls();
                    if every_row && index.flags.allows_first_null() && index.conditions.is_empty() {
                        self.indexed.insert(table.tree.objid);
                    }
                }
            }
        }
        for entry in database.tables().expect("tables") {
            self.names
                .insert(entry.tree.objid, format!("table {}", entry.name));
        }
        // The catalog's copy has every row of the catalog.
        self.indexed.insert(2);
        for root in trees {
            let Ok(header) = self.view(root).root_header() else {
                continue;
            };
            self.reach(root);
            if let Extents::Trees(owned) = header.space.extents {
                self.owned_roots.insert(self.objid(root), owned);
                self.reach(owned);
                self.reach(owned + 1);
                if root == 1 {
                    let index = self.first_visible(owned + 1);
                    self.available = index.map(|index| self.extent_end(owned + 1, index));
                }
            }
        }
    }

    fn reach(&mut self, page: Pgno) {
        if !self.used.insert(page) {
            return;
        }
        let view = self.view(page);
        if !view.flags().is_leaf() {
            let children: Vec<Pgno> = (0..view.node_count())
                .filter_map(|index| view.child(index).ok())
                .collect();
            for child in children {
                self.reach(child);
            }
        }
    }

    pub fn pages(&self) -> std::ops::RangeInclusive<Pgno> {
        1..=self.count
    }

    pub fn is_used(&self, page: Pgno) -> bool {
        self.used.contains(&page)
    }

    /// A page of the database's available space.
    pub fn available(&self) -> Option<Pgno> {
        self.available
    }

    pub fn view(&self, page: Pgno) -> PageView<'_> {
        let start = self.size.offset_of(page) as usize;
        PageView::new(&self.bytes[start..start + self.size.bytes()], page).expect("a page")
    }

    pub fn objid(&self, page: Pgno) -> u32 {
        match self.size.offset_of(page) as usize + self.size.bytes() <= self.bytes.len() {
            true => self.view(page).header().objid,
            false => 0,
        }
    }

    /// The name, in findings, of the object that a page belongs to.
    pub fn object(&self, page: Pgno) -> &str {
        self.names
            .get(&self.objid(page))
            .map_or("?", String::as_str)
    }

    /// Whether the leaf of a space tree belongs to the owned extents.
    pub fn owns_extents(&self, page: Pgno) -> bool {
        self.owned_roots.get(&self.objid(page)) == Some(&page)
    }

    pub fn has_secondary_index(&self, page: Pgno) -> bool {
        self.indexed.contains(&self.objid(page))
    }

    pub fn has_exact_index(&self, page: Pgno) -> bool {
        self.exact.contains(&self.objid(page))
    }

    pub fn has_computed_keys(&self, page: Pgno) -> bool {
        self.computed.contains(&self.objid(page))
    }

    /// Increments the key of a node whose place among the nodes does not change thereby; `false`
    /// if there is none.
    pub fn nudge_key(&mut self, page: Pgno) -> bool {
        let view = self.view(page);
        let key = |index| view.node(index).expect("a node").key.to_vec();
        let index = (1..view.node_count()).find(|index| {
            let (mut own, next) = (key(index - 1), key(*index));
            let deleted = view
                .node(index - 1)
                .is_ok_and(|node| node.flags.is_deleted());
            let Some(last) = own.last_mut().filter(|last| **last < 0xff) else {
                return false;
            };
            *last += 1;
            let own_suffix = view
                .node(index - 1)
                .is_ok_and(|node| !node.key.suffix.is_empty());
            own < next && own_suffix && !deleted
        });
        index.is_some_and(|index| {
            self.edit_key(page, index - 1, |key| {
                if let Some(last) = key.last_mut() {
                    *last += 1;
                }
            })
        })
    }

    /// The first node of a leaf that is not deleted.
    pub fn first_visible(&self, page: Pgno) -> Option<usize> {
        let view = self.view(page);
        (0..view.node_count())
            .find(|index| view.node(*index).is_ok_and(|node| !node.flags.is_deleted()))
    }

    /// The last page of an extent.
    pub fn extent_end(&self, page: Pgno, index: usize) -> Pgno {
        let key = self.view(page).node(index).expect("a node").key.to_vec();
        u32::from_be_bytes(key[key.len() - 4..].try_into().expect("four bytes"))
    }

    /// The root of a long value that rows refer to.
    pub fn long_value_root(&self, page: Pgno) -> Option<usize> {
        self.find_long_value(page, |key, data| {
            matches!(key, LongValueKey::Root(_)) && data[..4] != [0; 4]
        })
    }

    pub fn chunk(&self, page: Pgno) -> Option<usize> {
        self.find_long_value(page, |key, _| matches!(key, LongValueKey::Chunk(..)))
    }

    fn find_long_value(
        &self,
        page: Pgno,
        fits: impl Fn(LongValueKey, &[u8]) -> bool,
    ) -> Option<usize> {
        let view = self.view(page);
        if view.flags().kind() != PageKind::LongValue {
            return None;
        }
        (0..view.node_count()).find(|index| {
            view.node(*index).is_ok_and(|node| {
                !node.flags.is_deleted()
                    && LongValueKey::read(&node.key).is_some_and(|key| fits(key, node.data))
            })
        })
    }

    /// The page's bytes. Their checksum is not made right afterwards.
    pub fn raw(&mut self, page: Pgno) -> &mut [u8] {
        let start = self.size.offset_of(page) as usize;
        &mut self.bytes[start..start + self.size.bytes()]
    }

    pub fn edit(&mut self, page: Pgno, change: impl FnOnce(&mut [u8])) {
        let bytes = self.raw(page);
        change(bytes);
        seal_page(bytes, page);
    }

    /// Changes both copies of the header.
    pub fn edit_header(&mut self, change: impl Fn(&mut [u8])) {
        let len = self.size.bytes();
        for copy in self.bytes.chunks_mut(len).take(2) {
            change(copy);
            let checksum = header_checksum(copy).to_le_bytes();
            copy[..4].copy_from_slice(&checksum);
        }
    }

    pub fn swap(&mut self, one: Pgno, other: Pgno) {
        let (first, second) = (self.raw(one).to_vec(), self.raw(other).to_vec());
        self.edit(one, |bytes| bytes.copy_from_slice(&second));
        self.edit(other, |bytes| bytes.copy_from_slice(&first));
    }

    pub fn tag(&self, page: Pgno, tag: usize) -> Tag {
        Tag::read(self.view(page).bytes(), self.size, tag).expect("a tag")
    }

    pub fn edit_tag(&mut self, page: Pgno, tag: usize, change: impl FnOnce(Tag) -> Tag) -> bool {
        let Some(entry) = change(self.tag(page, tag)).encode(self.size) else {
            return false;
        };
        self.edit(page, |bytes| {
            let end = bytes.len() - tag * Tag::LEN;
            bytes[end - Tag::LEN..end].copy_from_slice(&entry);
        });
        true
    }

    pub fn edit_line(&mut self, page: Pgno, tag: usize, change: impl FnOnce(&mut [u8])) {
        let entry = self.tag(page, tag);
        let start = self.size.header_len() + entry.offset;
        self.edit(page, |bytes| change(&mut bytes[start..start + entry.len]));
    }

    pub fn edit_external_header(&mut self, page: Pgno, change: impl FnOnce(&mut [u8])) -> bool {
        // Longer headers begin with a byte of flags.
        let len = self.tag(page, 0).len;
        self.edit_line(page, 0, |line| {
            change(if len > 16 { &mut line[1..] } else { line })
        });
        len >= 16
    }

    pub fn edit_data(&mut self, page: Pgno, node: usize, change: impl FnOnce(&mut [u8])) -> bool {
        let len = self.view(page).node(node).expect("a node").data.len();
        if len < 4 {
            return false;
        }
        self.edit_line(page, node + 1, |line| {
            let start = line.len() - len;
            change(&mut line[start..]);
        });
        true
    }

    /// Changes the part of a key that the node itself holds; `false` if the key stays the same.
    pub fn edit_key(&mut self, page: Pgno, node: usize, change: impl FnOnce(&mut [u8])) -> bool {
        let parts = self.view(page).node(node).expect("a node");
        let (key, data) = (parts.key.suffix.len(), parts.data.len());
        let before = parts.key.to_vec();
        self.edit_line(page, node + 1, |line| {
            let end = line.len() - data;
            change(&mut line[end - key..end]);
        });
        self.view(page)
            .node(node)
            .is_ok_and(|node| node.key.to_vec() != before)
    }

    pub fn edit_child(&mut self, page: Pgno, node: usize, child: Pgno) -> bool {
        self.edit_data(page, node, |data| {
            data.copy_from_slice(&child.to_le_bytes())
        })
    }

    pub fn edit_node_flags(&mut self, page: Pgno, node: usize, change: impl Fn(u8) -> u8) -> bool {
        if self.size.is_large() {
            self.edit_line(page, node + 1, |line| {
                line[1] = line[1] & 0x1f | change(line[1] >> 5) << 5
            });
            true
        } else {
            self.edit_tag(page, node + 1, |tag| Tag {
                flags: change(tag.flags),
                ..tag
            })
        }
    }
}
