//! `samba-tool dbcheck`: its findings in a directory, counted by kind, and the comparison of a copy
//! with its source.
//!
//! A working directory has findings, too: links to deleted members, entries of old releases. Every
//! copy has them, and they are no damage of the copy. Therefore a copy is compared with the
//! findings in its source.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tools;

/// The longest check of all partitions.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Findings that dbcheck counts although Samba does not repair them, as its source says: links from
/// and to deleted objects, and mere warnings.
const EVERYDAY: [&str; 3] = [
    "WARNING",
    "ERROR: target DN is deleted",
    "ERROR: linked attribute",
];

/// The findings of dbcheck in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dbcheck {
    /// Its end, in seconds since 1970-01-01 UTC.
    pub ended_s: u64,
    /// The number of checked objects.
    pub objects: u64,
    /// The number of findings of each kind. A kind is the words before the first name.
    pub kinds: BTreeMap<String, u64>,
}

/// The comparison of a copy's findings with its source's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Findings that the source lacks: the copy is damaged.
    pub(crate) damage: Vec<String>,
    /// Findings that the source has, too, or that any working directory has.
    pub(crate) notes: Vec<String>,
    /// Findings of a copy whose source was not checked.
    pub(crate) unknown: Vec<String>,
}

impl Dbcheck {
    /// Checks all partitions of an unpacked directory. Calls `checked` before each object, with the
    /// number of objects before it and of all.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if dbcheck cannot be started; [`Error::Tool`] if it does not finish.
    pub(crate) fn of_copy(
        sam: &Path,
        configuration: &Path,
        checked: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Self> {
        let mut command = Command::new("samba-tool");
        command.args(["dbcheck", "--verbose"]);
        let mut progress = Progress::default();
        Self::run(command, sam, configuration, |line| {
            if !progress.read(line) {
                return true;
            }
            checked(progress.begun.saturating_sub(1), progress.objects);
            false
        })
    }

    /// Checks all partitions of the domain controller, at the lowest priority. Reads only. The
    /// check ends with this process.
    ///
    /// # Errors
    /// As [`Dbcheck::of_copy`].
    pub(crate) fn of_source(sam: &Path, configuration: &Path) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args([
            "--pdeathsig",
            "KILL",
            "nice",
            "-n",
            "19",
            "samba-tool",
            "dbcheck",
        ]);
        Self::run(command, sam, configuration, |_| true)
    }

    fn run(
        mut command: Command,
        sam: &Path,
        configuration: &Path,
        keep: impl FnMut(&[u8]) -> bool + Send,
    ) -> Result<Self> {
        command
            .args(["--cross-ncs", "-H"])
            .arg(sam)
            .arg(format!("--configfile={}", configuration.display()));
        let output = tools::run_watched(command, LIMIT, keep)?;
        let tool = "samba-tool dbcheck";
        match Self::parse(&output.stdout) {
            Some(found) => Ok(found),
            None if output.lacks_a_module() => Err(Error::Unavailable {
                tool: tool.into(),
                reason: output.last_words(),
            }),
            None => Err(Error::Tool {
                tool: tool.into(),
                reason: format!("it did not come to its end: {}", output.last_words()),
            }),
        }
    }

    /// Parses dbcheck's output. `None` if its last line, which holds the counts, is missing.
    fn parse(text: &str) -> Option<Self> {
        let end = text.lines().rev().find_map(|line| {
            let (objects, rest) = line.strip_prefix("Checked ")?.split_once(" objects (")?;
            let errors = rest.strip_suffix(" errors)")?;
            Some((objects.parse().ok()?, errors.parse::<u64>().ok()?))
        });
        let (objects, errors) = end?;
        let mut kinds = BTreeMap::new();
        // Without errors there are at most warnings, which dbcheck does not count.
        if errors > 0 {
            for line in text.lines() {
                let is_finding = ["ERROR", "Error:", "WARNING"]
                    .iter()
                    .any(|start| line.starts_with(start));
                if is_finding {
                    *kinds.entry(kind(line)).or_default() += 1;
                }
            }
            if kinds.is_empty() {
                kinds.insert("findings without a name".into(), errors);
            }
        }
        Some(Self {
            ended_s: (SystemTime::now().duration_since(UNIX_EPOCH))
                .map_or(0, |since| since.as_secs()),
            objects,
            kinds,
        })
    }

    /// Compares the findings in a copy with those in its source, if known. The check of the source
    /// may be a day older, so only the kinds are compared, not their numbers.
    pub(crate) fn compare(&self, source: Option<&Self>) -> Comparison {
        let mut comparison = Comparison::default();
        for (kind, count) in &self.kinds {
            let text = format!("dbcheck: {kind} ({count} times)");
            let everyday = EVERYDAY.iter().any(|start| kind.starts_with(start));
            match source {
                Some(source) if source.kinds.contains_key(kind) => comparison
                    .notes
                    .push(format!("{text}, as in the directory that was backed up")),
                _ if everyday => comparison
                    .notes
                    .push(format!("{text}, as working directories have")),
                Some(_) => comparison.damage.push(text),
                None => comparison.unknown.push(text),
            }
        }
        comparison
    }
}

/// How far dbcheck is, from what it says with `--verbose`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    /// All objects; 0 until it says so.
    objects: u64,
    /// The objects of which the check has begun.
    begun: u64,
}

impl Progress {
    /// Reads a line, and returns whether it tells that the next object is checked.
    fn read(&mut self, line: &[u8]) -> bool {
        if line.starts_with(b"Checking object ") {
            self.begun += 1;
            return true;
        }
        let line = line.strip_prefix(b"Checking ").map(<[u8]>::trim_ascii_end);
        let number = line.and_then(|line| line.strip_suffix(b" objects"));
        let number = number.and_then(|number| std::str::from_utf8(number).ok());
        if let Some(objects) = number.and_then(|number| number.parse().ok()) {
            self.objects = objects;
        }
        false
    }
}

/// The words of a finding before the first name of an object or attribute, or the first number.
fn kind(line: &str) -> String {
    let names = |word: &str| {
        word.contains(|c: char| c.is_ascii_digit() || "=<>'\"[{(".contains(c)) || word.len() > 40
    };
    let words: Vec<&str> = line
        .split_whitespace()
        .take_while(|word| !names(word))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "Checking 3634 objects\nChecked 3634 objects (0 errors)\n";
    const LINK: &str = "\
Checking 3634 objects
WARNING: target DN is deleted for member in object CN=My Group,CN=Users,DC=x - <GUID=1a>;CN=u
Target GUID points at deleted DN 'CN=u1\\\\0ADEL:1a,CN=Deleted Objects,DC=x'
Not removing
Please use --fix to fix these errors
Checked 3634 objects (1 errors)
";
    const INSTANCE: &str = "\
ERROR: wrong instanceType 5 on CN=a,DC=x, should be 4
ERROR: wrong instanceType 5 on CN=b,DC=x, should be 4
Checked 3634 objects (2 errors)
";

    fn of(text: &str) -> Dbcheck {
        Dbcheck::parse(text).unwrap()
    }

    #[test]
    fn verbose_output_tells_how_far_it_is() {
        let text = "\
Checking 3634 objects
Checking object DC=x
ERROR: wrong instanceType 5 on CN=a,DC=x, should be 4
Checking object CN=9 objects,DC=x
Checked 3634 objects (1 errors)
";
        let mut progress = Progress::default();
        let mut kept = String::new();
        for line in text.split_inclusive('\n') {
            if !progress.read(line.as_bytes()) {
                kept.push_str(line);
            }
        }
        let expected = Progress {
            objects: 3634,
            begun: 2,
        };
        assert_eq!(progress, expected);
        assert_eq!(of(&kept).kinds.len(), 1);
    }

    #[test]
    fn findings_are_counted_by_kind() {
        assert_eq!(of(CLEAN).objects, 3634);
        assert!(of(CLEAN).kinds.is_empty());
        let member = "WARNING: target DN is deleted for member in object";
        assert_eq!(of(LINK).kinds, [(member.to_owned(), 1)].into());
        let instance = "ERROR: wrong instanceType";
        assert_eq!(of(INSTANCE).kinds, [(instance.to_owned(), 2)].into());
        for cut_short in [
            "",
            "Checking 3634 objects\nERROR: x\n",
            "Checked x objects (1 errors)",
        ] {
            assert_eq!(Dbcheck::parse(cut_short), None);
        }
    }

    #[test]
    fn a_copy_is_damaged_by_what_its_source_had_not() {
        let source = of(INSTANCE);
        let same = of(INSTANCE).compare(Some(&source));
        assert_eq!((same.damage.len(), same.notes.len()), (0, 1));
        let more = of(INSTANCE).compare(Some(&of(CLEAN)));
        assert_eq!((more.damage.len(), more.notes.len()), (1, 0));
        let unknown = of(INSTANCE).compare(None);
        assert_eq!((unknown.damage.len(), unknown.unknown.len()), (0, 1));
        for source in [None, Some(&source)] {
            let everyday = of(LINK).compare(source);
            assert_eq!((everyday.damage.len(), everyday.unknown.len()), (0, 0));
            assert_eq!(everyday.notes.len(), 1);
        }
    }
}
