//! The ways in which the engine compresses long values (`compression.cxx`).
//!
//! Compressed data begins with a byte whose upper five bits name the scheme. Nothing else marks it:
//! whether a value is compressed follows from where it is stored.

mod lz4;
mod seven_bit;
mod xpress;

use std::fmt;

/// How a value is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Seven bits a byte, for ASCII.
    SevenBitAscii,
    /// Seven bits a UTF-16 unit, for ASCII in UTF-16.
    SevenBitUnicode,
    /// XPRESS, the plain LZ77 form.
    Xpress,
    /// No compression: the value was overwritten on purpose and is gone.
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

/// Why compressed data could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Undecoded {
    /// This reader does not know how to decode the scheme.
    Unsupported(Scheme),
    /// The data contradicts its scheme.
    Corrupt(Scheme),
    /// The value was overwritten on purpose and is gone.
    Scrubbed,
}

impl Scheme {
    /// The scheme that the first byte of compressed data names.
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

/// Appends what the compressed `data` stands for to `out`; on failure `out` is as before.
///
/// Whatever `data` claims, at most 64 KiB or eight bytes for each of its bytes are written,
/// whichever is more.
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

/// How many bytes the compressed `data` stands for, as far as that can be told without decoding it.
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

/// Appends `len` bytes that lie `distance` bytes before the end of `out`, which may overlap what is
/// being written. `start` is where the decoded value begins; `None` where the distance reaches
/// before it.
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
