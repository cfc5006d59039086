//! The service of a backup or restore: a running one, or one that the command hosts itself.

use backup::hosting::{Hosted, Hosting};
use service::Mode;

use crate::cli::{BackupOptions, HostedOptions, ServerOptions};
use crate::failure::Result;
use crate::report::Report;

/// What a backup reads.
///
/// # Errors
/// As [`of`], and for a folder that is no IFM folder.
pub fn of_backup(options: &BackupOptions, report: Report) -> Result<Hosting> {
    let Some(ifm) = &options.ifm else {
        return of(&options.server, &options.hosted, Mode::Normal, report);
    };
    let running = crate::server_of(&options.server)?;
    Ok(Hosted::Ifm(ifm.clone()).start(Mode::Normal, running, &report)?)
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
    // The options of a hosted directory exclude --server: what runs already is on this computer.
    let running = crate::server_of(running)?;
    Ok(match (&hosted.directory, &hosted.samba) {
        (Some(folder), _) => Hosted::Folder {
            folder: folder.clone(),
            database_name: hosted.database_name.clone(),
        }
        .start(mode, running, &report)?,
        (None, Some(smb_conf)) => Hosted::Samba(smb_conf.clone()).start(mode, running, &report)?,
        (None, None) => Hosting::running(running),
    })
}
