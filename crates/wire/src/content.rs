//! Encodes and decodes the messages of HrRBackupRead in the body of its answer, without copying
//! their data.
//!
//! gRPC prefixes each message, a [`FileContent`], with five bytes. The generic codec builds every
//! message in a buffer on one side and collects it in another on the other side. Here the data
//! passes as it is, and only the bytes around it are written and parsed:
//!
//! ```text
//! 0          1                    5     6              n          n + data
//! +----------+--------------------+-----+--------------+----------+-----------------+
//! | 0: plain | message length, u32 | 0a  | data, varint | data ... | other fields    |
//! +----------+--------------------+-----+--------------+----------+-----------------+
//!            big-endian            field 1               as read    FileEnd, or none
//! ```
//!
//! Any gRPC library reads the output of [`parts`], and [`Reader`] reads the output of any library.

use contract::{Error, Result, ResultCode};
use prost::Message;
use prost::bytes::{Bytes, BytesMut};

use crate::v1::{FileContent, FileEnd};

/// Bytes before each message: whether it is compressed, and its length.
const HEADER: usize = 5;

/// The tag of the data: field 1, length-delimited.
const DATA: u8 = 1 << 3 | 2;

/// The most bytes of a message beside its data: the first damages of a file, in words.
const REST: usize = 1 << 20;

/// The most bytes of a message.
const MESSAGE: usize = 64 << 20;

/// One message as consecutive parts: the bytes before the data, the data itself, and the bytes
/// after it. The last two may be empty.
pub fn parts(content: FileContent) -> [Bytes; 3] {
    let FileContent { data, end } = content;
    let rest = FileContent {
        data: Bytes::new(),
        end,
    }
    .encode_to_vec();
    let mut before = BytesMut::with_capacity(HEADER + 1 + 10);
    before.resize(HEADER, 0);
    if !data.is_empty() {
        before.extend_from_slice(&[DATA]);
        prost::encode_length_delimiter(data.len(), &mut before)
            .expect("a buffer that grows takes any length");
    }
    let length = before.len() - HEADER + data.len() + rest.len();
    before[1..HEADER].copy_from_slice(&(length as u32).to_be_bytes());
    [before.freeze(), data, rest.into()]
}

/// Reads messages from the body of an answer, which may arrive in any parts.
#[derive(Debug, Default)]
pub struct Reader {
    expected: Expected,
    /// The bytes so far of a header, a length or other fields.
    collected: Vec<u8>,
    /// Bytes of the message that are still missing, without the collected ones.
    message: usize,
    /// Bytes taken in all.
    position: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Expected {
    #[default]
    Header,
    /// The start of a message that is not empty.
    Field,
    /// The length of the data.
    Length,
    /// The remaining bytes of data.
    Data(usize),
    /// The other fields, up to the end of the message.
    Rest,
}

impl Reader {
    /// Takes bytes from the front of `part` and returns the next data, or the file's end. The data
    /// of one message may come in many pieces. `None` means that more parts are needed; then `part`
    /// is empty.
    ///
    /// # Errors
    /// `hrCommunicationError` for a malformed message.
    pub fn next(&mut self, part: &mut Bytes) -> Result<Option<FileContent>> {
        while !part.is_empty() {
            match self.expected {
                Expected::Header => {
                    self.collect(part, HEADER);
                    if let Ok(header) = <[u8; HEADER]>::try_from(self.collected.as_slice()) {
                        self.header(header)?;
                    }
                }
                Expected::Field if part[0] == DATA => {
                    self.take(part, 1);
                    self.message -= 1;
                    self.expected = Expected::Length;
                }
                Expected::Field => self.expect_rest()?,
                Expected::Length => self.length(part)?,
                Expected::Data(left) => {
                    let data = self.take(part, left.min(part.len()));
                    self.message -= data.len();
                    match left - data.len() {
                        0 => self.expect_rest()?,
                        left => self.expected = Expected::Data(left),
                    }
                    return Ok(Some(FileContent { data, end: None }));
                }
                Expected::Rest => {
                    let before = self.collected.len();
                    self.collect(part, before + self.message);
                    self.message -= self.collected.len() - before;
                    // Unknown fields of a later version are skipped.
                    if self.message == 0
                        && let Some(end) = self.rest()?
                    {
                        return Ok(Some(FileContent {
                            data: Bytes::new(),
                            end: Some(end),
                        }));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Checks that the bytes taken are whole messages.
    ///
    /// # Errors
    /// `hrCommunicationError` in the middle of one.
    pub fn finish(&self) -> Result<()> {
        match self.expected == Expected::Header && self.collected.is_empty() {
            true => Ok(()),
            false => Err(self.unusable("the end of a message", "the end of the answer")),
        }
    }

    fn header(&mut self, [compressed, length @ ..]: [u8; HEADER]) -> Result<()> {
        if compressed != 0 {
            return Err(self.unusable("a message that is not compressed", "one that is"));
        }
        self.collected.clear();
        self.message = u32::from_be_bytes(length) as usize;
        if self.message > MESSAGE {
            let found = format!("one of {}", self.message);
            return Err(self.unusable("a message of at most 64 MiB", &found));
        }
        self.expected = match self.message {
            0 => Expected::Header,
            _ => Expected::Field,
        };
        Ok(())
    }

    fn length(&mut self, part: &mut Bytes) -> Result<()> {
        let byte = self.take(part, 1)[0];
        self.collected.push(byte);
        // The length of an acceptable message needs no more than four bytes.
        if self.message == 0 || self.collected.len() > 4 {
            return Err(self.unusable("the length of the data", "a number that does not end"));
        }
        self.message -= 1;
        if byte & 0x80 != 0 {
            return Ok(());
        }
        let data = prost::decode_length_delimiter(self.collected.as_slice()).unwrap_or(usize::MAX);
        self.collected.clear();
        if data > self.message {
            let expected = format!("data of at most {} bytes", self.message);
            return Err(self.unusable(&expected, &format!("{data}")));
        }
        match data {
            0 => self.expect_rest(),
            _ => {
                self.expected = Expected::Data(data);
                Ok(())
            }
        }
    }

    fn expect_rest(&mut self) -> Result<()> {
        if self.message > REST {
            let found = format!("{}", self.message);
            return Err(self.unusable("at most 1 MiB beside the data", &found));
        }
        self.expected = match self.message {
            0 => Expected::Header,
            _ => Expected::Rest,
        };
        Ok(())
    }

    /// The end of the file, if the other fields hold it.
    fn rest(&mut self) -> Result<Option<FileEnd>> {
        let decoded = FileContent::decode(self.collected.as_slice());
        self.expected = Expected::Header;
        self.collected.clear();
        match decoded {
            Ok(content) if content.data.is_empty() => Ok(content.end),
            Ok(_) => Err(self.unusable("fields behind the data", "data")),
            Err(error) => Err(self.unusable("the end of a file", &error.to_string())),
        }
    }

    /// Collects bytes until there are `wanted`.
    fn collect(&mut self, part: &mut Bytes, wanted: usize) {
        let missing = wanted - self.collected.len();
        let bytes = self.take(part, missing.min(part.len()));
        self.collected.extend_from_slice(&bytes);
    }

    fn take(&mut self, part: &mut Bytes, length: usize) -> Bytes {
        self.position += length as u64;
        part.split_to(length)
    }

    fn unusable(&self, expected: &str, found: &str) -> Error {
        Error::new(
            ResultCode::COMMUNICATION_ERROR,
            format!(
                "the service's answer at byte {}: expected {expected}, found {found}; are both \
                 sides of the same version?",
                self.position
            ),
        )
    }
}
