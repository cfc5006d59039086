//! The service of a backup or restore: a running one, or one that the command hosts itself.

use backup::hosting::{Hosted, Hosting};
use service::Mode;

#[cfg(windows)]
use crate::cli::NtdsOptions;
use crate::cli::{BackupOptions, HostedOptions, ServerOptions};
use crate::failure::Result;
use crate::report::Report;

/// What a backup reads.
///
/// # Errors
/// As [`of`], and for a folder that is no IFM folder.
pub fn of_backup(options: &BackupOptions, report: Report) -> Result<Hosting> {
    #[cfg(windows)]
    if options.hosted.ntds {
        // The copy is removed, whatever ends the command.
        crate::interrupt::watch()?;
        return ntds(&options.ntds, &options.server, Mode::Normal, report);
    }
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
    #[cfg(windows)]
    if hosted.ntds {
        let defaults = NtdsOptions {
            shadow_copy: false,
            silence_limit: None,
            scratch: None,
        };
        return ntds(&defaults, running, mode, report);
    }
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

/// This computer's own domain controller, hosted in this process.
#[cfg(windows)]
fn ntds(
    options: &NtdsOptions,
    running: &ServerOptions,
    mode: Mode,
    report: Report,
) -> Result<Hosting> {
    let way = match options.shadow_copy {
        true => service::Way::ShadowCopy,
        false => service::Way::Ifm,
    };
    let hosted = Hosted::Ntds {
        way,
        silence_limit_s: options.silence_limit,
        scratch: (options.scratch.clone()).unwrap_or_else(backup::scratch::default_parent),
    };
    Ok(hosted.start(mode, crate::server_of(running)?, &report)?)
}
