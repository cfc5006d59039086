//! The condition of a directory: its database's header, the logs that it needs, and the logs that
//! exist.

use std::ops::RangeInclusive;
use std::path::Path;

use contract::{Error, Generations, Result, ResultCode};
use ese::header::{DatabaseHeader, DatabaseHeaders, PatchHeader};
use ese::log_set::{LogSet, RequiredLogs};

/// The known facts of a directory.
#[derive(Debug)]
pub(crate) struct Condition {
    /// The database's header; after a streaming backup with the additions of its last page.
    pub(crate) header: DatabaseHeader,
    /// `None` if the database was shut down cleanly.
    pub(crate) required: Option<RequiredLogs>,
    pub(crate) logs: LogSet,
}

impl Condition {
    /// Judges a database by the start and the end of its file, and the logs beside it.
    ///
    /// `start` holds [`DatabaseHeaders::START`] bytes or the whole of a shorter file; `last` reads
    /// the given number of bytes from the file's end.
    ///
    /// # Errors
    /// `hrDatabaseCorrupted` for a damaged header, and the errors of `last`.
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
                    "{}; this is no database, or one that is damaged beyond use: restore a \
                     snapshot",
                    fault.in_file(database)
                ),
            )
        };
        let mut header = DatabaseHeaders::parse(start).map_err(corrupted)?.header;
        if header.awaits_patch() {
            // The verification of the pages detects a copy without its last page.
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

    /// The state in the terms of the engine's own tools.
    pub(crate) fn state(&self) -> String {
        self.header.state().to_string()
    }

    /// The generations without which committed changes are lost; `None` if none is needed.
    pub(crate) fn required(&self) -> Option<RangeInclusive<u32>> {
        self.required
            .map(|required| required.complete())
            .filter(|range| !range.is_empty())
    }

    /// The needed generations that are missing.
    pub(crate) fn missing(&self) -> Vec<RangeInclusive<u32>> {
        match (&self.required, self.required()) {
            (Some(required), Some(wanted)) => self.logs.missing(wanted, &required.sequence),
            _ => Vec::new(),
        }
    }

    /// The lowest and highest existing generation.
    pub(crate) fn generations(&self) -> Option<Generations> {
        Some(Generations {
            low: self.logs.logs.first()?.generation(),
            high: self.logs.logs.last()?.generation(),
        })
    }
}

/// Converts a range of generations to the type of interfaces and snapshots.
pub(crate) fn generations(range: RangeInclusive<u32>) -> Generations {
    Generations {
        low: *range.start(),
        high: *range.end(),
    }
}

/// Ranges of generations in text: `0x1-0x3, 0x7`.
pub(crate) fn in_words(ranges: &[RangeInclusive<u32>]) -> String {
    ranges
        .iter()
        .map(|range| generations(range.clone()).to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
