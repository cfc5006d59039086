//! The flush map (`.jfm`): the type of each database page's last write, one of three.
//!
//! The engine gives each write of a page the next of three types and records it in the page and
//! here. If a page's type differs from the map's, the page is older than it should be: the disk
//! reported a write that it did not make, a lost flush. No checksum detects that, since the older
//! page is sound.
//!
//! The file is a header page, then data pages 0, 1, 2 ..., all of 8 KiB. A data page has a header
//! of 64 bytes and two bits for each of 32512 database pages. Source: the engine's `flushmap.hxx`
//! and `flushmap.cxx`.

mod flush_type;

pub use flush_type::{FlushType, LostFlush};

pub use crate::header::FLUSH_MAP_PAGE;

use crate::checksum::{PageVerdict, is_zero, verify_page};
use crate::header::{DatabaseHeader, DbTime, Fault, FlushMapHeader, read_start};
use crate::page::{PageFlags, Pgno, u32_at, u64_at};
use crate::verify::{Damage, Finding, Place};
use std::path::Path;

const PAGE_HEADER: usize = 64;
const DATABASE_PAGES_PER_PAGE: u32 = ((FLUSH_MAP_PAGE - PAGE_HEADER) * 4) as u32;
/// A larger map would be that of a database of more than 2 TiB.
const LARGEST: usize = 64 << 20;

/// A flush map, read whole (about 33 bytes per MiB of a database with pages of 8 KiB).
#[derive(Debug, Clone)]
pub struct FlushMap {
    header: FlushMapHeader,
    /// The data pages; `None` for one that is damaged or was never written.
    pages: Vec<Option<Box<[u8; FLUSH_MAP_PAGE]>>>,
    findings: Vec<Finding>,
}

impl FlushMap {
    /// Parses a flush map's content. Damaged data pages are not an error: they are in
    /// [`FlushMap::findings`], and are not used to check the database's pages.
    ///
    /// # Errors
    /// [`Fault`] for an unusable header, or a map that is too large.
    pub fn parse(content: &[u8]) -> Result<FlushMap, Fault> {
        let header = FlushMapHeader::parse(content)?;
        let (pages, rest) = content.as_chunks::<FLUSH_MAP_PAGE>();
        if content.len() > LARGEST {
            let what = format!("a flush map of {} bytes (limit {LARGEST})", content.len());
            return Err(Fault::Unsupported { what });
        }
        let mut map = FlushMap {
            header,
            pages: Vec::new(),
            findings: Vec::new(),
        };
        for (number, page) in (0..).zip(&pages[1..]) {
            let damage = match verify_page(page, number) {
                PageVerdict::Sound | PageVerdict::WrongNumber { .. } => {
                    map.pages.push(Some(Box::new(*page)));
                    continue;
                }
                PageVerdict::Uninitialised => None,
                PageVerdict::Bad(bad) => Some(Damage::Checksum(bad)),
            };
            map.pages.push(None);
            map.findings.extend(damage.map(|damage| Finding {
                offset: (u64::from(number) + 1) * FLUSH_MAP_PAGE as u64,
                place: Place::Page(number),
                damage,
            }));
        }
        if !rest.is_empty() {
            map.findings.push(Finding {
                offset: (content.len() - rest.len()) as u64,
                place: Place::End,
                damage: Damage::PartialPage {
                    found: rest.len(),
                    expected: FLUSH_MAP_PAGE,
                },
            });
        }
        Ok(map)
    }

    /// Reads a flush map file.
    pub fn read(path: &Path) -> crate::Result<FlushMap> {
        let content = read_start(path, LARGEST as u64 + 1)?;
        FlushMap::parse(&content).map_err(|fault| fault.in_file(path))
    }

    /// The header.
    pub fn header(&self) -> &FlushMapHeader {
        &self.header
    }

    /// Damaged data pages of the map itself (`Place::Page` counts these, not the database's).
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether the map is valid for this database at rest: it belongs to the present state of the
    /// database, by the engine's rule (one of the two signatures is equal), and was closed after
    /// its last change.
    pub fn is_valid_for(&self, database: &DatabaseHeader) -> bool {
        let pairs = [
            (
                self.header.database_flush_signature,
                database.header_flush_signature,
            ),
            (
                self.header.flush_map_flush_signature,
                database.flush_map_flush_signature,
            ),
        ];
        let belongs = pairs
            .iter()
            .any(|(map, database)| map == database && map.is_set());
        belongs && self.header.is_clean()
    }

    /// The type of a database page's last write.
    pub fn flush_type(&self, number: Pgno) -> FlushType {
        let index = number % DATABASE_PAGES_PER_PAGE;
        let byte = self
            .page_of(number)
            .and_then(|page| page.get(PAGE_HEADER + index as usize / 4));
        byte.map_or(FlushType::Unknown, |byte| {
            FlushType::of_bits(byte >> (6 - index % 4 * 2))
        })
    }

    /// Checks whether a database page is older than in the map. Call it only if the map [is
    /// valid](FlushMap::is_valid_for) for the database.
    pub fn lost_flush(&self, page: &[u8], number: Pgno) -> Option<LostFlush> {
        let expected = self.flush_type(number);
        let dbtime = u64_at(page, 8)?;
        let found = FlushType::of_bits(PageFlags(u32_at(page, 36)?).flush_type());
        if expected == FlushType::Unknown || expected == found {
            return None;
        }
        if found == FlushType::Unknown {
            return is_zero(page).then_some(LostFlush { expected, found });
        }
        // A page newer than everything in the map shows that the map itself is old.
        let newest = self.newest(number)?;
        (dbtime <= newest.get()).then_some(LostFlush { expected, found })
    }

    /// The highest DBTIME of the pages that the map's page for `number` covers.
    pub fn newest(&self, number: Pgno) -> Option<DbTime> {
        let page = self.page_of(number)?;
        u64_at(page, 8).map(DbTime::new)
    }

    fn page_of(&self, number: Pgno) -> Option<&[u8]> {
        let page = self
            .pages
            .get((number / DATABASE_PAGES_PER_PAGE) as usize)?;
        page.as_deref().map(|page| &page[..])
    }
}
