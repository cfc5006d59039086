//! `dsbackup show --history`: an object through all snapshots of its server.
//!
//! ```text
//! snapshot ─▶ object ─┐
//! snapshot ─▶ object ─┴─▶ comparison::compare ─▶ text, JSON
//!    ...
//! ```

use backup::Shown;
use comparison::{Found, Options, Seen, compare};
use documents::{Describe, Servers};
use objects::Guid;
use serde_json::{Value as Json, json};

use super::diff::{as_json, as_text};
use super::source::{Opened, Sources};
use crate::failure::{Failure, Outcome, Result};
use crate::report::Report;

/// The object in one snapshot.
struct Moment {
    opened: Opened,
    /// `None` if the directory has no trace of it.
    found: Option<Found>,
}

impl Moment {
    fn of(opened: Opened, guid: Guid) -> Result<Self> {
        let found = Found::of(&*opened, guid)?;
        Ok(Self { opened, found })
    }

    fn seen(&self) -> Option<Seen<'_>> {
        let found = self.found.as_ref()?;
        Some(found.seen(self.opened.schema()))
    }
}

/// Shows what became of the object with this GUID, from the oldest snapshot of the server of
/// `named` to the newest. A snapshot that cannot be read is named and passed over.
///
/// # Errors
/// Where `named` is no snapshot, and where the repository cannot be read.
pub fn run(sources: &Sources<'_>, named: &Opened, guid: Guid, report: Report) -> Result<Outcome> {
    let options = Options {
        deleted: true,
        ..Options::default()
    };
    let mut outcome = Outcome::Done;
    let mut lines = Vec::new();
    let mut text = Vec::new();
    let mut before: Option<Moment> = None;
    let mut shown = Shown::new(&report, "");
    sources.visit_same_server(named, &mut shown, |info, opened| {
        let now = match opened.and_then(|opened| Moment::of(opened, guid)) {
            Ok(now) => now,
            Err(failure) => {
                report.warn(format!("snapshot {}: {failure}", info.short_id()));
                if failure.exit_code() == 3 {
                    outcome = Outcome::DamageFound;
                }
                return Ok(());
            }
        };
        let former = before.as_ref().and_then(Moment::seen);
        let change = compare(former, now.seen(), &options);
        let state = match (&before, &change, &now.found) {
            (None, _, Some(found)) => format!("first snapshot: {}", found.entry.dn),
            (_, _, None) => "no such object".to_owned(),
            (Some(_), None, Some(_)) => "no change".to_owned(),
            (Some(_), Some(_), Some(_)) => String::new(),
        };
        let separator = if state.is_empty() { "" } else { ": " };
        text.extend(format!("{}{separator}{state}\n", now.opened.name).into_bytes());
        let sources = [&*before.as_ref().unwrap_or(&now).opened, &*now.opened];
        let mut line = json!({
            "snapshot": info.id,
            "time": backup::time::from_system(info.time),
            "dn": now.found.as_ref().map(|found| found.entry.dn.to_string()),
            "change": Json::Null,
        });
        if let Some(change) = change.filter(|_| before.is_some()) {
            let servers = Servers::of(sources)?;
            line["change"] = as_json(&change, &servers);
            let shown = Describe::new(sources, &servers, false).shown(&change)?;
            as_text(&mut text, &shown).map_err(Failure::Output)?;
        }
        lines.push(line);
        before = Some(now);
        Ok(())
    })?;
    drop(shown);
    report.result(&lines, || {
        String::from_utf8_lossy(&text).trim_end().to_owned()
    })?;
    Ok(outcome)
}
