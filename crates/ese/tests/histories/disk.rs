//! What is on the disk: which states of a page were written, and the header; and the files that a
//! power cut leaves.

use std::collections::BTreeMap;

use ese::header::{DatabaseHeader, DbTime, Lgpos, Signature};
use ese::page::{PageSize, Pgno};
use zerocopy::FromZeros;

use super::page::Page;
use super::random::Random;

/// The header as it was last written.
#[derive(Debug, Clone)]
pub struct Header {
    pub clean: bool,
    pub dbtime: u64,
    pub last_object: u32,
    pub consistent: Lgpos,
    pub attach: Lgpos,
    /// When the file was last resized or attached; older formats do not note it.
    pub resize: Lgpos,
}

/// A moment at which a page was written, or at which it was changed in memory.
#[derive(Debug, Clone)]
enum Event {
    Written(Page),
    /// A record made a change: where it stands (the last of a macro), where its transaction begins,
    /// and its number among all records.
    Changed {
        position: Lgpos,
        begun: Lgpos,
        record: usize,
    },
}

#[derive(Debug, Clone)]
pub struct Disk {
    pub size: PageSize,
    pub database: Signature,
    pub sequence: Signature,
    pub format: (u32, u32),
    pub header: Header,
    /// Pages of the file.
    pub last_page: Pgno,
    events: BTreeMap<Pgno, Vec<Event>>,
}

/// The database's file after a power cut.
pub struct File {
    pub bytes: Vec<u8>,
    /// The number of the last record, counted from 0 over all logs, whose change is on a page of
    /// the file.
    pub last_record: Option<usize>,
}

/// Where the logs stand when the power is cut.
pub struct Moment {
    pub position: Lgpos,
    /// Where the oldest of the transactions begins that are open.
    pub oldest: Option<Lgpos>,
    pub first_generation: u32,
}

impl Disk {
    pub fn new(
        size: PageSize,
        database: Signature,
        sequence: Signature,
        format: (u32, u32),
    ) -> Self {
        Disk {
            size,
            database,
            sequence,
            format,
            header: Header {
                clean: true,
                dbtime: 0,
                last_object: 0,
                consistent: Lgpos::MIN,
                attach: Lgpos::MIN,
                resize: Lgpos::MIN,
            },
            last_page: 0,
            events: BTreeMap::new(),
        }
    }

    /// The page was changed in memory.
    pub fn changed(&mut self, page: Pgno, position: Lgpos, begun: Lgpos, record: usize) {
        let events = self.events.entry(page).or_default();
        events.push(Event::Changed {
            position,
            begun,
            record,
        });
    }

    /// The file is longer, and the header notes when it became so.
    pub fn extend(&mut self, last_page: Pgno, position: Lgpos) {
        self.last_page = last_page;
        self.resized(position);
    }

    /// The file is shorter: what was beyond its end is gone.
    pub fn shrink(&mut self, last_page: Pgno, position: Lgpos) {
        self.last_page = last_page;
        self.events.retain(|page, _| *page <= last_page);
        self.resized(position);
    }

    fn resized(&mut self, position: Lgpos) {
        if self.header.resize.is_set() {
            self.header.resize = position;
        }
    }

    /// The page is written.
    pub fn write(&mut self, page: &Page) {
        let events = self.events.entry(page.number).or_default();
        events.push(Event::Written(page.clone()));
    }

    /// All pages are on disk for certain: what was before cannot come back.
    pub fn settle<'a>(&mut self, pages: impl Iterator<Item = &'a Page>) {
        self.events.clear();
        for page in pages {
            self.write(page);
        }
    }

    /// Whether the page has changes that were never written.
    pub fn is_dirty(&self, page: Pgno) -> bool {
        let last = self.events.get(&page).and_then(|events| events.last());
        matches!(last, Some(Event::Changed { .. }))
    }

    /// The file when the power is cut: each page in one of the states that were written, the header
    /// with what that demands.
    pub fn cut(&self, random: &mut Random, moment: &Moment) -> File {
        let mut states: BTreeMap<Pgno, Option<&Page>> = BTreeMap::new();
        // The first change that is in the logs only, and the last that is on disk.
        let mut first_missing = moment.position;
        let mut last_present: Option<Lgpos> = None;
        let mut last_record = None;
        let newest = random.once_in(4);
        for (page, events) in &self.events {
            let written: Vec<usize> = (events.iter().enumerate())
                .filter(|(_, event)| matches!(event, Event::Written(_)))
                .map(|(index, _)| index)
                .collect();
            // A page that is new since the last shutdown may never have been written; others are
            // there at least as then.
            let is_old = matches!(events.first(), Some(Event::Written(_)));
            let choices = written.len() + usize::from(!is_old);
            let choice = match newest {
                true => choices - 1,
                false => random.below(choices),
            };
            let index = match is_old {
                true => Some(written[choice]),
                false => choice.checked_sub(1).map(|choice| written[choice]),
            };
            let (before, after) = events.split_at(index.map_or(0, |index| index + 1));
            for event in after {
                // Its transaction must be replayed from its beginning on.
                if let Event::Changed { begun, .. } = event {
                    first_missing = first_missing.min(*begun);
                }
            }
            for event in before {
                if let Event::Changed {
                    position, record, ..
                } = event
                {
                    last_present = last_present.max(Some(*position));
                    last_record = last_record.max(Some(*record));
                }
            }
            let state = index.map(|index| match &events[index] {
                Event::Written(page) => page,
                Event::Changed { .. } => unreachable!("only states that were written"),
            });
            states.insert(*page, state);
        }
        let header = self.header_at(random, moment, first_missing, last_present);
        let pages = self.last_page;
        let head = header.to_page();
        let mut bytes = [&head[..], &head].concat();
        for number in 1..=pages {
            match states.get(&number) {
                Some(Some(page)) => bytes.extend(page.to_bytes(self.size)),
                _ => bytes.resize(bytes.len() + self.size.bytes(), 0),
            }
        }
        File { bytes, last_record }
    }

    fn header_at(
        &self,
        random: &mut Random,
        moment: &Moment,
        first_missing: Lgpos,
        last_present: Option<Lgpos>,
    ) -> DatabaseHeader {
        let mut header = DatabaseHeader::new_zeroed();
        header.magic = 0x89ab_cdef.into();
        header.version = 0x620.into();
        header.created_version = 0x620.into();
        header.update_major = self.format.0.into();
        header.update_minor = self.format.1.into();
        header.page_size_field = (self.size.bytes() as u32).into();
        header.file_type = 1.into();
        header.database_signature = self.database;
        header.log_signature = self.sequence;
        header.database_id = 1.into();
        header.last_consistent = self.header.consistent;
        header.last_attach = self.header.attach;
        header.last_resize = self.header.resize;
        header.last_object_id = self.header.last_object.into();
        header.dbtime = DbTime::new(self.header.dbtime);
        if self.header.clean {
            header.state = 3.into();
            return header;
        }
        header.state = 2.into();
        let current = moment.position.generation();
        let oldest = first_missing.min(moment.oldest.unwrap_or(moment.position));
        let attach = self.header.attach.generation();
        let needed = oldest.generation().max(attach);
        // The header lags behind what is written.
        let lowest = attach.max(moment.first_generation);
        let low = match random.once_in(3) {
            true => random.between(lowest as usize, needed as usize) as u32,
            false => needed,
        };
        let held = last_present.map_or(low, Lgpos::generation).max(low);
        let high = match random.once_in(3) {
            true => random.between(held as usize, current as usize) as u32,
            false => current,
        };
        header.min_required = low.into();
        header.min_consistent = low.into();
        header.max_required = high.into();
        header.max_committed = current.into();
        header
    }
}
