//! dbcheck of the domain controller itself: run once a day, beside the backups, and recorded in
//! each.
//!
//! dbcheck takes about a millisecond of a processor for each object, too long for a backup to wait.
//! So it runs in the background at the lowest priority, and a backup records the newest result.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::dbcheck::Dbcheck;
use crate::error::{Error, Result};
use crate::installation::Installation;

/// The newest result, in the spool folder.
const FILE: &str = "dbcheck.json";
/// Locked by the process that runs the check.
const LOCK: &str = "dbcheck.lock";
/// The age of a result after which the check is run again.
const INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The result of a check.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Found(Dbcheck),
    /// The reason of a failure. The next attempt is made at its usual time, too.
    Failed(String),
}

/// The newest result, if any.
pub(crate) fn newest(spool: &Path) -> Option<Dbcheck> {
    let json = std::fs::read(spool.join(FILE)).ok()?;
    match serde_json::from_slice(&json).ok()? {
        Outcome::Found(found) => Some(found),
        Outcome::Failed(_) => None,
    }
}

/// Runs the check in the background if it is due and no other process runs it. After a failure,
/// backups lack the findings.
pub(crate) fn run_when_due(installation: &Installation, spool: &Path) {
    if !is_due(spool) {
        return;
    }
    let (sam, smb_conf) = (installation.sam(), installation.smb_conf.clone());
    let spool = spool.to_path_buf();
    let _ = std::thread::Builder::new()
        .name("dbcheck".into())
        .spawn(move || run(&sam, &smb_conf, &spool));
}

fn is_due(spool: &Path) -> bool {
    let modified = (spool.join(FILE).metadata()).and_then(|metadata| metadata.modified());
    match modified.map(|time| SystemTime::now().duration_since(time)) {
        Ok(Ok(age)) => age >= INTERVAL,
        // The file's time is in the future.
        Ok(Err(_)) => false,
        Err(_) => true,
    }
}

fn run(sam: &Path, smb_conf: &Path, spool: &Path) -> Result<()> {
    let path = spool.join(LOCK);
    let lock = create(&path)?;
    if lock.try_lock().is_err() || !is_due(spool) {
        return Ok(());
    }
    let outcome = match Dbcheck::of_source(sam, smb_conf) {
        Ok(found) => Outcome::Found(found),
        Err(error) => Outcome::Failed(error.to_string()),
    };
    let json = serde_json::to_vec(&outcome).unwrap_or_default();
    let new: PathBuf = spool.join(format!("{FILE}.new"));
    let _ = std::fs::remove_file(&new);
    std::io::Write::write_all(&mut create(&new)?, &json).map_err(Error::io("write", &new))?;
    std::fs::rename(&new, spool.join(FILE)).map_err(Error::io("rename", &new))
}

fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    platform::private::open(platform::file::refuse_links(&mut options), path)
        .map_err(Error::io("create", path))
}
