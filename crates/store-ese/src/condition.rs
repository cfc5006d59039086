//! The condition that a directory is in: what its database's header says, which logs it needs,
//! which are there.

use std::ops::RangeInclusive;
use std::path::Path;

use contract::{Error, Generations, Result, ResultCode};
use ese::header::{DatabaseHeader, DatabaseHeaders, PatchHeader};
use ese::log_set::{LogSet, RequiredLogs};

/// What is known of a directory.
#[derive(Debug)]
pub(crate) struct Condition {
    /// The database's header; after a streaming backup, with what its last page adds.
    pub(crate) header: DatabaseHeader,
    /// `None` for a database that was shut down cleanly.
    pub(crate) required: Option<RequiredLogs>,
    pub(crate) logs: LogSet,
}

impl Condition {
    /// Judges a database by the start and the end of its file, and the logs beside it.
    ///
    /// `start` holds [`DatabaseHeaders::START`] bytes or the whole of a shorter file; `last` reads
    /// as many bytes from the file's end as it is asked for.
    ///
    /// # Errors
    /// `hrDatabaseCorrupted` for a header that is not sound; what `last` says.
    pub(crate) fn judge(
        database: &Path,
        start: &[u8],
        last: impl FnOnce(usize) -> Result<Vec<u8>>,
        logs: LogSet,
    ) -> Result<Self> {
        let corrupted = |fault: ese::header::Fault| {
            Error::new(
                ResultCode::DATABASE_CORRUPTED,
                format!(
                    "{}; this is no database, or one that is damaged beyond use: restore a snapshot",
                    fault.in_file(database)
                ),
            )
        };
        let mut header = DatabaseHeaders::parse(start).map_err(corrupted)?.header;
        if header.awaits_patch() {
            // A copy without its last page is told when its pages are verified.
            let last = last(header.page_size().bytes())?;
            if let Ok(patch) = PatchHeader::parse(&last) {
                header.apply_patch(&patch).map_err(corrupted)?;
            }
        }
        let required = RequiredLogs::of(&header, None, None).map_err(corrupted)?;
        Ok(Self {
            header,
            required,
            logs,
        })
    }

    /// The state in the words of the engine's own tools.
    pub(crate) fn state(&self) -> String {
        self.header.state().to_string()
    }

    /// The generations without which committed changes are lost; `None` where none is needed.
    pub(crate) fn required(&self) -> Option<RangeInclusive<u32>> {
        self.required
            .map(|required| required.complete())
            .filter(|range| !range.is_empty())
    }

    /// The generations that are needed and not there.
    pub(crate) fn missing(&self) -> Vec<RangeInclusive<u32>> {
        match (&self.required, self.required()) {
            (Some(required), Some(wanted)) => self.logs.missing(wanted, &required.sequence),
            _ => Vec::new(),
        }
    }

    /// The lowest and highest generation that are there.
    pub(crate) fn generations(&self) -> Option<Generations> {
        Some(Generations {
            low: self.logs.logs.first()?.generation(),
            high: self.logs.logs.last()?.generation(),
        })
    }
}

/// A range of generations as functions and snapshots name it.
pub(crate) fn generations(range: RangeInclusive<u32>) -> Generations {
    Generations {
        low: *range.start(),
        high: *range.end(),
    }
}

/// Ranges of generations for people: `0x1-0x3, 0x7`.
pub(crate) fn in_words(ranges: &[RangeInclusive<u32>]) -> String {
    ranges
        .iter()
        .map(|range| generations(range.clone()).to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
