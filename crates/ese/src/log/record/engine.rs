//! Records about the engine's own life: starting, stopping, recovering, notes.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::common::StoredName;
use super::encode::{Writer, size16};
use super::parse::Cursor;
use crate::header::{EngineParameters, Lgpos, LogTime};

/// The engine starts (LRINIT, LRINIT2).
#[derive(Debug, Clone, Copy)]
pub struct Init<'a> {
    /// Its settings.
    pub settings: &'a EngineParameters,
    /// When.
    pub time: Option<LogTime>,
}

/// The engine stops, or recovery ends (LRTERMREC, LRTERMREC2).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TermHead {
    /// Where the undo phase of recovery began.
    pub undo_from: Lgpos,
    /// Where the redo phase of recovery began.
    pub redo_from: Lgpos,
    /// Whether recovery was that of a restored backup.
    pub hard: u8,
}

/// The engine stops, or recovery ends.
#[derive(Debug, Clone, Copy)]
pub struct Term<'a> {
    /// The fixed part.
    pub head: &'a TermHead,
    /// When.
    pub time: Option<LogTime>,
}

/// A note of the engine to whoever reads logs (LRTRACE).
#[derive(Debug, Clone, Copy)]
pub struct Trace<'a> {
    /// The session (PROCID).
    pub session: u16,
    /// The text, ending at the first zero.
    pub text: &'a [u8],
}

/// The logs are restored into another instance (LREXTRESTORE).
#[derive(Debug, Clone, Copy)]
pub struct ExternalRestore<'a> {
    /// Instance name and log path, each ending at a zero.
    pub info: StoredName<'a>,
}

/// A multi-sector flush of very old engines (LRMS).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MultiSector {
    /// Offset that the link points to.
    pub forward_offset: U16,
    /// The checksum.
    pub checksum: U32,
    /// Sector that the link points to.
    pub forward_sector: U16,
}

/// A checksum record of version 7 logs (LRCHECKSUM).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Checksum {
    /// Bytes covered before the record.
    pub backwards: U32,
    /// Bytes covered after it.
    pub forwards: U32,
    /// Bytes from its end to the next; 0 in the last.
    pub next: U32,
    /// The checksum of all that is covered.
    pub checksum: U32,
    /// The checksum of the first sector.
    pub short_checksum: U32,
    /// Whether the short checksum is in use (0x9A yes, 0xD1 no).
    pub short: u8,
}

/// A call of the application (LRJETOP), logged by debugging engines.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct JetCall {
    /// The session (PROCID).
    pub session: U16,
    /// The function's number.
    pub operation: u8,
}

pub(super) fn init<'a>(cursor: &mut Cursor<'a>, with_time: bool) -> Option<Init<'a>> {
    Some(Init {
        settings: cursor.head()?,
        time: optional_time(cursor, with_time)?,
    })
}

pub(super) fn term<'a>(cursor: &mut Cursor<'a>, with_time: bool) -> Option<Term<'a>> {
    Some(Term {
        head: cursor.head()?,
        time: optional_time(cursor, with_time)?,
    })
}

pub(super) fn optional_time(cursor: &mut Cursor, present: bool) -> Option<Option<LogTime>> {
    match present {
        true => Some(Some(*cursor.head()?)),
        false => Some(None),
    }
}

pub(super) fn trace<'a>(cursor: &mut Cursor<'a>) -> Option<Trace<'a>> {
    let session = cursor.head::<U16>()?.get();
    let size: &U16 = cursor.head()?;
    Some(Trace {
        session,
        text: cursor.take16(*size)?,
    })
}

pub(super) fn external_restore<'a>(
    cursor: &mut Cursor<'a>,
    unicode: bool,
) -> Option<ExternalRestore<'a>> {
    let size: &U16 = cursor.head()?;
    Some(ExternalRestore {
        info: StoredName {
            bytes: cursor.take16(*size)?,
            unicode,
        },
    })
}

impl Init<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_time: bool) -> Option<()> {
        writer.head(self.settings)?;
        writer.optional_time(self.time, with_time)
    }
}

impl Term<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_time: bool) -> Option<()> {
        writer.head(self.head)?;
        writer.optional_time(self.time, with_time)
    }
}

impl Trace<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(&U16::new(self.session))?;
        writer.head(&size16(self.text)?)?;
        writer.bytes(self.text)
    }
}

impl ExternalRestore<'_> {
    pub(super) fn write(&self, writer: &mut Writer, unicode: bool) -> Option<()> {
        if self.info.unicode != unicode {
            return None;
        }
        writer.head(&size16(self.info.bytes)?)?;
        writer.bytes(self.info.bytes)
    }
}
