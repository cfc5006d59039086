//! A shadow copy of a domain controller's volumes, exposed as drives for as long as the value lives.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use store::disk_error;

use crate::diskshadow::{self, Exposed};
use crate::tool::{self, Lifetime, Said};
use crate::{ifm_folder, system};

/// The tool, beneath the system's folder.
const TOOL: &str = "diskshadow.exe";
/// Its script, in the folder in which it runs.
const SCRIPT: &str = "diskshadow.txt";
/// Where the letters are noted while shadow copies are exposed, beside the folder for copies: a
/// process that was killed cannot delete them.
const NOTE: &str = "dsbackup.shadow-copies";

/// Exposed shadow copies. Deleted when dropped.
pub struct ShadowCopy {
    volumes: Vec<Exposed>,
    scratch: PathBuf,
    note: PathBuf,
    silence: Duration,
}

impl ShadowCopy {
    /// Takes shadow copies of the drives.
    ///
    /// # Errors
    /// `hrError` with the tool's last words, or if no letters are free. Nothing stays exposed.
    pub fn take(scratch: &Path, drives: &[char], silence: Duration) -> Result<Self> {
        let note = note(scratch);
        let volumes = diskshadow::choose_letters(drives, system::used_letters());
        let volumes = volumes.map_err(|missing| {
            Error::new(
                ResultCode::ERROR,
                format!(
                    "a shadow copy needs a free drive letter for each volume of the directory, and \
                     {missing} are missing: free some, or back up without --shadow-copy"
                ),
            )
        })?;
        let letters = volumes.iter().map(|volume| volume.letter);
        // With those that are under way since before.
        let before = std::fs::read_to_string(&note).unwrap_or_default();
        let letters: String = before.trim().chars().chain(letters).collect();
        std::fs::write(&note, letters).map_err(|error| disk_error(&note, &error))?;
        let copy = Self {
            volumes,
            scratch: scratch.to_path_buf(),
            note,
            silence,
        };
        let script = diskshadow::create_script(&copy.volumes);
        let said = run(&script, scratch, silence)?;
        for volume in &copy.volumes {
            let root = format!("{}:\\", volume.letter);
            if !said.success || std::fs::read_dir(&root).is_err() {
                return Err(Error::new(
                    ResultCode::ERROR,
                    format!(
                        "diskshadow did not expose a shadow copy of {}: ({}); its last words: {}",
                        volume.drive,
                        said.ended,
                        said.last_words()
                    ),
                ));
            }
        }
        Ok(copy)
    }

    /// The path in the shadow copy of a path on the domain controller.
    ///
    /// # Errors
    /// `hrInvalidPath` for a path on another volume.
    pub fn path(&self, path: &str) -> Result<String> {
        diskshadow::in_shadow_copy(&self.volumes, path).ok_or_else(|| {
            Error::new(
                ResultCode::INVALID_PATH,
                format!("{path}: on none of the volumes of the shadow copy"),
            )
        })
    }

    /// The files of SYSVOL: its folder has a link for each domain, which leads to a folder of the
    /// volume that the shadow copy holds too.
    ///
    /// # Errors
    /// `hrFileNotFound`, `hrDiskIO`.
    pub(crate) fn add_sysvol(
        &self,
        sysvol: &str,
        state: &mut Vec<crate::state_file::StateFile>,
        warnings: &mut Vec<String>,
    ) -> Result<()> {
        let folder = PathBuf::from(self.path(sysvol)?);
        let failed = |error: std::io::Error| disk_error(&folder, &error);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let domain = match std::fs::read_link(entry.path()) {
                Ok(target) => {
                    let target = target.to_string_lossy().into_owned();
                    let target = target.strip_prefix(r"\\?\").unwrap_or(&target);
                    PathBuf::from(self.path(target)?)
                }
                Err(_) => entry.path(),
            };
            let (original, place) = (format!("{sysvol}\\{name}"), format!("SYSVOL/{name}"));
            ifm_folder::add_tree(&domain, &original, &place, state, warnings)?;
        }
        Ok(())
    }
}

impl Drop for ShadowCopy {
    fn drop(&mut self) {
        let letters = self.volumes.iter().map(|volume| volume.letter).collect();
        delete(letters, &self.scratch, &self.note, self.silence);
    }
}

fn note(scratch: &Path) -> PathBuf {
    scratch.parent().unwrap_or(scratch).join(NOTE)
}

/// Deletes the shadow copies that a killed process left.
pub(crate) fn delete_left(scratch: &Path, silence: Duration) {
    let note = note(scratch);
    if let Ok(letters) = std::fs::read_to_string(&note) {
        let letters = letters.trim();
        if is_under_way(&note) && !letters.chars().any(|letter| is_exposed(&letter)) {
            // The tool of a process that was ended may still take them.
            return;
        }
        tracing::warn!(
            letters,
            "deleting the shadow copies that a former process left"
        );
        delete(letters.chars().collect(), scratch, &note, silence);
    }
}

/// Deletes what is exposed under these letters, and the note once nothing is.
fn delete(letters: Vec<char>, scratch: &Path, note: &Path, silence: Duration) {
    let letters: Vec<char> = letters
        .into_iter()
        .filter(char::is_ascii_uppercase)
        .collect();
    let exposed: Vec<char> = letters.into_iter().filter(is_exposed).collect();
    let done = match exposed.is_empty() {
        true => Ok(true),
        false => run(&diskshadow::delete_script(&exposed), scratch, silence)
            .map(|said| said.success && !exposed.iter().any(is_exposed)),
    };
    match done {
        Ok(true) => drop(std::fs::remove_file(note)),
        failed => tracing::error!(
            ?failed,
            letters = exposed.iter().collect::<String>(),
            "the shadow copies under these letters are still there: diskshadow, DELETE SHADOWS \
             EXPOSED X:"
        ),
    }
}

fn is_exposed(letter: &char) -> bool {
    Path::new(&format!("{letter}:\\")).exists()
}

/// Whether a note is so new that what it announces may not be there yet.
fn is_under_way(note: &Path) -> bool {
    const LONGEST: Duration = Duration::from_secs(600);
    let written = note.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age < LONGEST))
}

fn run(script: &str, scratch: &Path, silence: Duration) -> Result<Said> {
    let file = scratch.join(SCRIPT);
    std::fs::write(&file, script).map_err(|error| disk_error(&file, &error))?;
    tool::run(
        &system_tool(TOOL),
        &["/s", SCRIPT],
        scratch,
        Lifetime::EndsByItself,
        silence,
        &mut || 0,
    )
}

/// A tool in the system's own folder, whatever the path of programs says.
pub fn system_tool(name: &str) -> PathBuf {
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    PathBuf::from(root).join("System32").join(name)
}
