//! `dsbackup restore-objects`: single objects of a backup back into a running directory.

mod plan;
mod target;
pub mod undo;

use std::collections::HashSet;
use std::path::PathBuf;

use backup::beside::Beside;
use backup::watched::Watched;
use jiff::Zoned;
use object_restore::plan::{PasswordPlan, Plan, Planned};
use object_restore::{
    History, Journal, Means, Newer, Outcome as Ended, Pair, Password, Records, Request, Secrets,
    journal, make_plan, partners, words,
};
use objects::{Guid, Source, Wanted};
use serde_json::json;

use self::target::{Target, ask};
use super::show;
use super::source::{Opened, Sources};
use crate::cli::{PasswordOption, RestoreObjectsOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::password;
use crate::report::Report;

/// The variable that holds the new password of `--password set`.
const NEW_PASSWORD: &str = "DSBACKUP_NEW_PASSWORD";

/// Brings objects back.
///
/// # Errors
/// Where a directory cannot be read, where something stands in the way, where nobody said yes, and
/// where the connection breaks.
pub fn run(options: &RestoreObjectsOptions, report: Report) -> Result<Outcome> {
    let journal = options.resume.as_deref();
    let records = journal.map(Records::of_the_past).transpose()?;
    let target = Target::open(&options.server)?;
    if !target.live.is_samba() {
        report.warn(format!(
            "{}: this is no Samba server; the rules for others come from Microsoft's specification, \
             and were not tried on one: try it in a test domain first",
            target.name
        ));
    }
    let sources = Sources::new(&options.sources, report);
    let place = match (&options.source, &records) {
        (Some(source), _) => source.clone(),
        (None, Some(records)) => PathBuf::from(&records.begin.source),
        (None, None) => return Err(Failure::refused("no SOURCE is named")),
    };
    let source = sources.open(&place)?;
    let request = match &records {
        Some(records) => Request {
            force: records.begin.request.force || options.force,
            ..resumed(records, options, &target)?
        },
        None => request(options, &*source)?,
    };
    let history = records
        .as_ref()
        .map_or_else(History::default, Records::history);
    let pair = Pair::new(&*source, &target.live, &request, history);
    let beside = match &target.installation {
        Some(own) => Some(Beside::new(own, sources.snapshot_of(&source)?, &report)),
        None => None,
    };
    let pair = match &beside {
        Some(beside) => pair.beside(beside),
        None => pair,
    };
    let (mut plan, planned) = make_plan(&pair, &Watched::silent(&report))?;
    check_partners(&pair, &planned, &mut plan, options)?;
    if request.force {
        plan.obstacles.retain(|obstacle| !obstacle.yields_to_force);
    }
    if options.dry_run {
        let value = json!({"plan": plan::for_machines(&plan)});
        report.result(&value, || words::in_words(&plan))?;
    } else {
        report.step(words::in_words(&plan));
    }
    if !plan.obstacles.is_empty() {
        let obstacles = plan.obstacles.iter().take(3);
        let texts = obstacles.map(|obstacle| format!("{}: {}", obstacle.dn, obstacle.reason));
        return Err(Failure::refused(format!(
            "nothing was written, because {} in the way: {}",
            match plan.obstacles.len() {
                1 => "something is".to_owned(),
                count => format!("{count} things are"),
            },
            texts.collect::<Vec<_>>().join("; ")
        )));
    }
    if options.dry_run {
        return Ok(Outcome::Done);
    }
    if plan.is_empty() && records.is_none() {
        let value = json!({"plan": plan::for_machines(&plan), "writes": 0});
        report.result(&value, || {
            "nothing to bring back: all is as in the backup".into()
        })?;
        return Ok(Outcome::Done);
    }
    if !options.yes {
        ask("Write this to the server?")?;
    }
    let secrets = secrets(&sources, &source, &planned)?;
    let new_password = match planned
        .iter()
        .any(|one| one.plan.password == PasswordPlan::Set)
    {
        true => {
            let file = options.new_password_file.as_deref();
            Some(password::of_user(
                "the accounts that come back",
                file,
                NEW_PASSWORD,
            )?)
        }
        false => None,
    };
    let (mut journal, path) = match (&options.resume, &records) {
        (Some(path), Some(records)) => (Journal::resume(path, records)?, path.clone()),
        _ => {
            let path = options.journal.clone().unwrap_or_else(new_journal);
            let begin = journal::begin(source.place(), target.name.clone(), request.clone());
            (Journal::begin(&path, begin)?, path)
        }
    };
    report.step(format!("the journal is {}", path.display()));
    let watched = Watched::new(&report);
    let means = Means {
        secrets: &secrets,
        new_password: new_password.as_ref(),
        watch: &watched,
    };
    let ended = object_restore::run(&pair, &planned, &mut journal, &means);
    drop(watched);
    let ended = ended.map_err(|error| {
        let resume = format!(
            "; what was written is in the journal: go on with --resume {0}, or take it back with \
             dsbackup undo {0}",
            path.display()
        );
        match Failure::from(error) {
            Failure::Server(text) => Failure::Server(text + &resume),
            other => other,
        }
    })?;
    result(&plan, &ended, &path, report)
}

/// A name of a file that is not there.
fn new_journal() -> PathBuf {
    let now = Zoned::now()
        .strftime("restore-objects-%Y%m%d-%H%M%S")
        .to_string();
    let names = std::iter::once(format!("{now}.jsonl"))
        .chain((2..).map(|number| format!("{now}-{number}.jsonl")));
    let mut free = names.map(PathBuf::from).filter(|name| !name.exists());
    free.next().unwrap_or_default()
}

fn result(plan: &Plan, ended: &Ended, journal: &PathBuf, report: Report) -> Result<Outcome> {
    let value = json!({
        "plan": plan::for_machines(plan),
        "journal": journal,
        "writes": ended.writes,
        "refused": plan::left_for_machines(&ended.refused),
        "differing": plan::left_for_machines(&ended.differing),
    });
    report.result(&value, || {
        let mut lines = vec![format!("{} writes", ended.writes)];
        for (what, list) in [
            ("the server refused", &ended.refused),
            ("differs from the backup", &ended.differing),
        ] {
            let list = list.iter().map(words::left_in_words);
            lines.extend(list.map(|left| format!("{what}: {left}")));
        }
        match ended.is_complete() {
            true => lines.push("all that was planned is as in the backup".into()),
            false => lines.push(format!(
                "not all is as in the backup; dsbackup undo {} takes the restore back",
                journal.display()
            )),
        }
        lines.join("\n")
    })?;
    Ok(match ended.is_complete() {
        true => Outcome::Done,
        false => Outcome::Incomplete,
    })
}

fn request(options: &RestoreObjectsOptions, source: &dyn Source) -> Result<Request> {
    let mut objects = Vec::new();
    for text in &options.objects {
        let id = show::find(source, text)?;
        let entry = source.entry(id, &Wanted::names())?;
        let guid = entry.and_then(|entry| entry.guid);
        objects.push(guid.ok_or_else(|| {
            Failure::NotFound(format!("{text}: it has no objectGUID to bring it back by"))
        })?);
    }
    let mut attributes = std::collections::BTreeSet::new();
    for name in &options.attributes {
        let attribute = source.schema().attribute(name).ok_or_else(|| {
            Failure::NotFound(format!(
                "{name}: the directory's schema has no attribute of this name"
            ))
        })?;
        attributes.insert(attribute.name.to_ascii_lowercase());
    }
    let in_place = options.server.in_place;
    Ok(Request {
        objects,
        subtree: options.subtree,
        attributes,
        newer: if options.replace {
            Newer::Replace
        } else {
            Newer::Merge
        },
        links: !options.without_links,
        password: match options.password {
            Some(PasswordOption::Keep) if !in_place => {
                return Err(Failure::refused(
                    "--password keep: a server takes no hashes over the network; on the Samba \
                     domain controller itself use --in-place",
                ));
            }
            Some(PasswordOption::Keep) => Password::Keep,
            Some(PasswordOption::Set) => Password::Set,
            Some(PasswordOption::None) => Password::None,
            None if in_place => Password::KeepOfDeleted,
            None => Password::None,
        },
        rename_on_conflict: options.rename_on_conflict,
        into: options.into.clone(),
        force: options.force,
        privileged: in_place,
    })
}

/// The request of a journal, which must be of this server.
fn resumed(records: &Records, options: &RestoreObjectsOptions, target: &Target) -> Result<Request> {
    let request = records.begin.request.clone();
    if request.privileged != options.server.in_place {
        return Err(Failure::refused(format!(
            "the journal is of a restore to {}, not to {}",
            records.begin.target, target.name
        )));
    }
    Ok(request)
}

/// Objects that are made again under their old GUIDs must be unknown to all servers: where one has a
/// tombstone, it would delete them again, and the domain would fall apart.
fn check_partners(
    pair: &Pair<'_>,
    planned: &[Planned],
    plan: &mut Plan,
    options: &RestoreObjectsOptions,
) -> Result<()> {
    let open =
        |host: &str| Target::partner(host, &options.server).map_err(|failure| failure.to_string());
    plan.obstacles
        .extend(partners::check(pair, planned, &open)?);
    Ok(())
}

/// The passwords of those that keep them.
fn secrets(sources: &Sources<'_>, source: &Opened, planned: &[Planned]) -> Result<Secrets> {
    let keep = planned
        .iter()
        .filter(|one| one.plan.password == PasswordPlan::Keep);
    let objects: HashSet<Guid> = keep.map(|one| one.plan.guid).collect();
    match objects.is_empty() {
        true => Ok(Secrets::new()),
        false => sources.secrets(source, &objects),
    }
}
