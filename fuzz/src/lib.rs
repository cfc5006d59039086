//! What the fuzz targets share.

/// The bytes as they are, then with the header checksum of the first `length` bytes put right, so that what lies behind
/// the checksum is reached as well.
pub fn with_and_without_checksum(data: &[u8], length: usize, mut parse: impl FnMut(&[u8])) {
    parse(data);
    let mut sealed = data.to_vec();
    if let Some(header) = sealed.get_mut(..length) {
        let checksum = ese::checksum::header_checksum(header).to_le_bytes();
        if let Some(place) = header.get_mut(..4) {
            place.copy_from_slice(&checksum);
        }
        parse(&sealed);
    }
}
