//! `dsbackup restore`: a snapshot back into a service in restore mode, or into a plain folder.

use backup::hosting::Hosting;
use backup::restore::{self, Destination, RestoreRequest};
use backup::{Snapshot, chain, selection};
use samba::NewServer;
use service::Mode;

use crate::cli::RestoreOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::interrupt;
use crate::report::{Report, bytes};

/// Restores a snapshot.
///
/// # Errors
/// Before anything is touched: whatever is refused. After that the directory stays locked, and the
/// message says so.
pub fn run(options: &RestoreOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let _lock = crate::lock::for_reading(&repository, options.lock, report)?;
    let hosting = match options.target {
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
    let snapshot = Snapshot::open(&repository, &snapshot)?;
    report.step(snapshot.in_words());
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
        new_invocation_id: options.new_invocation_id.map(Into::into),
    };
    let done = restore::restore(&snapshot, &request, &report)?;
    report.result(&done, || {
        format!(
            "restored {} files ({}) of snapshot {} to {}; every file has the SHA-256 of the backup{}",
            done.files,
            bytes(done.bytes),
            snapshot.short_id(),
            done.restored_to,
            match &done.replayed {
                Some(generations) => format!("; replayed generations {generations}"),
                None => String::new(),
            }
        )
    })?;
    Ok(crate::outcome_of(&repository, true, report))
}
