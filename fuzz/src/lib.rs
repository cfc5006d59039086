//! Helpers for the fuzz targets.

#[cfg(feature = "samba")]
pub mod files;
#[cfg(feature = "images")]
pub mod images;
pub mod logs;

/// Parses the bytes unchanged, then with a valid checksum of the header in the first `length`
/// bytes, to reach the code behind the checksum.
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

/// The pages that a target may change: all, or those of one kind.
#[derive(Clone, Copy)]
pub enum Pages {
    All,
    Catalog,
    LongValues,
}

/// A sound database, and the pages of it that a target may change.
struct Sound {
    bytes: &'static [u8],
    pages: Vec<u32>,
}

impl Sound {
    fn load(fixture: &str, file: &str, pages: Pages) -> Self {
        let folder = testkit::find(fixture)
            .expect("a fixture that ships")
            .unpack();
        let bytes = std::fs::read(folder.path().join(file)).expect("read the fixture");
        // Once per process: it is needed to the end.
        let bytes: &'static [u8] = bytes.leak();
        let database = ese::Database::over(bytes, fixture).expect("a sound database");
        let fits = |number: &u32| {
            let page = database.page(*number).expect("a page");
            let view = page.view();
            !view.is_blank()
                && match pages {
                    Pages::All => true,
                    Pages::Catalog => view.header().objid == 2,
                    Pages::LongValues => view.flags().is_long_value(),
                }
        };
        let pages = (1..=database.page_count()).filter(fits).collect();
        Self { bytes, pages }
    }
}

/// Applies the changes in `data` to pages of the kind `pages` in a real database, with valid
/// checksums, then dumps and verifies it. Any outcome but a panic is fine.
///
/// The first byte chooses the database. Each change has five bytes: the page, an offset, the new
/// byte.
pub fn edited_database(data: &[u8], pages: Pages) {
    static SOUND: std::sync::OnceLock<[Sound; 2]> = std::sync::OnceLock::new();
    let [small, directory] = SOUND.get_or_init(|| {
        [
            Sound::load("ese/efv8920-clean", "test.edb", pages),
            Sound::load("sample-forest/clean", "ntds.dit", pages),
        ]
    });
    let Some((choice, changes)) = data.split_first() else {
        return;
    };
    // The directory is three times as large, so it gets one input of eight.
    let sound = if choice % 8 == 7 { directory } else { small };
    let database = ese::Database::over(sound.bytes, "sound").expect("a sound database");
    let size = database.page_size();
    let mut bytes = sound.bytes.to_vec();
    for change in changes.as_chunks::<5>().0.iter().take(64) {
        let [p0, p1, o0, o1, value] = *change;
        let number = sound.pages[usize::from(u16::from_le_bytes([p0, p1])) % sound.pages.len()];
        let start = size.offset_of(number) as usize;
        let page = &mut bytes[start..start + size.bytes()];
        let offset = usize::from(u16::from_le_bytes([o0, o1])) % page.len();
        page[offset] = value;
        ese::checksum::seal_page(page, number);
    }
    let database = ese::Database::over(bytes, "changed").expect("the header is sound");
    let _ = ese::dump::Dump::new()
        .with_indexes(true)
        .write(&database, &mut std::io::sink());
    let mut findings = 0u32;
    let summary = ese::structure::verify_structure(&database, &mut |_| findings += 1)
        .expect("bytes in memory");
    assert_eq!(
        u64::from(findings),
        summary.damages + summary.leaks + summary.notes
    );
    assert!(findings < 100_000, "few changes have few consequences");
}
