//! Sealing blobs: compresses, encrypts, and verifies that the result opens.

use std::io::Read;

use crate::cipher::Cipher;
use crate::error::Error;

/// Compresses and encrypts blobs with reusable buffers. One for each thread.
pub(crate) struct Sealer<'a> {
    cipher: &'a Cipher,
    level: i32,
    verify: Verify,
    sealed: u64,
    contexts: Option<Contexts>,
    compressed: Vec<u8>,
    opened: Vec<u8>,
    plain: Vec<u8>,
}

/// The blobs to decrypt, decompress and compare after sealing, so that a fault of memory or
/// processor does not cause an unreadable backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    Every,
    /// The first blob and then one in [`SAMPLE`]: detects a faulty computer in little time.
    Sample,
}

/// One blob in this many is opened again.
const SAMPLE: u64 = 16;

/// Larger blobs are not held in memory a third time.
const LARGE: usize = 8 << 20;

struct Contexts {
    compressor: zstd::bulk::Compressor<'static>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

/// Whether `compressed` decompresses to `plain`, compared piece by piece. For listings of large
/// files.
fn decompresses_to(compressed: &[u8], mut plain: &[u8]) -> std::io::Result<bool> {
    let mut decoder = zstd::stream::Decoder::with_buffer(compressed)?;
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = decoder.read(&mut piece)?;
        if length == 0 {
            return Ok(plain.is_empty());
        }
        match plain.split_at_checked(length) {
            Some((expected, rest)) if piece.get(..length) == Some(expected) => plain = rest,
            _ => return Ok(false),
        }
    }
}

impl<'a> Sealer<'a> {
    /// Seals with `cipher`, at the zstd level `level`.
    pub(crate) fn new(cipher: &'a Cipher, level: i32, verify: Verify) -> Self {
        Self {
            cipher,
            level,
            verify,
            sealed: 0,
            contexts: None,
            compressed: Vec::new(),
            opened: Vec::new(),
            plain: Vec::new(),
        }
    }

    /// Appends the stored form of `plain` to `out`. Returns the plain length if the form is
    /// compressed, `None` if compression would make it longer.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<Option<u32>, Error> {
        let failed = |reason: String| Error::Storage {
            doing: "compressing and encrypting".to_string(),
            reason,
        };
        let start = out.len();
        let uncompressed = self
            .try_seal(plain, out)
            .map_err(|error| failed(error.to_string()))?;
        let sealed = out.get(start..).unwrap_or_default();
        let verified = self.verify == Verify::Every || self.sealed.is_multiple_of(SAMPLE);
        self.sealed += 1;
        if !verified || self.opens_as(sealed, plain, uncompressed.is_some()) {
            Ok(uncompressed)
        } else {
            Err(failed(
                "the result does not open to what it was made of; check this computer's memory"
                    .to_string(),
            ))
        }
    }

    fn try_seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> std::io::Result<Option<u32>> {
        let contexts = match &mut self.contexts {
            Some(contexts) => contexts,
            none => none.insert(Contexts {
                compressor: zstd::bulk::Compressor::new(self.level)?,
                decompressor: zstd::bulk::Decompressor::new()?,
            }),
        };
        self.compressed.clear();
        self.compressed
            .reserve(zstd::zstd_safe::compress_bound(plain.len()));
        let length = contexts
            .compressor
            .compress_to_buffer(plain, &mut self.compressed)?;
        if length < plain.len() {
            self.cipher.seal(&self.compressed, out)?;
            let length = u32::try_from(plain.len()).map_err(std::io::Error::other)?;
            Ok(Some(length))
        } else {
            self.cipher.seal(plain, out)?;
            Ok(None)
        }
    }

    fn opens_as(&mut self, sealed: &[u8], plain: &[u8], compressed: bool) -> bool {
        if self.cipher.open(sealed, &mut self.opened).is_none() {
            return false;
        }
        if !compressed {
            return self.opened == plain;
        }
        let Some(contexts) = &mut self.contexts else {
            return false;
        };
        if plain.len() > LARGE {
            return decompresses_to(&self.opened, plain).unwrap_or(false);
        }
        self.plain.clear();
        self.plain.reserve(plain.len());
        contexts
            .decompressor
            .decompress_to_buffer(&self.opened, &mut self.plain)
            .is_ok()
            && self.plain == plain
    }
}
