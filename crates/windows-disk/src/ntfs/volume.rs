//! A volume: its records, the values of their attributes, and paths.

use std::ops::ControlFlow;
use std::sync::Arc;

use disk_image::fields::{u16_le, u64_le};
use disk_image::{Error, ReadAt, Result, array, vector};

use super::attribute::{
    ATTRIBUTE_LIST, Attribute, BITMAP, DATA, INDEX_ALLOCATION, INDEX_ROOT, VOLUME_INFORMATION,
    Value, attributes, is_utf16,
};
use super::index::{self, Entry};
use super::record::{FileReference, Record};
use super::runs::Runs;
use super::stream::{Content, Stream};
use crate::names::equal_but_for_case;

/// The record of the root folder.
pub const ROOT: FileReference = FileReference(5);
/// The records of the master file table, the journal, and the volume itself.
const MASTER_FILE_TABLE: FileReference = FileReference(0);
const JOURNAL: FileReference = FileReference(2);
const VOLUME: FileReference = FileReference(3);

/// The attribute by which folders are sorted by name.
const BY_NAME: &str = "$I30";
/// The longest list of attributes: NTFS allows 256 KiB.
const LONGEST_LIST: usize = 1 << 20;

/// An NTFS volume.
pub struct Volume {
    bytes: Arc<dyn ReadAt>,
    /// Bytes of a cluster, and their number.
    cluster: u64,
    clusters: u64,
    /// Bytes of a record.
    record: u64,
    /// The master file table.
    table: Stream,
}

impl Volume {
    /// Opens the volume in these bytes.
    ///
    /// # Errors
    /// For what is no NTFS, and for a damaged boot sector or master file table.
    pub fn open(bytes: Arc<dyn ReadAt>) -> Result<Self> {
        let boot: [u8; 512] = array(&*bytes, 0)?;
        let damaged = |position: u64, expected: &str, actual: String| {
            Error::damaged(bytes.name(), "NTFS boot sector", position, expected, actual)
        };
        if &boot[3..11] != b"NTFS    " {
            let actual = disk_image::fields::shown(&boot[3..11]);
            return Err(damaged(3, "\"NTFS    \"", actual));
        }
        let sector = u64::from(u16_le(&boot, 11));
        // Above 128 it is a negative power of two.
        let sectors = match boot[13] {
            count @ 0..=128 => u64::from(count),
            power => 1 << (256 - u32::from(power)).min(32),
        };
        let cluster = sector * sectors;
        if !cluster.is_power_of_two() || !(512..=2 << 20).contains(&cluster) {
            let actual = format!("{cluster} bytes");
            return Err(damaged(11, "clusters of 512 bytes to 2 MiB", actual));
        }
        let record = match boot[64] as i8 {
            power @ ..0 => 1 << u32::from(power.unsigned_abs()).min(32),
            clusters => cluster * clusters as u64,
        };
        if !record.is_power_of_two() || !(512..=1 << 16).contains(&record) {
            let actual = format!("{record} bytes");
            return Err(damaged(64, "records of 512 bytes to 64 KiB", actual));
        }
        let clusters = u64_le(&boot, 40).min(bytes.size() / sector) / sectors;
        let start = u64_le(&boot, 48);
        if start == 0 || start >= clusters {
            let expected = format!("the master file table below cluster {clusters}");
            return Err(damaged(48, &expected, start.to_string()));
        }
        let first = Record::read(&*bytes, start * cluster, record)?;
        let mut volume = Self {
            table: Stream {
                name: bytes.name().to_owned(),
                size: 0,
                content: Content::Here(Vec::new()),
            },
            bytes,
            cluster,
            clusters,
            record,
        };
        // The table's first part, which leads to the others where it has a list of attributes.
        let mut own = attributes(first.attributes());
        if let Some(attribute) = own.find(|found| found.kind() == DATA && found.is_named("")) {
            volume.table = volume.append(&first, &attribute, "$MFT", None)?;
        }
        if volume.table.size == 0 {
            let position = first.position;
            let expected = "the place of the master file table";
            return Err(Error::damaged(
                volume.bytes.name(),
                "record of the master file table",
                position,
                expected,
                "none",
            ));
        }
        if let Some(table) = volume.attribute(MASTER_FILE_TABLE, DATA, "", "$MFT")? {
            volume.table = table;
        }
        Ok(volume)
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        self.bytes.name()
    }

    /// What a user should know before relying on the volume.
    ///
    /// # Errors
    /// Where the records of the volume are damaged.
    pub fn warnings(&self) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let information = self.attribute(VOLUME, VOLUME_INFORMATION, "", "$Volume")?;
        if let Some(information) = information
            && information.size() >= 12
            && u16_le(&array::<12>(&information, 0)?, 10) & 1 != 0
        {
            warnings.push(format!(
                "{}: the volume is marked as damaged: Windows would check it (chkdsk)",
                self.name()
            ));
        }
        if self.journal_is_in_use()? {
            warnings.push(format!(
                "{}: the volume was in use when it was copied; its journal is not replayed, so \
                 that the last changes of names and sizes of files may be missing",
                self.name()
            ));
        }
        Ok(warnings)
    }

    /// Whether the journal says that Windows had the volume open.
    fn journal_is_in_use(&self) -> Result<bool> {
        let Some(journal) = self.attribute(JOURNAL, DATA, "", "$LogFile")? else {
            return Ok(false);
        };
        // Two pages tell of the restart; the one with the higher number counts.
        let mut newest = None;
        for position in [0, 4096] {
            if journal.size() < position + 512 {
                break;
            }
            let page: [u8; 512] = array(&journal, position)?;
            let start = usize::from(u16_le(&page, 24));
            if !page.starts_with(b"RSTR") || start + 16 > page.len() {
                continue;
            }
            let area = &page[start..];
            let number = u64_le(area, 0);
            // No client has it open, or the volume was closed.
            let is_closed = u16_le(area, 12) == u16::MAX || u16_le(area, 14) & 2 != 0;
            if newest.is_none_or(|(other, _)| other < number) {
                newest = Some((number, is_closed));
            }
        }
        Ok(newest.is_some_and(|(_, is_closed)| !is_closed))
    }

    /// The file or folder at a path; `None` if there is none. Case does not count, unless names
    /// differ by case alone.
    ///
    /// # Errors
    /// For damaged folders, and for a path through a folder that leads elsewhere.
    pub fn find(&self, path: &str) -> Result<Option<Entry>> {
        let parts: Vec<&str> = path
            .split(['\\', '/'])
            .filter(|part| !part.is_empty())
            .collect();
        let mut found: Option<Entry> = None;
        for (depth, part) in parts.iter().enumerate() {
            let at = || parts[..depth].join("\\");
            let folder = match &found {
                None => ROOT,
                Some(entry) if entry.is_folder => entry.file,
                Some(_) => return Ok(None),
            };
            let (mut exact, mut other) = (None, None);
            self.entries(folder, &at(), &mut |entry| {
                if entry.name == *part {
                    exact = Some(entry);
                    return ControlFlow::Break(());
                }
                if equal_but_for_case(&entry.name, part) {
                    other.get_or_insert(entry);
                }
                ControlFlow::Continue(())
            })?;
            found = exact.or(other);
            match &found {
                None => return Ok(None),
                Some(entry) if entry.is_reparse_point => {
                    return Err(Error::refused(
                        self.name(),
                        format_args!(
                            "{} leads to something else (a reparse point)",
                            parts[..=depth].join("\\")
                        ),
                        "name the database's path on the volume where it is (--in-image)",
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(found)
    }

    /// Calls `visit` with the entries of a folder, which messages call `name`.
    ///
    /// # Errors
    /// For a damaged folder.
    pub fn entries(
        &self,
        folder: FileReference,
        name: &str,
        visit: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<()> {
        let Some(root) = self.attribute(folder, INDEX_ROOT, BY_NAME, name)? else {
            let place = format!("{}: {name}", self.name());
            return Err(Error::damaged(
                place,
                "folder",
                0,
                "an index of names",
                "none",
            ));
        };
        let nodes = self.attribute(folder, INDEX_ALLOCATION, BY_NAME, name)?;
        let map = self.attribute(folder, BITMAP, BY_NAME, name)?;
        index::entries(&root, nodes.as_ref().zip(map.as_ref()), visit)
    }

    /// The bytes of a file, which messages call `name`.
    ///
    /// # Errors
    /// For a damaged file, and for one that is compressed or encrypted.
    pub fn open_file(&self, file: FileReference, name: &str) -> Result<Stream> {
        self.attribute(file, DATA, "", name)?.ok_or_else(|| {
            let place = format!("{}: {name}", self.name());
            Error::damaged(place, "file", 0, "data", "none")
        })
    }

    /// The record of a file.
    fn record(&self, file: FileReference) -> Result<Record> {
        let number = file.record();
        let position = number.checked_mul(self.record);
        let place = position.filter(|position| {
            let end = position.checked_add(self.record);
            end.is_some_and(|end| end <= self.table.size())
        });
        let damaged = |expected: &str, actual: String| {
            let structure = format!("record {number}");
            let position = position.unwrap_or(0);
            Error::damaged(&self.table.name, structure, position, expected, actual)
        };
        let Some(place) = place else {
            let expected = format!("{} bytes of records", self.table.size());
            return Err(damaged(&expected, "a record behind them".into()));
        };
        let record = Record::read(&self.table, place, self.record)?;
        if !record.is_in_use() {
            return Err(damaged("a file", "a record that is not in use".into()));
        }
        // The records of the system are also named without the number of their use.
        let sequence = file.sequence();
        if sequence != 0 && sequence != record.sequence() {
            let expected = format!("its use number {sequence}");
            return Err(damaged(&expected, record.sequence().to_string()));
        }
        Ok(record)
    }

    /// The value of an attribute of a file; `None` if the file has none of this kind and name.
    fn attribute(
        &self,
        file: FileReference,
        kind: u32,
        attribute: &str,
        name: &str,
    ) -> Result<Option<Stream>> {
        let base = self.record(file)?;
        let fits = |found: &Attribute| found.kind() == kind && found.is_named(attribute);
        let list = attributes(base.attributes()).find(|found| found.kind() == ATTRIBUTE_LIST);
        let Some(list) = list else {
            let own = attributes(base.attributes()).find(fits);
            return (own.map(|own| self.append(&base, &own, name, None))).transpose();
        };
        let list = self.append(&base, &list, name, None)?;
        let size = list.size();
        let list = vector(&list, 0, size, LONGEST_LIST, "list of attributes")?;
        let mut stream: Option<Stream> = None;
        let mut rest = &list[..];
        while rest.len() >= 26 {
            let length = usize::from(u16_le(rest, 4));
            let Some(entry) = rest.get(..length).filter(|entry| entry.len() >= 26) else {
                break;
            };
            rest = &rest[length..];
            let start = usize::from(entry[7]);
            let stored = entry.get(start..start + 2 * usize::from(entry[6]));
            let is_wanted = disk_image::fields::u32_le(entry, 0) == kind
                && is_utf16(stored.unwrap_or(&[]), attribute);
            if !is_wanted {
                continue;
            }
            let first = u64_le(entry, 8);
            let reference = FileReference(u64_le(entry, 16));
            let other;
            let holder = if reference.record() == file.record() {
                &base
            } else {
                other = self.record(reference)?;
                if other.base().record() != file.record() {
                    return Err(Error::damaged(
                        format_args!("{}: {name}", self.name()),
                        format_args!("record {}", reference.record()),
                        other.position,
                        format_args!("a part of the file of record {}", file.record()),
                        format_args!("one of record {}", other.base().record()),
                    ));
                }
                &other
            };
            let mut parts = attributes(holder.attributes()).filter(fits);
            let Some(part) = parts.find(|part| part.first() == first) else {
                return Err(Error::damaged(
                    format_args!("{}: {name}", self.name()),
                    format_args!("record {}", reference.record()),
                    holder.position,
                    format_args!("the part from cluster {first} on"),
                    "none",
                ));
            };
            stream = Some(self.append(holder, &part, name, stream)?);
        }
        Ok(stream)
    }

    /// The value of an attribute in a record, behind what the parts before said of it.
    fn append(
        &self,
        record: &Record,
        part: &Attribute<'_>,
        name: &str,
        before: Option<Stream>,
    ) -> Result<Stream> {
        let place = || format!("{}: {name}", self.name());
        let refused = |what: &str, next: &str| Err(Error::refused(place(), what, next));
        // A folder's flag says how its new files are made.
        let is_data = part.kind() == DATA;
        if is_data && part.is_compressed() && matches!(part.value(), Some(Value::Runs { .. })) {
            return refused(
                "the file is compressed by NTFS, which is not read",
                "copy it out with a system that reads it (mount the volume with ntfs-3g), and \
                 name the folder of the copies",
            );
        }
        if is_data && part.is_encrypted() {
            return refused(
                "the file is encrypted by NTFS (EFS)",
                "decrypt it where its key is, and name the folder of the copies",
            );
        }
        let damaged = |expected: &str, actual: String| {
            Error::damaged(place(), "attribute", record.position, expected, actual)
        };
        match (part.value(), before) {
            (Some(Value::Here(bytes)), None) => Ok(Stream {
                name: place(),
                size: bytes.len() as u64,
                content: Content::Here(bytes.to_vec()),
            }),
            (
                Some(Value::Runs {
                    first,
                    pairs,
                    size,
                    initialized,
                }),
                before,
            ) => {
                let mut stream = match before {
                    None if size >= 1 << 62 => {
                        return Err(damaged("a size", format!("{size} bytes")));
                    }
                    // The first part tells the sizes of all.
                    None => Stream {
                        name: place(),
                        size,
                        content: Content::Runs {
                            volume: Arc::clone(&self.bytes),
                            cluster: self.cluster,
                            runs: Runs::default(),
                            initialized,
                        },
                    },
                    Some(before) => before,
                };
                match &mut stream.content {
                    Content::Runs { runs, .. } if runs.end() == first => {
                        runs.add(pairs, self.clusters, &stream.name, record.position)?;
                        Ok(stream)
                    }
                    Content::Runs { runs, .. } => {
                        let expected = format!("the part from cluster {} on", runs.end());
                        Err(damaged(&expected, format!("that from cluster {first} on")))
                    }
                    Content::Here(_) => Err(damaged("one value", "two".into())),
                }
            }
            (Some(Value::Here(_)), Some(_)) => Err(damaged("one value", "two".into())),
            (None, _) => Err(damaged(
                "a value within the attribute",
                "one behind it".into(),
            )),
        }
    }
}
