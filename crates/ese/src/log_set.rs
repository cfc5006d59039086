//! The logs of a folder, and those that a database needs.
//!
//! The engine names logs by a base name (`edb`), the generation in five or eight upper-case
//! hexadecimal digits, and an extension (`.log`, or `.jtx` in some products): `edb00001.log` ...
//! `edbFFFFF.log`, `edb00000001.log`. The current log has no number: `edb.log`. `edbtmp.log` is the
//! next one in preparation, and `edbres00001.jrs` reserves space for a full disk. Source: the
//! engine's `logstream.cxx` and `daeconst.hxx`.

use crate::header::{Checkpoint, DatabaseHeader, LogHeader, PatchHeader, Signature};
use crate::log::LogKind;
use crate::{Error, Result};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The role of a log by its file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogName {
    /// `edb.log`: the current log.
    Current,
    /// `edb00001.log`: a finished log.
    Numbered {
        /// The generation.
        generation: u32,
        /// The number of digits, five or eight.
        digits: usize,
    },
    /// `edbtmp.log`: the next log, not yet in use.
    Temporary,
    /// `edbres00001.jrs`: reserved space for a full disk, without content.
    Reserved {
        /// The number of the file.
        number: u32,
    },
}

impl LogName {
    /// Parses the name of a log with this base name; `None` for other files. Ignores case.
    pub fn parse(file_name: &str, base: &str) -> Option<LogName> {
        let (stem, extension) = file_name.rsplit_once('.')?;
        let (start, rest) = stem.split_at_checked(base.len())?;
        if !start.eq_ignore_ascii_case(base) {
            return None;
        }
        match extension.to_ascii_lowercase().as_str() {
            "log" | "jtx" if rest.is_empty() => Some(LogName::Current),
            "log" | "jtx" if rest.eq_ignore_ascii_case("tmp") => Some(LogName::Temporary),
            "log" | "jtx" if matches!(rest.len(), 5 | 8) => Some(LogName::Numbered {
                generation: hexadecimal(rest)?,
                digits: rest.len(),
            }),
            "jrs" => {
                let (res, number) = rest.split_at_checked(3)?;
                let number = hexadecimal(number).filter(|_| number.len() == 5)?;
                res.eq_ignore_ascii_case("res")
                    .then_some(LogName::Reserved { number })
            }
            _ => None,
        }
    }

    /// The file name, with the given `extension` (`log` or `jtx`) if the kind of log may have
    /// either.
    pub fn file_name(&self, base: &str, extension: &str) -> String {
        match self {
            LogName::Current => format!("{base}.{extension}"),
            LogName::Numbered { generation, digits } => {
                format!("{base}{generation:0digits$X}.{extension}")
            }
            LogName::Temporary => format!("{base}tmp.{extension}"),
            LogName::Reserved { number } => format!("{base}res{number:05X}.jrs"),
        }
    }
}

/// The possible base names of a log with this name, the likeliest first: `edb` for `edb00001.log`.
/// A base name may itself end in digits, as `E00` does.
pub fn base_names(file_name: &str) -> Vec<String> {
    const USUAL_LENGTH: usize = 3;
    let Some((stem, extension)) = file_name.rsplit_once('.') else {
        return Vec::new();
    };
    if !matches!(extension.to_ascii_lowercase().as_str(), "log" | "jtx") {
        return Vec::new();
    }
    let mut names: Vec<&str> = [8, 5]
        .into_iter()
        .filter_map(|digits| stem.split_at_checked(stem.len().checked_sub(digits)?))
        .filter(|(base, number)| !base.is_empty() && hexadecimal(number).is_some())
        .map(|(base, _)| base)
        .collect();
    if names.is_empty() {
        names.push(match stem.len().checked_sub("tmp".len()) {
            // The next log in preparation, not one of the base name `edbtmp`.
            Some(at @ 1..)
                if stem
                    .get(at..)
                    .is_some_and(|end| end.eq_ignore_ascii_case("tmp")) =>
            {
                &stem[..at]
            }
            _ => stem,
        });
    }
    names.retain(|name| !name.is_empty());
    names.sort_by_key(|name| name.len().abs_diff(USUAL_LENGTH));
    names.into_iter().map(str::to_owned).collect()
}

fn hexadecimal(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u32::from_str_radix(text, 16).ok())?
}

/// A log in a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct LogFile {
    /// The path.
    pub path: PathBuf,
    /// The role by its name.
    pub name: LogName,
    /// The header.
    pub header: LogHeader,
}

impl LogFile {
    /// The rules that the log must meet.
    pub fn kind(&self) -> LogKind {
        match self.name {
            LogName::Current => LogKind::Current,
            _ => LogKind::Numbered,
        }
    }

    /// The generation, by the header.
    pub fn generation(&self) -> u32 {
        self.header.generation.get()
    }
}

/// The logs of one folder with one base name.
#[derive(Debug, Default)]
pub struct LogSet {
    /// Finished logs and the current one, by generation.
    pub logs: Vec<LogFile>,
    /// Logs whose header is damaged or contradicts the file's name.
    pub unusable: Vec<Error>,
}

impl LogSet {
    /// The current log, such as `edb.log`; `None` in a copy of a directory, whose logs all have
    /// numbers.
    pub fn current(&self) -> Option<&LogFile> {
        self.logs.iter().find(|log| log.name == LogName::Current)
    }

    /// Lists the logs in `folder` with this base name, such as `edb`, and reads their headers.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder or a file cannot be read. A damaged log, or a pipe or device
    /// with a log's name, is no error; it is listed as unusable, and counts as missing if it is
    /// required.
    pub fn in_folder(folder: &Path, base: &str) -> Result<LogSet> {
        let io = Error::io(folder);
        let mut set = LogSet::default();
        for entry in std::fs::read_dir(folder).map_err(&io)? {
            let entry = entry.map_err(&io)?;
            let name = entry.file_name();
            match name.to_str().and_then(|name| LogName::parse(name, base)) {
                Some(name @ (LogName::Current | LogName::Numbered { .. }))
                    if !entry.path().is_dir() =>
                {
                    set.add(entry.path(), name)?;
                }
                _ => continue,
            }
        }
        set.logs.sort_by_key(LogFile::generation);
        Ok(set)
    }

    /// Lists the logs in `folder` by base name, the base name with the most logs of this sequence
    /// first. A file that fits several base names is listed again only if that name has other files
    /// of its own.
    ///
    /// # Errors
    /// The errors of [`in_folder`](Self::in_folder).
    pub fn by_base_name(folder: &Path, sequence: &Signature) -> Result<Vec<(String, LogSet)>> {
        let io = Error::io(folder);
        let mut bases: Vec<String> = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(&io)? {
            let name = entry.map_err(&io)?.file_name();
            for base in name.to_str().map(base_names).unwrap_or_default() {
                if !bases.iter().any(|known| known.eq_ignore_ascii_case(&base)) {
                    bases.push(base);
                }
            }
        }
        bases.sort_by_key(|base| (base.len(), base.to_ascii_lowercase()));
        let mut sets = Vec::new();
        for base in bases {
            let set = Self::in_folder(folder, &base)?;
            sets.push((base, set));
        }
        sets.sort_by_key(|(_, set)| std::cmp::Reverse(set.of_sequence(sequence).count()));
        let mut listed = HashSet::new();
        sets.retain(|(_, set)| {
            let logs = set.logs.iter().map(|log| log.path.clone());
            let unusable = set.unusable.iter().map(|error| error.file().to_path_buf());
            // Counts them, so that all are marked as listed.
            logs.chain(unusable)
                .filter(|path| listed.insert(path.clone()))
                .count()
                > 0
        });
        Ok(sets)
    }

    /// The logs of a sequence.
    pub fn of_sequence(&self, sequence: &Signature) -> impl Iterator<Item = &LogFile> {
        (self.logs.iter()).filter(move |log| log.header.log_signature == *sequence)
    }

    /// The logs of other sequences: those of other databases, or from before the database's logs
    /// began anew.
    pub fn foreign(&self, sequence: &Signature) -> impl Iterator<Item = &LogFile> {
        (self.logs.iter()).filter(move |log| log.header.log_signature != *sequence)
    }

    fn add(&mut self, path: PathBuf, name: LogName) -> Result<()> {
        match LogHeader::read(&path) {
            Ok(header) => match name {
                LogName::Numbered { generation, .. } if header.generation != generation => {
                    self.unusable.push(Error::Damaged {
                        file: path,
                        offset: 4,
                        structure: "log header".into(),
                        expected: format!("generation {generation:#x}, as in the file's name"),
                        found: format!("generation {:#x}", header.generation),
                    });
                }
                _ => self.logs.push(LogFile { path, name, header }),
            },
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(damage) => self.unusable.push(damage),
        }
        Ok(())
    }

    /// The log of a generation, if it belongs to the sequence with this signature.
    pub fn get(&self, generation: u32, sequence: &Signature) -> Option<&LogFile> {
        let first = self
            .logs
            .partition_point(|log| log.generation() < generation);
        self.logs[first..]
            .iter()
            .take_while(|log| log.generation() == generation)
            .find(|log| log.header.log_signature == *sequence)
    }

    /// The missing generations of `wanted`, as ranges, lowest first.
    pub fn missing(
        &self,
        wanted: RangeInclusive<u32>,
        sequence: &Signature,
    ) -> Vec<RangeInclusive<u32>> {
        let mut missing = Vec::new();
        let mut next = Some(*wanted.start());
        let present = self.logs.iter().filter(|log| {
            wanted.contains(&log.generation()) && log.header.log_signature == *sequence
        });
        for generation in present.map(LogFile::generation) {
            if let Some(first) = next.filter(|first| *first < generation) {
                missing.push(first..=generation - 1);
            }
            next = generation.checked_add(1);
        }
        if let Some(first) = next.filter(|first| first <= wanted.end()) {
            missing.push(first..=*wanted.end());
        }
        missing
    }
}

/// The logs that a dirty database needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredLogs {
    /// The sequence of the logs.
    pub sequence: Signature,
    /// The first log that recovery needs.
    pub lowest: u32,
    /// The last log that recovery needs; without it the database cannot become consistent.
    pub highest: u32,
    /// The last log with committed changes; without the logs up to here these are lost. Never below
    /// `highest`.
    pub committed: u32,
    /// The generation of the checkpoint, if one of the same sequence was given and is below
    /// `lowest`. The engine replays from there if the logs exist, so they must not be deleted.
    pub checkpoint: Option<u32>,
}

impl RequiredLogs {
    /// Determines the logs that the database needs; `None` if it was shut down cleanly.
    ///
    /// `patch` is the last page of a streaming backup, `checkpoint` the checkpoint beside the logs.
    ///
    /// # Errors
    /// [`crate::header::Fault`] if the patch page is that of another backup.
    pub fn of(
        header: &DatabaseHeader,
        patch: Option<&PatchHeader>,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Option<RequiredLogs>, crate::header::Fault> {
        let mut header = header.clone();
        if let Some(patch) = patch.filter(|_| header.awaits_patch()) {
            header.apply_patch(patch)?;
        }
        if header.is_clean() {
            return Ok(None);
        }
        let lowest = header.min_required.get();
        let highest = header.max_required.get();
        let checkpoint = checkpoint
            .filter(|checkpoint| checkpoint.log_signature == header.log_signature)
            .map(|checkpoint| checkpoint.checkpoint.generation())
            .filter(|generation| (1..lowest).contains(generation));
        Ok(Some(RequiredLogs {
            sequence: header.log_signature,
            lowest,
            highest,
            committed: header.max_committed.get().max(highest),
            checkpoint,
        }))
    }

    /// The generations that recovery needs. Empty if the header requires none (`lowest` is 0).
    pub fn required(&self) -> RangeInclusive<u32> {
        match self.lowest {
            0 => RangeInclusive::new(1, 0),
            lowest => lowest..=self.highest,
        }
    }

    /// The generations that hold every committed change.
    pub fn complete(&self) -> RangeInclusive<u32> {
        match self.lowest {
            0 => RangeInclusive::new(1, 0),
            lowest => lowest..=self.committed,
        }
    }

    /// The first generation that must be kept.
    pub fn first_kept(&self) -> u32 {
        self.checkpoint.unwrap_or(self.lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_told_apart() {
        let numbered = |generation, digits| Some(LogName::Numbered { generation, digits });
        for (file_name, name) in [
            ("edb.log", Some(LogName::Current)),
            ("EDB.LOG", Some(LogName::Current)),
            ("edb.jtx", Some(LogName::Current)),
            ("edbtmp.log", Some(LogName::Temporary)),
            ("edb00001.log", numbered(1, 5)),
            ("edbFFFFF.log", numbered(0xf_ffff, 5)),
            ("edb0010000A.log", numbered(0x10_000a, 8)),
            ("edbres00002.jrs", Some(LogName::Reserved { number: 2 })),
            ("edb1.log", None),
            ("edb+0001.log", None),
            ("edb000001.log", None),
            ("edb0000G.log", None),
            ("edb.chk", None),
            ("edbres00001.log", None),
            ("other00001.log", None),
            ("é.log", None),
            ("edb", None),
        ] {
            assert_eq!(LogName::parse(file_name, "edb"), name, "{file_name}");
        }
    }

    #[test]
    fn the_base_name_is_what_comes_before_the_number() {
        for (file_name, likeliest) in [
            ("edb.log", "edb"),
            ("edb00001.log", "edb"),
            ("edb0000001F.log", "edb"),
            ("E0000001.log", "E00"),
            ("E000000001F.log", "E00"),
            ("E00.jtx", "E00"),
            ("edbtmp.log", "edb"),
            ("EDBTMP.LOG", "EDB"),
            ("tmp.log", "tmp"),
        ] {
            assert_eq!(base_names(file_name)[0], likeliest, "{file_name}");
        }
        for file_name in ["ntds.dit", "edb.chk", ".log", "é.jtx.chk"] {
            assert!(base_names(file_name).is_empty(), "{file_name}");
        }
    }

    proptest! {
        #[test]
        fn written_names_are_read_back(generation in 1u32.., number in 0u32..0xf_ffff) {
            let digits = if generation <= 0xf_ffff { 5 } else { 8 };
            for name in [
                LogName::Current,
                LogName::Temporary,
                LogName::Numbered { generation, digits },
                LogName::Numbered { generation, digits: 8 },
                LogName::Reserved { number },
            ] {
                prop_assert_eq!(LogName::parse(&name.file_name("edb", "log"), "edb"), Some(name));
            }
        }

        #[test]
        fn any_name_is_judged(name: String, base: String) {
            LogName::parse(&name, &base);
            base_names(&format!("{name}.log"));
        }
    }
}
