//! Redo of moves, which no set has: of a page, and of a table's root with its space trees.
//!
//! The records are made here, in the layout of `logapi.hxx`, and follow the last one of a real
//! set's logs. The expected result is that of the engine's source: `BTPerformPageMove` (`bt.cxx`),
//! `NDEmptyPage` (`node.hxx`) and `SHKPerformRootMove` (`dbshrink.cxx`).

use std::collections::{BTreeSet, HashMap};

use crate::common::database_in;
use crate::scene::{File, SESSION, Scene};
use ese::Database;
use ese::page::{Extents, Pgno};

/// Record types, by their numbers in the log.
const MACRO_BEGIN: u8 = 11;
const MACRO_COMMIT: u8 = 12;
const REPLACE: u8 = 33;
const SET_EXTERNAL_HEADER: u8 = 38;
const PAGE_MOVE: u8 = 65;
const ROOT_PAGE_MOVE: u8 = 96;

/// A leaf within a tree, its siblings, its parent and its place there; the undo changes none of
/// them.
fn leaf_to_move(scene: &Scene) -> Option<(Pgno, Pgno, Pgno, Pgno, usize)> {
    let file = &scene.recovered;
    let used = scene.used();
    let mut parents = HashMap::new();
    for page in &used {
        let view = file.view(*page);
        for at in (0..view.node_count()).filter(|_| !view.flags().is_leaf()) {
            parents.insert(view.child(at).unwrap(), (*page, at));
        }
    }
    used.iter().find_map(|page| {
        let view = file.view(*page);
        let (left, right) = (view.header().previous, view.header().next);
        let (parent, line) = *parents.get(page)?;
        let pages = [*page, left, right, parent];
        let fits = view.flags().is_leaf()
            && file.is_compact(*page)
            && view.node_count() > 1
            && pages
                .iter()
                .all(|page| *page > 0 && scene.is_settled(*page));
        fits.then_some((*page, left, right, parent, line))
    })
}

#[test]
fn a_moved_page_is_found_at_its_new_place_whatever_was_written_before_the_crash() {
    let (mut scene, ((source, left, right, parent, line), target)) =
        Scene::with(|scene| Some((leaf_to_move(scene)?, scene.empty_page()?)));
    let before = scene.recovered.clone();
    let dbtime = scene.next;
    let mut record = scene.page_head(PAGE_MOVE, source, scene.dbtime(source), 0);
    for page in [target, left, right, parent] {
        record.extend(page.to_le_bytes());
    }
    for page in [left, right, parent] {
        record.extend(scene.dbtime(page).to_le_bytes());
    }
    let (end, tags) = before.lines(source);
    let image = before.page(source);
    for field in [
        parent,
        before.view(source).header().objid,
        line as u32,
        0,
        end as u32,
        (image.len() - tags) as u32,
    ] {
        record.extend(field.to_le_bytes());
    }
    record.extend(&image[..end]);
    record.extend(&image[tags..]);
    scene.add(record);
    scene.log();

    let (moved, dumped) = scene.recover().unwrap();
    assert!(dumped == scene.expected, "every row is still found");
    // The content is that of the source; the bytes between lines and tags are not read.
    let (old, new) = (before.view(source), moved.view(target));
    assert_eq!(new.header().dbtime, dbtime);
    assert_eq!(new.header().objid, old.header().objid);
    assert_eq!((new.header().previous, new.header().next), (left, right));
    assert_eq!(moved.page(target)[tags..], image[tags..]);
    let header = before.size.header_len();
    assert_eq!(moved.page(target)[header..end], image[header..end]);
    assert!(moved.view(source).flags().is_empty());
    assert_eq!(moved.view(source).node_count(), 0);
    assert_eq!(moved.view(left).header().next, target);
    assert_eq!(moved.view(right).header().previous, target);
    assert_eq!(moved.view(parent).child(line).unwrap(), target);
    let pages = [source, target, left, right, parent];
    for page in pages {
        assert_eq!(moved.view(page).header().dbtime, dbtime);
    }

    // Some of the five pages reached the disk before the crash: if the source's old content is
    // lost, the record has it.
    let crashed = File::read(&database_in(scene.folder.path()));
    for written in 0..1_u32 << pages.len() {
        for (at, page) in pages.iter().enumerate() {
            match written >> at & 1 {
                1 => scene.put(*page, moved.page(*page)),
                _ if *page <= crashed.pages() => scene.put(*page, crashed.page(*page)),
                _ => scene.put(*page, &vec![0; crashed.size.bytes()]),
            }
        }
        let (again, dumped) = scene.recover().unwrap();
        assert!(dumped == scene.expected, "{written:#b}");
        for page in pages {
            let [one, other] = [&again, &moved].map(|file| {
                let view = file.view(page);
                let lines = (0..usize::from(view.header().tag_count))
                    .map(|tag| view.line(tag).unwrap().to_vec());
                (*view.header(), lines.collect::<Vec<_>>())
            });
            assert_eq!(one.1, other.1, "{written:#b}: page {page}");
            assert_eq!(one.0.dbtime, other.0.dbtime, "{written:#b}: page {page}");
            assert_eq!(one.0.flags, other.0.flags, "{written:#b}: page {page}");
        }
    }
}

/// A table whose root can move.
struct Table {
    /// Its root, and those of its owned and its available extents.
    roots: [Pgno; 3],
    /// The destinations: the last two are neighbours.
    targets: [Pgno; 3],
    /// Roots of its indices and long values, whose parent is the table's root.
    children: Vec<Pgno>,
    /// Rows of the catalog and its copy with the root, of which two share a page: page, line, data.
    rows: Vec<(Pgno, usize, Vec<u8>)>,
}

/// The first table with its own index such that the undo changes no page of its move.
fn table_to_move(scene: &Scene) -> Option<Table> {
    let file = &scene.recovered;
    let database = Database::over(file.bytes.clone(), "recovered").unwrap();
    let blank = |page: &Pgno| file.view(*page).is_blank();
    let pages = || (1..file.pages()).filter(blank);
    let pair = pages().find(|page| blank(&(page + 1)))?;
    let single = pages().find(|page| ![pair, pair + 1].contains(page))?;
    let catalogs: Vec<Pgno> = [4, 24].iter().flat_map(|root| file.tree(*root)).collect();
    database.tables().unwrap().iter().find_map(|entry| {
        let root = entry.tree.root;
        let Extents::Trees(owned) = file.view(root).root_header().ok()?.space.extents else {
            return None;
        };
        let table = database.table(&entry.name).unwrap().unwrap();
        let indices = table.indexes().iter().map(|index| index.tree.root);
        let children: BTreeSet<Pgno> = (indices.filter(|child| *child != root))
            .chain(table.long_values.map(|tree| tree.root))
            .collect();
        let mut rows = Vec::new();
        for page in catalogs
            .iter()
            .filter(|page| file.view(**page).flags().is_leaf())
        {
            for (line, node) in file.view(*page).nodes().map(Result::unwrap).enumerate() {
                // After the table's number: the kind of object (a column has no root), its number,
                // its root.
                let names_a_root = matches!(node.data.get(8..10), Some([1 | 3 | 4, 0]));
                let is_ours = node.data.get(14..18) == Some(&root.to_le_bytes()[..]);
                if names_a_root && is_ours && !node.flags.is_deleted() {
                    rows.push((*page, line, node.data.to_vec()));
                }
            }
        }
        let roots = [root, owned, owned + 1];
        let changed = roots
            .iter()
            .chain(&children)
            .chain(rows.iter().map(|row| &row.0));
        let is_small = roots.iter().all(|page| file.is_compact(*page));
        // The catalog itself never moves.
        let fits = ![4, 24].contains(&root)
            && !children.is_empty()
            && rows.windows(2).any(|rows| rows[0].0 == rows[1].0)
            && is_small
            && changed.into_iter().all(|page| scene.is_settled(*page));
        fits.then(|| Table {
            roots,
            targets: [single, pair, pair + 1],
            children: children.into_iter().collect(),
            rows,
        })
    })
}

#[test]
fn a_table_is_found_at_its_roots_new_place() {
    let Some((mut scene, table)) = Scene::find(table_to_move) else {
        assert!(testkit::full_set().is_none(), "the full set has one");
        return;
    };
    let before = scene.recovered.clone();
    let dbtime = scene.next;
    let object = before.view(table.roots[0]).header().objid;
    let mark = |kind| [&[kind][..], &SESSION.to_le_bytes(), &dbtime.to_le_bytes()].concat();
    scene.add(mark(MACRO_BEGIN));
    let mut record = vec![ROOT_PAGE_MOVE];
    record.extend(dbtime.to_le_bytes());
    record.push(scene.number);
    record.extend(object.to_le_bytes());
    record.extend(SESSION.to_le_bytes());
    scene.add(record);
    for (at, (source, target)) in table.roots.iter().zip(table.targets).enumerate() {
        scene.next = dbtime;
        let mut record = scene.page_head(PAGE_MOVE, *source, scene.dbtime(*source), 0);
        for page in [target, 0, 0, 0] {
            record.extend(page.to_le_bytes());
        }
        record.extend([0; 24]);
        let (end, tags) = before.lines(*source);
        let image = before.page(*source);
        let sizes = [end as u32, (image.len() - tags) as u32];
        for field in [table.roots[0], object, u32::MAX, 1 << at]
            .iter()
            .chain(&sizes)
        {
            record.extend(field.to_le_bytes());
        }
        record.extend(&image[..end]);
        record.extend(&image[tags..]);
        scene.add(record);
    }
    let [root, owned, _] = table.targets;
    for child in &table.children {
        scene.next = dbtime;
        let (mut record, _) = scene.node_head(SET_EXTERNAL_HEADER, *child, scene.dbtime(*child), 0);
        let mut header = before.view(*child).external_header().unwrap().to_vec();
        header = header.split_off(header.len().min(17) - 16);
        header[4..8].copy_from_slice(&root.to_le_bytes());
        record.extend(16_u16.to_le_bytes());
        record.extend(&header[..16]);
        scene.add(record);
    }
    for (page, line, data) in &table.rows {
        scene.next = dbtime;
        let (mut record, _) = scene.node_head(REPLACE, *page, scene.dbtime(*page), *line as u16);
        for _ in ["content", "old", "new"] {
            record.extend((data.len() as u16).to_le_bytes());
        }
        record.extend(&data[..14]);
        record.extend(root.to_le_bytes());
        record.extend(&data[18..]);
        scene.add(record);
    }
    scene.add(mark(MACRO_COMMIT));
    scene.log();

    let (moved, dumped) = scene.recover().unwrap();
    assert!(dumped == scene.expected, "every row is still found");
    let header = before.size.header_len();
    for (source, target) in table.roots.into_iter().zip(table.targets) {
        let (_, tags) = before.lines(source);
        let (old, new) = (before.view(source), moved.view(target));
        assert_eq!((new.header().dbtime, new.header().objid), (dbtime, object));
        assert_eq!(
            new.flags().0 | 0x1_e000,
            old.flags().0 | 0x1_e000,
            "but for checksum and flush type"
        );
        assert_eq!(moved.page(target)[tags..], before.page(source)[tags..]);
        for tag in 1..usize::from(old.header().tag_count) {
            assert_eq!(new.line(tag).unwrap(), old.line(tag).unwrap());
        }
        let emptied = moved.view(source);
        assert!(emptied.flags().is_empty());
        assert_eq!((emptied.header().dbtime, emptied.node_count()), (dbtime, 0));
    }
    let space = |file: &File, page| file.view(page).root_header().unwrap().space;
    assert_eq!(space(&moved, root).extents, Extents::Trees(owned));
    assert_eq!(
        space(&moved, root).parent,
        space(&before, table.roots[0]).parent
    );
    assert_eq!(
        moved.page(owned)[header..header + 16],
        before.page(table.roots[1])[header..header + 16]
    );
    for child in &table.children {
        assert_eq!(space(&moved, *child).parent, root);
        assert_eq!(
            space(&moved, *child).extents,
            space(&before, *child).extents
        );
        assert_eq!(moved.view(*child).header().dbtime, dbtime);
    }
    for (page, line, data) in &table.rows {
        let row = moved.view(*page).node(*line).unwrap().data;
        assert_eq!(
            row,
            [&data[..14], &root.to_le_bytes(), &data[18..]].concat()
        );
    }
    let database = Database::over(moved.bytes.clone(), "moved").unwrap();
    let tables = database.tables().unwrap();
    assert!(tables.iter().any(|entry| entry.tree.root == root));
    assert!(tables.iter().all(|entry| entry.tree.root != table.roots[0]));

    // Some of the pages reached the disk before the crash.
    let rows: Vec<Pgno> = table.rows.iter().map(|row| row.0).collect();
    let parts: [&[Pgno]; 4] = [&table.roots, &table.targets, &table.children, &rows];
    let crashed = File::read(&database_in(scene.folder.path()));
    for written in 0..1_u32 << parts.len() {
        for (at, page) in (parts.iter().enumerate())
            .flat_map(|(at, part)| part.iter().map(move |page| (at, *page)))
        {
            match written >> at & 1 {
                1 => scene.put(page, moved.page(page)),
                _ if page <= crashed.pages() => scene.put(page, crashed.page(page)),
                _ => scene.put(page, &vec![0; crashed.size.bytes()]),
            }
        }
        let (again, dumped) = scene.recover().unwrap();
        assert!(dumped == scene.expected, "{written:#b}");
        for page in parts.concat() {
            assert_eq!(
                again.view(page).header().dbtime,
                dbtime,
                "{written:#b}: page {page}"
            );
            let lines = |file: &File| {
                let view = file.view(page);
                let tags = 0..usize::from(view.header().tag_count);
                tags.map(|tag| view.line(tag).unwrap().to_vec())
                    .collect::<Vec<_>>()
            };
            assert_eq!(lines(&again), lines(&moved), "{written:#b}: page {page}");
        }
    }
}
