//! What differs between the files of a share in two directories.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::view::file_list::{FileKind, FileList, ListedFile};

/// A file, folder or link that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// Its path from the share on: `sysvol/corp.example/Policies/...`.
    pub path: String,
    /// The file before. `None` if it was added.
    pub before: Option<ListedFile>,
    /// The file after. `None` if it was deleted.
    pub after: Option<ListedFile>,
    /// Whether its kind or content differs, and not only its access rights.
    pub has_other_content: bool,
}

/// A file of the share, by its path in lower case.
type Shared<'l> = BTreeMap<String, (&'l str, &'l ListedFile)>;

/// Compares the share `sysvol`. `None` if one of the lists has none. Files with the same size are
/// compared by their SHA-256; access rights only if both are known.
///
/// # Errors
/// Fails if a file cannot be read.
pub fn changed_files(before: &FileList, after: &FileList) -> Result<Option<Vec<FileChange>>> {
    let [old, new] = [before, after].map(shared);
    if old.is_empty() || new.is_empty() {
        return Ok(None);
    }
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for path in paths {
        let (one, other) = (old.get(path), new.get(path));
        let has_other_content = match (one, other) {
            (Some((_, one)), Some((_, other))) => differ(before, one, after, other)?,
            _ => true,
        };
        let has_other_rights = match (one, other) {
            (Some((_, one)), Some((_, other))) => {
                let known = one.descriptor.is_some() && other.descriptor.is_some();
                known && one.descriptor != other.descriptor
            }
            _ => false,
        };
        if has_other_content || has_other_rights {
            let name = other.or(one).map_or("", |(name, _)| name);
            changes.push(FileChange {
                path: name.to_owned(),
                before: one.map(|(_, file)| (*file).clone()),
                after: other.map(|(_, file)| (*file).clone()),
                has_other_content,
            });
        }
    }
    Ok(Some(changes))
}

fn differ(
    before: &FileList,
    one: &ListedFile,
    after: &FileList,
    other: &ListedFile,
) -> Result<bool> {
    Ok(match (&one.kind, &other.kind) {
        (FileKind::File(size), FileKind::File(other_size)) if size == other_size => {
            before.sha256(one)? != after.sha256(other)?
        }
        (kind, other_kind) => kind != other_kind,
    })
}

/// The files of the share, which lies at most one folder deep: `sysvol`, or `state/sysvol`.
fn shared(list: &FileList) -> Shared<'_> {
    let files = list.files().iter();
    let shared = files.filter_map(|file| {
        let lower = file.path.to_lowercase();
        let start = match lower.find("sysvol/")? {
            start if lower.get(..start)?.matches('/').count() <= 1 => start,
            _ => return None,
        };
        let is_whole_name = start == 0 || lower.get(..start)?.ends_with('/');
        let path = file.path.get(start..).filter(|_| is_whole_name)?;
        Some((path.to_lowercase(), (path, file)))
    });
    shared.collect()
}
