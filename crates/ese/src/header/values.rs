//! Small values of many headers and records, in their form in the file.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A position in the log stream: generation, segment (sector) of the log file, byte of the segment.
///
/// Ordered as the log is written. Shown in the engine's notation: `(0x1,A9,11C)`. In the file:
/// byte, segment, generation.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Lgpos {
    byte: U16,
    segment: U16,
    generation: U32,
}

impl Lgpos {
    /// Before every position; also means "none".
    pub const MIN: Lgpos = Lgpos::new(0, 0, 0);
    /// After every position.
    pub const MAX: Lgpos = Lgpos::new(u32::MAX, u16::MAX, u16::MAX);

    /// The position at `byte` of `segment` in the log of `generation`.
    pub const fn new(generation: u32, segment: u16, byte: u16) -> Lgpos {
        Lgpos {
            byte: U16::new(byte),
            segment: U16::new(segment),
            generation: U32::new(generation),
        }
    }

    /// The log's generation, counted from 1.
    pub const fn generation(self) -> u32 {
        self.generation.get()
    }

    /// The segment within the log file; the header occupies the first one.
    pub const fn segment(self) -> u16 {
        self.segment.get()
    }

    /// The byte within the segment.
    pub const fn byte(self) -> u16 {
        self.byte.get()
    }

    /// Whether this is a position, not "none".
    pub fn is_set(self) -> bool {
        self != Lgpos::MIN
    }

    fn key(self) -> (u32, u16, u16) {
        (self.generation(), self.segment(), self.byte())
    }
}

impl Ord for Lgpos {
    fn cmp(&self, other: &Lgpos) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Lgpos {
    fn partial_cmp(&self, other: &Lgpos) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Lgpos {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Lgpos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (generation, segment, byte) = self.key();
        write!(f, "({generation:#X},{segment:X},{byte:X})")
    }
}

impl fmt::Debug for Lgpos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The database's counter of changes (DBTIME). Every changed page carries the value of its last
/// change.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct DbTime(U64);

impl DbTime {
    /// The value `count`.
    pub const fn new(count: u64) -> DbTime {
        DbTime(U64::new(count))
    }

    /// The count.
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl Ord for DbTime {
    fn cmp(&self, other: &DbTime) -> Ordering {
        self.get().cmp(&other.get())
    }
}

impl PartialOrd for DbTime {
    fn partial_cmp(&self, other: &DbTime) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for DbTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.get();
        write!(f, "{count} ({count:#x})")
    }
}

impl fmt::Debug for DbTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A time in the engine's format. All zeros mean "never".
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct LogTime {
    seconds: u8,
    minutes: u8,
    hours: u8,
    day: u8,
    month: u8,
    years_since_1900: u8,
    /// Bit 0: the time is UTC. Bits 1 to 7: the low bits of the milliseconds.
    utc_and_milliseconds: u8,
    /// Bit 0: formerly the mark of volume snapshots. Bits 1 to 3: the high bits of the
    /// milliseconds.
    milliseconds_high: u8,
}

impl LogTime {
    /// Whether this is a time, not "never".
    pub fn is_set(&self) -> bool {
        *self != LogTime::default()
    }

    /// Whether the time is UTC; otherwise it is the server's local time.
    pub fn is_utc(&self) -> bool {
        self.utc_and_milliseconds & 1 == 1
    }

    /// Year, such as 2026.
    pub fn year(&self) -> u16 {
        1900 + u16::from(self.years_since_1900)
    }

    /// Month, 1 to 12.
    pub fn month(&self) -> u8 {
        self.month
    }

    /// Day of the month, 1 to 31.
    pub fn day(&self) -> u8 {
        self.day
    }

    /// Hours, minutes, seconds and milliseconds of the day.
    pub fn time_of_day(&self) -> (u8, u8, u8, u16) {
        let high = u16::from(self.milliseconds_high >> 1 & 7);
        let milliseconds = high << 7 | u16::from(self.utc_and_milliseconds >> 1);
        (self.hours, self.minutes, self.seconds, milliseconds)
    }

    fn write_date_and_time(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, minutes, seconds, milliseconds) = self.time_of_day();
        write!(
            f,
            "{:02}/{:02}/{:04} {hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}",
            self.month,
            self.day,
            self.year()
        )
    }
}

/// The engine's notation: `11/22/2026 09:09:29.999 UTC`, or `LOC` for local time.
impl fmt::Display for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_date_and_time(f)?;
        f.write_str(if self.is_utc() { " UTC" } else { " LOC" })
    }
}

impl fmt::Debug for LogTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The identity of a database or a sequence of logs: a random number, a time, a computer's name.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct Signature {
    random: [u8; 4],
    created: LogTime,
    computer: [u8; 16],
}

impl Signature {
    /// The random number.
    pub fn random(&self) -> u32 {
        u32::from_le_bytes(self.random)
    }

    /// The creation time of the database or log sequence.
    pub fn created(&self) -> LogTime {
        self.created
    }

    /// The name of the computer that created it; empty in newer engines.
    pub fn computer(&self) -> String {
        text(&self.computer)
    }

    /// Whether this is a signature, not empty.
    pub fn is_set(&self) -> bool {
        *self != Signature::default()
    }
}

/// The engine's notation: `Create time:11/22/2026 09:09:29.977 Rand:2094961009 Computer:`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Create time:")?;
        self.created.write_date_and_time(f)?;
        write!(f, " Rand:{} Computer:{}", self.random(), self.computer())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text up to the first zero byte. The engine writes such text for display only.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}
