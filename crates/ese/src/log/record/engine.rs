//! Records about the engine itself: start, stop, recovery, notes.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::common::StoredName;
use super::encode::{Writer, size16};
use super::parse::Cursor;
use crate::header::{EngineParameters, Lgpos, LogTime};

/// The engine starts (LRINIT, LRINIT2).
#[derive(Debug, Clone, Copy)]
pub struct Init<'a> {
    /// The engine's settings.
    pub settings: &'a EngineParameters,
    /// The time of the start.
    pub time: Option<LogTime>,
}

/// The engine stops, or recovery ends (LRTERMREC, LRTERMREC2).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TermHead {
    /// The start position of recovery's undo.
    pub undo_from: Lgpos,
    /// The start position of recovery's redo.
    pub redo_from: Lgpos,
    /// Whether recovery was that of a restored backup.
    pub hard: u8,
}

/// The engine stops, or recovery ends.
#[derive(Debug, Clone, Copy)]
pub struct Term<'a> {
    /// The fixed part.
    pub head: &'a TermHead,
    /// The time of the stop.
    pub time: Option<LogTime>,
}

/// A note of the engine for readers of logs (LRTRACE).
#[derive(Debug, Clone, Copy)]
pub struct Trace<'a> {
    /// The session (PROCID).
    pub session: u16,
    /// The text, up to the first zero.
    pub text: &'a [u8],
}

/// A restore of the logs into another instance (LREXTRESTORE).
#[derive(Debug, Clone, Copy)]
pub struct ExternalRestore<'a> {
    /// Instance name and log path, each with a terminating zero.
    pub info: StoredName<'a>,
}

/// A multi-sector flush of very old engines (LRMS).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MultiSector {
    /// The offset of the link's target.
    pub forward_offset: U16,
    /// The checksum.
    pub checksum: U32,
    /// The sector of the link's target.
    pub forward_sector: U16,
}

/// A checksum record of version 7 logs (LRCHECKSUM).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Checksum {
    /// The number of covered bytes before the record.
    pub backwards: U32,
    /// The number of covered bytes after it.
    pub forwards: U32,
    /// The number of bytes from its end to the next; 0 in the last.
    pub next: U32,
    /// The checksum of all covered bytes.
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
