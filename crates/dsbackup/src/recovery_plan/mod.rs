//! `dsbackup recovery-plan`: the steps that recover a forest from its backups.

mod html;
mod text;

use backup::list::list;
use backup::{Progress, Snapshot, View};
use forest::evidence::by_server;
use forest::{Evidence, Forest, Plan, ServerBackups, Usable, choices, plan, read};
use jobs::Configuration;
use repository::{Lock, Repository};

use crate::cli::{RecoveryPlanOptions, RepositoryOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::objects::source::cache;
use crate::report::Report;
use crate::{interrupt, lock};

/// Prints the plan.
///
/// # Errors
/// Fails if a repository cannot be read, if none holds a usable snapshot, and if the directory in
/// none of them can be read.
pub fn run(options: &RecoveryPlanOptions, report: Report) -> Result<Outcome> {
    let repositories = Repositories::open(options, report)?;
    let plan = repositories.plan()?;
    if let Some(file) = &options.html {
        html::write(&plan, file)?;
    }
    report.result(&plan, || text::in_words(&plan))?;
    Ok(match plan.is_complete() {
        true => Outcome::Done,
        false if plan.domains.iter().any(|choice| choice.snapshot.is_none()) => Outcome::NoBackup,
        false => Outcome::NotProven,
    })
}

struct Repositories<'o> {
    opened: Vec<(String, Repository, Option<Lock>)>,
    options: &'o RecoveryPlanOptions,
    report: Report,
}

impl<'o> Repositories<'o> {
    fn open(options: &'o RecoveryPlanOptions, report: Report) -> Result<Self> {
        let mut opened = Vec::new();
        let mut add = |name: String, repository: Repository| -> Result<()> {
            let lock = lock::for_reading(&repository, options.lock, report)?;
            opened.push((name, repository, lock));
            Ok(())
        };
        for location in &options.repositories {
            let repository = crate::open_repository(&RepositoryOptions {
                repository: location.clone(),
                access: options.access.clone(),
            })?;
            add(location.clone(), repository)?;
        }
        if options.repositories.is_empty() {
            let configuration = Configuration::read(&options.config.config)?;
            for repository in configuration.repositories.values() {
                add(repository.location.clone(), repository.open()?)?;
            }
        }
        Ok(Self {
            opened,
            options,
            report,
        })
    }

    fn plan(&self) -> Result<Plan> {
        let mut evidence = Vec::new();
        for (name, repository, _) in &self.opened {
            evidence.push(Evidence {
                repository: name.clone(),
                snapshots: list(repository, &self.report)?,
            });
            for file in repository.unreadable() {
                self.report.warn(file.to_string());
            }
        }
        let servers = by_server(&evidence);
        let (mut forest, origin) = self.newest_forest(&servers)?;
        let domains = choices(&forest, &servers);
        let bar = (self.report).progress_of("reading the domains", domains.len() as u64);
        for (domain, choice) in forest.domains.iter_mut().zip(&domains) {
            let is_known =
                |snapshot: &&Usable| domain.details.is_some() && snapshot.snapshot == origin;
            if let Some(snapshot) = choice.snapshot.as_ref().filter(|one| !is_known(one)) {
                domain.details = self.forest_in(snapshot)?.and_then(|other| {
                    let same = other.domain(&domain.dn)?;
                    same.details.clone()
                });
            }
            bar.advance(1);
        }
        Ok(plan(forest, servers, domains))
    }

    /// The forest in the newest snapshot that can be restored, and that snapshot's id.
    fn newest_forest(&self, servers: &[ServerBackups]) -> Result<(Forest, String)> {
        let mut candidates: Vec<&Usable> = servers.iter().filter_map(ServerBackups::best).collect();
        candidates.sort_by(|one, other| other.time.cmp(&one.time));
        for candidate in candidates {
            if let Some(forest) = self.forest_in(candidate)? {
                return Ok((forest, candidate.snapshot.clone()));
            }
        }
        let names: Vec<&str> = self.opened.iter().map(|(name, ..)| name.as_str()).collect();
        Err(Failure::NotFound(format!(
            "{}: no snapshot of a domain controller can be restored; dsbackup snapshots says why",
            match names.as_slice() {
                [] => "the configuration has no repository".into(),
                names => names.join(", "),
            }
        )))
    }

    fn forest_in(&self, usable: &Usable) -> Result<Option<Forest>> {
        let repository = (self.opened.iter())
            .find(|(name, ..)| *name == usable.repository)
            .map(|(_, repository, _)| repository);
        let Some(repository) = repository else {
            return Ok(None);
        };
        let snapshot = Snapshot::open(repository, &repository.snapshot(&usable.snapshot)?)?;
        self.report.step(snapshot.in_words());
        interrupt::watch()?;
        let view = View::open(&snapshot, &cache(&self.options.cache), &self.report)?;
        let bar = self.report.progress(0);
        bar.item("reading the forest");
        Ok(read(&**view)?)
    }
}
