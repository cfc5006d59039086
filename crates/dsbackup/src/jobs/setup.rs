//! `dsbackup setup`: a repository, a job, the timer and a first backup.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use jobs::Configuration;
use repository::{Location, Repository};

use crate::cli::{RunOptions, SetupOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::jobs::{questions, run};
use crate::report::Report;

/// Bytes of a random password.
const PASSWORD_BYTES: usize = 32;

/// The unit that runs all jobs every night.
const TIMER: &str = "dsbackup-jobs.timer";

/// Sets up a job. What exists already is used as it is.
///
/// # Errors
/// If a part cannot be made. What was made before stays, and the next setup uses it.
pub fn run(options: &SetupOptions, report: Report) -> Result<Outcome> {
    let options = &questions::answered(options, !report.is_json())?;
    let path = &options.jobs.config.config;
    let text = existing(path)?;
    let password_file = password_file(options)?;
    let new = format!("{text}{}", tables(options, &text, &password_file)?);
    // Nothing is made before the whole configuration is known to be usable.
    let configuration = Configuration::parse(path, &new)?;
    configuration.job(&options.job)?;
    make_password_file(&password_file, report)?;
    make_repository(&configuration, options, report)?;
    if new != text {
        write_configuration(path, &new)?;
        report.step(format!(
            "{}: the job {} was added",
            path.display(),
            options.job
        ));
    }
    if !options.no_timer {
        enable_timer(report)?;
    }
    report.step(format!(
        "copy the password in {} to a place outside of this computer: without it nobody can read \
         the backups",
        password_file.display()
    ));
    if options.no_backup {
        let value = serde_json::json!({ "config": path, "job": options.job });
        report.result(&value, || {
            format!("set up; dsbackup run {} backs up", options.job)
        })?;
        return Ok(Outcome::Done);
    }
    run::run(
        &RunOptions {
            names: vec![options.job.clone()],
            all: false,
            prometheus: None,
            jobs: options.jobs.clone(),
        },
        report,
    )
}

fn existing(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(Failure::io("read", path)),
    }
}

fn password_file(options: &SetupOptions) -> Result<PathBuf> {
    let file = match &options.password_file {
        Some(file) => file.clone(),
        None => {
            let name = format!("{}.password", options.repository_name);
            options.jobs.config.config.with_file_name(name)
        }
    };
    absolute(&file)
}

/// A timer starts the job in another folder.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Failure::io("make absolute", path))
}

/// The tables that the configuration lacks.
fn tables(options: &SetupOptions, text: &str, password_file: &Path) -> Result<String> {
    let before = Configuration::parse(&options.jobs.config.config, text)?;
    if before.jobs.contains_key(&options.job) {
        return Err(Failure::refused(format!(
            "{}: the job {} exists; choose another name with --job, or change it there",
            options.jobs.config.config.display(),
            options.job
        )));
    }
    let location = location(options.repository.as_deref().unwrap_or_default())?;
    let mut new = String::new();
    if !text.is_empty() {
        new += "\n";
    }
    match before.repositories.get(&options.repository_name) {
        Some(known) if known.location != location => {
            return Err(Failure::refused(format!(
                "{}: the repository {} is at {}; choose another name with --repository-name",
                options.jobs.config.config.display(),
                options.repository_name,
                known.location
            )));
        }
        Some(_) => {}
        None => {
            new += &format!(
                "[repository.{}]\nlocation = {}\npassword_file = {}\n\n",
                options.repository_name,
                quoted(&location),
                quoted(&password_file.display().to_string())
            );
        }
    }
    let (kind, place) = match (&options.samba, &options.directory) {
        (Some(smb_conf), _) => ("samba", absolute(smb_conf)?),
        (None, Some(folder)) => ("directory", absolute(folder)?),
        // It was asked for.
        (None, None) => return Err(Failure::refused("name --samba or --directory")),
    };
    let place = quoted(&place.display().to_string());
    new += &format!(
        "[job.{job}]\nsource = {{ {kind} = {place} }}\nrepositories = [{repository}]\n\
         max_age = \"26h\"\n\n\
         # These snapshots stay, whichever rule keeps them.\n\
         [job.{job}.keep]\ndaily = 7\nweekly = 5\nmonthly = 12\n\n\
         [job.{job}.check]\nevery = \"7d\"\n\n\
         # Restore the newest snapshot to a scratch folder and verify it.\n\
         [job.{job}.drill]\nevery = \"7d\"\n\n\
         # What is an alarm if it changed since the backup before.\n\
         [job.{job}.alarm]\ndeleted_users = 50\nprivileged_groups = true\nkrbtgt = true\n",
        job = options.job,
        repository = quoted(&options.repository_name),
    );
    Ok(new)
}

/// The location as the configuration keeps it: a folder by its absolute path.
fn location(text: &str) -> Result<String> {
    let parsed = Location::parse(text)?;
    Ok(match parsed.local() {
        Some(folder) => absolute(folder)?.display().to_string(),
        None => text.to_owned(),
    })
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", c as u32),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn make_password_file(path: &Path, report: Report) -> Result<()> {
    let failed = |error| Failure::io("make the password file", path)(error);
    make_folder(path)?;
    let mut file = match platform::private::create_new(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            backup::password::from_file(path)?;
            return Ok(());
        }
        made => made.map_err(failed)?,
    };
    let mut random = zeroize::Zeroizing::new([0; PASSWORD_BYTES]);
    getrandom::fill(&mut random[..]).map_err(|error| failed(std::io::Error::other(error)))?;
    let text = zeroize::Zeroizing::new(STANDARD_NO_PAD.encode(&random[..]) + "\n");
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    report.step(format!("{}: a random password was written", path.display()));
    Ok(())
}

fn make_folder(file: &Path) -> Result<()> {
    match file.parent() {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))
        }
        None => Ok(()),
    }
}

/// Makes the repository if there is none. One that exists must open with the password.
fn make_repository(
    configuration: &Configuration,
    options: &SetupOptions,
    report: Report,
) -> Result<()> {
    let known = configuration.repository(&options.repository_name)?;
    let location = Location::parse(&known.location)?;
    let made = Repository::init(
        &location,
        &known.password()?,
        &repository::InitOptions::default(),
        &known.options,
    );
    match made {
        Ok(_) => report.step(format!("{location}: an encrypted repository was made")),
        Err(refused) => {
            if known.open().is_err() {
                return Err(refused.into());
            }
            report.step(format!("{location}: the repository exists and is used"));
        }
    }
    Ok(())
}

/// Writes beside the file and renames: a crash leaves the old one or the new one.
fn write_configuration(path: &Path, text: &str) -> Result<()> {
    make_folder(path)?;
    Ok(jobs::configuration::write(path, text)?)
}

fn enable_timer(report: Report) -> Result<()> {
    let status = Command::new("systemctl")
        .args(["enable", "--now", TIMER])
        .status();
    match status {
        Ok(status) if status.success() => {
            report.step(format!("{TIMER} is enabled: all jobs run every night"));
            Ok(())
        }
        failed => {
            let why = match failed {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            report.warn(format!(
                "systemctl enable --now {TIMER} failed ({why}): run `dsbackup run --all` every \
                 night by other means"
            ));
            Ok(())
        }
    }
}
