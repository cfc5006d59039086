//! What the commands that read files do with a database of Samba's: they know it, verify its
//! structure, and name the tools that read it.

use std::path::Path;

use samba::DatabaseKind;
use serde_json::json;

use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, bytes};

/// What reads a database of Samba's, since dsbackup does not.
pub fn tools_for(path: &Path, kind: DatabaseKind) -> String {
    let is_ldb = path.extension().is_some_and(|extension| extension == "ldb");
    let path = path.display();
    match kind {
        DatabaseKind::Tdb if is_ldb => format!("ldbsearch -H {path} reads it"),
        DatabaseKind::Tdb => format!("tdbdump {path} reads it"),
        DatabaseKind::Lmdb => {
            "ldbsearch -H .../private/sam.ldb reads it, with all partitions of the directory".into()
        }
    }
}

/// Refuses a database of Samba's where one of the storage engine is needed.
///
/// # Errors
/// [`Failure::NotFound`] with what to use instead.
pub fn refuse(path: &Path) -> Result<()> {
    match DatabaseKind::of_file(path)? {
        None => Ok(()),
        Some(kind) => Err(Failure::NotFound(format!(
            "{}: this is a {kind}, and this command reads databases of the ESE engine, such as \
             ntds.dit; {} (dsbackup verify-db checks its structure)",
            path.display(),
            tools_for(path, kind)
        ))),
    }
}

/// `dsbackup inspect`.
///
/// # Errors
/// When its size cannot be read, or the result not be written.
pub fn inspect(path: &Path, kind: DatabaseKind, report: Report) -> Result<Outcome> {
    let metadata = std::fs::metadata(path).map_err(Failure::io("inspect", path))?;
    let tools = tools_for(path, kind);
    let verdict = format!("{tools}; dsbackup verify-db checks its structure");
    let value = json!({
        "file": path.display().to_string(),
        "kind": kind.to_string(),
        "size": metadata.len(),
        "verdict": verdict,
        "damaged": false,
    });
    report.result(&value, || {
        let size = bytes(metadata.len());
        format!("{}: {kind}, {size}\n\n{verdict}", path.display())
    })?;
    Ok(Outcome::Done)
}

/// `dsbackup verify-db`.
///
/// # Errors
/// When it cannot be read, or somebody writes to it; damage is an outcome.
pub fn verify(path: &Path, kind: DatabaseKind, report: Report) -> Result<Outcome> {
    report.step(format!("checking the structure of {}", path.display()));
    let damage = match kind.verify(path) {
        Ok(()) => None,
        Err(error @ samba::Error::Damaged { .. }) => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    let findings: Vec<_> = (damage.iter())
        .map(|what| json!({ "severity": "damage", "what": what }))
        .collect();
    let value = json!({
        "file": path.display().to_string(),
        "totals": { "sound": damage.is_none(), "damages": findings.len(), "kind":
         kind.to_string() },
        "findings": findings,
    });
    report.result(&value, || match &damage {
        None => format!("sound ({kind})"),
        Some(damage) => {
            format!("damage: {damage}\nDAMAGED ({kind}): the first damage ends its check")
        }
    })?;
    Ok(match damage {
        None => Outcome::Done,
        Some(_) => Outcome::DatabaseDamaged,
    })
}
