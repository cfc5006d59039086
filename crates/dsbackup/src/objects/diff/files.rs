//! The files of group policies and other files of SYSVOL that differ.

use std::borrow::Cow;

use backup::view::{FileChange, FileKind, FileList, ListedFile, changed_files, secret_in};
use documents::text::decoded;
use documents::{Line, Shown, Sign};
use objects::descriptor::{Descriptor, Domains};
use objects::{Lookup, Source, Wanted};
use serde_json::{Value as Json, json};
use similar::{ChangeTag, TextDiff};

use super::super::words;
use crate::failure::Result;

/// Bytes of the largest text whose lines are compared.
const LARGEST_TEXT: u64 = 256 << 10;

/// A file that differs, with its lines.
pub struct ChangedFile {
    change: FileChange,
    policy: Option<Policy>,
    lines: Vec<Line>,
}

/// A group policy.
struct Policy {
    /// Its own name, a GUID in braces.
    name: String,
    display_name: Option<String>,
}

/// Compares the files of SYSVOL; `None` if one of the sources has none.
///
/// # Errors
/// Where a file or directory cannot be read.
pub fn compare(
    lists: [&FileList; 2],
    sources: [&dyn Source; 2],
) -> Result<Option<Vec<ChangedFile>>> {
    let [before, after] = lists;
    let Some(changes) = changed_files(before, after)? else {
        return Ok(None);
    };
    let mut files = Vec::new();
    for change in changes {
        let policy = match policy_of(&change.path) {
            Some(name) => Some(Policy {
                display_name: display_name(name, sources)?,
                name: name.to_owned(),
            }),
            None => None,
        };
        let mut lines = rights(&change);
        if change.has_other_content {
            lines.extend(content(&change, lists)?);
        }
        files.push(ChangedFile {
            change,
            policy,
            lines,
        });
    }
    Ok(Some(files))
}

impl ChangedFile {
    fn what(&self) -> &'static str {
        match (&self.change.before, &self.change.after) {
            (None, _) => "added",
            (_, None) => "deleted",
            _ => "changed",
        }
    }

    /// In words.
    pub fn into_shown(self) -> Shown {
        let kind = match self.change.after.as_ref().or(self.change.before.as_ref()) {
            Some(file) => kind_of(file),
            None => "file",
        };
        let of_policy = self
            .policy
            .as_ref()
            .map(|policy| match &policy.display_name {
                Some(name) => format!("{kind} of the group policy {:?}", words::printable(name)),
                None => format!("{kind} of a group policy that has no object"),
            });
        let modified = self.change.after.as_ref().and_then(|file| file.modified);
        Shown {
            what: self.what().to_owned(),
            dn: words::printable(&self.change.path),
            class: of_policy.unwrap_or_else(|| kind.to_owned()),
            former: None,
            when: modified.map(backup::time::from_system),
            lines: self.lines,
        }
    }

    /// For machines.
    pub fn as_json(&self) -> Json {
        let lines = self.lines.iter().map(|line| {
            json!({
                "sign": match line.sign {
                    Sign::Removed => "-",
                    Sign::Added => "+",
                    Sign::Other => "*",
                },
                "part": line.attribute,
                "text": line.value,
            })
        });
        json!({
            "kind": self.what(),
            "path": self.change.path,
            "policy": self.policy.as_ref().map(|policy| &policy.name),
            "display_name": self.policy.as_ref().and_then(|policy| policy.display_name.as_ref()),
            "before": self.change.before.as_ref().map(side),
            "after": self.change.after.as_ref().map(side),
            "lines": lines.collect::<Vec<_>>(),
        })
    }
}

fn kind_of(file: &ListedFile) -> &'static str {
    match file.kind {
        FileKind::Folder => "folder",
        FileKind::Link(_) => "link",
        FileKind::File(_) => "file",
    }
}

fn side(file: &ListedFile) -> Json {
    json!({
        "kind": kind_of(file),
        "size": match file.kind {
            FileKind::File(size) => Some(size),
            _ => None,
        },
        "modified": file.modified.map(backup::time::from_system),
        "sddl": sddl(file),
    })
}

fn sddl(file: &ListedFile) -> Option<String> {
    let descriptor = Descriptor::parse(file.descriptor.as_ref()?).ok()?;
    Some(descriptor.to_sddl(Domains::default()))
}

/// The name of the policy to which a file belongs.
fn policy_of(path: &str) -> Option<&str> {
    let mut parts = path.split('/');
    parts.find(|part| part.eq_ignore_ascii_case("policies"))?;
    parts
        .next()
        .filter(|name| name.starts_with('{') && name.ends_with('}'))
}

/// The display name of a policy, in the second directory if it has one there.
fn display_name(name: &str, sources: [&dyn Source; 2]) -> Result<Option<String>> {
    for source in sources.into_iter().rev() {
        let Some(domain) = &source.facts().default_naming_context else {
            continue;
        };
        let dn = format!("CN={name},CN=Policies,CN=System,{}", domain.dn);
        for id in source.find(&Lookup::Dn(&dn))? {
            let entry = source.entry(id, &Wanted::only(["displayName"]))?;
            let found = entry.and_then(|entry| entry.text("displayName").map(str::to_owned));
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    Ok(None)
}

fn rights(change: &FileChange) -> Vec<Line> {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return Vec::new();
    };
    if before.descriptor == after.descriptor {
        return Vec::new();
    }
    let line = |sign, file: &ListedFile| {
        Some(Line {
            sign,
            attribute: "access rights".into(),
            value: sddl(file)?,
            when: None,
        })
    };
    let both = line(Sign::Removed, before).zip(line(Sign::Added, after));
    both.map_or_else(Vec::new, |(before, after)| vec![before, after])
}

/// The lines of a text that differ, or a line that says what is known of other files.
fn content(change: &FileChange, [before, after]: [&FileList; 2]) -> Result<Vec<Line>> {
    let other = |text: String| Line {
        sign: Sign::Other,
        attribute: "content".into(),
        value: text,
        when: None,
    };
    let mut texts = Vec::new();
    for (list, file) in [(before, &change.before), (after, &change.after)] {
        let Some(file) = file else {
            texts.push(Some(String::new()));
            continue;
        };
        let FileKind::File(size) = file.kind else {
            return Ok(Vec::new());
        };
        let content = list.open(file)?;
        if secret_in(&change.path, &content)?.is_some() {
            return Ok(vec![other("with a password or key (withheld)".into())]);
        }
        if size > LARGEST_TEXT {
            texts.push(None);
            continue;
        }
        let mut bytes = Vec::new();
        content.visit(&file.path, |piece| {
            bytes.extend_from_slice(piece);
            Ok::<_, backup::Error>(())
        })?;
        texts.push(decoded(&bytes).map(Cow::into_owned));
    }
    let [Some(old), Some(new)] = texts.as_slice() else {
        let size = |file: &Option<ListedFile>| match file.as_ref().map(|file| &file.kind) {
            Some(FileKind::File(size)) => *size,
            _ => 0,
        };
        let sizes = (size(&change.before), size(&change.after));
        return Ok(vec![other(format!(
            "{} bytes before, {} after",
            sizes.0, sizes.1
        ))]);
    };
    Ok(lines(old, new))
}

fn lines(old: &str, new: &str) -> Vec<Line> {
    let diff = TextDiff::from_lines(old, new);
    let changes = diff.iter_all_changes().filter_map(|change| {
        let (sign, number) = match change.tag() {
            ChangeTag::Equal => return None,
            ChangeTag::Delete => (Sign::Removed, change.old_index()),
            ChangeTag::Insert => (Sign::Added, change.new_index()),
        };
        Some(Line {
            sign,
            attribute: format!("line {}", number.unwrap_or_default() + 1),
            value: words::printable(change.value().trim_end_matches(['\r', '\n'])),
            when: None,
        })
    });
    changes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[Line]) -> Vec<String> {
        let line = |line: &Line| {
            let sign = if line.sign == Sign::Added { '+' } else { '-' };
            format!("{sign} {}: {}", line.attribute, line.value)
        };
        lines.iter().map(line).collect()
    }

    #[test]
    fn lines_are_those_of_texts_in_utf_8_and_utf_16() {
        let old = "[General]\r\nVersion=1\r\nDisplay=x\r\n";
        let new = old.replace("=1", "=65538");
        let wide: Vec<u8> = [0xfeff]
            .into_iter()
            .chain(new.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        let new = decoded(&wide).expect("text");
        let found = lines(old, &new);
        assert_eq!(
            shown(&found),
            ["- line 2: Version=1", "+ line 2: Version=65538"]
        );
    }

    #[test]
    fn files_know_their_policy() {
        let policy = "{31B2F340-016D-11D2-945F-00C04FB984F9}";
        let path = format!("sysvol/corp.example/Policies/{policy}/GPT.INI");
        assert_eq!(policy_of(&path), Some(policy));
        assert_eq!(policy_of("sysvol/corp.example/scripts/x.bat"), None);
        assert_eq!(
            policy_of("sysvol/corp.example/Policies/PolicyDefinitions/x.admx"),
            None
        );
    }
}
