//! Encodes a record to the bytes that [`Record::parse`] reads.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{Immutable, IntoBytes};

use super::{Record, RecordType};
use crate::header::LogTime;

/// The record cannot be encoded as the given type: it lacks a field of that type, has one that the
/// type does not have, or has a part too long for the type's length fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record cannot be written as one of the type {0}")]
pub struct Unencodable(pub RecordType);

impl Record<'_> {
    /// Encodes the record in its form in a log, its type byte first. `kind` is the type, since some
    /// records have several forms.
    ///
    /// Lengths are those of the actual parts; length fields inside a head are ignored. A record
    /// that was read is written with the same bytes, except for fields without a meaning and
    /// additions of newer engines.
    ///
    /// # Errors
    /// [`Unencodable`] if record and type do not match.
    ///
    /// ```
    /// use ese::log::record::{Begin, Record, RecordType};
    ///
    /// let begin = Begin { session: 3, level_from: 0, levels: 1, transaction: Some(7) };
    /// let bytes = Record::Begin(begin).encode(RecordType::BEGIN0)?;
    /// assert_eq!(bytes, [8, 3, 0, 0x10, 7, 0, 0, 0]);
    /// assert!(Record::Begin(begin).encode(RecordType::COMMIT0).is_err());
    /// # Ok::<(), ese::log::record::Unencodable>(())
    /// ```
    pub fn encode(&self, kind: RecordType) -> Result<Vec<u8>, Unencodable> {
        let mut writer = Writer::default();
        writer.head(&kind.0);
        match kind.is_ignorable() {
            true => self.write_ignorable(kind, &mut writer),
            false => self.write_body(kind, &mut writer),
        }
        .ok_or(Unencodable(kind))?;
        Ok(writer.bytes)
    }

    /// Writes the part after the type byte; `None` if record and type do not match.
    fn write_body(&self, kind: RecordType, writer: &mut Writer) -> Option<()> {
        use RecordType as T;
        match (self, kind) {
            (Record::Nop, T::NOP)
            | (Record::End, T::END)
            | (Record::ShutDownMark, T::SHUT_DOWN_MARK)
            | (Record::RecoveryUndo(None), T::RECOVERY_UNDO) => Some(()),
            (Record::RecoveryUndo(Some(time)), T::RECOVERY_UNDO2) => writer.head(time),
            (Record::Init(init), T::INIT | T::INIT2) => init.write(writer, kind == T::INIT2),
            (Record::Term(term), T::TERM | T::TERM2)
            | (Record::RecoveryQuit(term), T::RECOVERY_QUIT | T::RECOVERY_QUIT2)
            | (Record::RecoveryQuitKeepAttachments(term), T::RECOVERY_QUIT_KEEP_ATTACHMENTS) => {
                term.write(writer, !matches!(kind, T::TERM | T::RECOVERY_QUIT))
            }
            (Record::MultiSector(record), T::MULTI_SECTOR) => writer.head(*record),
            (Record::Checksum(record), T::CHECKSUM) => writer.head(*record),
            (Record::JetCall(record), T::JET_CALL) => writer.head(*record),
            (Record::Trace(trace), T::TRACE)
            | (Record::ForceLogRollover(trace), T::FORCE_LOG_ROLLOVER) => trace.write(writer),
            (Record::ForceWriteLog(session), T::FORCE_WRITE_LOG) => {
                writer.head(&U16::new(*session))
            }
            (Record::ExternalRestore(record), T::EXTERNAL_RESTORE | T::EXTERNAL_RESTORE2) => {
                record.write(writer, kind == T::EXTERNAL_RESTORE2)
            }

            (Record::Begin(begin), T::BEGIN | T::BEGIN0 | T::BEGIN_DT) => {
                begin.write(writer, kind != T::BEGIN)
            }
            (Record::Commit(commit), T::COMMIT | T::COMMIT0) => {
                commit.write(writer, kind == T::COMMIT0)
            }
            (Record::Rollback(record), T::ROLLBACK) => writer.head(*record),
            (Record::Refresh(record), T::REFRESH) => writer.head(*record),
            (Record::PrepareCommit(prepare), T::PREPARE_COMMIT) => prepare.write(writer),
            (Record::MacroBegin(mark), T::MACRO_BEGIN)
            | (Record::MacroCommit(mark), T::MACRO_COMMIT)
            | (Record::MacroAbort(mark), T::MACRO_ABORT) => writer.head(*mark),

            (Record::CreateDatabase(create), T::CREATE_DATABASE) => create.write(writer),
            (Record::CreateDatabaseFinish(record), T::CREATE_DATABASE_FINISH) => {
                writer.head(*record)
            }
            (Record::AttachDatabase(attach), T::ATTACH_DATABASE) => attach.write(writer),
            (Record::DetachDatabase(detach), T::DETACH_DATABASE) => detach.write(writer),
            (Record::SignalAttachDatabase(record), T::SIGNAL_ATTACH_DATABASE) => {
                writer.head(*record)
            }
            (Record::SetDatabaseVersion(record), T::SET_DATABASE_VERSION) => writer.head(*record),
            (
                Record::ShrinkDatabase(shrink),
                T::SHRINK_DATABASE | T::SHRINK_DATABASE2 | T::SHRINK_DATABASE3,
            ) => shrink.write(writer, kind == T::SHRINK_DATABASE3),
            (Record::TrimDatabase(record), T::TRIM_DATABASE) => writer.head(*record),
            (Record::ScanCheck2(record), T::SCAN_CHECK2) => writer.head(*record),
            (Record::PagePatchRequest(record), T::PAGE_PATCH_REQUEST) => writer.head(*record),
            (Record::OldBackup(backup), T::FULL_BACKUP | T::INCREMENTAL_BACKUP | T::BACKUP) => {
                backup.write(writer, kind == T::BACKUP)
            }
            (Record::Backup(backup), T::BACKUP2) => backup.write(writer),

            (Record::CreateMultipleExtent(record), T::CREATE_MULTIPLE_EXTENT) => {
                writer.head(*record)
            }
            (Record::CreateSingleExtent(record), T::CREATE_SINGLE_EXTENT) => writer.head(*record),
            (Record::Convert(convert), T::CONVERT | T::CONVERT2) => {
                convert.write(writer, kind == T::CONVERT2)
            }
            (Record::ExtentFreed(freed), T::EXTENT_FREED | T::EXTENT_FREED2) => {
                freed.write(writer, kind == T::EXTENT_FREED2)
            }
            (Record::Split(split), T::SPLIT | T::SPLIT2) => split.write(writer, kind == T::SPLIT2),
            (Record::Merge(merge), T::MERGE | T::MERGE2) => merge.write(writer, kind == T::MERGE2),
            (Record::EmptyTree(empty), T::EMPTY_TREE) => empty.write(writer),
            (Record::PageMove(record), T::PAGE_MOVE) => record.write(writer),
            (Record::RootPageMove(record), T::ROOT_PAGE_MOVE) => writer.head(*record),
            (Record::NewPage(record), T::NEW_PAGE) => writer.head(*record),

            (Record::Insert(insert), T::INSERT) => insert.write(writer),
            (Record::FlagInsert(insert), T::FLAG_INSERT) => insert.write(writer),
            (Record::FlagInsertReplace(record), T::FLAG_INSERT_REPLACE) => record.write(writer),
            (Record::FlagDelete(head), T::FLAG_DELETE) | (Record::Delete(head), T::DELETE) => {
                writer.head(*head)
            }
            (Record::Replace(replace), T::REPLACE)
            | (Record::ReplaceDelta(replace), T::REPLACE_DELTA) => replace.write(writer),
            (Record::Delta(delta), T::DELTA | T::DELTA64) => {
                delta.write(writer, kind == T::DELTA64)
            }
            (Record::Undo(undo), T::UNDO) => undo.write(writer),
            (Record::UndoInfo(info), T::UNDO_INFO) => info.write(writer),
            (Record::SetExternalHeader(record), T::SET_EXTERNAL_HEADER) => record.write(writer),
            (Record::Scrub(scrub), T::SCRUB) => scrub.write(writer),

            (Record::FragmentBegin { total, part }, T::FRAGMENT_BEGIN) => {
                writer.head(&U32::new(*total))?;
                writer.head(&size16(part)?)?;
                writer.bytes(part)
            }
            (Record::Fragment(part), T::FRAGMENT) => {
                writer.head(&size16(part)?)?;
                writer.bytes(part)
            }
            _ => None,
        }
    }

    /// Writes the part after the type byte of a record that any reader can skip: its length and its
    /// content.
    fn write_ignorable(&self, kind: RecordType, writer: &mut Writer) -> Option<()> {
        use RecordType as T;
        let mut content = Writer::default();
        match (self, kind) {
            (Record::MacroInfo(info), T::MACRO_INFO) => info.write(&mut content),
            (Record::MacroInfo(info), T::MACRO_INFO2) => info.write2(&mut content),
            (Record::CommitContext(context), T::COMMIT_CONTEXT) => context.write(&mut content),
            (Record::ExtendDatabase(record), T::EXTEND_DATABASE) => content.head(*record),
            (Record::ScanCheck(record), T::SCAN_CHECK) => content.head(*record),
            (Record::ReattachDatabase(record), T::REATTACH_DATABASE) => content.head(*record),
            (Record::FreeTree(record), T::FREE_TREE) => content.head(*record),
            (
                Record::Ignored {
                    kind: own,
                    content: bytes,
                },
                kind,
            ) if *own == kind => content.bytes(bytes),
            _ => None,
        }?;
        writer.head(&size32(&content.bytes)?)?;
        writer.bytes(&content.bytes)
    }
}

/// The encoded bytes so far.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Writes a structure of fixed size. Always `Some`, so that a call can end a function.
    pub fn head<T: IntoBytes + Immutable + ?Sized>(&mut self, head: &T) -> Option<()> {
        self.bytes(head.as_bytes())
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.extend_from_slice(bytes);
        Some(())
    }

    /// Writes a time that only some forms of a record have; `None` if the form and the value do not
    /// match.
    pub fn optional_time(&mut self, time: Option<LogTime>, present: bool) -> Option<()> {
        match (time, present) {
            (Some(time), true) => self.head(&time),
            (None, false) => Some(()),
            _ => None,
        }
    }
}

/// The length of a part, for a field of 16 bits.
pub(super) fn size16(part: &[u8]) -> Option<U16> {
    u16::try_from(part.len()).ok().map(U16::new)
}

/// The length of a part, for a field of 32 bits.
pub(super) fn size32(part: &[u8]) -> Option<U32> {
    u32::try_from(part.len()).ok().map(U32::new)
}
