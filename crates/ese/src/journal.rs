//! Changes a database file in place: a crash at any moment leaves the old state, or a journal that
//! leads to the new one.
//!
//! All changed pages first go to a journal beside the database. When the journal is complete and on
//! disk it gets its final name; from then on, every recovery carries it out first. The header is
//! written last, so the file is never marked clean too early.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{PageVerdict, verify_page};
use crate::header::{DatabaseHeader, DatabaseHeaders, Signature};
use crate::io::{Source, beside, sync_folder, write_all_at};
use crate::page::{PageSize, Pgno};
use crate::page_store::PageStore;
use crate::{Error, Result};

/// The end of a journal. Before it are the pages, in slots; then their numbers, 0 for an unused
/// slot; then the new header, and the caller's note.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone)]
#[repr(C)]
struct Footer {
    magic: [u8; 8],
    page_size: U32,
    slots: U32,
    /// The number of pages whose content in the file may stay; the others are created again.
    kept: U32,
    /// The number of pages of the resulting database.
    pages: U32,
    /// The signature of the database.
    signature: Signature,
    /// The checksum of the file's former header.
    before: U32,
    /// The length of the note in bytes.
    note: U32,
    /// The checksum of the numbers, the header, the note and the footer up to here.
    checksum: U64,
}

const MAGIC: [u8; 8] = *b"ESErcv\x02\0";
const FOOTER: usize = size_of::<Footer>();

/// The path of a database's complete journal.
fn journal_of(database: &Path) -> PathBuf {
    beside(database, ".recovery-journal")
}

/// Whether the database has a journal that must be carried out.
pub(crate) fn exists(database: &Path) -> bool {
    journal_of(database).exists()
}

/// Writes the journal that brings the pages of `store` and `header` into the database; `before` is
/// the header in the file. Returns the number of changed pages.
///
/// `note` tells the reader of the journal what to do after the pages are written.
pub(crate) fn write(
    database: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
    before: &DatabaseHeader,
    note: &[u8],
) -> Result<u64> {
    let size = store.page_size();
    let (pages, kept) = (store.pages(), store.base_pages());
    let changed = store.write_all_to_side()?;
    let side = store.side_path().to_path_buf();
    let write = Error::write(&side);
    let mut end = Vec::new();
    for number in &changed {
        end.extend_from_slice(&number.to_le_bytes());
    }
    end.extend_from_slice(&header.to_page());
    end.extend_from_slice(note);
    let mut footer = Footer {
        magic: MAGIC,
        page_size: U32::new(size.bytes() as u32),
        slots: U32::new(changed.len() as u32),
        kept: U32::new(kept),
        pages: U32::new(pages),
        signature: header.database_signature,
        before: before.checksum,
        note: U32::new(note.len() as u32),
        checksum: U64::ZERO,
    };
    footer.checksum = U64::new(sum(&end, &footer));
    end.extend_from_slice(footer.as_bytes());
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&side)
        .map_err(&write)?;
    let offset = changed.len() as u64 * size.bytes() as u64;
    write_all_at(&file, &end, offset).map_err(&write)?;
    file.set_len(offset + end.len() as u64).map_err(&write)?;
    file.sync_all().map_err(&write)?;
    drop(file);
    store.forget_side();
    std::fs::rename(&side, journal_of(database)).map_err(&write)?;
    sync_folder(database)?;
    Ok(changed.iter().filter(|number| **number != 0).count() as u64)
}

/// A journal whose end was read and is sound.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: PageSize,
    footer: Footer,
    /// The page in each slot.
    numbers: Vec<Pgno>,
    header: DatabaseHeader,
    note: Vec<u8>,
}

impl Journal {
    /// Opens the journal of a database; `None` if there is none.
    pub fn open(database: &Path) -> Result<Option<Journal>> {
        let path = journal_of(database);
        let io = Error::io(&path);
        let damaged = |expected: &str| damaged(&path, expected);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io(source)),
        };
        let length = file.metadata().map_err(&io)?.len();
        let footer_at = length.checked_sub(FOOTER as u64);
        let footer_at = footer_at.ok_or_else(|| damaged("a whole journal"))?;
        let mut bytes = [0; FOOTER];
        file.read_exact_at(&mut bytes, footer_at).map_err(&io)?;
        let footer = Footer::read_from_bytes(&bytes).map_err(|_| damaged("a footer"))?;
        let size = PageSize::new(footer.page_size.get()).filter(|_| footer.magic == MAGIC);
        let size = size.ok_or_else(|| damaged("a footer"))?;

        let slots = u64::from(footer.slots.get());
        let pages_end = slots * size.bytes() as u64;
        let end_length = slots * 4 + size.bytes() as u64 + u64::from(footer.note.get());
        if pages_end + end_length != footer_at {
            return Err(damaged("as many pages as its footer says"));
        }
        let mut end = vec![0; end_length as usize];
        file.read_exact_at(&mut end, pages_end).map_err(&io)?;
        if sum(&end, &footer) != footer.checksum.get() {
            return Err(damaged("its checksum"));
        }
        let (numbers, rest) = end.split_at(slots as usize * 4);
        let (header, note) = rest.split_at(size.bytes());
        let header = DatabaseHeader::parse(header).map_err(|_| damaged("a database header"))?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let numbers = numbers.iter().map(|number| u32::from_le_bytes(*number));
        drop(io);
        Ok(Some(Journal {
            numbers: numbers.collect(),
            note: note.to_vec(),
            path,
            file,
            size,
            header,
            footer,
        }))
    }

    /// The path of the journal.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The writer's note on what to do afterwards.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// The error for an invalid note.
    pub fn damaged_note(&self, expected: &str) -> Error {
        damaged(&self.path, expected)
    }

    /// Whether the database still has the header from which the journal was written, or already the
    /// new one.
    pub fn belongs_to(&self, database: &Path) -> Result<bool> {
        let current = DatabaseHeaders::read(database)?.header;
        let is_known = [self.footer.before, self.header.checksum].contains(&current.checksum);
        Ok(current.database_signature == self.footer.signature && is_known)
    }

    /// Writes the pages into the database, then the header.
    pub fn carry_over(&mut self, database: &Path) -> Result<()> {
        let write = Error::write(database);
        let file = File::options()
            .read(true)
            .write(true)
            .open(database)
            .map_err(&write)?;
        self.write_pages(&file, database)?;
        file.sync_all().map_err(&write)?;
        self.header.write_to(&file).map_err(&write)
    }

    /// Removes the journal, which is carried out.
    pub fn remove(self, database: &Path) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(Error::write(&self.path))?;
        sync_folder(database)
    }

    /// Writes the pages into the database, in file order, and sets its size.
    fn write_pages(&mut self, file: &File, database: &Path) -> Result<()> {
        let write = Error::write(database);
        let (size, pages) = (self.size, self.footer.pages.get());
        // Pages that were cut off and added again must not keep their former content.
        let kept = size.offset_of(self.footer.kept.get().saturating_add(1));
        if file.metadata().map_err(&write)?.len() > kept {
            file.set_len(kept).map_err(&write)?;
        }
        let mut order: Vec<(Pgno, u64)> = self.numbers.iter().copied().zip(0..).collect();
        // Slots are in the order in which pages left memory.
        let is_in_order = order.is_sorted();
        if !is_in_order {
            order.sort_unstable();
        }
        // On Windows reads at a position move the file's own.
        self.file.rewind().map_err(Error::io(&self.path))?;
        let mut page = vec![0; size.bytes()];
        for (number, slot) in order {
            let read = match is_in_order {
                true => self.file.read_exact(&mut page),
                false => (self.file).read_exact_at(&mut page, slot * size.bytes() as u64),
            };
            read.map_err(Error::io(&self.path))?;
            if number == 0 || number > pages {
                continue;
            }
            match verify_page(&page, number) {
                PageVerdict::Sound | PageVerdict::Uninitialised => {}
                _ => return Err(damaged(&self.path, "sound pages")),
            }
            write_all_at(file, &page, size.offset_of(number)).map_err(&write)?;
        }
        let length = size.offset_of(pages.saturating_add(1));
        file.set_len(length).map_err(&write)
    }
}

#[cold]
fn damaged(journal: &Path, expected: &str) -> Error {
    Error::Damaged {
        file: journal.to_path_buf(),
        offset: 0,
        structure: "journal of a recovery".into(),
        expected: expected.into(),
        found: "something else; restore the database from a backup".into(),
    }
}

/// A checksum that detects a torn or mixed-up journal (FNV-1a).
fn sum(end: &[u8], footer: &Footer) -> u64 {
    let footer = &footer.as_bytes()[..FOOTER - 8];
    (end.iter().chain(footer)).fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
