//! `dsbackup restore --authoritative`: a restore in place whose objects win over what partners did
//! to them since.

use std::path::Path;

use backup::hosting::Hosting;
use backup::view::Cache;
use backup::{Snapshot, View};
use ntdsbcli::Server;
use objects::dn;
use service::{Configuration, Mode, StoreConfiguration};

use crate::failure::{Failure, Result};
use crate::objects::source;
use crate::report::Report;

/// Hosts a domain controller that is restored, to make the objects of these names win.
///
/// # Errors
/// As [`Hosting::start`], and where a running service has the controller: it cannot be told.
pub fn host(smb_conf: &Path, names: &[String], running: Server, report: Report) -> Result<Hosting> {
    let mut configuration = Configuration::for_samba(smb_conf);
    if let StoreConfiguration::Samba(samba) = &mut configuration.store {
        samba.authoritative = names.to_vec();
    }
    let hosting = Hosting::start(&configuration, Mode::Restore, running, &report)?;
    match hosting.directory() {
        None => Ok(hosting),
        Some(_) => Err(Failure::refused(
            "--authoritative: a service hosts this domain controller; stop it (systemctl stop \
             dsbackup), for it cannot be told what wins",
        )),
    }
}

/// Refuses, before anything is touched, names that the snapshot does not have, and whole partitions.
///
/// # Errors
/// The first of them; where the snapshot is none of Samba's, or cannot be read.
pub fn check(snapshot: &Snapshot, names: &[String], report: Report) -> Result<()> {
    if !snapshot.manifest.is_tree() {
        return Err(Failure::refused(
            "--authoritative is for Samba; on Windows restore, and mark objects with ntdsutil \
             before the directory service starts",
        ));
    }
    let cache = Cache {
        folder: backup::scratch::default_parent(),
        limits: None,
    };
    let view = View::open(snapshot, &cache, &report)?;
    for name in names {
        source::at(&**view, name)?;
        let mut contexts = view.facts().naming_contexts.iter();
        if contexts.any(|context| dn::fold(&context.dn) == dn::fold(name)) {
            return Err(Failure::refused(format!(
                "{name}: this is a whole partition: name what is to win in it"
            )));
        }
    }
    Ok(())
}
