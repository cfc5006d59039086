//! Writes lines of JSON.

use std::io::{self, Write};

use super::BUFFER;

/// Lines of JSON objects, collected and written in large pieces.
pub(super) struct Line<'o> {
    out: &'o mut dyn Write,
    buffer: Vec<u8>,
    /// The start of the unfinished line in the buffer.
    open: Option<usize>,
}

impl<'o> Line<'o> {
    pub fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            buffer: Vec::with_capacity(BUFFER + (64 << 10)),
            open: None,
        }
    }

    /// Begins an object of the type `kind`.
    pub fn start(&mut self, kind: &str) -> &mut Self {
        self.begin().raw("{\"t\":\"").raw(kind).raw("\"")
    }

    /// Begins a line.
    pub fn begin(&mut self) -> &mut Self {
        self.open = Some(self.buffer.len());
        self
    }

    /// Ends the object and its line.
    pub fn end(&mut self) -> io::Result<()> {
        self.raw("}").end_line()
    }

    /// Ends the line.
    pub fn end_line(&mut self) -> io::Result<()> {
        self.raw("\n");
        self.open = None;
        if self.is_long() {
            self.flush()?;
        }
        Ok(())
    }

    /// Whether the buffer is full enough to write.
    pub fn is_long(&self) -> bool {
        self.buffer.len() >= BUFFER
    }

    /// Writes the buffer, with the unfinished line if any: the rest of that line must then be
    /// certain to follow.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.open = self.open.map(|_| 0);
        Ok(())
    }

    /// The length of the buffer.
    pub fn mark(&self) -> usize {
        self.buffer.len()
    }

    /// Discards the buffer from a mark on; nothing was written since.
    pub fn rewind(&mut self, mark: usize) {
        self.buffer.truncate(mark);
    }

    /// Writes the complete lines, and discards the unfinished one.
    pub fn finish(&mut self) -> io::Result<()> {
        self.buffer
            .truncate(self.open.take().unwrap_or(self.buffer.len()));
        self.flush()
    }

    /// Writes the name of another field.
    pub fn field(&mut self, name: &str) -> &mut Self {
        self.raw(",\"").raw(name).raw("\":")
    }

    pub fn number(&mut self, name: &str, value: impl Into<u64>) -> &mut Self {
        let value: u64 = value.into();
        self.field(name).raw(&value.to_string())
    }

    pub fn text_field(&mut self, name: &str, value: &str) -> &mut Self {
        self.field(name).text(&[value])
    }

    pub fn hex_field(&mut self, name: &str, pieces: &[&[u8]]) -> &mut Self {
        self.field(name).raw("\"");
        for piece in pieces {
            self.hex(piece);
        }
        self.raw("\"")
    }

    pub fn array<T>(
        &mut self,
        name: &str,
        items: &[T],
        write: impl Fn(&mut Self, &T),
    ) -> &mut Self {
        self.field(name).raw("[");
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]")
    }

    /// Writes a string, given in pieces.
    pub fn text(&mut self, pieces: &[&str]) -> &mut Self {
        self.raw("\"");
        for piece in pieces {
            let is_simple = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\');
            if piece.as_bytes().iter().all(is_simple) {
                self.raw(piece);
                continue;
            }
            for character in piece.chars() {
                match character {
                    '"' => self.raw("\\\""),
                    '\\' => self.raw("\\\\"),
                    '\u{0}'..'\u{20}' => self.raw(&format!("\\u{:04x}", u32::from(character))),
                    character => self.raw(character.encode_utf8(&mut [0; 4])),
                };
            }
        }
        self.raw("\"")
    }

    pub fn raw(&mut self, text: &str) -> &mut Self {
        self.buffer.extend_from_slice(text.as_bytes());
        self
    }

    pub fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        let start = self.buffer.len();
        self.buffer.resize(start + bytes.len() * 2, 0);
        let digits = self.buffer[start..].as_chunks_mut::<2>().0;
        for (pair, byte) in digits.iter_mut().zip(bytes) {
            *pair = HEX[usize::from(*byte)];
        }
        self
    }
}

/// The two digits of every byte.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};
