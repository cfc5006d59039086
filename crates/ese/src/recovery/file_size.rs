//! The size of the database file: that of the space which the database itself records as owned.

use super::error::Result;
use crate::page::{Extents, Fault, Pgno, RootHeader};
use crate::page_store::PageStore;

/// The root of the tree that owns the whole database.
const SYSTEM_ROOT: Pgno = 1;

const MAX_DEPTH: usize = 32;

/// Sets the file's length to the last page that the database owns.
pub(super) fn fit_file(store: &mut PageStore) -> Result<()> {
    let last = last_owned(store)?;
    if last < store.pages() {
        store.shrink(last);
    } else {
        store.grow(last);
    }
    Ok(())
}

/// The last page of the last extent that the database owns.
fn last_owned(store: &mut PageStore) -> Result<Pgno> {
    let root = &store.page(SYSTEM_ROOT)?.page;
    let header = root
        .line(0)
        .and_then(|line| RootHeader::read(SYSTEM_ROOT, line));
    let header = header.map_err(|fault| store.fault(fault))?;
    let mut number = match header.space.extents {
        Extents::Trees(owned) => owned,
        Extents::Single(_) => return Ok(header.space.primary_pages),
    };
    for _ in 0..MAX_DEPTH {
        let page = &store.page(number)?.page;
        match last_step(page) {
            Ok(Ok(last)) => return Ok(last),
            Ok(Err(child)) => number = child,
            Err(fault) => return Err(store.fault(fault).into()),
        }
    }
    let fault = Fault::new(
        number,
        "owned extents",
        "a tree of at most 32 levels",
        "more",
    );
    Err(store.fault(fault).into())
}

/// The last page of the last extent on a leaf, or the last child of a branch page.
fn last_step(page: &crate::edit::EditPage) -> Result<Result<Pgno, Pgno>, Fault> {
    let view = page.view()?;
    let Some(last) = view.node_count().checked_sub(1) else {
        return Err(page.fault("owned extents", "at least one", "none"));
    };
    if !view.flags().is_leaf() {
        return view.child(last).map(Err);
    }
    let key = view.node(last)?.key.to_vec();
    match key.last_chunk::<4>() {
        Some(number) => Ok(Ok(u32::from_be_bytes(*number))),
        None => {
            let found = format!("{} bytes", key.len());
            Err(page.fault("owned extent", "a page number as its key", found))
        }
    }
}
