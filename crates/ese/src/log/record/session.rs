//! Records that begin and end transactions and macros.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::encode::{Writer, size32};
use super::parse::Cursor;

/// A transaction level begins (LRBEGIN, LRBEGIN0, LRBEGINDT).
#[derive(Debug, Clone, Copy)]
pub struct Begin {
    /// The session (PROCID).
    pub session: u16,
    /// The level before.
    pub level_from: u8,
    /// The number of levels to begin.
    pub levels: u8,
    /// The transaction (TRX), if it begins at level 0.
    pub transaction: Option<u32>,
}

/// A transaction level is committed (LRCOMMIT, LRCOMMIT0).
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// The session (PROCID).
    pub session: u16,
    /// The level after.
    pub level_to: u8,
    /// The commit's own number (TRX), if level 0 is reached and the transaction is over.
    pub transaction: Option<u32>,
}

/// Transaction levels are rolled back (LRROLLBACK).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Rollback {
    /// The session (PROCID).
    pub session: U16,
    /// The number of levels.
    pub levels: u8,
}

/// A transaction gets a new view that includes later commits (LRREFRESH).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Refresh {
    /// The session (PROCID).
    pub session: U16,
    /// The transaction (TRX).
    pub transaction: U32,
}

/// The begin, commit or abort of a macro: records of one session that take effect together
/// (LRMACROBEGIN).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Macro {
    /// The session (PROCID).
    pub session: U16,
    /// The DBTIME of the pages that the macro changes, which identifies it within the session.
    pub dbtime: U64,
}

/// The pages that a macro changed (LRMACROINFO, LRMACROINFO2), for tools that follow logs; no redo.
#[derive(Debug, Clone, Copy)]
pub struct MacroInfo<'a> {
    /// The database (DBID).
    pub database: u8,
    /// The pages.
    pub pages: &'a [U32],
}

/// The application's note on a commit (LRCOMMITCTX).
#[derive(Debug, Clone, Copy)]
pub struct CommitContext<'a> {
    /// The session (PROCID).
    pub session: u16,
    /// Flags (1 callback, 2 personal data, 4 callback before) and the note; older records have no
    /// flags.
    pub content: &'a [u8],
}

/// The first phase of a two-phase commit (LRPREPCOMMIT).
#[derive(Debug, Clone, Copy)]
pub struct PrepareCommit<'a> {
    /// The session (PROCID).
    pub session: u16,
    /// The coordinator's data.
    pub data: &'a [u8],
}

pub(super) fn begin(cursor: &mut Cursor, with_transaction: bool) -> Option<Begin> {
    let session = cursor.head::<U16>()?.get();
    let levels = *cursor.head::<u8>()?;
    Some(Begin {
        session,
        level_from: levels & 0x0F,
        levels: levels >> 4,
        transaction: match with_transaction {
            true => Some(cursor.head::<U32>()?.get()),
            false => None,
        },
    })
}

pub(super) fn commit(cursor: &mut Cursor, with_transaction: bool) -> Option<Commit> {
    Some(Commit {
        session: cursor.head::<U16>()?.get(),
        level_to: *cursor.head::<u8>()?,
        transaction: match with_transaction {
            true => Some(cursor.head::<U32>()?.get()),
            false => None,
        },
    })
}

/// Parses the older form; `payload` is the part after the length field.
pub(super) fn macro_info(payload: &[u8]) -> Option<MacroInfo<'_>> {
    Some(MacroInfo {
        database: 1,
        pages: <[U32]>::ref_from_bytes(payload).ok()?,
    })
}

pub(super) fn macro_info2(payload: &[u8]) -> Option<MacroInfo<'_>> {
    let mut cursor = Cursor::new(payload);
    let database = *cursor.head()?;
    let count = cursor.head::<U32>()?.get() as usize;
    let pages = cursor.take(count.checked_mul(4)?)?;
    Some(MacroInfo {
        database,
        pages: <[U32]>::ref_from_bytes(pages).ok()?,
    })
}

pub(super) fn commit_context(payload: &[u8]) -> Option<CommitContext<'_>> {
    let mut cursor = Cursor::new(payload);
    let session = cursor.head::<U16>()?.get();
    Some(CommitContext {
        session,
        content: payload.get(2..)?,
    })
}

pub(super) fn prepare_commit<'a>(cursor: &mut Cursor<'a>) -> Option<PrepareCommit<'a>> {
    let session = cursor.head::<U16>()?.get();
    let size = cursor.head::<U32>()?.get() as usize;
    Some(PrepareCommit {
        session,
        data: cursor.take(size)?,
    })
}

impl Begin {
    pub(super) fn write(&self, writer: &mut Writer, with_transaction: bool) -> Option<()> {
        if self.level_from > 0x0F || self.levels > 0x0F {
            return None;
        }
        writer.head(&U16::new(self.session))?;
        writer.head(&(self.level_from | self.levels << 4))?;
        write_transaction(writer, self.transaction, with_transaction)
    }
}

impl Commit {
    pub(super) fn write(&self, writer: &mut Writer, with_transaction: bool) -> Option<()> {
        writer.head(&U16::new(self.session))?;
        writer.head(&self.level_to)?;
        write_transaction(writer, self.transaction, with_transaction)
    }
}

fn write_transaction(
    writer: &mut Writer,
    transaction: Option<u32>,
    with_transaction: bool,
) -> Option<()> {
    match (transaction, with_transaction) {
        (Some(transaction), true) => writer.head(&U32::new(transaction)),
        (None, false) => Some(()),
        _ => None,
    }
}

impl MacroInfo<'_> {
    /// Writes the older form, which is for one database only.
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        match self.database {
            1 => writer.head(self.pages),
            _ => None,
        }
    }

    pub(super) fn write2(&self, writer: &mut Writer) -> Option<()> {
        writer.head(&self.database)?;
        writer.head(&U32::new(u32::try_from(self.pages.len()).ok()?))?;
        writer.head(self.pages)
    }
}

impl CommitContext<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(&U16::new(self.session))?;
        writer.bytes(self.content)
    }
}

impl PrepareCommit<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(&U16::new(self.session))?;
        writer.head(&size32(self.data)?)?;
        writer.bytes(self.data)
    }
}
