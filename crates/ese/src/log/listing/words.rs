//! The elements of details.

use std::fmt::{self, Write};

use crate::header::{Lgpos, LogTime};
use crate::log::record::{NodeHead, PageHead, Term};
use crate::redacted::Redacted;

/// `dbtime,dbtime before,transaction:level(session,`
pub(super) fn write_change(out: &mut String, page: &PageHead) -> fmt::Result {
    write!(
        out,
        " {:x},{:x},{:x}:{}({:x},",
        page.dbtime, page.dbtime_before, page.transaction, page.level, page.session
    )
}

/// Writes the change, the place of the node, and some flags.
pub(super) fn write_node(
    out: &mut String,
    head: &NodeHead,
    flags: &[fn(&PageHead) -> &'static str],
) -> fmt::Result {
    let page = &head.page;
    write_change(out, page)?;
    write!(out, "[{}:{}:{}],", page.database, page.page, page.line)?;
    for (index, flag) in flags.iter().enumerate() {
        let separator = if index + 1 < flags.len() { ':' } else { ',' };
        write!(out, "{}{separator}", flag(page))?;
    }
    Ok(())
}

pub(super) fn unique(page: &PageHead) -> &'static str {
    choose(page, PageHead::FLAG_UNIQUE, "U", "NU")
}

pub(super) fn version(page: &PageHead) -> &'static str {
    choose(page, PageHead::FLAG_VERSIONED, "V", "NV")
}

pub(super) fn deleted(page: &PageHead) -> &'static str {
    choose(page, PageHead::FLAG_DELETED, "D", "ND")
}

pub(super) fn space(page: &PageHead) -> &'static str {
    choose(page, PageHead::FLAG_SPACE, "SP", "NSP")
}

pub(super) fn origin(page: &PageHead) -> &'static str {
    choose(page, PageHead::FLAG_SYSTEM_TASK, "SYS", "USR")
}

pub(super) fn concurrent(page: &PageHead) -> &'static str {
    choose(page, PageHead::FLAG_CONCURRENT_CREATE_INDEX, "CI", "NCI")
}

pub(super) fn choose(
    page: &PageHead,
    flag: u8,
    yes: &'static str,
    no: &'static str,
) -> &'static str {
    if page.has(flag) { yes } else { no }
}

/// The DBTIME before of a sibling or parent; 0 if there is none, since the field is then
/// meaningless.
pub(super) fn shown_time(page: u32, dbtime: u64) -> u64 {
    if page == 0 { 0 } else { dbtime }
}

pub(super) fn write_page_list(
    out: &mut String,
    database: u8,
    first: u32,
    pages: u32,
) -> fmt::Result {
    const SHOWN_PAGES: u32 = 32;
    out.push('(');
    for index in 1..pages.min(SHOWN_PAGES) {
        write!(out, "[{database}:{}] ", first.wrapping_add(index))?;
    }
    out.push(')');
    Ok(())
}

pub(super) fn write_transaction(out: &mut String, transaction: Option<u32>) -> fmt::Result {
    match transaction {
        Some(transaction) => write!(out, " {transaction:x}"),
        None => Ok(()),
    }
}

/// Writes the length of the parts together, if they have content.
pub(super) fn write_content(out: &mut String, parts: &[&[u8]]) -> fmt::Result {
    match parts.iter().map(|part| part.len()).sum() {
        0 => Ok(()),
        length => write!(out, "{}", Redacted(length)),
    }
}

pub(super) fn write_quit(out: &mut String, term: &Term) -> fmt::Result {
    write_time(out, term.time)?;
    write!(
        out,
        "\n      Quit on {} Restore.\n      RedoFrom:{}\n      UndoRecordFrom:{}\n",
        if term.head.hard != 0 { "Hard" } else { "Soft" },
        shown(term.head.redo_from),
        shown(term.head.undo_from)
    )
}

pub(super) fn write_time(out: &mut String, time: Option<LogTime>) -> fmt::Result {
    match time {
        Some(time) => {
            out.push(' ');
            write_clock(out, time)
        }
        None => Ok(()),
    }
}

pub(super) fn write_clock(out: &mut String, time: LogTime) -> fmt::Result {
    let (hours, minutes, seconds, milliseconds) = time.time_of_day();
    write!(
        out,
        "({}/{}/{} {hours}:{minutes:02}:{seconds:02}.{milliseconds:03})",
        time.month(),
        time.day(),
        time.year()
    )
}

/// A tree as `objid:[database:number]`.
pub(super) struct Object<'a>(pub &'a NodeHead);

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "objid:[{}:{}]", self.0.page.database, self.0.object)
    }
}

/// The notation of a position within a record in the engine's dumps.
pub(super) fn shown(position: Lgpos) -> String {
    format!(
        "({:X},{:X},{:X})",
        position.generation(),
        position.segment(),
        position.byte()
    )
}
