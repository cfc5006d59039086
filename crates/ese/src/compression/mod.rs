//! The engine's compression of long values (`compression.cxx`).
//!
//! Compressed data begins with a byte whose upper five bits are the scheme. Nothing else marks it:
//! whether a value is compressed follows from its place.

mod lz4;
mod seven_bit;
mod xpress;

use std::fmt;

/// A compression scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Seven bits per byte, for ASCII.
    SevenBitAscii,
    /// Seven bits per UTF-16 unit, for ASCII in UTF-16.
    SevenBitUnicode,
    /// XPRESS, the plain LZ77 form.
    Xpress,
    /// No compression: the value was overwritten on purpose and is lost.
    Scrubbed,
    /// XPRESS9.
    Xpress9,
    /// XPRESS10.
    Xpress10,
    /// LZ4.
    Lz4,
    /// A scheme that the public engine does not have.
    Unknown(u8),
}

/// The reason why compressed data could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undecoded {
    /// The scheme is not supported.
    Unsupported(Scheme),
    /// The data contradicts its scheme.
    Corrupt(Scheme),
    /// The value was overwritten on purpose and is lost.
    Scrubbed,
}

impl Scheme {
    /// The scheme in the first byte of compressed data.
    pub fn of(first_byte: u8) -> Self {
        match first_byte >> 3 {
            1 => Self::SevenBitAscii,
            2 => Self::SevenBitUnicode,
            3 => Self::Xpress,
            4 => Self::Scrubbed,
            5 => Self::Xpress9,
            6 => Self::Xpress10,
            7 => Self::Lz4,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SevenBitAscii => f.write_str("7-bit ASCII"),
            Self::SevenBitUnicode => f.write_str("7-bit Unicode"),
            Self::Xpress => f.write_str("XPRESS"),
            Self::Scrubbed => f.write_str("scrubbed"),
            Self::Xpress9 => f.write_str("XPRESS9"),
            Self::Xpress10 => f.write_str("XPRESS10"),
            Self::Lz4 => f.write_str("LZ4"),
            Self::Unknown(number) => write!(f, "compression scheme {number}"),
        }
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(scheme) => write!(f, "{scheme} is not supported"),
            Self::Corrupt(scheme) => write!(f, "the {scheme} data is damaged"),
            Self::Scrubbed => f.write_str("the value was scrubbed"),
        }
    }
}

impl std::error::Error for Undecoded {}

/// Appends the decompressed `data` to `out`; on failure `out` is unchanged.
///
/// Writes at most 64 KiB or eight bytes for each byte of `data`, whichever is more, whatever `data`
/// claims.
pub fn decompress(data: &[u8], out: &mut Vec<u8>) -> Result<(), Undecoded> {
    let Some(first) = data.first() else {
        return Err(Undecoded::Corrupt(Scheme::Unknown(0)));
    };
    let scheme = Scheme::of(*first);
    let start = out.len();
    let done = match scheme {
        Scheme::SevenBitAscii => seven_bit::ascii(data, out),
        Scheme::SevenBitUnicode => seven_bit::unicode(data, out),
        Scheme::Xpress => xpress::decompress(data, out),
        Scheme::Lz4 => lz4::decompress(data, out),
        Scheme::Scrubbed => return Err(Undecoded::Scrubbed),
        Scheme::Xpress9 | Scheme::Xpress10 | Scheme::Unknown(_) => {
            return Err(Undecoded::Unsupported(scheme));
        }
    };
    done.ok_or_else(|| {
        out.truncate(start);
        Undecoded::Corrupt(scheme)
    })
}

/// The decompressed length of `data`, if it can be determined without decoding.
pub fn decompressed_len(data: &[u8]) -> Option<usize> {
    match Scheme::of(*data.first()?) {
        Scheme::SevenBitAscii => seven_bit::symbols(data),
        Scheme::SevenBitUnicode => Some(seven_bit::symbols(data)? * 2),
        Scheme::Xpress | Scheme::Xpress10 | Scheme::Lz4 => Some(usize::from(u16::from_le_bytes(
            *data.get(1..)?.first_chunk()?,
        ))),
        Scheme::Scrubbed | Scheme::Xpress9 | Scheme::Unknown(_) => None,
    }
}

/// Appends `len` bytes from `distance` bytes before the end of `out`, which may overlap the written
/// bytes. `start` is the start of the decoded value; `None` if the distance reaches before it.
fn copy_back(out: &mut Vec<u8>, start: usize, distance: usize, len: usize) -> Option<()> {
    let from = out
        .len()
        .checked_sub(distance)
        .filter(|from| *from >= start && distance > 0)?;
    if distance >= len {
        out.extend_from_within(from..from + len);
    } else {
        // The copied run overlaps itself: it repeats with the period `distance`.
        let mut left = len;
        while left > 0 {
            let run = left.min(out.len() - from);
            out.extend_from_within(from..from + run);
            left -= run;
        }
    }
    Some(())
}
