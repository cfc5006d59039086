//! Recovery of a changed copy of a set: its dump and summary, or its refusal.

use std::path::{Path, PathBuf};

use ese::log_set::LogSet;
use ese::recovery::{Error, Options, Summary, recover};

use crate::common::{contents, dump};

/// A crashed directory that ships with the project: generations 1 to 3 and the current log.
pub const CRASHED: &str = "sample-forest/dirty";

pub struct Outcome {
    pub dump: Vec<u8>,
    pub summary: Summary,
}

pub fn log_of(folder: &Path, generation: u32) -> PathBuf {
    let set = LogSet::in_folder(folder, "edb").unwrap();
    let log = set.logs.iter().find(|log| log.generation() == generation);
    log.unwrap().path.clone()
}

/// Recovers into another folder; on refusal, that folder stays empty.
pub fn attempt(folder: &Path, change: impl FnOnce(Options) -> Options) -> Result<Outcome, Error> {
    let out = tempfile::tempdir().unwrap();
    let options = change(Options::new(folder).into_folder(out.path()));
    match recover(options) {
        Ok(summary) => Ok(Outcome {
            dump: dump(&summary.database),
            summary,
        }),
        Err(error) => {
            assert!(contents(out.path()).is_empty(), "a refusal leaves nothing");
            Err(error)
        }
    }
}

pub fn refusal(folder: &Path) -> String {
    match attempt(folder, |options| options) {
        Ok(_) => panic!("recovered"),
        Err(error) => error.to_string(),
    }
}
