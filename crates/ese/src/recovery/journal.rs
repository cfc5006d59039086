//! Carrying the result into the database file itself.
//!
//! All changed pages first go to a journal beside the database. Once the journal is whole and on disk, it gets its final
//! name; from then on a recovery that was killed is completed from it. The header comes last, so at no moment does the
//! file claim to be clean when it is not.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::aside::Aside;
use super::error::{Error, Result};
use super::finish::{beside, side_file, sync_folder, write_all_at, write_header};
use super::store::PageStore;
use crate::checksum::{PageVerdict, verify_page};
use crate::database::Source;
use crate::header::{DatabaseHeader, DatabaseHeaders, Signature};
use crate::page::{PageSize, Pgno};

/// The end of a journal. Before it lie the pages, in slots; then their numbers, 0 for a slot to pass over; then the new
/// header, and which logs are to be set aside.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct Footer {
    magic: [u8; 8],
    page_size: U32,
    slots: U32,
    /// Pages whose content in the file may stay; the others are made anew.
    kept: U32,
    /// Pages that the database has afterwards.
    pages: U32,
    /// The database.
    signature: Signature,
    /// The checksum of the header that the file had.
    before: U32,
    /// Bytes of what is said about the logs.
    aside: U32,
    /// Of the numbers, the header, the logs and the footer up to here.
    checksum: U64,
}

const MAGIC: [u8; 8] = *b"ESErcv\x02\0";
const FOOTER: usize = size_of::<Footer>();

/// The journal of a recovery in place that is complete but not yet carried over.
fn journal_of(database: &Path) -> PathBuf {
    beside(database, ".recovery-journal")
}

/// Carries the result into the database file. Returns how many pages changed.
pub(super) fn into_place(
    database: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
    before: &DatabaseHeader,
    aside: Option<&Aside>,
) -> Result<u64> {
    let size = store.page_size();
    let (pages, kept) = (store.pages(), store.base_pages());
    let changed = store.write_all_to_side()?;
    let side = side_file(database);
    let write = |source| Error::Write {
        file: side.clone(),
        source,
    };
    let mut end = Vec::new();
    for number in &changed {
        end.extend_from_slice(&number.to_le_bytes());
    }
    end.extend_from_slice(&header.to_page());
    let aside = aside.map_or_else(Vec::new, Aside::to_bytes);
    end.extend_from_slice(&aside);
    let mut footer = Footer {
        magic: MAGIC,
        page_size: U32::new(size.bytes() as u32),
        slots: U32::new(changed.len() as u32),
        kept: U32::new(kept),
        pages: U32::new(pages),
        signature: header.database_signature,
        before: before.checksum,
        aside: U32::new(aside.len() as u32),
        checksum: U64::ZERO,
    };
    footer.checksum = U64::new(sum(&end, &footer));
    end.extend_from_slice(footer.as_bytes());
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&side)
        .map_err(write)?;
    let offset = changed.len() as u64 * size.bytes() as u64;
    write_all_at(&file, &end, offset).map_err(write)?;
    file.set_len(offset + end.len() as u64).map_err(write)?;
    file.sync_all().map_err(write)?;
    drop(file);
    store.forget_side();
    std::fs::rename(&side, journal_of(database)).map_err(write)?;
    sync_folder(database)?;
    complete(database)?;
    Ok(changed.iter().filter(|number| **number != 0).count() as u64)
}

/// A recovery in place that was completed from its journal.
#[derive(Debug)]
pub(super) struct Completed {
    /// Where the replayed logs are now, if they were set aside.
    pub logs: Option<PathBuf>,
}

/// Completes a recovery in place whose journal is whole; `None` if there is none.
pub(super) fn complete(database: &Path) -> Result<Option<Completed>> {
    let path = journal_of(database);
    let Some(mut journal) = Journal::open(&path)? else {
        return Ok(None);
    };
    journal.check_belongs_to(database)?;
    let logs = journal.aside.as_ref().map(Aside::target);
    match carry_over(&mut journal, database) {
        Err(source @ Error::Write { .. }) => Err(Error::Incomplete {
            database: database.to_path_buf(),
            source: Box::new(source),
        }),
        carried => carried.map(|()| Some(Completed { logs })),
    }
}

/// Does what the journal says, and removes it.
fn carry_over(journal: &mut Journal, database: &Path) -> Result<()> {
    let write = |source| Error::Write {
        file: database.to_path_buf(),
        source,
    };
    let file = File::options()
        .read(true)
        .write(true)
        .open(database)
        .map_err(write)?;
    journal.write_pages(&file, database)?;
    file.sync_all().map_err(write)?;
    write_header(&file, &journal.header).map_err(write)?;
    if let Some(aside) = &journal.aside {
        aside.apply()?;
    }
    std::fs::remove_file(&journal.path).map_err(|source| Error::Write {
        file: journal.path.clone(),
        source,
    })?;
    sync_folder(database)
}

/// Refuses to read a database whose recovery in place was killed while it wrote.
pub(super) fn refuse_incomplete(database: &Path) -> Result<()> {
    match journal_of(database).exists() {
        false => Ok(()),
        true => Err(Error::Unrecoverable {
            database: database.to_path_buf(),
            what: "a recovery in place was killed while it wrote its result; recover in place once more to complete it"
                .into(),
        }),
    }
}

/// A journal whose end was read and is sound.
struct Journal {
    path: PathBuf,
    file: File,
    size: PageSize,
    footer: Footer,
    /// The page in each slot.
    numbers: Vec<Pgno>,
    header: DatabaseHeader,
    aside: Option<Aside>,
}

impl Journal {
    fn open(path: &Path) -> Result<Option<Journal>> {
        let io = |source| {
            Error::Read(crate::Error::Io {
                file: path.to_path_buf(),
                source,
            })
        };
        let damaged = |expected: &str| damaged(path, expected);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io(source)),
        };
        let length = file.metadata().map_err(io)?.len();
        let footer_at = length.checked_sub(FOOTER as u64);
        let footer_at = footer_at.ok_or_else(|| damaged("a whole journal"))?;
        let mut bytes = [0; FOOTER];
        file.read_exact_at(&mut bytes, footer_at).map_err(io)?;
        let footer = Footer::read_from_bytes(&bytes).map_err(|_| damaged("a footer"))?;
        let size = PageSize::new(footer.page_size.get()).filter(|_| footer.magic == MAGIC);
        let size = size.ok_or_else(|| damaged("a footer"))?;

        let slots = u64::from(footer.slots.get());
        let pages_end = slots * size.bytes() as u64;
        let end_length = slots * 4 + size.bytes() as u64 + u64::from(footer.aside.get());
        if pages_end + end_length != footer_at {
            return Err(damaged("as many pages as its footer says"));
        }
        let mut end = vec![0; end_length as usize];
        file.read_exact_at(&mut end, pages_end).map_err(io)?;
        if sum(&end, &footer) != footer.checksum.get() {
            return Err(damaged("its checksum"));
        }
        let (numbers, rest) = end.split_at(slots as usize * 4);
        let (header, aside) = rest.split_at(size.bytes());
        let header = DatabaseHeader::parse(header).map_err(|_| damaged("a database header"))?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let numbers = numbers.iter().map(|number| u32::from_le_bytes(*number));
        Ok(Some(Journal {
            path: path.to_path_buf(),
            file,
            size,
            numbers: numbers.collect(),
            header,
            aside: match aside.is_empty() {
                true => None,
                false => Some(Aside::from_bytes(aside).ok_or_else(|| damaged("names of folders"))?),
            },
            footer,
        }))
    }

    /// The database is still as it was when the journal was written, or has its header already.
    fn check_belongs_to(&self, database: &Path) -> Result<()> {
        let current = DatabaseHeaders::read(database)?.header;
        let is_known = [self.footer.before, self.header.checksum].contains(&current.checksum);
        match current.database_signature == self.footer.signature && is_known {
            true => Ok(()),
            false => Err(Error::Unrecoverable {
                database: database.to_path_buf(),
                what: format!(
                    "{} belongs to an earlier recovery of another state of this file; if the file was replaced since, \
                     remove it",
                    self.path.display()
                ),
            }),
        }
    }

    /// Writes the pages into the database, in its own order, and gives it its size.
    fn write_pages(&mut self, file: &File, database: &Path) -> Result<()> {
        let write = |source| Error::Write {
            file: database.to_path_buf(),
            source,
        };
        let (size, pages) = (self.size, self.footer.pages.get());
        // Pages that were cut off and came back hold nothing of what they once held.
        let kept = size.offset_of(self.footer.kept.get().saturating_add(1));
        if file.metadata().map_err(write)?.len() > kept {
            file.set_len(kept).map_err(write)?;
        }
        let mut order: Vec<(Pgno, u64)> = self.numbers.iter().copied().zip(0..).collect();
        // Slots were given out as pages left memory.
        let is_in_order = order.is_sorted();
        if !is_in_order {
            order.sort_unstable();
        }
        let mut page = vec![0; size.bytes()];
        for (number, slot) in order {
            let read = match is_in_order {
                true => self.file.read_exact(&mut page),
                false => (self.file).read_exact_at(&mut page, slot * size.bytes() as u64),
            };
            read.map_err(|source| {
                Error::Read(crate::Error::Io {
                    file: self.path.clone(),
                    source,
                })
            })?;
            if number == 0 || number > pages {
                continue;
            }
            match verify_page(&page, number) {
                PageVerdict::Sound | PageVerdict::Uninitialised => {}
                _ => return Err(damaged(&self.path, "sound pages")),
            }
            write_all_at(file, &page, size.offset_of(number)).map_err(write)?;
        }
        let length = size.offset_of(pages.saturating_add(1));
        file.set_len(length).map_err(write)
    }
}

#[cold]
fn damaged(journal: &Path, expected: &str) -> Error {
    Error::Read(crate::Error::Damaged {
        file: journal.to_path_buf(),
        offset: 0,
        structure: "journal of a recovery".into(),
        expected: expected.into(),
        found: "something else; restore the database from a backup".into(),
    })
}

/// A sum that a torn or mixed-up journal does not get right (FNV-1a).
fn sum(end: &[u8], footer: &Footer) -> u64 {
    let footer = &footer.as_bytes()[..FOOTER - 8];
    (end.iter().chain(footer)).fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
