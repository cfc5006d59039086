//! Carrying the result over: into the database file itself, or into a new one.
//!
//! In place, all changed pages first go to a journal beside the database. Once the journal is whole and on disk, it gets
//! its final name; from then on a recovery that was killed is completed from it. The header comes last, so at no moment
//! does the file claim to be clean when it is not.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::error::{Error, Result};
use super::store::PageStore;
use crate::checksum::{PageVerdict, verify_page};
use crate::database::Source;
use crate::header::{BackupInfo, DatabaseHeader, DatabaseHeaders, Lgpos, LogTime, Signature};
use crate::page::{PageSize, Pgno};

pub(super) const STATE_DIRTY: u32 = 2;
const STATE_CLEAN: u32 = 3;

/// Makes the header that of a database which was shut down at `position`.
pub(super) fn make_clean(
    header: &mut DatabaseHeader,
    position: Lgpos,
    dbtime: u64,
    last_object: u32,
) {
    let now = now();
    header.state = U32::new(STATE_CLEAN);
    header.dbtime = crate::header::DbTime::new(dbtime);
    header.last_object_id = U32::new(last_object);
    header.last_consistent = position;
    header.last_consistent_time = now;
    header.last_detach = position;
    header.last_detach_time = now;
    header.min_required = U32::ZERO;
    header.max_required = U32::ZERO;
    header.max_required_time = LogTime::default();
    header.max_committed = U32::ZERO;
    header.max_committed_time = LogTime::default();
    header.min_consistent = U32::ZERO;
    header.min_consistent_before_redo = U32::ZERO;
    header.min_required_before_redo = U32::ZERO;
    header.recovering = U32::ZERO;
    header.current_full_backup = BackupInfo::default();
    header.current_shadow_copy = BackupInfo::default();
    if header.last_resize.is_set() {
        header.last_resize = position;
    }
    // A flush map that the engine kept beside the file no longer fits it.
    header.header_flush_signature = Signature::default();
    header.flush_map_flush_signature = Signature::default();
}

/// The current time, UTC, as the engine writes it.
pub(super) fn now() -> LogTime {
    let since_1970 = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since_1970.as_secs();
    let milliseconds = since_1970.subsec_millis() as u16;
    let (days, of_day) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = date(days);
    let bytes = [
        (of_day % 60) as u8,
        (of_day / 60 % 60) as u8,
        (of_day / 3600) as u8,
        day,
        month,
        (year.saturating_sub(1900)).min(255) as u8,
        1 | (milliseconds << 1) as u8,
        (milliseconds >> 7 << 1) as u8,
    ];
    LogTime::read_from_bytes(&bytes).unwrap_or_default()
}

/// Year, month and day of the day `days` after 1 January 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u8, u8) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left as u8 + 1)
}

/// Where changed pages wait while the recovery runs.
pub(super) fn side_file(database: &Path) -> PathBuf {
    beside(database, ".recovery-pages")
}

/// The journal of a recovery in place that is complete but not yet carried over.
pub(super) fn journal(database: &Path) -> PathBuf {
    beside(database, ".recovery-journal")
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.file_name().unwrap_or_default().to_os_string();
    name.push(ending);
    database.with_file_name(name)
}

/// The end of a journal. Before it: the pages, in slots; their numbers, 0 for a slot to pass over; the header.
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
    signature: Signature,
    /// Of the numbers, the header and the footer up to here.
    checksum: U64,
}

const MAGIC: [u8; 8] = *b"ESErcv\x01\0";
const FOOTER: usize = size_of::<Footer>();

/// Carries the result into the database file.
pub(super) fn into_place(
    database: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
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
    let mut footer = Footer {
        magic: MAGIC,
        page_size: U32::new(size.bytes() as u32),
        slots: U32::new(changed.len() as u32),
        kept: U32::new(kept),
        pages: U32::new(pages),
        signature: header.database_signature,
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
    let journal = journal(database);
    std::fs::rename(&side, &journal).map_err(write)?;
    sync_folder(database)?;
    complete(database)?;
    Ok(changed.iter().filter(|number| **number != 0).count() as u64)
}

/// Completes a recovery in place whose journal is whole; `false` if there is none.
pub(super) fn complete(database: &Path) -> Result<bool> {
    let path = journal(database);
    let mut journal = match File::open(&path) {
        Ok(journal) => journal,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::Write { file: path, source }),
    };
    let read = |source| {
        Error::Read(crate::Error::Io {
            file: path.clone(),
            source,
        })
    };
    let damaged = |expected: &str| {
        Error::Read(crate::Error::Damaged {
            file: path.clone(),
            offset: 0,
            structure: "journal of a recovery".into(),
            expected: expected.into(),
            found: "something else; remove it and restore the database from a backup".into(),
        })
    };
    let length = journal.metadata().map_err(read)?.len();
    let footer_at = length
        .checked_sub(FOOTER as u64)
        .ok_or_else(|| damaged("a whole journal"))?;
    let mut bytes = [0; FOOTER];
    journal.read_exact_at(&mut bytes, footer_at).map_err(read)?;
    let footer = Footer::read_from_bytes(&bytes).map_err(|_| damaged("a footer"))?;
    let size = PageSize::new(footer.page_size.get()).filter(|_| footer.magic == MAGIC);
    let size = size.ok_or_else(|| damaged("a footer"))?;
    let slots = u64::from(footer.slots.get());
    let pages_end = slots * size.bytes() as u64;
    let end_length = slots * 4 + size.bytes() as u64;
    if pages_end + end_length != footer_at {
        return Err(damaged("as many pages as its footer says"));
    }
    let mut end = vec![0; end_length as usize];
    journal.read_exact_at(&mut end, pages_end).map_err(read)?;
    if sum(&end, &footer) != footer.checksum.get() {
        return Err(damaged("its checksum"));
    }
    let (numbers, header) = end.split_at(slots as usize * 4);
    let header = DatabaseHeader::parse(header).map_err(|_| damaged("a database header"))?;
    let current = DatabaseHeaders::read(database)?.header;
    if current.database_signature != footer.signature || current.page_size() != size {
        return Err(damaged("the journal of this database"));
    }

    let write = |source| Error::Write {
        file: database.to_path_buf(),
        source,
    };
    let file = File::options()
        .read(true)
        .write(true)
        .open(database)
        .map_err(write)?;
    file.set_len(size.offset_of(footer.kept.get() + 1))
        .map_err(write)?;
    let (numbers, _) = numbers.as_chunks::<4>();
    let mut page = vec![0; size.bytes()];
    let mut order: Vec<(Pgno, u64)> = (numbers.iter().map(|number| u32::from_le_bytes(*number)))
        .zip(0..)
        .collect();
    // Slots were given out as pages left memory; the file is written in its own order.
    let is_in_order = order.is_sorted();
    if !is_in_order {
        order.sort_unstable();
    }
    for (number, slot) in order {
        if is_in_order {
            journal.read_exact(&mut page).map_err(read)?;
        } else {
            let offset = slot * size.bytes() as u64;
            journal.read_exact_at(&mut page, offset).map_err(read)?;
        }
        if number == 0 || number > footer.pages.get() {
            continue;
        }
        match verify_page(&page, number) {
            PageVerdict::Sound | PageVerdict::Uninitialised => {}
            _ => return Err(damaged("sound pages")),
        }
        write_all_at(&file, &page, size.offset_of(number)).map_err(write)?;
    }
    file.set_len(size.offset_of(footer.pages.get() + 1))
        .map_err(write)?;
    file.sync_all().map_err(write)?;
    write_header(&file, &header).map_err(write)?;
    drop(journal);
    std::fs::remove_file(&path).map_err(|source| Error::Write {
        file: path.clone(),
        source,
    })?;
    sync_folder(database)?;
    Ok(true)
}

/// Refuses to read a database whose recovery in place was killed while it wrote.
pub(super) fn refuse_incomplete(database: &Path) -> Result<bool> {
    match journal(database).exists() {
        false => Ok(false),
        true => Err(Error::Unrecoverable {
            database: database.to_path_buf(),
            what: "a recovery in place was killed while it wrote its result; recover in place once more to complete it"
                .into(),
        }),
    }
}

/// Writes the result as the new file `target`.
pub(super) fn into_new_file(
    database: &Path,
    target: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
) -> Result<u64> {
    let size = store.page_size();
    let unfinished = beside(target, ".recovering");
    let write = |source| Error::Write {
        file: unfinished.clone(),
        source,
    };
    if target.exists() {
        return Err(Error::Write {
            file: target.to_path_buf(),
            source: io::ErrorKind::AlreadyExists.into(),
        });
    }
    std::fs::copy(database, &unfinished).map_err(write)?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(&unfinished)
        .map_err(write)?;
    // Pages that were cut off and came back hold nothing of what they once held.
    file.set_len(size.offset_of(store.base_pages() + 1))
        .map_err(write)?;
    file.set_len(size.offset_of(store.pages() + 1))
        .map_err(write)?;
    let changed = store.changed();
    let mut run: Vec<u8> = Vec::new();
    let mut run_start = 0;
    for number in &changed {
        let follows = size.offset_of(run_start) + run.len() as u64 == size.offset_of(*number);
        if !follows || run.len() >= 1 << 20 {
            write_all_at(&file, &run, size.offset_of(run_start)).map_err(write)?;
            run.clear();
            run_start = *number;
        }
        store.read_changed(*number, &mut run)?;
    }
    write_all_at(&file, &run, size.offset_of(run_start)).map_err(write)?;
    write_header(&file, header).map_err(write)?;
    file.flush().map_err(write)?;
    drop(file);
    store.discard_side()?;
    std::fs::rename(&unfinished, target).map_err(write)?;
    sync_folder(target)?;
    Ok(changed.len() as u64)
}

/// Writes both copies of the header, one after the other, so that one is whole at any moment.
pub(super) fn write_header(file: &File, header: &DatabaseHeader) -> io::Result<()> {
    let page = header.to_page();
    file.sync_all()?;
    write_all_at(file, &page, 0)?;
    file.sync_all()?;
    write_all_at(file, &page, page.len() as u64)?;
    file.sync_all()
}

/// Removes what a recovery that was stopped before its end left behind.
pub(super) fn remove_remains(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::Write {
            file: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}

/// Makes a new name in the folder of `file` last.
fn sync_folder(file: &Path) -> Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| Error::Write {
            file: folder.to_path_buf(),
            source,
        })
}

/// A sum that a torn or mixed-up journal does not get right (FNV-1a).
fn sum(end: &[u8], footer: &Footer) -> u64 {
    let footer = &footer.as_bytes()[..FOOTER - 8];
    (end.iter().chain(footer)).fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
