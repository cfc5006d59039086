//! Writes pages to disk, after the records that a rollback of their changes may need.

use ese::header::Lgpos;
use ese::log::record::{DBTIME_NIL, NodeHead, PageHead, Record, RecordType as T, UndoInfo};
use ese::page::Pgno;
use zerocopy::FromZeros;

use super::disk::Moment;
use super::engine::{Before, DATABASE, Engine, Result, Version};

impl Engine {
    pub fn log_undo_info(&mut self, number: u16, version: &Version) -> Result {
        let tree = self.trees[version.tree].clone();
        let mut head = NodeHead::new_zeroed();
        head.page.session = number.into();
        head.page.database = DATABASE;
        head.page.page = version.page.into();
        head.page.dbtime = DBTIME_NIL.into();
        head.page.dbtime_before = DBTIME_NIL.into();
        head.page.transaction = self.sessions[&number].transaction.into();
        head.page.level = version.level;
        if tree.unique {
            head.page.flags |= PageHead::FLAG_UNIQUE;
        }
        head.version = version.id.into();
        head.root = tree.root.into();
        head.object = tree.object.into();
        let data = match &version.before {
            Before::Replaced(before) => &before[..],
            _ => &[],
        };
        let info = UndoInfo {
            head: &head,
            operation: version.operation(),
            largest_size: 0,
            delta: 0,
            key: &version.key,
            bookmark_data: &version.data,
            data,
        };
        self.write_record(T::UNDO_INFO, &Record::UndoInfo(info))?;
        let session = self.sessions.get_mut(&number).expect("a session");
        for other in &mut session.versions {
            if other.id == version.id {
                other.page = 0;
            }
        }
        Ok(())
    }

    /// Writes a page to disk, after the records that its rollback may need.
    pub fn flush(&mut self, number: Pgno) -> Result {
        self.settle()?;
        let waiting: Vec<(u16, Version)> = (self.sessions.iter())
            .flat_map(|(session, state)| {
                let versions = state
                    .versions
                    .iter()
                    .filter(|version| version.page == number);
                versions.map(|version| (*session, version.clone()))
            })
            .collect();
        for (session, version) in waiting {
            self.log_undo_info(session, &version)?;
        }
        if self.records.len() < self.power {
            let page = self.page(number).clone();
            self.disk.write(&page);
        }
        Ok(())
    }

    /// The end of the logs, and the beginning of the oldest open transaction.
    pub fn moment(&self) -> Moment {
        Moment {
            position: match self.log.logs.is_empty() {
                true => Lgpos::MIN,
                false => self.log.end(),
            },
            oldest: (self.sessions.values())
                .filter(|session| session.level > 0)
                .map(|session| session.begun)
                .min(),
            first_generation: self.first_generation,
        }
    }
}
