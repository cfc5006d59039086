//! Lists records as text, in the layout of the engine's own log dumps, and as JSON.
//!
//! Instead of the first bytes of keys, bookmarks, data and other content, the lists show their
//! length: see [`redacted`](crate::redacted).

mod changes;
mod words;

use std::fmt::{self, Write};

use super::record::{DBTIME_INVALID, Record, RecordType, text};
use crate::header::Lgpos;
use changes::{describe_differences, write_tree_details};
use words::*;

/// A record with its position and type, for a listing.
#[derive(Debug, Clone, Copy)]
pub struct ListedRecord<'a> {
    /// The position of the record.
    pub position: Lgpos,
    /// Its type.
    pub kind: RecordType,
    /// The record.
    pub record: &'a Record<'a>,
}

impl fmt::Display for ListedRecord<'_> {
    /// One line (more for records with lists): `>position type details`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, ">{} {:<9}", self.place(), self.kind)?;
        f.write_str(&describe(self.record))?;
        if let Record::ReplaceDelta(replace) = self.record {
            f.write_str(&describe_differences(replace))?;
        }
        Ok(())
    }
}

impl ListedRecord<'_> {
    /// The position with a fixed width: `00000001,0012,077E`.
    fn place(&self) -> String {
        let position = self.position;
        let (segment, byte) = (position.segment(), position.byte());
        format!("{:08X},{segment:04X},{byte:04X}", position.generation())
    }

    /// The record as one JSON object: position, type, the page that it changes (if any) and the
    /// details as text.
    pub fn to_json(&self) -> String {
        let mut json = format!(
            "{{\"lgpos\":\"{}\",\"type\":\"{}\"",
            self.place(),
            self.kind
        );
        if let Some(page) = self.record.page_head() {
            // Writing to a string cannot fail.
            let _ = write!(
                json,
                ",\"session\":{},\"database\":{},\"page\":{},\"dbtime\":{},\"transaction\":{},\
                 \"level\":{}",
                page.session, page.database, page.page, page.dbtime, page.transaction, page.level
            );
            // Later records of a macro have no DBTIME before.
            if page.dbtime_before.get() < DBTIME_INVALID {
                let _ = write!(json, ",\"dbtime_before\":{}", page.dbtime_before);
            }
        }
        let _ = write!(
            json,
            ",\"details\":{}}}",
            json_string(describe(self.record).trim_start())
        );
        json
    }
}

/// A JSON string literal.
fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", control as u32);
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

/// The details of a record: everything but position and type.
pub fn describe(record: &Record) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_details(&mut out, record);
    out
}

fn write_details(out: &mut String, record: &Record) -> fmt::Result {
    match record {
        Record::Nop | Record::End | Record::ShutDownMark => {}
        Record::Init(init) => {
            write_time(out, init.time)?;
            let settings = init.settings;
            write!(
                out,
                "\n      Env SystemPath:{}\n      Env LogFilePath:{}\n      Env \
                 (CircLog,Session,Opentbl,VerPage,Cursors,LogBufs,LogFile,Buffers)\n          \
                 ({},{:7},{:7},{:7},{:7},{:7},{:7},{:7})\n",
                settings.system_path(),
                settings.log_path(),
                if settings.is_circular() {
                    "     on"
                } else {
                    "    off"
                },
                settings.sessions.get(),
                settings.open_tables.get(),
                settings.version_pages.get(),
                settings.cursors.get(),
                settings.log_buffers.get(),
                settings.log_sectors.get(),
                settings.cache_size.get(),
            )?;
        }
        Record::Term(term) => write_time(out, term.time)?,
        Record::RecoveryUndo(time) => write_time(out, *time)?,
        Record::RecoveryQuit(term) | Record::RecoveryQuitKeepAttachments(term) => {
            write_quit(out, term)?;
        }
        Record::MultiSector(link) => write!(
            out,
            " ({:X},{:X} checksum {})",
            link.forward_sector, link.forward_offset, link.checksum
        )?,
        Record::Checksum(checksum) => write!(
            out,
            " (0x{:X},0x{:X},0x{:X} checksum [0x{:X},0x{:X}])",
            checksum.backwards,
            checksum.forwards,
            checksum.next,
            checksum.checksum,
            checksum.short_checksum
        )?,
        Record::Begin(begin) => {
            let to = begin.level_from + begin.levels;
            write!(
                out,
                " ({:x},from:{},to:{to})",
                begin.session, begin.level_from
            )?;
            write_transaction(out, begin.transaction)?;
        }
        Record::Commit(commit) => {
            write!(out, " ({:x},to:{})", commit.session, commit.level_to)?;
            write_transaction(out, commit.transaction)?;
        }
        Record::Rollback(rollback) => {
            write!(out, " ({:x},{})", rollback.session, rollback.levels)?;
        }
        Record::Refresh(refresh) => {
            write!(out, " ({:x},{:x})", refresh.session, refresh.transaction)?;
        }
        Record::PrepareCommit(prepare) => {
            write!(out, " ({:x})", prepare.session)?;
            write_content(out, &[prepare.data])?;
        }
        Record::MacroBegin(m) | Record::MacroCommit(m) | Record::MacroAbort(m) => {
            write!(out, " ({:x}) {:x}", m.session, m.dbtime)?;
        }
        Record::MacroInfo(info) => {
            out.push(' ');
            for page in info.pages {
                write!(out, "[{}:{page}],", info.database)?;
            }
        }
        Record::CommitContext(context) => {
            write!(out, " ({:x}) ", context.session)?;
            write_content(out, &[context.content])?;
        }
        Record::JetCall(call) => write!(out, " ({:x}) -- {}", call.session, call.operation)?,
        Record::Trace(trace) | Record::ForceLogRollover(trace) => {
            write!(out, " ({:x}) {}", trace.session, text(trace.text))?;
        }
        Record::ForceWriteLog(session) => write!(out, " ({session:x})")?,
        Record::ExternalRestore(restore) => write!(out, " ({})", restore.info.to_text())?,
        Record::FragmentBegin { total, part } => write!(
            out,
            " (Total {total} bytes, current {} bytes, lrtyp {})",
            part.len(),
            RecordType(part.first().copied().unwrap_or(0))
        )?,
        Record::Fragment(part) => write!(out, " ({} bytes)", part.len())?,
        Record::Ignored { kind, content } => {
            write!(out, " (lrtyp = {}, {} bytes)", kind.0, content.len())?;
        }
        _ => write_database_details(out, record)?,
    }
    Ok(())
}

fn write_database_details(out: &mut String, record: &Record) -> fmt::Result {
    match record {
        Record::CreateDatabase(create) => {
            let (version, update) = create.version.unwrap_or((0, 0));
            write!(
                out,
                " ({:x},{},{}) Version: 0x{version:x},0x{update:x} cpgMax: {} Sig: {} sparse: {}",
                create.head.session,
                create.name.to_text(),
                create.head.database,
                create.head.size_limit,
                create.head.signature,
                u8::from(create.sparse)
            )?;
        }
        Record::CreateDatabaseFinish(finish) => {
            write!(out, " ({:x},{})", finish.session, finish.database)?;
        }
        Record::AttachDatabase(attach) => write!(
            out,
            " ({:x},{},{}) cpgMax: {} consistent:{}   SigDb: {}   SigLog: {} sparse: {}",
            attach.head.session,
            attach.name.to_text(),
            attach.head.database,
            attach.head.size_limit,
            shown(attach.head.consistent),
            attach.head.signature,
            attach.head.log_signature,
            u8::from(attach.sparse)
        )?,
        Record::DetachDatabase(detach) => write!(
            out,
            " ({:x},{},{})",
            detach.head.session,
            detach.name.to_text(),
            detach.head.database
        )?,
        Record::ReattachDatabase(reattach) => write!(
            out,
            " [{}:], consistent:{} attach:{} SigDb: {}",
            reattach.database,
            shown(reattach.consistent),
            shown(reattach.attach),
            reattach.signature
        )?,
        Record::SignalAttachDatabase(signal) => write!(out, " (dbid:{})", signal.database)?,
        Record::SetDatabaseVersion(version) => write!(
            out,
            " (dbid:{}, DB ver:{}.{}.{})",
            version.database, version.major, version.update_major, version.update_minor
        )?,
        Record::ExtendDatabase(extend) => {
            write!(out, " [{}:{}]", extend.database, extend.last_page)?;
        }
        Record::ShrinkDatabase(shrink) => {
            let head = shrink.head;
            match shrink.dbtime {
                Some(dbtime) => write!(out, " {dbtime:x}")?,
                None => out.push(' '),
            }
            write!(out, "[{}:{}:{}]", head.database, head.last_page, head.pages)?;
        }
        Record::TrimDatabase(trim) => {
            let (first, pages) = (trim.first_page.get(), trim.pages.get());
            write!(out, " [{}:{first}+{pages}] ", trim.database)?;
            write_page_list(out, trim.database, first, pages)?;
        }
        Record::ScanCheck(check) => write!(
            out,
            " {:x},{:x}[{}:{}]",
            check.dbtime_current, check.dbtime_page, check.database, check.page
        )?,
        Record::ScanCheck2(check) => write!(
            out,
            " {:x},{:x}[{}:{}],source:{},{},{}",
            check.dbtime_current,
            check.dbtime_page,
            check.database,
            check.page,
            check.flags & 3,
            if check.flags & 0x80 != 0 { "IVO" } else { "VO" },
            if check.flags & 0x40 != 0 { "EP" } else { "NEP" }
        )?,
        Record::PagePatchRequest(request) => write!(
            out,
            " {:x},[{}:{}]",
            request.dbtime, request.database, request.page
        )?,
        Record::OldBackup(backup) => {
            let kind = backup.kind.and_then(|kind| {
                let names = [
                    " FullBackup",
                    " IncrementalBackup",
                    " StartSnapshot",
                    " StopSnapshot",
                    " TruncateLogs",
                    " OSSnapshot",
                    " OSIncrementalSnapshot",
                ];
                names.get(usize::from(kind)).copied()
            });
            write!(out, "{} {}", kind.unwrap_or(""), text(backup.text))?;
        }
        Record::Backup(backup) => {
            let head = backup.head;
            let phase = match head.phase {
                1 => "Begin",
                2 => "PrepLogs",
                3 => "Truncate",
                4 => "Update",
                5 => "Abort",
                6 => "Stop",
                _ => "*Unknown*",
            };
            let kind = match head.kind.get() {
                0 => "External",
                1 => "OSSnapshot",
                3 => "Surrogate",
                _ => "*Unknown*",
            };
            let scope = match head.scope {
                1 => "Full",
                2 => "Incremental",
                5 => "Copy",
                6 => "Differential",
                _ => "*Unknown*",
            };
            write!(
                out,
                " {phase}( {kind}:{scope}, dbid={}, phaseDetails[{},",
                head.database,
                shown(head.mark)
            )?;
            write_clock(out, head.time)?;
            write!(out, ",({},{})] )", head.low, head.high)?;
            if !backup.text.is_empty() {
                write!(out, " {}", text(backup.text))?;
            }
        }
        _ => write_tree_details(out, record)?,
    }
    Ok(())
}
