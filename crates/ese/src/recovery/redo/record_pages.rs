//! The pages that a record changes.

use crate::log::record::Record;
use crate::page::Pgno;

/// Returns the pages that a record changes, and their DBTIME afterwards; `None` if it changes none.
pub(super) fn pages_of(record: &Record<'_>) -> Option<(Vec<Pgno>, u64)> {
    let (mut pages, dbtime) = match (record, record.page_head()) {
        // An undo-info record holds the before-image of a change and makes no change.
        (Record::UndoInfo(_), _) => return None,
        (Record::NewPage(new), _) => (vec![new.page.get()], new.dbtime.get()),
        (_, Some(head)) => (vec![head.page.get()], head.dbtime.get()),
        _ => return None,
    };
    match record {
        Record::Split(split) => {
            pages.extend([split.head.new_page.get(), split.head.right_page.get()]);
        }
        Record::Merge(merge) => {
            pages.extend([merge.head.left_page.get(), merge.head.right_page.get()]);
        }
        Record::PageMove(page_move) => {
            let head = page_move.head;
            let others = [
                head.destination,
                head.left_page,
                head.right_page,
                head.parent_page,
            ];
            pages.extend(others.map(|page| page.get()));
        }
        Record::EmptyTree(empty) => {
            pages.extend(empty.pages.iter().map(|page| page.page.get()));
        }
        Record::CreateMultipleExtent(create) => {
            pages.extend([create.owned_root.get(), create.available_root.get()]);
        }
        Record::Convert(convert) => {
            let head = convert.head;
            pages.extend([head.owned_root.get(), head.available_root.get()]);
        }
        _ => {}
    }
    Some((pages, dbtime))
}
