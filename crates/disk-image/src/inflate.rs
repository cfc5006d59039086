//! Compressed blocks.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;

/// How a block is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// DEFLATE without a header (RFC 1951).
    Deflate,
    /// DEFLATE with zlib's header (RFC 1950).
    Zlib,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// Decompresses a block that has `length` bytes. The input may be followed by others. `None` if it
/// is no such block.
pub(crate) fn inflate(how: Compression, input: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut output = vec![0; length];
    let written = match how {
        Compression::Deflate | Compression::Zlib => {
            use miniz_oxide::inflate::TINFLStatus;
            use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
            let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
                | match how {
                    Compression::Zlib => inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER,
                    _ => 0,
                };
            let mut state = Box::<DecompressorOxide>::default();
            let (status, _, written) = decompress(&mut state, input, &mut output, 0, flags);
            match status {
                TINFLStatus::Done | TINFLStatus::HasMoreOutput => written,
                _ => return None,
            }
        }
        Compression::Zstd => {
            use std::io::Read;
            let mut decoder = zstd::Decoder::with_buffer(input).ok()?.single_frame();
            decoder.read_exact(&mut output).ok()?;
            length
        }
    };
    (written == length).then_some(output)
}

/// The block that was decompressed last: small reads of it follow each other.
#[derive(Default)]
pub(crate) struct LastBlock(Mutex<Option<(u64, Vec<u8>)>>);

impl LastBlock {
    /// Fills `buffer` from `offset` within the block `number`, which `make` decompresses unless it is
    /// the last one. The caller keeps within the block's length.
    pub(crate) fn read(
        &self,
        number: u64,
        offset: usize,
        buffer: &mut [u8],
        make: impl FnOnce() -> Result<Vec<u8>>,
    ) -> Result<()> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(known, _)| *known != number) {
            *last = None;
            *last = Some((number, make()?));
        }
        let bytes = last.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        match bytes
            .get(offset..)
            .and_then(|rest| rest.get(..buffer.len()))
        {
            Some(bytes) => buffer.copy_from_slice(bytes),
            // Beyond the end of the last, shorter block.
            None => buffer.fill(0),
        }
        Ok(())
    }
}
