//! Verifies the bytes of a database file in a stream.

use super::{Damage, Finding, Place};
use crate::checksum::{PageVerdict, verify_page};
use crate::flush_map::FlushMap;
use crate::header::{DatabaseHeader, DatabaseHeaders, HeaderCopies, PatchHeader};
use crate::page::{PageSize, Pgno};
use rayon::prelude::*;

/// The number of pages of one task, if several cores work.
const PAGES_PER_TASK: usize = 32;

/// Verifies a database file given in pieces of any size, from the start.
///
/// Pages within one piece are checked in place; only pages across two pieces, and headers in small
/// pieces, are copied. Memory: two pages, for any size of file.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let file: &[u8] = &[];
/// use ese::verify::PageVerifier;
/// let mut verifier = PageVerifier::new();
/// for piece in file.chunks(1 << 20) {
///     for finding in verifier.feed(piece) {
///         eprintln!("ntds.dit: {finding}");
///     }
/// }
/// let (findings, summary) = verifier.finish();
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct PageVerifier {
    /// The number of bytes received.
    position: u64,
    /// The received part of an incomplete page; before the layout is known, the start of the file.
    carried: Vec<u8>,
    layout: Layout,
    /// A page that is the patch page if it turns out to be the last.
    perhaps_patch: Option<(Finding, PatchHeader)>,
    parallel: bool,
    /// Dropped if it turns out not to be valid for the database.
    flush_map: Option<FlushMap>,
    summary: Summary,
}

#[derive(Debug, Default)]
enum Layout {
    /// Too few bytes received.
    #[default]
    Unknown,
    Known {
        size: PageSize,
        header: Box<DatabaseHeader>,
    },
    /// Both headers are unusable; without a page size nothing can be checked.
    Unusable,
}

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The headers; `None` if neither copy is usable, and then no page was checked.
    pub headers: Option<DatabaseHeaders>,
    /// Database pages, without headers and patch page.
    pub pages: u64,
    /// Pages that were never written.
    pub uninitialised: u64,
    /// Pages with a wrong checksum or number, or older than in the flush map.
    pub bad: u64,
    /// Bad pages whose flipped bits the error-correcting code locates.
    pub correctable: u64,
    /// The last page of a streaming backup.
    pub patch: Option<PatchHeader>,
    /// Whether pages were compared with a flush map.
    pub flush_map: FlushMapUse,
    /// The number of findings: bad pages, bad headers, an incomplete page.
    pub findings: u64,
}

/// The use of a flush map to detect lost writes.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum FlushMapUse {
    /// There was none.
    #[default]
    Absent,
    /// It could not be read; the reason.
    Unusable(String),
    /// It belongs to another state of the database, or was not closed: normal after a crash and in
    /// backups.
    NotValid,
    /// Every page was compared with it.
    Checked {
        /// Damaged pages of the map itself, which cannot be used to check the database.
        damaged_map_pages: usize,
    },
}

impl Summary {
    /// Whether there is no finding.
    pub fn is_sound(&self) -> bool {
        self.findings == 0
    }

    /// Whether the header requires a patch page at the end, and there is none: the copy is not
    /// complete.
    pub fn lacks_patch(&self) -> bool {
        let header = self.headers.as_ref().map(|headers| &headers.header);
        header.is_some_and(DatabaseHeader::awaits_patch) && self.patch.is_none()
    }
}

impl PageVerifier {
    /// A verifier for one file, in the calling thread.
    pub fn new() -> PageVerifier {
        PageVerifier::default()
    }

    /// A verifier that spreads the pages of each piece over rayon's threads. Worthwhile for pieces
    /// of 1 MiB and more.
    pub fn parallel() -> PageVerifier {
        PageVerifier {
            parallel: true,
            ..PageVerifier::default()
        }
    }

    /// Also detects pages older than in the flush map, if the map is valid for the database.
    pub fn with_flush_map(mut self, flush_map: FlushMap) -> PageVerifier {
        self.flush_map = Some(flush_map);
        self
    }

    /// Records in the summary that the flush map is unusable.
    pub(super) fn without_flush_map(mut self, reason: String) -> PageVerifier {
        self.summary.flush_map = FlushMapUse::Unusable(reason);
        self
    }

    /// Takes the next bytes of the file and returns the damage in them, by place.
    pub fn feed(&mut self, mut piece: &[u8]) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.summary.bytes += piece.len() as u64;
        if matches!(self.layout, Layout::Unknown) {
            if self.carried.is_empty() && piece.len() >= DatabaseHeaders::START {
                self.read_headers(piece, &mut findings);
            } else {
                let lacking = DatabaseHeaders::START - self.carried.len();
                let (start, rest) = piece.split_at(lacking.min(piece.len()));
                self.carried.extend_from_slice(start);
                piece = rest;
                if self.carried.len() == DatabaseHeaders::START {
                    let start = std::mem::take(&mut self.carried);
                    self.read_headers(&start, &mut findings);
                    self.check(&start, &mut findings);
                }
            }
        }
        self.check(piece, &mut findings);
        self.count(findings)
    }

    /// Ends the file: returns the last findings and the summary.
    pub fn finish(mut self) -> (Vec<Finding>, Summary) {
        let mut findings = Vec::new();
        if matches!(self.layout, Layout::Unknown) {
            let start = std::mem::take(&mut self.carried);
            self.read_headers(&start, &mut findings);
            self.check(&start, &mut findings);
        }
        if let Some((_, patch)) = self.perhaps_patch.take() {
            self.summary.patch = Some(patch);
            self.summary.pages -= 1;
        }
        if let Layout::Known { size, .. } = self.layout
            && !self.carried.is_empty()
        {
            findings.push(Finding {
                offset: self.position,
                place: Place::End,
                damage: Damage::PartialPage {
                    found: self.carried.len(),
                    expected: size.bytes(),
                },
            });
        }
        let findings = self.count(findings);
        (findings, self.summary)
    }

    /// Determines the layout from the start of the file.
    fn read_headers(&mut self, start: &[u8], findings: &mut Vec<Finding>) {
        match DatabaseHeaders::parse(start) {
            Ok(headers) => {
                let size = headers.header.page_size();
                let (place, offset) = match headers.copies {
                    HeaderCopies::PrimaryBad => (Place::Header, 0),
                    _ => (Place::ShadowHeader, size.bytes() as u64),
                };
                if let Some(fault) = headers.fault.clone()
                    && (place == Place::Header || headers.header.is_shadowed())
                {
                    findings.push(Finding {
                        offset,
                        place,
                        damage: Damage::Header(fault),
                    });
                }
                if let Some(map) = &self.flush_map {
                    self.summary.flush_map = FlushMapUse::Checked {
                        damaged_map_pages: map.findings().len(),
                    };
                }
                let is_invalid = |map: &mut FlushMap| !map.is_valid_for(&headers.header);
                if self.flush_map.take_if(is_invalid).is_some() {
                    self.summary.flush_map = FlushMapUse::NotValid;
                }
                self.layout = Layout::Known {
                    size,
                    header: Box::new(headers.header.clone()),
                };
                self.summary.headers = Some(headers);
            }
            Err(fault) => {
                findings.push(Finding {
                    offset: 0,
                    place: Place::Header,
                    damage: Damage::Header(fault),
                });
                self.layout = Layout::Unusable;
            }
        }
    }

    /// Checks the next bytes of the file.
    fn check(&mut self, mut piece: &[u8], findings: &mut Vec<Finding>) {
        let Layout::Known { size, .. } = self.layout else {
            return;
        };
        let size = size.bytes();
        if !self.carried.is_empty() {
            let lacking = size - self.carried.len();
            let (start, rest) = piece.split_at(lacking.min(piece.len()));
            self.carried.extend_from_slice(start);
            piece = rest;
            if self.carried.len() < size {
                return;
            }
            let mut page = std::mem::take(&mut self.carried);
            self.check_pages(&page, findings);
            page.clear();
            self.carried = page;
        }
        let (pages, rest) = piece.split_at(piece.len() / size * size);
        self.check_pages(pages, findings);
        self.carried.extend_from_slice(rest);
    }

    /// Checks the next whole pages of the file.
    fn check_pages(&mut self, pages: &[u8], findings: &mut Vec<Finding>) {
        let Layout::Known { size, header } = &self.layout else {
            return;
        };
        let bytes = size.bytes();
        let first = self.position / bytes as u64;
        self.position += pages.len() as u64;
        // The two headers were checked with the layout.
        let headers = 2u64.saturating_sub(first) as usize;
        let pages = pages.get(headers * bytes..).unwrap_or_default();
        if pages.is_empty() {
            return;
        }
        if let Some((finding, _)) = self.perhaps_patch.take() {
            findings.push(finding);
        }
        let first = number_at(first.max(2));
        let map = self.flush_map.as_ref();
        let (found, uninitialised) = match self.parallel {
            true => check_in_parallel(pages, first, *size, map),
            false => check_in_order(pages, first, *size, map),
        };
        let last_number = first.saturating_add((pages.len() / bytes - 1) as u32);
        let last = &pages[pages.len() - bytes..];
        findings.extend(found);
        if let Some(finding) = findings.pop_if(|finding| finding.place == Place::Page(last_number))
        {
            let patch = PatchHeader::parse(last)
                .ok()
                .filter(|patch| patch.check_belongs_to(header).is_ok());
            match patch {
                Some(patch) => self.perhaps_patch = Some((finding, patch)),
                None => findings.push(finding),
            }
        }
        self.summary.pages += (pages.len() / bytes) as u64;
        self.summary.uninitialised += uninitialised;
    }

    fn count(&mut self, findings: Vec<Finding>) -> Vec<Finding> {
        self.summary.findings += findings.len() as u64;
        for finding in &findings {
            self.summary.bad += u64::from(matches!(finding.place, Place::Page(_)));
            self.summary.correctable += u64::from(finding.is_correctable());
        }
        findings
    }
}

/// The number of the page at `index` pages from the start of the file, the two headers included.
fn number_at(index: u64) -> Pgno {
    Pgno::try_from(index - 1).unwrap_or(Pgno::MAX)
}

/// The damage, and the number of pages never written.
type Checked = (Vec<Finding>, u64);

fn check_in_order(
    pages: &[u8],
    first: Pgno,
    size: PageSize,
    flush_map: Option<&FlushMap>,
) -> Checked {
    let (mut findings, mut uninitialised) = (Vec::new(), 0);
    for (page, number) in pages.chunks_exact(size.bytes()).zip(first..) {
        let verdict = verify_page(page, number);
        uninitialised += u64::from(verdict == PageVerdict::Uninitialised);
        let damage = match verdict {
            PageVerdict::Sound | PageVerdict::Uninitialised => {
                let lost = flush_map.and_then(|map| map.lost_flush(page, number));
                lost.map(Damage::LostFlush)
            }
            PageVerdict::WrongNumber { stored } => Some(Damage::WrongNumber { stored }),
            PageVerdict::Bad(bad) => Some(Damage::Checksum(bad)),
        };
        findings.extend(damage.map(|damage| Finding {
            offset: size.offset_of(number),
            place: Place::Page(number),
            damage,
        }));
    }
    (findings, uninitialised)
}

fn check_in_parallel(
    pages: &[u8],
    first: Pgno,
    size: PageSize,
    flush_map: Option<&FlushMap>,
) -> Checked {
    pages
        .par_chunks(PAGES_PER_TASK * size.bytes())
        .enumerate()
        .map(|(task, pages)| {
            let first = first.saturating_add((task * PAGES_PER_TASK) as u32);
            check_in_order(pages, first, size, flush_map)
        })
        .reduce(
            || (Vec::new(), 0),
            |mut left, right| {
                left.0.extend(right.0);
                (left.0, left.1 + right.1)
            },
        )
}
