//! Every page that the real engine wrote can be parsed, in every page size.

use ese::page::{PageKind, PageSize, PageView};

/// The database files of a fixture's folder.
fn databases(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("list the folder")
        .map(|entry| entry.expect("folder entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind == "edb" || kind == "dit")
        })
        .collect();
    found.sort();
    found
}

#[test]
fn every_node_of_every_fixture_is_found_inside_its_page() {
    let mut sizes = std::collections::BTreeSet::new();
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        for path in databases(folder.path()) {
            let content = std::fs::read(&path).expect("read the database");
            let size = u32::from_le_bytes(content[236..240].try_into().expect("four bytes"));
            let size = PageSize::new(size).expect("a page size");
            sizes.insert(size);
            let (mut nodes, mut primary) = (0u64, 0u64);
            for number in 1..=size.pages_in(content.len() as u64) {
                let offset = size.offset_of(number) as usize;
                let bytes = &content[offset..offset + size.bytes()];
                let page = PageView::new(bytes, number).expect("a page");
                if page.is_blank() {
                    continue;
                }
                for (index, node) in page.nodes().enumerate() {
                    let node = node.unwrap_or_else(|fault| panic!("{}: {fault}", fixture.name));
                    if page.flags().is_leaf() {
                        assert!(
                            !node.key.is_empty(),
                            "{}: page {number}, node {index}",
                            fixture.name
                        );
                    } else {
                        assert!(page.child(index).is_ok(), "{}: page {number}", fixture.name);
                    }
                    nodes += 1;
                    primary += u64::from(page.flags().kind() == PageKind::Primary);
                }
            }
            assert!(
                primary > 50 && nodes > primary,
                "{}: {nodes} nodes, {primary} primary",
                fixture.name
            );
        }
    }
    assert!(
        sizes.len() >= 3,
        "the fixtures cover several page sizes: {sizes:?}"
    );
}
