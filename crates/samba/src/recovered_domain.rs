//! The first domain controller of a recovered domain, after the loss of all others.
//!
//! samba-tool does this, from a backup in its own format: a new server takes all roles, all others
//! are removed, krbtgt gets a new password twice. We make such a backup from the unpacked snapshot.
//! Before that, we do what samba-tool omits: raise the domain's RID pool above all RIDs that the
//! lost servers may have assigned since the backup.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::tools;
use crate::tree::Tree;

/// samba-tool's time limit.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// The new server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServer<'a> {
    /// Its short name, which no server of the domain may have had.
    pub name: &'a str,
    /// Its address, if samba-tool cannot determine it.
    pub address: Option<IpAddr>,
    /// Its site, if not the default one.
    pub site: Option<&'a str>,
}

impl Tree {
    /// Makes the first domain controller of the recovered domain in a folder that is empty or does
    /// not exist. Consumes the tree.
    ///
    /// # Errors
    /// [`Error::Tool`] with samba-tool's message; [`Error::Refused`] for the name of the backed-up
    /// server.
    pub fn recover_domain(self, server: &NewServer<'_>, target: &Path) -> Result<()> {
        if server
            .name
            .eq_ignore_ascii_case(&self.listing().identity.netbios_name)
        {
            return Err(Error::Refused(format!(
                "{}: the first server of a recovered domain needs a new name, because the one that \
                 was backed up is removed from it",
                server.name
            )));
        }
        self.verify()?;
        self.shape()?;
        let archive = self.root().join("dsbackup.samba-tool.tar");
        let _: serde_json::Value = self.script(
            "samba_tool_backup",
            include_str!("scripts/samba_tool_backup.py"),
            &[self.root().as_os_str(), archive.as_os_str()],
        )?;
        let mut command = Command::new("samba-tool");
        command
            .args(["domain", "backup", "restore"])
            .arg(format!("--backup-file={}", archive.display()))
            .arg(format!("--targetdir={}", target.display()))
            .arg(format!("--newservername={}", server.name));
        match server.address {
            Some(IpAddr::V4(address)) => drop(command.arg(format!("--host-ip={address}"))),
            Some(IpAddr::V6(address)) => drop(command.arg(format!("--host-ip6={address}"))),
            None => {}
        }
        if let Some(site) = server.site {
            command.arg(format!("--site={site}"));
        }
        let output = tools::run(command, LIMIT)?;
        match output.success {
            true => Ok(()),
            false => Err(Error::Tool {
                tool: "samba-tool domain backup restore".into(),
                reason: output.last_words(),
            }),
        }
    }
}
