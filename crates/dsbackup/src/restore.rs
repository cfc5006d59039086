//! `dsbackup restore`: a snapshot back into a service in restore mode, or into a plain folder.

use backup::hosting::Hosting;
use backup::restore::{self, Destination, RestoreReport, RestoreRequest};
use backup::{Snapshot, chain, selection};
use samba::NewServer;
use service::Mode;

use crate::authoritative;
use crate::cli::{NewInvocationId, RestoreOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::interrupt;
use crate::report::{Report, bytes};

/// The state of a database that needs no logs.
const CLEAN: &str = "Clean Shutdown";

/// Restores a snapshot.
///
/// # Errors
/// Before anything is touched: whatever is refused. After that the directory stays locked, and the
/// message says so.
pub fn run(options: &RestoreOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let _lock = crate::lock::for_reading(&repository, options.lock, report)?;
    let hosting = match options.target {
        None if !options.authoritative.is_empty() => {
            let smb_conf = options.hosted.samba.as_deref().unwrap_or("".as_ref());
            let running = crate::server_of(&options.server)?;
            authoritative::host(smb_conf, &options.authoritative, running, report)?
        }
        None => crate::source::of(&options.server, &options.hosted, Mode::Restore, report)?,
        Some(_) => Hosting::running(crate::server_of(&options.server)?),
    };
    let service = hosting.server();
    let own = match options.target {
        None => ntdsbcli::server_name(service).map_err(Failure::at("DsIsNTDSOnline"))?,
        Some(_) => None,
    };
    let server = options.server_name.as_deref().or(own.as_deref());
    let snapshot = match options.until {
        Some(stop) if options.snapshot == selection::LATEST => {
            chain::until(&repository, server, stop)?
        }
        _ => selection::find(&repository, &options.snapshot, server)?,
    };
    let mut snapshot = match options.until {
        Some(stop) => Snapshot::open_until(&repository, &snapshot, stop)?,
        None => Snapshot::open(&repository, &snapshot)?,
    };
    report.step(snapshot.in_words());
    if !options.authoritative.is_empty() {
        authoritative::check(&snapshot, &options.authoritative, report)?;
    }
    if let Some(stop) = options.until.filter(|_| options.target.is_none())
        && let Some(last) = snapshot.cut_off(stop)?
    {
        report.step(format!(
            "the logs after generation {last:#x} are left out: the directory replays the others \
             at its next start"
        ));
    }
    let new = &options.new_server;
    let destination = match (&options.target, &new.first_domain_controller) {
        (None, _) => Destination::Service {
            server: service,
            directory: hosting.directory(),
        },
        (Some(path), None) => Destination::Folder {
            path,
            ignore_expiry: options.ignore_expiry,
            until: options.until,
        },
        (Some(path), Some(name)) => Destination::NewDomain {
            path,
            server: NewServer {
                name,
                address: new.host_ip,
                site: new.site.as_deref(),
            },
        },
    };
    if options.target.is_some() {
        interrupt::watch()?;
    }
    let request = RestoreRequest {
        destination,
        new_invocation_id: new_invocation_id(options)?,
    };
    let done = restore::restore(&snapshot, &request, &report)?;
    report.result(&done, || {
        format!(
            "restored {} files ({}) of snapshot {} to {}; every file has the SHA-256 of the backup{}\n\
             next: {}",
            done.files,
            bytes(done.bytes),
            snapshot.short_id(),
            done.restored_to,
            match &done.replayed {
                Some(generations) => format!("; replayed generations {generations}"),
                None => String::new(),
            },
            next_step(&done, &snapshot, options)
        )
    })?;
    Ok(crate::outcome_of(&repository, true, report))
}

/// How an NTDS gets a new invocation id. The service of this computer's own domain controller sets
/// the registry's value itself.
fn new_invocation_id(options: &RestoreOptions) -> Result<Option<restore::NewInvocationId>> {
    if options.target.is_some() || !options.hosted.is_ntds() {
        return Ok(options.new_invocation_id.map(Into::into));
    }
    match options.new_invocation_id {
        Some(NewInvocationId::Keep) => Err(Failure::Usage(
            "--ntds gives the directory a new invocation id: leave out --new-invocation-id".into(),
        )),
        _ => Ok(Some(restore::NewInvocationId::SetInRegistry)),
    }
}

/// What whoever restored does next.
fn next_step(done: &RestoreReport, snapshot: &Snapshot, options: &RestoreOptions) -> String {
    let folder = &done.restored_to;
    let is_samba = snapshot.manifest.is_tree();
    let is_hosted = options.hosted.samba.is_some() || options.hosted.directory.is_some();
    match (&options.target, is_samba) {
        (None, false) if options.hosted.is_ntds() => {
            "start Windows normally (bcdedit /deletevalue safeboot), or the service (net start ntds)"
                .into()
        }
        (None, true) if is_hosted => "start Samba (systemctl start samba-ad-dc)".into(),
        (None, true) => "start the service in its normal mode, and Samba (systemctl start \
                         samba-ad-dc)"
            .into(),
        (None, false) if is_hosted => format!("start the directory service of {folder}"),
        (None, false) => "start the service in its normal mode, and the directory service".into(),
        (Some(_), true) if options.new_server.first_domain_controller.is_some() => {
            format!("look at {folder}/etc/smb.conf, and start Samba with it")
        }
        (Some(_), false) if done.replayed.is_none() && done.state != CLEAN => format!(
            "replay its logs (dsbackup recover {folder}), then look into it (dsbackup ls {folder})"
        ),
        (Some(_), true) => format!("look into it (dsbackup ls {folder}/private)"),
        (Some(_), false) => format!("look into it (dsbackup ls {folder})"),
    }
}
