//! A domain controller that is locked for a restore.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{DatabaseSignature, Error, Result, ResultCode};
use ids::hex;
use model::{FileEntry, RestoredFile};
use samba::{Installation, RestoreStaging, Tree, signature};
use store::{
    FileWriter, RegisteredRestore, RestoreMarker, RestorePlan, Taken, check_space, disk_error,
};

use crate::Hosted;
use crate::failure::code;

/// There are two locks: the marker keeps this service from hosting the directory, and the domain
/// controller cannot start because `sam.ldb` is moved aside until everything is in place.
pub(crate) struct Registration {
    hosted: Arc<Hosted>,
    signature: DatabaseSignature,
    marker: RestoreMarker,
    complete: bool,
    _restore: Taken,
}

impl Registration {
    /// Checks that the plan is for this domain controller, and locks it.
    ///
    /// # Errors
    /// `hrBadDbSignature` for another domain controller's backup; `hrInvalidPath` for paths outside
    /// the staging folder; `hrDatabaseInUse` if the domain controller runs; `hrDiskIO`. Then
    /// nothing was changed.
    pub(crate) fn begin(hosted: Arc<Hosted>, plan: &RestorePlan, restore: Taken) -> Result<Self> {
        let installation = &hosted.installation;
        let staging = RestoreStaging::of(installation);
        staging.check_stopped().map_err(code)?;
        check_destinations(&staging, plan)?;
        let wanted = plan.token.signature;
        let interrupted = RestoreMarker::read(&installation.state);
        match &interrupted {
            // The former state was moved aside by a restore of this domain controller.
            Ok(Some(marker)) if !staging.can_start() => {
                if marker.database_signature != hex::encode(&wanted) {
                    return Err(other_server(
                        "the restore that was interrupted here was of another domain controller's \
                         backup",
                    ));
                }
            }
            _ => check_same_server(installation, &wanted)?,
        }
        let interrupted = !matches!(interrupted, Ok(None));
        let marker = RestoreMarker::begin(&wanted, plan.generations).staged();
        marker.write(&installation.state)?;
        if let Err(error) = staging.lock(interrupted) {
            if !interrupted && staging.can_start() {
                RestoreMarker::clear(&installation.state)?;
            }
            return Err(code(error));
        }
        Ok(Self {
            signature: wanted,
            marker,
            complete: false,
            hosted,
            _restore: restore,
        })
    }

    fn folder(&self) -> &Path {
        &self.hosted.installation.state
    }

    fn mark_failed(&mut self, reason: &str) -> Result<()> {
        self.marker = self.marker.clone().failed(reason);
        self.marker.write(self.folder())
    }

    /// Turns the files in the staging folder into a domain controller that can start.
    fn put_in_place(&self) -> Result<()> {
        let installation = &self.hosted.installation;
        let staging = RestoreStaging::of(installation);
        let tree = Tree::open(&staging.folder()).map_err(code)?;
        let identity = &tree.listing().identity;
        if identity.signature() != self.signature {
            return Err(other_server(&format!(
                "the files in the staging folder are of {}, the expiry token is of another",
                identity.dns_name
            )));
        }
        if (&identity.netbios_name, &identity.realm)
            != (&installation.netbios_name, &installation.realm)
        {
            return Err(other_server(&format!(
                "it is of {} in {}, and {} describes {} in {}",
                identity.netbios_name,
                identity.realm,
                installation.smb_conf.display(),
                installation.netbios_name,
                installation.realm
            )));
        }
        for withheld in tree.withheld() {
            tracing::warn!("{withheld}");
        }
        for warning in &tree.listing().warnings {
            tracing::warn!("a warning of the backup: {warning}");
        }
        tree.verify().map_err(code)?;
        tree.shape().map_err(code)?;
        let stored = tree.identity().map_err(code)?;
        if signature(stored.dsa_guid, stored.domain_sid) != self.signature {
            return Err(other_server(
                "its databases are of another domain controller than its listing says",
            ));
        }
        if stored.beyond > 0 || stored.highest_usn < tree.listing().usn_before {
            return Err(Error::new(
                ResultCode::DATABASE_INCONSISTENT,
                format!(
                    "the restored partitions do not belong together: the highest USN is {}, the \
                     backup says at least {}, and {} entries are beyond it",
                    stored.highest_usn,
                    tree.listing().usn_before,
                    stored.beyond
                ),
            ));
        }
        let life = tree.begin_new_life().map_err(code)?;
        tracing::info!(
            former_invocation_id = %life.former_invocation_id,
            invocation_id = %life.invocation_id,
            former_usn = life.former_usn,
            rids = %life.rids,
            "the restored directory begins a new life"
        );
        if !self.hosted.authoritative.is_empty() {
            let names = &self.hosted.authoritative;
            let marked = tree.make_authoritative(names).map_err(code)?;
            tracing::info!(
                objects = marked.objects,
                links = marked.links,
                "objects win over what partners did to them since the backup"
            );
            for name in &marked.left_out {
                tracing::warn!(
                    "{name}: it does not win: domain controllers, krbtgt and RID pools must not go \
                     back in time"
                );
            }
        }
        staging.put(&tree).map_err(code)?;
        if let Err(error) = staging.tidy() {
            tracing::warn!(
                %error,
                "the domain controller is restored, but its former state cannot be removed"
            );
        }
        if installation.bind_dns.join("dns").exists()
            || installation.bind_dns.join("named.conf").exists()
        {
            tracing::warn!(
                "BIND's copies of the DNS partitions belong to the former state: run \
                 `samba_upgradedns --dns-backend=BIND9_DLZ` before BIND is started"
            );
        }
        Ok(())
    }
}

impl RegisteredRestore for Registration {
    fn complete(&mut self) -> Result<Vec<PathBuf>> {
        self.keep_locked();
        if let Err(error) = self.put_in_place() {
            self.mark_failed(&error.reason)?;
            return Err(error);
        }
        RestoreMarker::clear(self.folder())?;
        self.complete = true;
        Ok(Vec::new())
    }

    fn fail(&mut self, state: ResultCode) -> Result<()> {
        self.mark_failed(&format!("its application reported {state}"))
    }

    fn clear(&mut self, needed: u64) -> Result<Vec<FileEntry>> {
        let folder = RestoreStaging::of(&self.hosted.installation).folder();
        // Files of an interrupted restore are overwritten one by one.
        let existing = folder.ancestors().find(|folder| folder.is_dir());
        check_space(existing.unwrap_or(&folder), needed, [])?;
        Ok(Vec::new())
    }

    fn create_file(&mut self, file: RestoredFile) -> Result<FileWriter> {
        let folder = RestoreStaging::of(&self.hosted.installation).folder();
        let relative = &PathBuf::from(&file.name);
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if file.name.is_empty() || !relative.components().all(plain) {
            return Err(Error::new(
                ResultCode::INVALID_PATH,
                format!(
                    "{:?}: expected a path below the restore's folder",
                    file.name
                ),
            ));
        }
        let place = files::Place::beneath(&folder, relative);
        (place.delete()).map_err(|error| disk_error(&place.path(), &error))?;
        FileWriter::create(place, &file)
    }

    fn keep_locked(&mut self) {
        if !self.complete {
            self.marker.keep(self.folder());
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.complete {
            self.keep_locked();
            tracing::warn!(
                "a restore ended before it was complete: the domain controller cannot start until \
                 another is"
            );
        }
    }
}

/// Checks that all destinations are in the staging folder, none in the running state.
fn check_destinations(staging: &RestoreStaging<'_>, plan: &RestorePlan) -> Result<()> {
    let folder = staging.folder();
    let elsewhere = |what: &str, given: &str| {
        Err(Error::new(
            ResultCode::INVALID_PATH,
            format!("{what} {given:?}: expected a path in {}", folder.display()),
        ))
    };
    for (what, given) in [
        ("log folder", &plan.log_folder),
        ("checkpoint folder", &plan.checkpoint_folder),
    ] {
        if Path::new(given) != folder {
            return elsewhere(what, given);
        }
    }
    let plain = |path: &Path| {
        path.components()
            .all(|part| part != std::path::Component::ParentDir)
    };
    match plan
        .databases
        .iter()
        .find(|(_, new)| !Path::new(new).starts_with(&folder) || !plain(Path::new(new)))
    {
        None => Ok(()),
        Some((_, new)) => elsewhere("database", new),
    }
}

/// Checks that the installed domain controller is the one in the backup. A server that lost
/// everything is recognized only by its configuration, once the restored files are there.
fn check_same_server(installation: &Installation, wanted: &DatabaseSignature) -> Result<()> {
    if !RestoreStaging::of(installation).can_start() {
        return Ok(());
    }
    match samba::installed_identity(installation) {
        Ok(stored) if signature(stored.dsa_guid, stored.domain_sid) == *wanted => Ok(()),
        Ok(stored) => Err(other_server(&format!(
            "the installed domain controller is {} of the domain {}",
            stored.dsa_guid, stored.domain_sid
        ))),
        Err(error) => {
            tracing::warn!(
                %error,
                "cannot identify the installed directory; its configuration will be compared"
            );
            Ok(())
        }
    }
}

fn other_server(reason: &str) -> Error {
    Error::new(
        ResultCode::BAD_DB_SIGNATURE,
        format!(
            "the backup is not of this domain controller: {reason}; to make the first domain \
             controller of a recovered domain from it, restore it with --first-domain-controller"
        ),
    )
}
