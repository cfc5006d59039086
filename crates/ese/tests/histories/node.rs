//! The operations of applications on nodes: insert, replace, delete, add; and the engine's later
//! work on deleted nodes.

use ese::log::record::{
    Delta, FlagInsert, FlagInsertReplace, Insert, Record, RecordType as T, Replace, Scrub,
};

use super::engine::{Actor, Before, COUNTER, Engine, Result, Version, add};
use super::page::Loose;
use super::split::Operation;

impl Engine {
    fn actor(session: u16) -> Actor {
        Actor {
            session,
            versioned: true,
        }
    }

    fn note(&mut self, session: u16, version: Version) {
        let state = self.sessions.get_mut(&session).expect("a session");
        state.versions.push(version);
    }

    /// Inserts a node; returns whether it was new.
    pub fn insert(&mut self, session: u16, index: usize, key: &[u8], data: &[u8]) -> Result<bool> {
        let tree = self.trees[index].clone();
        let bookmark: &[u8] = if tree.unique { &[] } else { data };
        if self.is_locked(session, index, key, bookmark, false) {
            return Ok(false);
        }
        let node = Loose {
            key: key.to_vec(),
            data: data.to_vec(),
            deleted: false,
        };
        let id = self.next_version();
        let mut replace_id = None;
        loop {
            let (path, found) = self.path(&tree, key, bookmark);
            let (number, line) = *path.last().expect("a leaf");
            let mut page = self.page(number).clone();
            if found && !page.nodes[line].deleted {
                return Ok(false);
            }
            let others = page.used() + self.reserved(index, &page.all_loose());
            let dbtime = self.dbtime + 1;
            let head = self.node_head(Self::actor(session), &tree, &page, line, dbtime, id);
            let before = (found && tree.unique).then(|| page.nodes[line].data.clone());
            let (record, needed, operation) = if found && !tree.unique {
                let insert = FlagInsert {
                    head: &head,
                    key,
                    data,
                };
                let record = Record::FlagInsert(insert).encode(T::FLAG_INSERT);
                (record, 0, Operation::None)
            } else if found {
                let replace_version = *replace_id.get_or_insert_with(|| {
                    // Consecutive numbers, as in the engine.
                    id.wrapping_add(2)
                });
                let insert = FlagInsertReplace {
                    head: &head,
                    replace_version,
                    key,
                    data,
                };
                let record = Record::FlagInsertReplace(insert).encode(T::FLAG_INSERT_REPLACE);
                let grown = data.len().saturating_sub(page.nodes[line].data.len());
                (
                    record,
                    grown,
                    Operation::FlagInsertReplace(node.clone(), replace_version),
                )
            } else {
                let fitted = page.fitted(&node);
                let insert = Insert {
                    head: &head,
                    prefix: &key[..fitted.shared],
                    suffix: &fitted.suffix,
                    data,
                };
                let record = Record::Insert(insert).encode(T::INSERT);
                (record, fitted.size(), Operation::Insert(node.clone()))
            };
            let mut at = number;
            if others + needed <= self.area() {
                self.dbtime = dbtime;
                match found {
                    true => {
                        page.nodes[line].data = data.to_vec();
                        page.nodes[line].deleted = false;
                    }
                    false => page.insert(line, &node),
                }
                page.touch(dbtime);
                self.apply_one(session, record.expect("a record"), page)?;
            } else {
                match self.split(session, index, &path, operation, id)? {
                    Some(page) => at = page,
                    None => continue,
                }
            }
            let version = Version {
                id,
                level: self.sessions[&session].level,
                tree: index,
                key: key.to_vec(),
                data: bookmark.to_vec(),
                before: Before::Inserted,
                page: 0,
            };
            self.note(session, version.clone());
            if let Some(before) = before {
                self.next_version();
                let version = Version {
                    id: replace_id.expect("a number for the replacement"),
                    before: Before::Replaced(before),
                    page: at,
                    ..version
                };
                self.note(session, version);
            }
            let place = (key.to_vec(), bookmark.to_vec());
            self.content[index].insert(place, data.to_vec());
            return Ok(true);
        }
    }

    /// Replaces a node's data, in trees with unique keys; returns whether it could.
    pub fn replace(&mut self, session: u16, index: usize, key: &[u8], data: &[u8]) -> Result<bool> {
        let tree = self.trees[index].clone();
        if self.is_locked(session, index, key, &[], false) {
            return Ok(false);
        }
        // A session that has added to a number does not replace the row that holds it, nor the
        // other way round.
        if self.has_additions(index, key) {
            return Ok(false);
        }
        let id = self.next_version();
        loop {
            let (path, found) = self.path(&tree, key, &[]);
            let (number, line) = *path.last().expect("a leaf");
            let mut page = self.page(number).clone();
            if !found || page.nodes[line].deleted || page.nodes[line].data == data {
                return Ok(false);
            }
            let old = page.nodes[line].data.clone();
            let dbtime = self.dbtime + 1;
            let head = self.node_head(Self::actor(session), &tree, &page, line, dbtime, id);
            page.nodes[line].data = data.to_vec();
            // A rollback needs the space of the former data.
            let rollback = old.len().saturating_sub(data.len());
            let needed = page.used() + self.reserved(index, &page.all_loose()) + rollback;
            let at = if needed <= self.area() {
                self.dbtime = dbtime;
                let record = self.replacement(&head, &old, data);
                page.touch(dbtime);
                self.apply_one(session, record, page)?;
                number
            } else {
                let operation = Operation::Replace(data.to_vec());
                match self.split(session, index, &path, operation, id)? {
                    Some(page) => page,
                    None => continue,
                }
            };
            let version = Version {
                id,
                level: self.sessions[&session].level,
                tree: index,
                key: key.to_vec(),
                data: Vec::new(),
                before: Before::Replaced(old),
                page: at,
            };
            self.note(session, version);
            let place = (key.to_vec(), Vec::new());
            self.content[index].insert(place, data.to_vec());
            return Ok(true);
        }
    }

    fn has_additions(&self, index: usize, key: &[u8]) -> bool {
        self.versions_of(index, key, &[])
            .any(|version| matches!(version.before, Before::Added(_)))
    }

    /// The record with the whole new data, or with the differences.
    fn replacement(
        &mut self,
        head: &ese::log::record::NodeHead,
        old: &[u8],
        new: &[u8],
    ) -> Vec<u8> {
        const TWO_BYTE_LENGTHS: u16 = 0x8000;
        let (old_size, new_size) = (old.len() as u16, new.len() as u16);
        let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let tail = (old[same..].iter().rev().zip(new[same..].iter().rev()))
            .take_while(|(a, b)| a == b)
            .count();
        let (gone, put) = (old.len() - same - tail, &new[same..new.len() - tail]);
        let as_difference = same < 0x1fff && self.random.once_in(2);
        if !as_difference {
            let replace = Replace {
                head,
                old_size,
                new_size,
                content: new,
                wide_differences: false,
            };
            return Record::Replace(replace)
                .encode(T::REPLACE)
                .expect("a record");
        }
        let mut content = Vec::new();
        content.extend((same as u16 | TWO_BYTE_LENGTHS).to_le_bytes());
        content.extend((put.len() as u16).to_le_bytes());
        content.extend((gone as u16).to_le_bytes());
        content.extend(put);
        let replace = Replace {
            head,
            old_size,
            new_size,
            content: &content,
            wide_differences: false,
        };
        let record = Record::ReplaceDelta(replace).encode(T::REPLACE_DELTA);
        record.expect("a record")
    }

    /// Marks a node as deleted; returns whether it could.
    pub fn delete(&mut self, session: u16, index: usize, key: &[u8], data: &[u8]) -> Result<bool> {
        let tree = self.trees[index].clone();
        let bookmark: &[u8] = if tree.unique { &[] } else { data };
        if self.is_locked(session, index, key, bookmark, false) || self.has_additions(index, key) {
            return Ok(false);
        }
        let (number, line, found) = self.find(&tree, key, bookmark);
        let mut page = self.page(number).clone();
        if !found || page.nodes[line].deleted {
            return Ok(false);
        }
        let id = self.next_version();
        let dbtime = self.tick();
        let head = self.node_head(Self::actor(session), &tree, &page, line, dbtime, id);
        let record = Record::FlagDelete(&head)
            .encode(T::FLAG_DELETE)
            .expect("a record");
        page.nodes[line].deleted = true;
        page.touch(dbtime);
        self.apply_one(session, record, page)?;
        let place = (key.to_vec(), bookmark.to_vec());
        let before = self.content[index]
            .remove(&place)
            .expect("a node that was there");
        let version = Version {
            id,
            level: self.sessions[&session].level,
            tree: index,
            key: key.to_vec(),
            data: bookmark.to_vec(),
            before: Before::Deleted(before),
            page: number,
        };
        self.note(session, version);
        Ok(true)
    }

    /// Adds to a row's counter, which several sessions may do at a time; returns whether it could.
    pub fn add(&mut self, session: u16, index: usize, key: &[u8], delta: i32) -> Result<bool> {
        let tree = self.trees[index].clone();
        let is_replaced = self
            .versions_of(index, key, &[])
            .any(|version| !matches!(version.before, Before::Added(_)));
        if is_replaced {
            return Ok(false);
        }
        let (number, line, found) = self.find(&tree, key, &[]);
        let mut page = self.page(number).clone();
        if !found || page.nodes[line].deleted {
            return Ok(false);
        }
        let id = self.next_version();
        let dbtime = self.tick();
        let head = self.node_head(Self::actor(session), &tree, &page, line, dbtime, id);
        let record = Record::Delta(Delta {
            head: &head,
            key,
            bookmark_data: &[],
            delta: delta.into(),
            offset: COUNTER as u16,
            is_64_bit: false,
        });
        let record = record.encode(T::DELTA).expect("a record");
        add(&mut page.nodes[line].data, delta);
        page.touch(dbtime);
        self.apply_one(session, record, page)?;
        let place = (key.to_vec(), Vec::new());
        add(self.content[index].get_mut(&place).expect("a row"), delta);
        let version = Version {
            id,
            level: self.sessions[&session].level,
            tree: index,
            key: key.to_vec(),
            data: Vec::new(),
            before: Before::Added(delta),
            page: 0,
        };
        self.note(session, version);
        Ok(true)
    }

    /// Removes a deleted node that no session needs from its page; returns whether there was one.
    pub fn clean_up(&mut self, session: u16, index: usize) -> Result<bool> {
        let tree = self.trees[index].clone();
        let mut candidates = Vec::new();
        for path in self.leaves(&tree) {
            let (number, _) = *path.last().expect("a leaf");
            let page = self.page(number);
            // The last node leaves its tree with its page, by a merge.
            if path.len() > 1 && page.nodes.len() == 1 {
                continue;
            }
            candidates.extend(
                (0..page.nodes.len())
                    .filter(|line| {
                        page.nodes[*line].deleted && !self.has_versions(index, &page.loose(*line))
                    })
                    .map(|line| (number, line)),
            );
        }
        if candidates.is_empty() {
            return Ok(false);
        }
        let (number, line) = self.random.pick(&candidates);
        self.delete_plain(session, &tree, number, line)?;
        Ok(true)
    }

    pub fn has_versions(&self, index: usize, node: &Loose) -> bool {
        let data: &[u8] = if self.trees[index].unique {
            &[]
        } else {
            &node.data
        };
        self.versions_of(index, &node.key, data).next().is_some()
    }

    /// Overwrites the unused parts of a leaf.
    pub fn scrub(&mut self, session: u16, index: usize) -> Result {
        let tree = self.trees[index].clone();
        let leaves = self.leaves(&tree);
        let path = &leaves[self.random.below(leaves.len())];
        let (number, _) = *path.last().expect("a leaf");
        let mut page = self.page(number).clone();
        if !tree.unique {
            return Ok(());
        }
        let operations: Vec<u8> = (0..page.nodes.len())
            .map(|line| {
                let dead = page.nodes[line].deleted && !self.has_versions(index, &page.loose(line));
                u8::from(dead)
            })
            .collect();
        for (node, operation) in page.nodes.iter_mut().zip(&operations) {
            if *operation == 1 {
                node.data.fill(b'D');
            }
        }
        let dbtime = self.tick();
        let actor = Actor {
            session,
            versioned: false,
        };
        let head = self.node_head(actor, &tree, &page, 0, dbtime, 0);
        let scrub = Scrub {
            head: &head,
            unused_page: false,
            operations: operations.len() as u32,
            data: &operations,
        };
        let record = Record::Scrub(scrub).encode(T::SCRUB).expect("a record");
        page.touch(dbtime);
        page.set_scrubbed();
        self.apply_one(session, record, page)
    }
}
