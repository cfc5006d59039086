//! `dsbackup files` and `dsbackup cat`: the files of a directory server, such as SYSVOL.

use std::time::SystemTime;

use backup::view::{FileKind, FileList, ListedFile, secret_in};
use jiff::Timestamp;
use objects::descriptor::{Descriptor, Domains};
use serde_json::{Value as Json, json};

use super::source::Sources;
use super::{table, words};
use crate::cli::{CatOptions, FilesOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report};

/// Lists files.
///
/// # Errors
/// Where nothing has the path, and where the source cannot be read.
pub fn list(options: &FilesOptions, report: Report) -> Result<Outcome> {
    let sources = Sources::new(&options.sources, report);
    let list = sources.files(&options.source)?;
    let path = options.path.as_deref().unwrap_or("");
    let found: Vec<&ListedFile> = list.beneath(path).collect();
    if found.is_empty() {
        return Err(nothing(path));
    }
    let for_machines: Vec<Json> = found.iter().map(|file| for_machines(file)).collect();
    report.result(&for_machines, || in_words(&found, options.acl))?;
    Ok(Outcome::Done)
}

/// Writes the bytes of a file to standard output.
///
/// # Errors
/// Where there is no such file, and where it holds passwords or keys.
pub fn cat(options: &CatOptions, report: Report) -> Result<Outcome> {
    let sources = Sources::new(&options.sources, report);
    let list = sources.files(&options.source)?;
    let file = file_at(&list, &options.path)?;
    let content = list.open(file)?;
    if let Some(what) = secret_in(&file.path, &content)? {
        return Err(Failure::refused(format!(
            "{}: this holds {what}, and is not shown (dsbackup restore --target puts all files \
             into a folder)",
            words::printable(&file.path)
        )));
    }
    report::stream(|out| {
        content.visit(&file.path, |piece| {
            out.write_all(piece).map_err(Failure::Output)
        })
    })?;
    Ok(Outcome::Done)
}

fn file_at<'l>(list: &'l FileList, path: &'l str) -> Result<&'l ListedFile> {
    let wanted = path.trim_matches('/');
    let mut files: Vec<&ListedFile> = (list.beneath(wanted))
        .filter(|file| file.path.len() == wanted.len())
        .collect();
    // Names that differ only in case: the one that was meant.
    files.sort_by_key(|file| file.path != wanted);
    match files.first().map(|file| (*file, &file.kind)) {
        None => Err(nothing(path)),
        Some((file, FileKind::File(_))) => Ok(file),
        Some((file, FileKind::Folder)) => Err(Failure::NotFound(format!(
            "{}: this is a folder (dsbackup files lists it)",
            words::printable(&file.path)
        ))),
        Some((file, FileKind::Link(target))) => Err(Failure::NotFound(format!(
            "{}: this is a link to {}: name that",
            words::printable(&file.path),
            words::printable(target)
        ))),
    }
}

fn nothing(path: &str) -> Failure {
    Failure::NotFound(format!(
        "{path:?}: there is no such file or folder (dsbackup files SOURCE lists all)"
    ))
}

fn for_machines(file: &ListedFile) -> Json {
    let (kind, size, target) = match &file.kind {
        FileKind::Folder => ("folder", None, None),
        FileKind::Link(target) => ("link", None, Some(target)),
        FileKind::File(size) => ("file", Some(*size), None),
    };
    json!({
        "path": file.path,
        "kind": kind,
        "size": size,
        "target": target,
        "modified": file.modified.map(backup::time::from_system),
        "mode": file.mode.map(|mode| format!("{mode:04o}")),
        "sddl": sddl(file),
    })
}

fn in_words(files: &[&ListedFile], acl: bool) -> String {
    let rows: Vec<Vec<String>> = (files.iter())
        .map(|file| {
            let name = words::printable(&file.path);
            let (size, name) = match &file.kind {
                FileKind::Folder => (String::new(), format!("{name}/")),
                FileKind::Link(target) => (
                    String::new(),
                    format!("{name} -> {}", words::printable(target)),
                ),
                FileKind::File(size) => (size.to_string(), name),
            };
            let mut row = vec![size, file.modified.map(local).unwrap_or_default(), name];
            if acl {
                row.push(sddl(file).unwrap_or("-".into()));
            }
            row
        })
        .collect();
    let heading = ["bytes", "changed", "name", "access rights"];
    let columns = if acl { 4 } else { 3 };
    table::lines(heading.get(..columns).unwrap_or(&heading), &rows)
}

fn sddl(file: &ListedFile) -> Option<String> {
    let descriptor = Descriptor::parse(file.descriptor.as_ref()?).ok()?;
    Some(descriptor.to_sddl(Domains::default()))
}

/// A time as the local time, with its zone.
fn local(time: SystemTime) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => words::local_time(time),
        Err(_) => backup::time::from_system(time),
    }
}
