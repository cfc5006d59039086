//! Makes large databases from small ones, for measurements.
//!
//! ```text
//! grow to DATABASE MIB          repeats the pages, with new page numbers, up to that file size
//! grow change DATABASE PERCENT  changes that share of its pages, a different set each time
//! ```
//!
//! Every page has its right checksum. The result is not a working database: its trees do not
//! include the new pages.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ese::checksum::{is_zero, seal_page};
use ese::header::DatabaseHeaders;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The two copies of the header, which are not numbered pages.
const HEADERS: usize = 2;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["to", database, mebibytes] => grow(Path::new(database), mebibytes.parse::<u64>()? << 20),
        ["change", database, percent] => change(Path::new(database), percent.parse()?),
        _ => Err("usage: grow to DATABASE MIB | grow change DATABASE PERCENT".into()),
    }
}

fn page_size(database: &Path) -> Result<usize> {
    let headers = DatabaseHeaders::read(database)?;
    Ok(headers.header.page_size().bytes())
}

fn grow(database: &Path, size: u64) -> Result<()> {
    let page_size = page_size(database)?;
    let content = std::fs::read(database)?;
    let pages: Vec<&[u8]> = content
        .chunks_exact(page_size)
        .skip(HEADERS)
        .filter(|page| !is_zero(page))
        .collect();
    let there = content.len() / page_size;
    let wanted = (size / page_size as u64) as usize;
    let mut file =
        BufWriter::with_capacity(1 << 20, OpenOptions::new().append(true).open(database)?);
    for (place, page) in (there..wanted).zip(pages.iter().cycle()) {
        let mut page = page.to_vec();
        seal_page(&mut page, u32::try_from(place + 1 - HEADERS)?);
        file.write_all(&page)?;
    }
    file.flush()?;
    Ok(())
}

fn change(database: &Path, percent: f64) -> Result<()> {
    let page_size = page_size(database)?;
    let file = File::options().read(true).write(true).open(database)?;
    let pages = (file.metadata()?.len() / page_size as u64) as usize;
    let mut random = Random::from_clock()?;
    let mut left = (pages as f64 * percent / 100.0) as usize;
    let mut changed = vec![false; pages];
    let mut page = vec![0; page_size];
    while left > 0 {
        let place = HEADERS + random.next() as usize % (pages - HEADERS);
        file.read_exact_at(&mut page, (place * page_size) as u64)?;
        if changed[place] || is_zero(&page) {
            continue;
        }
        // The size of an update of a few attributes, in the middle of the page.
        for word in page[page_size / 2..][..256].chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        seal_page(&mut page, u32::try_from(place + 1 - HEADERS)?);
        file.write_all_at(&page, (place * page_size) as u64)?;
        changed[place] = true;
        left -= 1;
    }
    println!(
        "{}",
        changed.iter().filter(|changed| **changed).count() * page_size
    );
    Ok(())
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn from_clock() -> Result<Self> {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed()?;
        Ok(Self(now.as_nanos() as u64))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
