//! What a volume begins with.

/// The file system of a volume, by its first sector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// NTFS.
    Ntfs,
    /// Encrypted with BitLocker.
    BitLocker,
    /// ReFS.
    Refs,
}

/// The file system of a volume; `None` for another one.
pub fn kind_of(sector: &[u8; 512]) -> Option<Kind> {
    match &sector[3..11] {
        b"NTFS    " => Some(Kind::Ntfs),
        b"-FVE-FS-" => Some(Kind::BitLocker),
        name if name.starts_with(b"ReFS") => Some(Kind::Refs),
        _ => None,
    }
}
