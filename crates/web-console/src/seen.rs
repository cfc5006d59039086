//! The state of all jobs, as the console last saw it.

use std::collections::BTreeMap;

use backup::Silent;
use jobs::Configuration;
use jobs::record::{Run, StateFolder};
use jobs::status::{Status, status};

use crate::problem::Problem;

/// The state of all jobs, with the runs of each.
pub struct Seen {
    /// The state.
    pub status: Status,
    /// The runs, oldest first, by job and repository.
    pub runs: BTreeMap<(String, String), Vec<Run>>,
}

impl Seen {
    /// Looks at all repositories and records.
    ///
    /// # Errors
    /// If the configuration cannot be used. What cannot be read is part of the state.
    pub fn look(configuration: &Configuration, state: &StateFolder) -> Result<Self, Problem> {
        let status = status(configuration, &[], state, &Silent).map_err(Problem::failed)?;
        let mut runs = BTreeMap::new();
        for job in &status.jobs {
            // A record that cannot be read is among the problems.
            let record = state.read(&job.job).unwrap_or_default();
            let of_repository = record.repositories.get(&job.repository).cloned();
            let key = (job.job.clone(), job.repository.clone());
            runs.insert(key, of_repository.unwrap_or_default().runs);
        }
        Ok(Self { status, runs })
    }
}
