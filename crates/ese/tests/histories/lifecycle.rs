//! Starts and stops of the engine, attachments and detachments of the database, and the engine's
//! own recovery after a power cut.

use ese::header::{EngineParameters, LogTime};
use ese::log::record::{
    AttachDatabase, AttachDatabaseHead, DetachDatabase, DetachDatabaseHead, Init, Record,
    RecordType as T, StoredName, Term, TermHead,
};
use ese::page::Pgno;
use zerocopy::FromZeros;

use super::engine::{DATABASE, Engine, Result};

const NAME: &[u8] = b"C:\\model\\test.edb\0";
const SESSION: u16 = 5;

impl Engine {
    pub fn start(&mut self) -> Result {
        let settings = EngineParameters::new_zeroed();
        let init = Init {
            settings: &settings,
            time: Some(LogTime::default()),
        };
        self.write_record(T::INIT2, &Record::Init(init))?;
        Ok(())
    }

    pub fn stop(&mut self) -> Result {
        self.settle()?;
        self.write_record(T::SHUT_DOWN_MARK, &Record::ShutDownMark)?;
        self.end(T::TERM2)
    }

    fn end(&mut self, kind: T) -> Result {
        let head = TermHead::new_zeroed();
        let term = Term {
            head: &head,
            time: Some(LogTime::default()),
        };
        let record = match kind {
            T::TERM2 => Record::Term(term),
            _ => Record::RecoveryQuit(term),
        };
        self.write_record(kind, &record)?;
        self.sessions.clear();
        Ok(())
    }

    /// Whether the header is still written if the power is cut now.
    pub fn has_time(&mut self) -> bool {
        self.records.len() < self.power || self.random.once_in(2)
    }

    pub fn attach(&mut self) -> Result {
        let mut head = AttachDatabaseHead::new_zeroed();
        head.session = SESSION.into();
        head.database = DATABASE;
        head.consistent = self.disk.header.consistent;
        head.signature = self.disk.database;
        head.log_signature = self.disk.sequence;
        let attach = AttachDatabase {
            head: &head,
            name: StoredName::new(NAME, false),
            sparse: false,
        };
        let position = self.write_record(T::ATTACH_DATABASE, &Record::AttachDatabase(attach))?;
        self.attached = true;
        if self.has_time() {
            let notes_resizes = self.notes_new_pages;
            let header = &mut self.disk.header;
            header.clean = false;
            header.attach = position;
            if notes_resizes {
                header.resize = position;
            }
            header.dbtime = self.dbtime;
            header.last_object = self.objects;
        }
        Ok(())
    }

    /// Writes all changed pages.
    pub fn flush_all(&mut self) -> Result {
        self.settle()?;
        let dirty: Vec<Pgno> = (self.pages.keys().copied())
            .filter(|page| self.disk.is_dirty(*page))
            .collect();
        for page in dirty {
            self.flush(page)?;
        }
        Ok(())
    }

    /// Detaches the database; no transaction is open.
    pub fn detach(&mut self) -> Result {
        self.flush_all()?;
        let mut head = DetachDatabaseHead::new_zeroed();
        head.session = SESSION.into();
        head.database = DATABASE;
        let detach = DetachDatabase {
            head: &head,
            name: StoredName::new(NAME, false),
        };
        let position = self.write_record(T::DETACH_DATABASE, &Record::DetachDatabase(detach))?;
        self.attached = false;
        if self.has_time() {
            self.leave_clean(position);
        }
        Ok(())
    }

    fn leave_clean(&mut self, position: ese::header::Lgpos) {
        self.disk.settle(self.pages.values());
        let header = &mut self.disk.header;
        header.clean = true;
        header.consistent = position;
        if header.resize.is_set() {
            header.resize = position;
        }
        header.dbtime = self.dbtime;
        header.last_object = self.objects;
    }

    /// Recovers after a power cut: the engine has replayed the logs, rolls back open transactions,
    /// and continues.
    pub fn recover(&mut self) -> Result {
        self.settle()?;
        let time = Some(LogTime::default());
        self.write_record(T::RECOVERY_UNDO2, &Record::RecoveryUndo(time))?;
        let open: Vec<u16> = self.sessions.keys().copied().collect();
        for session in open {
            while self.sessions[&session].level > 0 {
                self.roll_back(session)?;
            }
        }
        self.flush_all()?;
        let position = self.write_record(T::SHUT_DOWN_MARK, &Record::ShutDownMark)?;
        self.end(T::RECOVERY_QUIT2)?;
        self.attached = false;
        if self.has_time() {
            self.leave_clean(position);
        }
        self.start()?;
        self.attach()
    }
}
