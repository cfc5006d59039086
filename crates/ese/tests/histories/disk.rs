//! The disk: the states of pages that were written, and the header; and the files after a power
//! cut.

use std::collections::BTreeMap;

use ese::header::{DatabaseHeader, DbTime, Lgpos, Signature};
use ese::page::{PageSize, Pgno};
use zerocopy::FromZeros;

use super::page::Page;
use super::random::Random;

/// The last written header.
#[derive(Debug, Clone)]
pub struct Header {
    pub clean: bool,
    pub dbtime: u64,
    pub last_object: u32,
    pub consistent: Lgpos,
    pub attach: Lgpos,
    /// The position of the last resize or attachment; older formats do not record it.
    pub resize: Lgpos,
}

/// A write of a page, or a change of it in memory.
#[derive(Debug, Clone)]
enum Event {
    Written(Page),
    /// A change by a record: the record's position (the last of a macro), the beginning of its
    /// transaction, and its number among all records.
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
    /// The number of pages of the file.
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

/// The state of the logs at the power cut.
pub struct Moment {
    pub position: Lgpos,
    /// The beginning of the oldest open transaction.
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

    /// Records a change of the page in memory.
    pub fn changed(&mut self, page: Pgno, position: Lgpos, begun: Lgpos, record: usize) {
        let events = self.events.entry(page).or_default();
        events.push(Event::Changed {
            position,
            begun,
            record,
        });
    }

    /// Extends the file, and records the position in the header.
    pub fn extend(&mut self, last_page: Pgno, position: Lgpos) {
        self.last_page = last_page;
        self.resized(position);
    }

    /// Shrinks the file, without the pages beyond its end.
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

    /// Writes the page.
    pub fn write(&mut self, page: &Page) {
        let events = self.events.entry(page.number).or_default();
        events.push(Event::Written(page.clone()));
    }

    /// Makes all pages durable: no earlier state can come back.
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

    /// The file after the power cut: each page in one of its written states, with a matching
    /// header.
    pub fn cut(&self, random: &mut Random, moment: &Moment) -> File {
        let mut states: BTreeMap<Pgno, Option<&Page>> = BTreeMap::new();
        // The first change that is only in the logs, and the last that is on disk.
        let mut first_missing = moment.position;
        let mut last_present: Option<Lgpos> = None;
        let mut last_record = None;
        let newest = random.once_in(4);
        for (page, events) in &self.events {
            let written: Vec<usize> = (events.iter().enumerate())
                .filter(|(_, event)| matches!(event, Event::Written(_)))
                .map(|(index, _)| index)
                .collect();
            // A page that is new since the last shutdown may never have been written; others have
            // at least their state of then.
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
                // Its transaction must be replayed from its beginning.
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
        // The header lags behind the written pages.
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
