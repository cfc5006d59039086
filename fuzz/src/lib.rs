//! What the fuzz targets share.

pub mod logs;

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

/// A real database with changes that `data` describes, at pages that `fits` chooses, its checksums put right: it is
/// dumped and verified, whatever comes of it.
///
/// Each change is five bytes: which of the pages, an offset, the new byte.
pub fn edited_database(data: &[u8], fits: impl Fn(ese::page::PageView<'_>) -> bool) {
    const NAME: &str = "ese/efv8920-clean";
    static SOUND: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let sound = SOUND.get_or_init(|| {
        let folder = testkit::find(NAME).expect("a fixture that ships").unpack();
        std::fs::read(folder.path().join("test.edb")).expect("read the fixture")
    });
    let database = ese::Database::over(sound.as_slice(), NAME).expect("a sound database");
    let size = database.page_size();
    let pages: Vec<u32> = (1..=database.page_count())
        .filter(|number| {
            let page = database.page(*number).expect("a page");
            !page.view().is_blank() && fits(page.view())
        })
        .collect();
    let mut bytes = sound.clone();
    for change in data.as_chunks::<5>().0.iter().take(64) {
        let [p0, p1, o0, o1, value] = *change;
        let number = pages[usize::from(u16::from_le_bytes([p0, p1])) % pages.len()];
        let start = size.offset_of(number) as usize;
        let page = &mut bytes[start..start + size.bytes()];
        let offset = usize::from(u16::from_le_bytes([o0, o1])) % page.len();
        page[offset] = value;
        ese::checksum::seal_page(page, number);
    }
    let database = ese::Database::over(bytes, NAME).expect("the header is sound");
    let _ = ese::dump::Dump::new()
        .with_indexes(true)
        .write(&database, &mut std::io::sink());
    let mut findings = 0u32;
    let summary = ese::structure::verify_structure(&database, &mut |_| findings += 1)
        .expect("bytes in memory");
    assert_eq!(u64::from(findings), summary.damages + summary.leaks);
    assert!(findings < 100_000, "few changes have few consequences");
}
