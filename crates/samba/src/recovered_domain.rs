//! The first domain controller of a recovered domain: when all others are gone too.
//!
//! samba-tool does this, from a backup in its own format: a new server takes all roles, all others are removed, krbtgt
//! gets a new password twice. It is handed such a backup, made of the unpacked snapshot. What samba-tool leaves out, and
//! is done before: the domain's RID pool is raised beyond what the lost servers may have handed out since the backup.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::tools;
use crate::tree::Tree;

/// How long samba-tool may take.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// The new server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServer<'a> {
    /// Its short name: another one than any server of the domain has had.
    pub name: &'a str,
    /// Its address, where samba-tool cannot find it by itself.
    pub address: Option<IpAddr>,
    /// Its site, where that is not the default one.
    pub site: Option<&'a str>,
}

impl Tree {
    /// Makes the first domain controller of the recovered domain in a folder that is empty or does not exist. The tree
    /// is used up.
    ///
    /// # Errors
    /// [`Error::Tool`] with what samba-tool says; [`Error::Refused`] for a name that the backed-up server has.
    pub fn recover_domain(self, server: &NewServer<'_>, target: &Path) -> Result<()> {
        if server
            .name
            .eq_ignore_ascii_case(&self.listing().identity.netbios_name)
        {
            return Err(Error::Refused(format!(
                "{}: the first server of a recovered domain needs a new name, because the one that was backed up is \
                 removed from it",
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
