//! What a plan needs, opened: the snapshot, the running server, and both side by side.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use backup::beside::Beside;
use backup::watched::Watched;
use backup::{Report, Snapshot, lock};
use object_restore::plan::{PasswordPlan, Plan, Planned};
use object_restore::{
    History, Newer, Pair, Password, Records, Request, Secrets, make_plan, partners, words,
};
use objects::{Guid, Source};
use sha2::{Digest, Sha256};

use crate::basket::{Basket, Choices, Passwords};
use crate::console::Console;
use crate::directories::Directory;
use crate::problem::Problem;
use crate::running::Running;

/// How long the lock of another program is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be brought back, from where, and to where.
pub struct Task<'t> {
    /// The name of the repository.
    repository: String,
    /// The whole id of the snapshot.
    pub snapshot: String,
    /// The server, by its name in the configuration.
    pub server: String,
    what: What<'t>,
}

enum What<'t> {
    Basket(&'t Basket),
    /// The rest of a restore that was cut off.
    Rest(&'t Records),
}

impl<'t> Task<'t> {
    /// What is in the basket.
    ///
    /// # Errors
    /// If it is empty.
    pub fn of(basket: &'t Basket) -> Result<Self, Problem> {
        let origin = basket.source.as_ref();
        let origin = origin.ok_or_else(|| Problem::wrong("the basket is empty"))?;
        Ok(Self {
            repository: origin.repository.clone(),
            snapshot: origin.id.clone(),
            server: basket.options.server.clone(),
            what: What::Basket(basket),
        })
    }

    /// The rest of a restore into this server.
    ///
    /// # Errors
    /// If no repository has its snapshot any more.
    pub fn rest(console: &Console, records: &'t Records, server: &str) -> Result<Self, Problem> {
        let snapshot = &records.begin.source;
        let configuration = console.configuration()?;
        let mut names = configuration.repositories.keys();
        let has_it = |name: &&String| {
            let shelf = console.library.shelf(&configuration, name);
            shelf.is_ok_and(|shelf| shelf.listed(snapshot).is_ok())
        };
        let repository = names.find(has_it).ok_or_else(|| {
            Problem::not_found(format!(
                "no repository has the snapshot {snapshot} any more"
            ))
        })?;
        Ok(Self {
            repository: repository.clone(),
            snapshot: snapshot.clone(),
            server: server.to_owned(),
            what: What::Rest(records),
        })
    }

    /// Whether a restore goes on: then nothing may be left to write.
    pub fn is_rest(&self) -> bool {
        matches!(self.what, What::Rest(_))
    }

    fn request(&self, source: &dyn Source, in_place: bool) -> Result<Request, Problem> {
        match self.what {
            What::Basket(basket) => request(basket, source, in_place),
            What::Rest(records) if records.begin.request.privileged == in_place => {
                Ok(records.begin.request.clone())
            }
            What::Rest(records) => Err(Problem::refused(format!(
                "the journal is of a restore to {}, not to {}",
                records.begin.target, self.server
            ))),
        }
    }

    fn history(&self) -> History {
        match self.what {
            What::Basket(_) => History::default(),
            What::Rest(records) => records.history(),
        }
    }
}

/// A plan, with what carries it out.
pub struct Prepared<'p> {
    /// The snapshot and the server.
    pub pair: &'p Pair<'p>,
    /// The plan. What yields to force is not in its way if that was chosen.
    pub plan: Plan,
    /// The same for the run.
    pub planned: Vec<Planned>,
    /// The server's address.
    pub server: &'p str,
    directory: &'p Directory,
    snapshot: &'p dyn Fn() -> Result<Snapshot, Problem>,
}

/// Makes the plan of a task, and passes it on. Nothing is written.
///
/// # Errors
/// If a directory cannot be read, the two are of different domains, or the choices do not fit.
pub fn with_plan<T>(
    console: &Console,
    task: &Task<'_>,
    report: &dyn Report,
    then: impl FnOnce(Prepared<'_>) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let settings = console.server(&task.server)?;
    let shelf = console
        .library
        .shelf(&console.configuration()?, &task.repository)?;
    let _lock = lock::for_reading(&shelf.repository, PATIENCE, report).map_err(Problem::failed)?;
    let snapshot = || {
        let info = shelf.repository.snapshot(&task.snapshot);
        let info = info.map_err(Problem::failed)?;
        Snapshot::open(&shelf.repository, &info).map_err(Problem::failed)
    };
    let directory = console.directory(&task.repository, &task.snapshot)?;
    let source: &dyn Source = &**directory;
    let running = Running::connect(settings)?;
    let request = task.request(source, settings.in_place)?;
    let beside = match &running.installation {
        Some(own) => Some(Beside::new(own, Some(snapshot()?), report)),
        None => None,
    };
    let pair = Pair::new(source, &running.live, &request, task.history());
    let pair = match &beside {
        Some(beside) => pair.beside(beside),
        None => pair,
    };
    let (mut plan, planned) = make_plan(&pair, &Watched::silent(report)).map_err(why)?;
    let open = |host: &str| Running::partner(settings, host).map_err(|problem| problem.text);
    let known = partners::check(&pair, &planned, &open).map_err(why)?;
    plan.obstacles.extend(known);
    if request.force {
        plan.obstacles.retain(|obstacle| !obstacle.yields_to_force);
    }
    then(Prepared {
        pair: &pair,
        plan,
        planned,
        server: &running.address,
        directory: &directory,
        snapshot: &snapshot,
    })
}

fn why(error: object_restore::Error) -> Problem {
    match error {
        object_restore::Error::Refused(reason) => Problem::refused(reason),
        error => Problem::failed(error),
    }
}

/// What is asked for.
fn request(basket: &Basket, source: &dyn Source, in_place: bool) -> Result<Request, Problem> {
    let choices = &basket.options;
    let mut attributes = BTreeSet::new();
    let is_between = |c: char| c == ',' || c.is_whitespace();
    for name in choices
        .attributes
        .split(is_between)
        .filter(|name| !name.is_empty())
    {
        let attribute = source.schema().attribute(name).ok_or_else(|| {
            Problem::wrong(format!(
                "{name}: the directory's schema has no attribute of this name"
            ))
        })?;
        attributes.insert(attribute.name.to_ascii_lowercase());
    }
    let into = choices.into.trim();
    Ok(Request {
        objects: basket.objects.iter().map(|item| item.guid).collect(),
        subtree: choices.subtree,
        attributes,
        newer: match choices.replace {
            true => Newer::Replace,
            false => Newer::Merge,
        },
        links: !choices.without_links,
        password: password(choices, in_place)?,
        rename_on_conflict: choices.rename,
        into: (!into.is_empty()).then(|| into.to_owned()),
        force: choices.force,
        privileged: in_place,
    })
}

fn password(choices: &Choices, in_place: bool) -> Result<Password, Problem> {
    Ok(match (choices.passwords, in_place) {
        (Passwords::Usual, true) => Password::KeepOfDeleted,
        (Passwords::Usual, false) | (Passwords::None, _) => Password::None,
        (Passwords::Set, _) => Password::Set,
        (Passwords::Keep, true) => Password::Keep,
        (Passwords::Keep, false) => {
            return Err(Problem::wrong(
                "a server takes no hashes of passwords over the network: that goes only on the \
                 Samba domain controller itself (in_place = true)",
            ));
        }
    })
}

impl Prepared<'_> {
    /// The plan in words.
    pub fn in_words(&self) -> String {
        words::in_words(&self.plan)
    }

    /// Names this plan: another one has another name.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.in_words());
        hash.update(self.server);
        hash.update(serde_json::to_vec(self.pair.request).unwrap_or_default());
        ids::hex::encode(&hash.finalize())
    }

    /// Whether accounts get a new password.
    pub fn sets_password(&self) -> bool {
        let mut plans = self.planned.iter().map(|one| one.plan.password);
        plans.any(|plan| plan == PasswordPlan::Set)
    }

    /// The passwords of those that keep them.
    ///
    /// # Errors
    /// If the snapshot's key is missing.
    pub fn secrets(&self) -> Result<Secrets, Problem> {
        let keep = (self.planned.iter()).filter(|one| one.plan.password == PasswordPlan::Keep);
        let objects: HashSet<Guid> = keep.map(|one| one.plan.guid).collect();
        match (objects.is_empty(), self.directory.view()) {
            (true, _) => Ok(Secrets::new()),
            (false, Some(view)) => {
                let secrets = view.secrets(&(self.snapshot)()?, &objects);
                secrets.map_err(Problem::failed)
            }
            (false, None) => Err(Problem::wrong("passwords come from a snapshot only")),
        }
    }
}
