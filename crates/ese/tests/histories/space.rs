//! Space: which pages a tree owns and has available, how it takes one and gives one back, and how trees are made.

use ese::log::record::{
    CreateMultipleExtent, ExtendDatabase, FlagInsertReplace, Insert, NewPage, PageHead, Record,
    RecordType as T, Replace,
};
use ese::page::Pgno;
use zerocopy::FromZeros;

use super::engine::{Actor, Change, DATABASE, Engine, Result};
use super::page::{EMPTY, LEAF, Loose, Page, ROOT, SPACE_TREE};
use super::tree::Tree;

/// Pages that a tree gets at a time.
const EXTENT: u32 = 16;

/// The tree that owns the whole database.
pub fn system() -> Tree {
    Tree {
        root: 1,
        object: 1,
        unique: true,
        flags: 0,
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
    /// Takes `count` pages in a row out of a tree's available space; `None` where it has none.
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

    /// A page for the tree.
    pub fn take_page(&mut self, session: u16, tree: &Tree) -> Result<Pgno> {
        if let Some(page) = self.take(session, tree, 1)? {
            return self.note_taken(session, tree, page);
        }
        let first = self.take_extent(session, EXTENT)?;
        let last = first + EXTENT - 1;
        let key = last.to_be_bytes();
        self.insert_plain(session, &tree.owned(), &key, &EXTENT.to_le_bytes())?;
        self.insert_plain(session, &tree.available(), &key, &EXTENT.to_le_bytes())?;
        let page = self
            .take(session, tree, 1)?
            .expect("a new extent has pages");
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

    /// Pages of the database's own space, which grows where it must.
    fn take_extent(&mut self, session: u16, count: u32) -> Result<Pgno> {
        const GROWTH: u32 = 64;
        if let Some(first) = self.take(session, &system(), count)? {
            return Ok(first);
        }
        let growth = GROWTH.max(count);
        self.settle()?;
        let last = self.last_page + growth;
        let mut extend = ExtendDatabase::new_zeroed();
        extend.database = DATABASE;
        extend.last_page = last.into();
        self.write_record(T::EXTEND_DATABASE, &Record::ExtendDatabase(&extend))?;
        self.last_page = last;
        self.disk.last_page = last;
        let key = last.to_be_bytes();
        self.insert_plain(session, &system().owned(), &key, &growth.to_le_bytes())?;
        self.insert_plain(session, &system().available(), &key, &growth.to_le_bytes())?;
        let first = self.take(session, &system(), count)?;
        Ok(first.expect("the database has grown"))
    }

    /// A page goes back to its tree's available space.
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

    /// The database with nothing but its own space, of which no log tells.
    pub fn make_database(&mut self, pages: u32) {
        self.objects = 1;
        self.last_page = pages;
        self.disk.last_page = pages;
        self.make_roots(&system(), 0, pages);
    }

    /// A new tree with `pages` pages of the database's space, at the end of the list of trees.
    pub fn create_tree(&mut self, session: u16, pages: u32, unique: bool, flags: u32) -> Result {
        let root = self.take_extent(session, pages)?;
        self.settle()?;
        let tree = Tree {
            root,
            object: self.objects + 1,
            unique,
            flags,
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
        create.parent_root = 1.into();
        create.primary_pages = pages.into();
        create.page_flags = flags.into();
        let record = Record::CreateMultipleExtent(&create);
        let record = record.encode(T::CREATE_MULTIPLE_EXTENT).expect("a record");
        let position = self.write(record)?;
        self.objects += 1;
        self.make_roots(&tree, 1, pages);
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

    // --- changes that no rollback takes back ----------------------------------------------------------------------

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

    /// Takes a deleted node off its page.
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

    /// Inserts into a tree of one page; where there is no room, it is left out, and the pages are lost to their tree.
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
