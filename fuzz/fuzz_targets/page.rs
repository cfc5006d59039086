//! Any bytes can be viewed as a page: header, tags, nodes, searches, the root's external header.
#![no_main]

use ese::page::{PageSize, PageView, SplitBuffers, Tag};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The last bytes choose the size, so that seeds are plain pages.
    let Some((data, &[size, ..])) = data.split_last_chunk::<8>() else {
        return;
    };
    let mut bytes = data.to_vec();
    bytes.resize(2048usize << (size % 5), 0);
    let page = PageView::new(&bytes, 7).expect("a page size");
    let size = PageSize::new(bytes.len() as u32).expect("a page size");
    let _ = page.external_header().map(SplitBuffers::read);
    let _ = page.root_header();
    for index in 0..=page.node_count() {
        if let Some(tag) = Tag::read(&bytes, size, index)
            && let Some(entry) = tag.encode(size)
        {
            assert_eq!(Tag::decode(entry, size), tag);
        }
        let _ = page.child(index);
        if let Ok(node) = page.node(index) {
            let key = node.key.to_vec();
            assert_eq!(key.len(), node.key.len());
            let _ = page.seek(&key, node.data);
            let _ = page.seek_branch(&key, node.data);
        }
    }
});
