//! The numbers of record types (LRTYP).

use std::fmt;

/// A record type as stored. Its text form is the short name in the engine's own log dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u8);

/// Declares the types: constant, number, name in dumps.
macro_rules! record_types {
    ($($constant:ident = $number:literal, $name:literal;)*) => {
        #[allow(
            missing_docs,
            reason = "each is described at the variant of Record with the same name"
        )]
        impl RecordType {
            $(pub const $constant: RecordType = RecordType($number);)*

            /// The short name; `None` for a number that the public engine's source does not use.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

record_types! {
    NOP = 0, "NOP";
    INIT = 1, "Init";
    TERM = 2, "Term";
    MULTI_SECTOR = 3, "MS";
    END = 4, "End";
    BEGIN = 5, "Begin";
    COMMIT = 6, "Commit";
    ROLLBACK = 7, "Rollback";
    BEGIN0 = 8, "Begin0";
    COMMIT0 = 9, "Commit0";
    REFRESH = 10, "Refresh";
    MACRO_BEGIN = 11, "McroBegin";
    MACRO_COMMIT = 12, "McroComit";
    MACRO_ABORT = 13, "McroAbort";
    CREATE_DATABASE = 14, "CreateDB";
    ATTACH_DATABASE = 15, "AttachDB";
    DETACH_DATABASE = 16, "DetachDB";
    RECOVERY_UNDO = 17, "RcvUndo";
    RECOVERY_QUIT = 18, "RcvQuit";
    FULL_BACKUP = 19, "FullBkUp";
    INCREMENTAL_BACKUP = 20, "IncBkUp";
    JET_CALL = 21, "JetOp";
    TRACE = 22, "Trace";
    SHUT_DOWN_MARK = 23, "ShutDown";
    CREATE_MULTIPLE_EXTENT = 24, "Create M";
    CREATE_SINGLE_EXTENT = 25, "Create S";
    CONVERT = 26, "Convert";
    SPLIT = 27, "Split";
    MERGE = 28, "Merge";
    INSERT = 29, "Insert";
    FLAG_INSERT = 30, "FInsert";
    FLAG_INSERT_REPLACE = 31, "FInsertRD";
    FLAG_DELETE = 32, "FDelete";
    REPLACE = 33, "Replace";
    REPLACE_DELTA = 34, "ReplaceD";
    DELETE = 35, "Delete";
    UNDO_INFO = 36, "UndoInfo";
    DELTA = 37, "Delta";
    SET_EXTERNAL_HEADER = 38, "SetExtHdr";
    UNDO = 39, "Undo";
    CHECKSUM = 42, "Checksum";
    EXTERNAL_RESTORE = 45, "ExtRest";
    BACKUP = 46, "Backup";
    EMPTY_TREE = 48, "EmptyTree";
    INIT2 = 49, "Init";
    TERM2 = 50, "Term";
    RECOVERY_UNDO2 = 51, "RcvUndo";
    RECOVERY_QUIT2 = 52, "RcvQuit";
    BEGIN_DT = 53, "BeginDT";
    PREPARE_COMMIT = 54, "PreCommit";
    FORCE_WRITE_LOG = 57, "FWriteLog";
    CONVERT2 = 58, "Convert";
    EXTERNAL_RESTORE2 = 59, "ExtRest2";
    BACKUP2 = 60, "Backup2";
    FORCE_LOG_ROLLOVER = 61, "FRollLog";
    SPLIT2 = 62, "Split2";
    MERGE2 = 63, "Merge2";
    SCRUB = 64, "Scrub";
    PAGE_MOVE = 65, "PageMove";
    PAGE_PATCH_REQUEST = 66, "PagePatch";
    MACRO_INFO = 67, "McroInfo";
    EXTEND_DATABASE = 68, "ExtendDB";
    COMMIT_CONTEXT = 69, "CommitCtx";
    SCAN_CHECK = 70, "ScanCheck";
    NOP2 = 71, "NOP2";
    REATTACH_DATABASE = 72, "ReAttach";
    MACRO_INFO2 = 73, "McroInfo2";
    FREE_TREE = 74, "FreeFDP";
    IGNORED9 = 75, "Ignored";
    FRAGMENT_BEGIN = 76, "FragBegin";
    FRAGMENT = 77, "FragContd";
    SHRINK_DATABASE = 78, "ShrinkDB";
    CREATE_DATABASE_FINISH = 79, "CrDBFinsh";
    RECOVERY_QUIT_KEEP_ATTACHMENTS = 80, "RcvQKA";
    TRIM_DATABASE = 81, "TrimDB";
    IGNORED10 = 82, "Ignored";
    IGNORED11 = 83, "Ignored";
    IGNORED12 = 84, "Ignored";
    IGNORED13 = 85, "Ignored";
    IGNORED14 = 86, "Ignored";
    IGNORED15 = 87, "Ignored";
    IGNORED16 = 88, "Ignored";
    IGNORED17 = 89, "Ignored";
    IGNORED18 = 90, "Ignored";
    IGNORED19 = 91, "Ignored";
    SET_DATABASE_VERSION = 92, "SetDbVer";
    DELTA64 = 93, "Delta64";
    SHRINK_DATABASE2 = 94, "ShrinkDB2";
    NEW_PAGE = 95, "NewPage";
    ROOT_PAGE_MOVE = 96, "PageMoveR";
    SIGNAL_ATTACH_DATABASE = 97, "SAttachDB";
    SCAN_CHECK2 = 98, "ScanChk2";
    SHRINK_DATABASE3 = 99, "ShrinkDB3";
    EXTENT_FREED = 100, "ExtFreed";
    EXTENT_FREED2 = 101, "ExtFreed2";
}

impl RecordType {
    /// Whether the type is reserved for records that any reader can skip by their length.
    pub fn is_ignorable(self) -> bool {
        matches!(self.0, 67..=75 | 82..=91)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "type {}", self.0),
        }
    }
}
