//! What `dsbackup setup` asks on a terminal: what its options leave open.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use repository::Location;

use crate::cli::SetupOptions;
use crate::failure::{Failure, Result};

/// The configuration of Samba, where Debian has it.
const SMB_CONF: &str = "/etc/samba/smb.conf";

/// The repository that is proposed.
const FOLDER: &str = "/srv/backup";

/// The options, with the answers where they leave something open.
///
/// # Errors
/// If something is open and nobody can be asked, and if the answers end.
pub fn answered(options: &SetupOptions, may_ask: bool) -> Result<SetupOptions> {
    let mut options = options.clone();
    let has_source = options.samba.is_some() || options.directory.is_some();
    if has_source && options.repository.is_some() {
        return Ok(options);
    }
    if !may_ask || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::Usage(
            "name what is backed up (--samba or --directory DIR) and where to (--repository \
             LOCATION); dsbackup setup asks for it on a terminal only"
                .into(),
        ));
    }
    if !has_source {
        let default = Path::new(SMB_CONF).is_file().then_some(SMB_CONF);
        let source = ask(
            "What is backed up: the smb.conf of a Samba domain controller, or the folder of a \
             directory's database?",
            default,
            |answer| match Path::new(answer) {
                path if path.is_file() || path.is_dir() => Ok(path.to_path_buf()),
                _ => Err("there is no file or folder of this name".into()),
            },
        )?;
        put_source(&mut options, source);
    }
    if options.repository.is_none() {
        let location = ask(
            "Where to: a folder, best on another disk, or sftp:USER@HOST:/PATH, \
             s3:https://HOST/BUCKET/PREFIX, rest:https://HOST/?",
            Some(FOLDER),
            |answer| match Location::parse(answer) {
                Ok(_) => Ok(answer.to_owned()),
                Err(error) => Err(error.to_string()),
            },
        )?;
        options.repository = Some(location);
    }
    if !options.no_timer {
        let nightly = ask(
            "Every night, by a systemd timer (yes or no)?",
            Some("yes"),
            |answer| match answer.to_lowercase().as_str() {
                "y" | "yes" => Ok(true),
                "n" | "no" => Ok(false),
                _ => Err("yes or no".into()),
            },
        )?;
        options.no_timer = !nightly;
    }
    Ok(options)
}

fn put_source(options: &mut SetupOptions, source: PathBuf) {
    match source.is_dir() {
        true => options.directory = Some(source),
        false => options.samba = Some(source),
    }
}

/// Asks until the answer is understood. An empty one is the default.
fn ask<T>(
    question: &str,
    default: Option<&str>,
    understand: impl Fn(&str) -> Result<T, String>,
) -> Result<T> {
    let failed = |error| Failure::io("ask", "the terminal")(error);
    loop {
        let mut out = std::io::stderr();
        let proposal = default.map_or_else(String::new, |default| format!(" [{default}]"));
        write!(out, "{question}{proposal} ").map_err(failed)?;
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).map_err(failed)? == 0 {
            return Err(Failure::Usage(
                "the answers ended; nothing was set up".into(),
            ));
        }
        let answer = match line.trim() {
            "" => default.unwrap_or_default(),
            answer => answer,
        };
        match understand(answer) {
            Ok(answer) => return Ok(answer),
            Err(reason) => writeln!(out, "{answer}: {reason}").map_err(failed)?,
        }
    }
}
