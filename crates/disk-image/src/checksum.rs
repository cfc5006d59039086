//! The cyclic redundancy checks of disk formats.

const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = match value & 1 {
                1 => value >> 1 ^ polynomial,
                _ => value >> 1,
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

fn crc(table: &[u32; 256], start: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!start, |value, byte| {
        value >> 8 ^ table[usize::from(value as u8 ^ byte)]
    })
}

/// CRC-32 as in Ethernet and in GPT.
pub fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table(0xedb8_8320);
    crc(&TABLE, 0, bytes)
}

/// CRC-32C (Castagnoli), as in VHDX, continued from `start`; 0 to begin.
pub fn crc32c(start: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table(0x82f6_3b78);
    crc(&TABLE, start, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of CRC algorithms.
    #[test]
    fn the_checks_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283);
    }
}
