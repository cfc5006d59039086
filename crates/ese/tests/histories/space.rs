//! Space: the owned and available pages of a tree, how it takes and returns pages, and how trees
//! are created.

use ese::log::record::{
    CreateMultipleExtent, ExtendDatabase, FlagInsertReplace, FreeTree, Insert, NewPage, PageHead,
    Record, RecordType as T, Replace, SetExternalHeader, ShrinkDatabase, ShrinkDatabaseHead,
};
use ese::page::Pgno;
use zerocopy::FromZeros;

use super::engine::{Actor, Change, DATABASE, Engine, Result};
use super::page::{EMPTY, LEAF, Loose, Page, ROOT, SPACE_TREE};
use super::tree::Tree;

/// The number of pages that a tree gets at a time.
const EXTENT: u32 = 16;

/// The tree that owns the whole database.
pub fn system() -> Tree {
    Tree {
        root: 1,
        object: 1,
        unique: true,
        flags: 0,
        parent: None,
        is_dropped: false,
    }
}

/// The external header of a root.
fn space_header(pages: u32, parent: Pgno, unique: bool, owned: Pgno) -> [u8; 16] {
    const MULTIPLE: u8 = 1;
    const NON_UNIQUE: u8 = 2;
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&pages.to_le_bytes());
    bytes[4..8].copy_from_slice(&parent.to_le_bytes());
    bytes[8] = MULTIPLE | if unique { 0 } else { NON_UNIQUE };
    bytes[12..].copy_from_slice(&owned.to_le_bytes());
    bytes
}

impl Engine {
    /// Takes `count` consecutive pages from a tree's available space; `None` if it has none.
    fn take(&mut self, session: u16, tree: &Tree, count: u32) -> Result<Option<Pgno>> {
        let available = tree.available();
        let page = self.page(available.root);
        let extent = (0..page.nodes.len()).find_map(|line| {
            let node = &page.nodes[line];
            let pages = u32::from_le_bytes(node.data[..].try_into().expect("a number"));
            (!node.deleted && pages >= count).then_some((line, pages))
        });
        let Some((line, pages)) = extent else {
            return Ok(None);
        };
        let last = u32::from_be_bytes(page.key(line)[..].try_into().expect("a page number"));
        match pages - count {
            0 => self.flag_delete_plain(session, &available, available.root, line)?,
            left => self.replace_plain(
                session,
                &available,
                available.root,
                line,
                &left.to_le_bytes(),
            )?,
        }
        Ok(Some(last - pages + 1))
    }

    /// Takes a page for the tree.
    pub fn take_page(&mut self, session: u16, tree: &Tree) -> Result<Pgno> {
        let page = self.take_extent(session, tree, 1)?;
        self.note_taken(session, tree, page)
    }

    fn note_taken(&mut self, session: u16, tree: &Tree, number: Pgno) -> Result<Pgno> {
        if self.notes_new_pages {
            let mut page = Page::taken(number, tree.object);
            page.dbtime = self.tick();
            let mut record = NewPage::new_zeroed();
            record.session = session.into();
            record.database = DATABASE;
            record.page = number.into();
            record.object = tree.object.into();
            record.dbtime = page.dbtime.into();
            let record = Record::NewPage(&record)
                .encode(T::NEW_PAGE)
                .expect("a record");
            let change = Change {
                records: vec![record],
                pages: vec![page],
            };
            self.apply(session, change)?;
        }
        Ok(number)
    }

    /// Takes pages of a tree's space, which gets more if it has too little.
    fn take_extent(&mut self, session: u16, tree: &Tree, count: u32) -> Result<Pgno> {
        if let Some(first) = self.take(session, tree, count)? {
            return Ok(first);
        }
        let pages = count.max(EXTENT);
        let last = match tree.root == system().root {
            true => self.extend(pages)?,
            false => {
                let parent = self.parent(tree);
                self.take_extent(session, &parent, pages)? + pages - 1
            }
        };
        let key = last.to_be_bytes();
        self.insert_plain(session, &tree.owned(), &key, &pages.to_le_bytes())?;
        self.insert_plain(session, &tree.available(), &key, &pages.to_le_bytes())?;
        let first = self.take(session, tree, count)?;
        Ok(first.expect("a new extent has pages"))
    }

    fn parent(&self, tree: &Tree) -> Tree {
        tree.parent
            .map_or(system(), |parent| self.trees[parent].clone())
    }

    /// Returns all space of a table's tree to the database.
    pub fn free_tree(&mut self, session: u16, tree: &Tree) -> Result {
        let mut free = FreeTree::new_zeroed();
        free.database = DATABASE;
        free.root = tree.root.into();
        free.kind = 1;
        self.write_record(T::FREE_TREE, &Record::FreeTree(&free))?;
        for node in self.page(tree.owned().root).all_loose() {
            if !node.deleted {
                self.insert_plain(session, &system().available(), &node.key, &node.data)?;
            }
        }
        Ok(())
    }

    /// Extends the file ahead of need.
    pub fn grow(&mut self, session: u16) -> Result {
        let last = self.extend(EXTENT)?.to_be_bytes();
        self.insert_plain(session, &system().owned(), &last, &EXTENT.to_le_bytes())?;
        self.insert_plain(session, &system().available(), &last, &EXTENT.to_le_bytes())
    }

    /// Removes the file's last extent, if all of it is available; returns whether it was.
    pub fn shrink(&mut self, session: u16) -> Result<bool> {
        let key = self.last_page.to_be_bytes();
        let (owned, available) = (system().owned(), system().available());
        let line_of = |engine: &Engine, root: Pgno| {
            let page = engine.page(root);
            let mut lines = 0..page.nodes.len();
            lines.find(|line| page.key(*line) == key && !page.nodes[*line].deleted)
        };
        let (Some(own), Some(free)) = (line_of(self, owned.root), line_of(self, available.root))
        else {
            return Ok(false);
        };
        let pages = self.page(owned.root).nodes[own].data.clone();
        if self.page(available.root).nodes[free].data != pages {
            return Ok(false);
        }
        let pages = u32::from_le_bytes(pages[..].try_into().expect("a number"));
        self.flag_delete_plain(session, &available, available.root, free)?;
        self.flag_delete_plain(session, &owned, owned.root, own)?;
        self.settle()?;
        let last = self.last_page - pages;
        let mut head = ShrinkDatabaseHead::new_zeroed();
        head.database = DATABASE;
        head.last_page = last.into();
        head.pages = pages.into();
        let dbtime = self.notes_new_pages.then(|| self.tick());
        let kind = match dbtime {
            Some(_) => T::SHRINK_DATABASE3,
            None => T::SHRINK_DATABASE,
        };
        let shrink = ShrinkDatabase {
            head: &head,
            dbtime,
        };
        let position = self.write_record(kind, &Record::ShrinkDatabase(shrink))?;
        self.last_page = last;
        self.pages.retain(|page, _| *page <= last);
        if self.has_time() {
            self.disk.shrink(last, position);
        }
        Ok(true)
    }

    /// Extends the file; returns its last page.
    fn extend(&mut self, pages: u32) -> Result<Pgno> {
        self.settle()?;
        let last = self.last_page + pages;
        let mut extend = ExtendDatabase::new_zeroed();
        extend.database = DATABASE;
        extend.last_page = last.into();
        let position = self.write_record(T::EXTEND_DATABASE, &Record::ExtendDatabase(&extend))?;
        self.last_page = last;
        if self.has_time() {
            self.disk.extend(last, position);
        }
        Ok(last)
    }

    /// Returns a page to its tree's available space.
    pub fn give_back(&mut self, session: u16, tree: &Tree, number: Pgno) -> Result {
        let available = tree.available();
        let page = self.page(available.root);
        let beside = (0..page.nodes.len()).find_map(|line| {
            let node = &page.nodes[line];
            let pages = u32::from_le_bytes(node.data[..].try_into().expect("a number"));
            let last = u32::from_be_bytes(page.key(line)[..].try_into().expect("a page number"));
            (!node.deleted && last - pages == number).then_some((line, pages))
        });
        match beside {
            Some((line, pages)) => {
                let pages = (pages + 1).to_le_bytes();
                self.replace_plain(session, &available, available.root, line, &pages)
            }
            None => {
                let key = number.to_be_bytes();
                self.insert_plain(session, &available, &key, &1_u32.to_le_bytes())
            }
        }
    }

    /// Makes the database with only its own space, without log records.
    pub fn make_database(&mut self, pages: u32) {
        self.objects = 1;
        self.last_page = pages;
        self.disk.last_page = pages;
        self.make_roots(&system(), 0, pages);
    }

    /// Creates a tree with `pages` pages of the space of another, or of the database's, at the end
    /// of the list of trees.
    pub fn create_tree(
        &mut self,
        session: u16,
        parent: Option<usize>,
        pages: u32,
        unique: bool,
        flags: u32,
    ) -> Result {
        let from = parent.map_or(system(), |parent| self.trees[parent].clone());
        let root = self.take_extent(session, &from, pages)?;
        self.settle()?;
        let tree = Tree {
            root,
            object: self.objects + 1,
            unique,
            flags,
            parent,
            is_dropped: false,
        };
        self.dbtime += 1;
        let mut create = CreateMultipleExtent::new_zeroed();
        let made = Page::new(root, tree.object, 0, &[]);
        create.page = self.page_head(session, &made, 0, self.dbtime);
        if unique {
            create.page.flags |= PageHead::FLAG_UNIQUE;
        }
        create.object = tree.object.into();
        create.owned_root = (root + 1).into();
        create.available_root = (root + 2).into();
        create.parent_root = from.root.into();
        create.primary_pages = pages.into();
        create.page_flags = flags.into();
        let record = Record::CreateMultipleExtent(&create);
        let record = record.encode(T::CREATE_MULTIPLE_EXTENT).expect("a record");
        let position = self.write(record)?;
        self.objects += 1;
        self.make_roots(&tree, from.root, pages);
        for page in [root, root + 1, root + 2] {
            let begun = self.begun(session);
            self.disk
                .changed(page, position, begun, self.records.len() - 1);
        }
        self.trees.push(tree);
        self.content.push(Default::default());
        Ok(())
    }

    fn make_roots(&mut self, tree: &Tree, parent: Pgno, pages: u32) {
        let (root, dbtime) = (tree.root, self.dbtime);
        let header = space_header(pages, parent, tree.unique, root + 1);
        let flags = tree.flags | ROOT | LEAF;
        let mut made = vec![Page::new(root, tree.object, flags, &header)];
        for (number, count) in [(root + 1, pages), (root + 2, pages - 3)] {
            let mut page = Page::new(number, tree.object, flags | SPACE_TREE, &[0; 16]);
            if count > 0 {
                let node = Loose {
                    key: (root + pages - 1).to_be_bytes().to_vec(),
                    data: count.to_le_bytes().to_vec(),
                    deleted: false,
                };
                page.insert(0, &node);
            }
            made.push(page);
        }
        for mut page in made {
            page.dbtime = dbtime;
            self.pages.insert(page.number, page);
        }
    }

    /// Writes the external header of a tree's root again, unchanged.
    pub fn set_external_header(&mut self, session: u16, index: usize) -> Result {
        let tree = self.trees[index].clone();
        let mut page = self.page(tree.root).clone();
        let header = page.header.clone().expect("a root has one");
        let dbtime = self.tick();
        let actor = Actor {
            session,
            versioned: false,
        };
        let head = self.node_head(actor, &tree, &page, 0, dbtime, 0);
        let set = SetExternalHeader {
            head: &head,
            data: &header,
        };
        let record = Record::SetExternalHeader(set)
            .encode(T::SET_EXTERNAL_HEADER)
            .expect("a record");
        page.touch(dbtime);
        self.apply_one(session, record, page)
    }

    // --- changes that no rollback takes back -----------------------------------------------------

    pub fn replace_plain(
        &mut self,
        session: u16,
        tree: &Tree,
        number: Pgno,
        line: usize,
        data: &[u8],
    ) -> Result {
        let dbtime = self.tick();
        let mut page = self.page(number).clone();
        let actor = Actor {
            session,
            versioned: false,
        };
        let head = self.node_head(actor, tree, &page, line, dbtime, 0);
        let replace = Replace {
            head: &head,
            old_size: page.nodes[line].data.len() as u16,
            new_size: data.len() as u16,
            content: data,
            wide_differences: false,
        };
        let record = Record::Replace(replace)
            .encode(T::REPLACE)
            .expect("a record");
        page.nodes[line].data = data.to_vec();
        page.touch(dbtime);
        self.apply_one(session, record, page)
    }

    fn flag_delete_plain(
        &mut self,
        session: u16,
        tree: &Tree,
        number: Pgno,
        line: usize,
    ) -> Result {
        let dbtime = self.tick();
        let mut page = self.page(number).clone();
        let actor = Actor {
            session,
            versioned: false,
        };
        let head = self.node_head(actor, tree, &page, line, dbtime, 0);
        let record = Record::FlagDelete(&head)
            .encode(T::FLAG_DELETE)
            .expect("a record");
        page.nodes[line].deleted = true;
        page.touch(dbtime);
        self.apply_one(session, record, page)
    }

    /// Removes a deleted node from its page.
    pub fn delete_plain(&mut self, session: u16, tree: &Tree, number: Pgno, line: usize) -> Result {
        let dbtime = self.tick();
        let mut page = self.page(number).clone();
        let actor = Actor {
            session,
            versioned: false,
        };
        let head = self.node_head(actor, tree, &page, line, dbtime, 0);
        let record = Record::Delete(&head).encode(T::DELETE).expect("a record");
        page.nodes.remove(line);
        page.touch(dbtime);
        self.apply_one(session, record, page)
    }

    /// Inserts into a tree of one page. If there is no room, omits the node, and the pages are lost
    /// to their tree.
    fn insert_plain(&mut self, session: u16, tree: &Tree, key: &[u8], data: &[u8]) -> Result {
        let (number, line, found) = self.find(tree, key, &[]);
        let mut page = self.page(number).clone();
        assert!(!page.is(EMPTY));
        let actor = Actor {
            session,
            versioned: false,
        };
        let dbtime = self.tick();
        let head = self.node_head(actor, tree, &page, line, dbtime, 0);
        let node = Loose {
            key: key.to_vec(),
            data: data.to_vec(),
            deleted: false,
        };
        let record = if found {
            assert!(page.nodes[line].deleted, "space is free once");
            let insert = FlagInsertReplace {
                head: &head,
                replace_version: 0,
                key,
                data,
            };
            page.nodes[line].data = data.to_vec();
            page.nodes[line].deleted = false;
            Record::FlagInsertReplace(insert).encode(T::FLAG_INSERT_REPLACE)
        } else {
            if page.used() + page.fitted(&node).size() > self.area() {
                assert!(tree.root > 3, "the database's own space fits a page");
                return Ok(());
            }
            page.insert(line, &node);
            let insert = Insert {
                head: &head,
                prefix: &[],
                suffix: key,
                data,
            };
            Record::Insert(insert).encode(T::INSERT)
        };
        page.touch(dbtime);
        self.apply_one(session, record.expect("a record"), page)
    }

    pub fn apply_one(&mut self, session: u16, record: Vec<u8>, page: Page) -> Result {
        let change = Change {
            records: vec![record],
            pages: vec![page],
        };
        self.apply(session, change)
    }
}
