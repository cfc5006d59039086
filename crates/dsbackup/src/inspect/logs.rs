//! The logs that a database needs, and which of them lie beside it.

use std::ops::RangeInclusive;
use std::path::Path;

use ese::header::{Checkpoint, DatabaseHeader, PatchHeader, Signature};
use ese::log_set::{LogFile, LogSet, RequiredLogs};
use model::manifest::LogRange;
use serde::Serialize;

use crate::failure::{Failure, Result};

/// What a database that was not shut down needs to become whole.
#[derive(Debug, Serialize)]
pub struct LogNeeds {
    /// The folder that was looked at.
    folder: String,
    /// What the names of the logs start with, where one of them was found.
    base_name: Option<String>,
    /// Without these generations the database stays dirty for good.
    required: Option<LogRange>,
    /// With these no committed change is lost.
    complete: Option<LogRange>,
    /// Where the checkpoint lets recovery start, if that is lower.
    checkpoint_generation: Option<u32>,
    /// Those of `complete` that are there.
    present: Vec<PresentLog>,
    /// Those of `complete` that are not.
    missing: Vec<LogRange>,
    /// Logs of this base name in the folder that belong to another sequence.
    foreign: Vec<ForeignLog>,
    /// Logs in the folder that are damaged or misnamed.
    unusable: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ForeignLog {
    generation: u32,
    file: String,
    /// The signature of the logs that it belongs to.
    sequence: String,
}

#[derive(Debug, Serialize)]
struct PresentLog {
    generation: u32,
    file: String,
}

impl LogNeeds {
    /// What the database at `path` needs, and what of it lies in `folder`, or else beside it;
    /// `None` for a clean one.
    ///
    /// # Errors
    /// Where the folder cannot be read, or the patch page is of another backup.
    pub fn of(
        path: &Path,
        header: &DatabaseHeader,
        patch: Option<&PatchHeader>,
        folder: Option<&Path>,
    ) -> Result<Option<Self>> {
        let beside = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let folder = folder.unwrap_or(beside);
        let fault = |fault: ese::header::Fault| Failure::from(fault.in_file(path));
        if RequiredLogs::of(header, patch, None)
            .map_err(fault)?
            .is_none()
        {
            return Ok(None);
        }
        let (base_name, set) = logs_of(folder, &header.log_signature)?;
        let checkpoint = (base_name.as_ref())
            .and_then(|base| Checkpoint::read(&folder.join(format!("{base}.chk"))).ok());
        let Some(needs) = RequiredLogs::of(header, patch, checkpoint.as_ref()).map_err(fault)?
        else {
            return Ok(None);
        };
        let complete = needs.complete();
        let present = (set.logs.iter())
            .filter(|log| log.header.log_signature == needs.sequence)
            .filter(|log| complete.contains(&log.generation()))
            .map(|log| PresentLog {
                generation: log.generation(),
                file: name_of(log),
            });
        let foreign = set.foreign(&needs.sequence).map(|log| ForeignLog {
            generation: log.generation(),
            file: name_of(log),
            sequence: log.header.log_signature.to_string(),
        });
        Ok(Some(Self {
            folder: folder.display().to_string(),
            required: range(needs.required()),
            checkpoint_generation: needs.checkpoint,
            present: present.collect(),
            foreign: foreign.collect(),
            missing: (set.missing(complete.clone(), &needs.sequence).into_iter())
                .filter_map(range)
                .collect(),
            complete: range(complete),
            unusable: set.unusable.iter().map(ToString::to_string).collect(),
            base_name,
        }))
    }

    /// What to make of it.
    pub fn verdict(&self, state: &str) -> String {
        let Some(complete) = self.complete else {
            return format!(
                "{state}: it names no log that it requires, so it was never brought to a \
                 consistent state"
            );
        };
        let all = in_words(&complete);
        if self.missing.is_empty() {
            return format!(
                "{state}: consistent once the logs of generation {all} are replayed, and all of \
                 them are there"
            );
        }
        let missing: Vec<String> = self.missing.iter().map(in_words).collect();
        let fatal = self.required.is_some_and(|required| {
            let lacks = |missing: &LogRange| {
                missing.lowest <= required.highest && required.lowest <= missing.highest
            };
            self.missing.iter().any(lacks)
        });
        let loss = match fatal {
            true => "without them it cannot be made consistent",
            false => "without them committed changes are lost",
        };
        let foreign = match self.foreign.len() {
            0 => String::new(),
            _ => format!("; {}", self.foreign_in_words()),
        };
        format!(
            "{state}: it needs the logs of generation {all}; MISSING in {}: {}; {loss}{foreign}",
            self.folder,
            missing.join(", ")
        )
    }

    fn foreign_in_words(&self) -> String {
        let files = self.foreign.iter();
        let files = files.map(|log| format!("{} (generation {:#x})", log.file, log.generation));
        let verb = if self.foreign.len() == 1 {
            "belongs"
        } else {
            "belong"
        };
        format!(
            "{} {verb} to another sequence of logs",
            files.collect::<Vec<_>>().join(", ")
        )
    }

    /// A line a thing.
    pub fn in_words(&self) -> String {
        let dash = || "-".to_owned();
        let mut text = format!("\nLogs in {}:\n", self.folder);
        let mut line = |name: &str, value: String| text += &format!("  {name:>21}: {value}\n");
        line(
            "Required",
            self.required.as_ref().map_or_else(dash, in_words),
        );
        line(
            "For every commit",
            self.complete.as_ref().map_or_else(dash, in_words),
        );
        if let Some(generation) = self.checkpoint_generation {
            line("Checkpoint", format!("{generation} ({generation:#x})"));
        }
        line(
            "Present",
            match &self.present[..] {
                [] => "none".into(),
                [only] => only.file.clone(),
                [first, .., last] => {
                    format!(
                        "{} files, {} ... {}",
                        self.present.len(),
                        first.file,
                        last.file
                    )
                }
            },
        );
        let missing: Vec<String> = self.missing.iter().map(in_words).collect();
        line(
            "Missing",
            if missing.is_empty() {
                "none".into()
            } else {
                missing.join(", ")
            },
        );
        for foreign in &self.foreign {
            let ForeignLog {
                generation,
                file,
                sequence,
            } = foreign;
            line(
                "Foreign",
                format!("{file}, generation {generation} ({generation:#x}) of {sequence}"),
            );
        }
        for unusable in &self.unusable {
            line("Unusable", unusable.clone());
        }
        text
    }
}

/// The logs of this sequence in the folder, and their base name; where there are none, those of the
/// likeliest name.
fn logs_of(folder: &Path, sequence: &Signature) -> Result<(Option<String>, LogSet)> {
    let found = LogSet::by_base_name(folder, sequence)?.into_iter();
    let (mut own, mut others): (Vec<_>, Vec<_>) = found.partition(|(_, set)| {
        set.of_sequence(sequence).next().is_some() || !set.unusable.is_empty()
    });
    own.append(&mut others);
    Ok(match own.into_iter().next() {
        Some((base, set)) => (Some(base), set),
        None => (None, LogSet::default()),
    })
}

fn name_of(log: &LogFile) -> String {
    (log.path.file_name().unwrap_or_default())
        .to_string_lossy()
        .into_owned()
}

fn range(generations: RangeInclusive<u32>) -> Option<LogRange> {
    (!generations.is_empty()).then(|| LogRange {
        lowest: *generations.start(),
        highest: *generations.end(),
    })
}

/// `6-7 (0x6-0x7)`
fn in_words(range: &LogRange) -> String {
    let LogRange { lowest, highest } = range;
    match lowest == highest {
        true => format!("{lowest} ({lowest:#x})"),
        false => format!("{lowest}-{highest} ({lowest:#x}-{highest:#x})"),
    }
}
