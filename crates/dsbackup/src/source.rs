//! The service of a backup or restore: a running one, or one that the command hosts itself.

use std::path::{Path, PathBuf};

use backup::Error;
use backup::hosting::Hosting;
use service::{Configuration, Mode};

use crate::cli::{BackupOptions, HostedOptions, ServerOptions};
use crate::failure::{Failure, Result};
use crate::report::Report;

/// What a backup reads.
///
/// # Errors
/// As [`of`], and for a folder that is no IFM folder.
pub fn of_backup(options: &BackupOptions, report: Report) -> Result<Hosting> {
    let Some(ifm) = &options.ifm else {
        return of(&options.server, &options.hosted, Mode::Normal, report);
    };
    report.warn(
        "of an IFM folder only the database is stored, not the registry and SYSVOL: keep the folder",
    );
    let hosted = HostedOptions {
        directory: Some(database_folder_of_ifm(ifm)?),
        database_name: None,
        samba: None,
    };
    of(&options.server, &hosted, Mode::Normal, report)
}

/// The service of `--server` or `--socket`, or for `--directory` and `--samba` one in this process.
///
/// # Errors
/// When the directory cannot be hosted: a file of another kind, an unfinished restore, in use
/// elsewhere.
pub fn of(
    running: &ServerOptions,
    hosted: &HostedOptions,
    mode: Mode,
    report: Report,
) -> Result<Hosting> {
    let Some(configuration) = configuration(hosted, mode)? else {
        return Ok(Hosting::running(crate::server_of(running)?));
    };
    // The options exclude --server: what runs already is on this computer.
    let running = crate::server_of(running)?;
    Ok(Hosting::start(&configuration, mode, running, &report)?)
}

/// The configuration of a service in this process; `None` if the command uses a running one.
fn configuration(hosted: &HostedOptions, mode: Mode) -> Result<Option<Configuration>> {
    let folder = match (&hosted.directory, &hosted.samba) {
        (Some(folder), _) => folder,
        (None, Some(smb_conf)) => return Ok(Some(Configuration::for_samba(smb_conf))),
        (None, None) => return Ok(None),
    };
    let mut configuration = Configuration::for_folder(folder);
    if let Some(directory) = configuration.directory_mut() {
        if let Some(name) = &hosted.database_name {
            directory.database_file.clone_from(name);
        }
        // A backup changes nothing: the logs are in the snapshot, to be replayed after a restore.
        directory.recover = false;
        if mode == Mode::Normal {
            crate::serve::check_before_hosting(directory)?;
        }
    }
    Ok(Some(configuration))
}

/// The folder of the database in an IFM folder (`ntdsutil ifm create`).
fn database_folder_of_ifm(folder: &Path) -> Result<PathBuf> {
    let directory = folder.join("Active Directory");
    match directory.is_dir() {
        true => Ok(directory),
        false => Err(Failure::from(Error::Refused(format!(
            "{}: no IFM folder: expected a folder \"Active Directory\" in it, as `ntdsutil ifm create` \
             makes; for a plain folder with ntds.dit use --directory",
            folder.display()
        )))),
    }
}
