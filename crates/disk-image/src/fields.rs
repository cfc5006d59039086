//! Numbers in structures: by offset, in either byte order. Offsets are constants of a format, within
//! a structure whose length was checked when it was read.

/// A slice of `N` bytes at `offset`; zeros where the structure is shorter.
pub fn at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let slice = offset
        .checked_add(N)
        .and_then(|end| bytes.get(offset..end))
        .unwrap_or(&[]);
    slice.try_into().unwrap_or([0; N])
}

/// Little-endian, 16 bits.
pub fn u16_le(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(at(bytes, offset))
}

/// Little-endian, 32 bits.
pub fn u32_le(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(at(bytes, offset))
}

/// Little-endian, 64 bits.
pub fn u64_le(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(at(bytes, offset))
}

/// Big-endian, 32 bits.
pub fn u32_be(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(at(bytes, offset))
}

/// Big-endian, 64 bits.
pub fn u64_be(bytes: &[u8], offset: usize) -> u64 {
    u64::from_be_bytes(at(bytes, offset))
}

/// Printable ASCII as it is, other bytes as hexadecimal digits: a signature, for messages.
pub fn shown(bytes: &[u8]) -> String {
    match bytes.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        true => format!("{:?}", String::from_utf8_lossy(bytes)),
        false => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}
