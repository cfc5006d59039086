//! Macros: records that take effect together, once the macro's commit is found. Splits, merges and moves of a tree's
//! root are logged that way.

use std::ops::Range;

use super::super::error::Result;
use super::super::versions::Session;
use super::{Origin, Redo};
use crate::header::Lgpos;
use crate::log::Entry;
use crate::log::record::{Macro, Malformed, Record};

/// The records of a macro without a commit yet.
#[derive(Debug)]
pub(in crate::recovery) struct OpenMacro {
    dbtime: u64,
    bytes: Vec<u8>,
    records: Vec<(Lgpos, Range<usize>)>,
}

impl OpenMacro {
    /// The records, in order.
    fn parse(&self) -> Result<Vec<(Lgpos, Record<'_>)>, Malformed> {
        (self.records.iter())
            .map(|(position, range)| {
                let (record, _, _) = Record::parse(&self.bytes[range.clone()])?;
                Ok((*position, record))
            })
            .collect()
    }
}

impl Session {
    /// Keeps the record for the macro at this DBTIME; `false` if there is none.
    pub(super) fn store_in_macro(&mut self, dbtime: u64, entry: &Entry<'_>) -> bool {
        let Some(open) = self.macros.iter_mut().find(|open| open.dbtime == dbtime) else {
            return false;
        };
        let start = open.bytes.len();
        open.bytes.extend_from_slice(entry.bytes);
        let range = start..open.bytes.len();
        open.records.push((entry.position, range));
        true
    }
}

impl Redo {
    pub(super) fn begin_macro(&mut self, mark: &Macro) -> Result<()> {
        /// Far more than a session ever has at a time.
        const MOST: usize = 1000;
        let dbtime = mark.dbtime.get();
        let session = self.session(mark.session.get());
        if session.begun {
            if session.macros.len() >= MOST {
                return Err(self.contradiction("too many macros without an end".into()));
            }
            session.macros.retain(|open| open.dbtime != dbtime);
            session.macros.push(OpenMacro {
                dbtime,
                bytes: Vec::new(),
                records: Vec::new(),
            });
        }
        Ok(())
    }

    pub(super) fn abort_macro(&mut self, mark: &Macro) {
        let session = self.session(mark.session.get());
        session
            .macros
            .retain(|open| open.dbtime != mark.dbtime.get());
    }

    pub(super) fn commit_macro(&mut self, mark: &Macro) -> Result<()> {
        let session = self.session(mark.session.get());
        let at = (session.macros.iter()).position(|open| open.dbtime == mark.dbtime.get());
        let Some(at) = at else {
            return Ok(());
        };
        let open = session.macros.swap_remove(at);
        let records = match open.parse() {
            Ok(records) => records,
            Err(_) => return Err(self.contradiction("a macro with a malformed record".into())),
        };
        for (_, record) in &records {
            let Some(head) = record.page_head() else {
                continue;
            };
            let counted = Origin::of(head, 0);
            // Those from before the database was attached for the last time change nothing: their changes are in the file.
            if !self.count(counted) {
                self.pass_over(head.database, record);
            }
        }
        match records.first() {
            None => Ok(()),
            Some((_, Record::Split(_))) => self.redo_split(&records),
            Some((_, Record::Merge(_))) => self.redo_merge(&records),
            Some((_, Record::RootPageMove(_))) => self.move_root(&records),
            Some(_) => {
                Err(self
                    .contradiction("a macro that begins with no split, merge or root move".into()))
            }
        }
    }
}
