//! Log records: a type byte, a fixed part, then parts whose lengths it states. All numbers are
//! little-endian.
//!
//! Source: `inc/logapi.hxx` of the public engine (the LR... classes) and `CbLGSizeOfRec` of
//! `ese/_log/logread.cxx`.

mod common;
mod database;
mod encode;
mod engine;
mod image;
mod kind;
mod node;
mod parse;
mod session;
mod tree;

pub(crate) use common::text;
pub use common::{DBTIME_INVALID, DBTIME_NIL, NodeHead, PageHead, StoredName};
pub use database::{
    AttachDatabase, AttachDatabaseHead, Backup, BackupHead, CreateDatabase, CreateDatabaseFinish,
    CreateDatabaseHead, DetachDatabase, DetachDatabaseHead, ExtendDatabase, OldBackup,
    PagePatchRequest, ReattachDatabase, ScanCheck, ScanCheck2, SetDatabaseVersion, ShrinkDatabase,
    ShrinkDatabaseHead, SignalAttachDatabase, TrimDatabase,
};
pub use encode::Unencodable;
pub use engine::{Checksum, ExternalRestore, Init, JetCall, MultiSector, Term, TermHead, Trace};
pub use kind::RecordType;
pub use node::{
    Delta, Difference, FlagInsert, FlagInsertReplace, Insert, Replace, Scrub, SetExternalHeader,
    Undo, UndoInfo,
};
pub use session::{
    Begin, Commit, CommitContext, Macro, MacroInfo, PrepareCommit, Refresh, Rollback,
};
pub use tree::{
    BeforeImage, Convert, ConvertHead, ConvertTail, CreateMultipleExtent, CreateSingleExtent,
    EmptyPage, EmptyTree, ExtentFreed, ExtentFreedHead, FreeTree, Merge, MergeHead, MergeKind,
    NewPage, PageMove, PageMoveHead, RootPageMove, Split, SplitHead, SplitKind,
};

use crate::header::LogTime;
use parse::Cursor;
use zerocopy::little_endian::{U16, U32};

/// A log record, borrowed from the log's bytes.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is described at its type")]
pub enum Record<'a> {
    /// Padding of one byte.
    Nop,
    /// The end of a generation (very old engines).
    End,
    /// The engine stopped without an ordinary end.
    ShutDownMark,
    Init(Init<'a>),
    Term(Term<'a>),
    MultiSector(&'a MultiSector),
    Checksum(&'a Checksum),
    Begin(Begin),
    Commit(Commit),
    Rollback(&'a Rollback),
    Refresh(&'a Refresh),
    PrepareCommit(PrepareCommit<'a>),
    MacroBegin(&'a Macro),
    MacroCommit(&'a Macro),
    MacroAbort(&'a Macro),
    MacroInfo(MacroInfo<'a>),
    CommitContext(CommitContext<'a>),
    CreateDatabase(CreateDatabase<'a>),
    CreateDatabaseFinish(&'a CreateDatabaseFinish),
    AttachDatabase(AttachDatabase<'a>),
    DetachDatabase(DetachDatabase<'a>),
    ReattachDatabase(&'a ReattachDatabase),
    SignalAttachDatabase(&'a SignalAttachDatabase),
    SetDatabaseVersion(&'a SetDatabaseVersion),
    ExtendDatabase(&'a ExtendDatabase),
    ShrinkDatabase(ShrinkDatabase<'a>),
    TrimDatabase(&'a TrimDatabase),
    ScanCheck(&'a ScanCheck),
    ScanCheck2(&'a ScanCheck2),
    PagePatchRequest(&'a PagePatchRequest),
    /// The start of recovery's undo, with its time if recorded.
    RecoveryUndo(Option<LogTime>),
    /// The end of recovery.
    RecoveryQuit(Term<'a>),
    /// The end of a recovery that leaves the databases attached and dirty.
    RecoveryQuitKeepAttachments(Term<'a>),
    OldBackup(OldBackup<'a>),
    Backup(Backup<'a>),
    JetCall(&'a JetCall),
    Trace(Trace<'a>),
    /// A request for a new generation, with the reason.
    ForceLogRollover(Trace<'a>),
    /// A request to flush the log, with the session.
    ForceWriteLog(u16),
    ExternalRestore(ExternalRestore<'a>),
    CreateMultipleExtent(&'a CreateMultipleExtent),
    CreateSingleExtent(&'a CreateSingleExtent),
    Convert(Convert<'a>),
    FreeTree(&'a FreeTree),
    ExtentFreed(ExtentFreed<'a>),
    Split(Split<'a>),
    Merge(Merge<'a>),
    EmptyTree(EmptyTree<'a>),
    PageMove(PageMove<'a>),
    RootPageMove(&'a RootPageMove),
    NewPage(&'a NewPage),
    Insert(Insert<'a>),
    FlagInsert(FlagInsert<'a>),
    FlagInsertReplace(FlagInsertReplace<'a>),
    FlagDelete(&'a NodeHead),
    /// With the whole new data.
    Replace(Replace<'a>),
    /// With the differences only.
    ReplaceDelta(Replace<'a>),
    Delete(&'a NodeHead),
    Delta(Delta<'a>),
    Undo(Undo<'a>),
    UndoInfo(UndoInfo<'a>),
    SetExternalHeader(SetExternalHeader<'a>),
    Scrub(Scrub<'a>),
    /// The first part of a record that does not fit into its segment;
    /// [`RecordType::FRAGMENT_BEGIN`].
    FragmentBegin {
        total: u32,
        part: &'a [u8],
    },
    /// A further part.
    Fragment(&'a [u8]),
    /// A record that readers may skip by its own declaration, padding among them.
    Ignored {
        kind: RecordType,
        content: &'a [u8],
    },
}

/// The reason why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The public engine's source does not describe the type.
    UnknownType(RecordType),
    /// The record exceeds the given bytes, or its fields contradict each other.
    Bounds(RecordType),
}

impl<'a> Record<'a> {
    /// Reads the record at the start of `bytes`; returns it with its type and size.
    pub fn parse(bytes: &'a [u8]) -> Result<(Record<'a>, RecordType, usize), Malformed> {
        let kind = RecordType(bytes.first().copied().unwrap_or(0));
        let mut cursor = Cursor::new(bytes);
        let record = cursor
            .head::<u8>()
            .and_then(|_| body(kind, &mut cursor).transpose())
            .ok_or(Malformed::Bounds(kind))?;
        match record {
            Ok(record) => Ok((record, kind, cursor.taken())),
            Err(Unknown) => Err(Malformed::UnknownType(kind)),
        }
    }
}

impl Record<'_> {
    /// The head of a record that changes a page; `None` for all others.
    pub fn page_head(&self) -> Option<&PageHead> {
        Some(match self {
            Record::Insert(record) => &record.head.page,
            Record::FlagInsert(record) => &record.head.page,
            Record::FlagInsertReplace(record) => &record.head.page,
            Record::FlagDelete(head) | Record::Delete(head) => &head.page,
            Record::Replace(record) | Record::ReplaceDelta(record) => &record.head.page,
            Record::Delta(record) => &record.head.page,
            Record::Undo(record) => &record.head.page,
            Record::UndoInfo(record) => &record.head.page,
            Record::SetExternalHeader(record) => &record.head.page,
            Record::Scrub(record) => &record.head.page,
            Record::EmptyTree(record) => &record.head.page,
            Record::Split(record) => &record.head.page,
            Record::Merge(record) => &record.head.page,
            Record::PageMove(record) => &record.head.page,
            Record::CreateMultipleExtent(record) => &record.page,
            Record::CreateSingleExtent(record) => &record.page,
            Record::Convert(record) => &record.head.page,
            _ => return None,
        })
    }
}

/// The type is unknown.
struct Unknown;

/// Parses the part after the type byte; `Ok(None)` if there are too few bytes.
fn body<'a>(kind: RecordType, cursor: &mut Cursor<'a>) -> Result<Option<Record<'a>>, Unknown> {
    use RecordType as T;
    let record = match kind {
        T::NOP => Some(Record::Nop),
        T::END => Some(Record::End),
        T::SHUT_DOWN_MARK => Some(Record::ShutDownMark),
        T::INIT => engine::init(cursor, false).map(Record::Init),
        T::INIT2 => engine::init(cursor, true).map(Record::Init),
        T::TERM => engine::term(cursor, false).map(Record::Term),
        T::TERM2 => engine::term(cursor, true).map(Record::Term),
        T::MULTI_SECTOR => cursor.head().map(Record::MultiSector),
        T::CHECKSUM => cursor.head().map(Record::Checksum),
        T::BEGIN => session::begin(cursor, false).map(Record::Begin),
        T::BEGIN0 | T::BEGIN_DT => session::begin(cursor, true).map(Record::Begin),
        T::COMMIT => session::commit(cursor, false).map(Record::Commit),
        T::COMMIT0 => session::commit(cursor, true).map(Record::Commit),
        T::ROLLBACK => cursor.head().map(Record::Rollback),
        T::REFRESH => cursor.head().map(Record::Refresh),
        T::PREPARE_COMMIT => session::prepare_commit(cursor).map(Record::PrepareCommit),
        T::MACRO_BEGIN => cursor.head().map(Record::MacroBegin),
        T::MACRO_COMMIT => cursor.head().map(Record::MacroCommit),
        T::MACRO_ABORT => cursor.head().map(Record::MacroAbort),
        T::CREATE_DATABASE => database::create(cursor).map(Record::CreateDatabase),
        T::CREATE_DATABASE_FINISH => cursor.head().map(Record::CreateDatabaseFinish),
        T::ATTACH_DATABASE => database::attach(cursor).map(Record::AttachDatabase),
        T::DETACH_DATABASE => database::detach(cursor).map(Record::DetachDatabase),
        T::SIGNAL_ATTACH_DATABASE => cursor.head().map(Record::SignalAttachDatabase),
        T::SET_DATABASE_VERSION => cursor.head().map(Record::SetDatabaseVersion),
        T::SHRINK_DATABASE | T::SHRINK_DATABASE2 => {
            database::shrink(cursor, false).map(Record::ShrinkDatabase)
        }
        T::SHRINK_DATABASE3 => database::shrink(cursor, true).map(Record::ShrinkDatabase),
        T::TRIM_DATABASE => cursor.head().map(Record::TrimDatabase),
        T::SCAN_CHECK2 => cursor.head().map(Record::ScanCheck2),
        T::PAGE_PATCH_REQUEST => cursor.head().map(Record::PagePatchRequest),
        T::RECOVERY_UNDO => Some(Record::RecoveryUndo(None)),
        T::RECOVERY_UNDO2 => engine::optional_time(cursor, true).map(Record::RecoveryUndo),
        T::RECOVERY_QUIT => engine::term(cursor, false).map(Record::RecoveryQuit),
        T::RECOVERY_QUIT2 => engine::term(cursor, true).map(Record::RecoveryQuit),
        T::RECOVERY_QUIT_KEEP_ATTACHMENTS => {
            engine::term(cursor, true).map(Record::RecoveryQuitKeepAttachments)
        }
        T::FULL_BACKUP | T::INCREMENTAL_BACKUP => {
            database::old_backup(cursor, false).map(Record::OldBackup)
        }
        T::BACKUP => database::old_backup(cursor, true).map(Record::OldBackup),
        T::BACKUP2 => database::backup(cursor).map(Record::Backup),
        T::JET_CALL => cursor.head().map(Record::JetCall),
        T::TRACE => engine::trace(cursor).map(Record::Trace),
        T::FORCE_LOG_ROLLOVER => engine::trace(cursor).map(Record::ForceLogRollover),
        T::FORCE_WRITE_LOG => cursor
            .head()
            .map(|session: &U16| Record::ForceWriteLog(session.get())),
        T::EXTERNAL_RESTORE => engine::external_restore(cursor, false).map(Record::ExternalRestore),
        T::EXTERNAL_RESTORE2 => engine::external_restore(cursor, true).map(Record::ExternalRestore),
        T::CREATE_MULTIPLE_EXTENT => cursor.head().map(Record::CreateMultipleExtent),
        T::CREATE_SINGLE_EXTENT => cursor.head().map(Record::CreateSingleExtent),
        T::CONVERT => tree::convert(cursor, false).map(Record::Convert),
        T::CONVERT2 => tree::convert(cursor, true).map(Record::Convert),
        T::EXTENT_FREED => tree::extent_freed(cursor, false).map(Record::ExtentFreed),
        T::EXTENT_FREED2 => tree::extent_freed(cursor, true).map(Record::ExtentFreed),
        T::SPLIT => tree::split(cursor, false).map(Record::Split),
        T::SPLIT2 => tree::split(cursor, true).map(Record::Split),
        T::MERGE => tree::merge(cursor, false).map(Record::Merge),
        T::MERGE2 => tree::merge(cursor, true).map(Record::Merge),
        T::EMPTY_TREE => tree::empty_tree(cursor).map(Record::EmptyTree),
        T::PAGE_MOVE => tree::page_move(cursor).map(Record::PageMove),
        T::ROOT_PAGE_MOVE => cursor.head().map(Record::RootPageMove),
        T::NEW_PAGE => cursor.head().map(Record::NewPage),
        T::INSERT => node::insert(cursor).map(Record::Insert),
        T::FLAG_INSERT => node::flag_insert(cursor).map(Record::FlagInsert),
        T::FLAG_INSERT_REPLACE => node::flag_insert_replace(cursor).map(Record::FlagInsertReplace),
        T::FLAG_DELETE => cursor.head().map(Record::FlagDelete),
        T::REPLACE => node::replace(cursor).map(Record::Replace),
        T::REPLACE_DELTA => node::replace(cursor).map(Record::ReplaceDelta),
        T::DELETE => cursor.head().map(Record::Delete),
        T::DELTA => node::delta(cursor, false).map(Record::Delta),
        T::DELTA64 => node::delta(cursor, true).map(Record::Delta),
        T::UNDO => node::undo(cursor).map(Record::Undo),
        T::UNDO_INFO => node::undo_info(cursor).map(Record::UndoInfo),
        T::SET_EXTERNAL_HEADER => node::set_external_header(cursor).map(Record::SetExternalHeader),
        T::SCRUB => node::scrub(cursor).map(Record::Scrub),
        T::FRAGMENT_BEGIN => fragment_begin(cursor),
        T::FRAGMENT => cursor
            .head()
            .and_then(|size: &U16| cursor.take16(*size))
            .map(Record::Fragment),
        kind if kind.is_ignorable() => ignorable(kind, cursor),
        _ => return Err(Unknown),
    };
    Ok(record)
}

fn fragment_begin<'a>(cursor: &mut Cursor<'a>) -> Option<Record<'a>> {
    let total = cursor.head::<U32>()?.get();
    let size: &U16 = cursor.head()?;
    Some(Record::FragmentBegin {
        total,
        part: cursor.take16(*size)?,
    })
}

/// Parses a record with a length, which any reader can skip; the newer ones among them have a
/// meaning.
fn ignorable<'a>(kind: RecordType, cursor: &mut Cursor<'a>) -> Option<Record<'a>> {
    use RecordType as T;
    let size = cursor.head::<U32>()?.get() as usize;
    let content = cursor.take(size)?;
    let mut fields = Cursor::new(content);
    match kind {
        T::MACRO_INFO => session::macro_info(content).map(Record::MacroInfo),
        T::MACRO_INFO2 => session::macro_info2(content).map(Record::MacroInfo),
        T::COMMIT_CONTEXT => session::commit_context(content).map(Record::CommitContext),
        T::EXTEND_DATABASE => fields.head().map(Record::ExtendDatabase),
        T::SCAN_CHECK => fields.head().map(Record::ScanCheck),
        T::REATTACH_DATABASE => fields.head().map(Record::ReattachDatabase),
        T::FREE_TREE => fields.head().map(Record::FreeTree),
        _ => Some(Record::Ignored { kind, content }),
    }
}
