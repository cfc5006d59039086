//! The origin of a record.

use crate::log::record::{NewPage, PageHead, RootPageMove};

/// The session, the database and the tree that a record belongs to, and its DBTIME.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub session: u16,
    pub database: u8,
    pub dbtime: u64,
    pub object: u32,
}

impl Origin {
    pub fn of(page: &PageHead, object: u32) -> Self {
        Origin {
            session: page.session.get(),
            database: page.database,
            dbtime: page.dbtime.get(),
            object,
        }
    }

    pub fn of_root_move(root: &RootPageMove) -> Self {
        Origin {
            session: root.session.get(),
            database: root.database,
            dbtime: root.dbtime.get(),
            object: root.object.get(),
        }
    }

    pub fn of_new_page(new: &NewPage) -> Self {
        Origin {
            session: new.session.get(),
            database: new.database,
            dbtime: new.dbtime.get(),
            object: new.object.get(),
        }
    }
}
