//! The server that is written to.

use std::io::{BufRead, IsTerminal, Write};

use live::{Access, Address, Live};
use samba::Installation;

use super::super::live::{access, failed};
use crate::cli::WrittenServerOptions;
use crate::failure::{Failure, Result};
use crate::report;

/// The server, with its address and how it is accessed.
pub struct Target {
    /// Its directory.
    pub live: Live,
    /// Its address, for the journal.
    pub name: String,
    /// The domain controller on this computer, with `--in-place`.
    pub installation: Option<Installation>,
}

impl Target {
    /// Connects.
    ///
    /// # Errors
    /// Where the server cannot be reached, or does not take the account.
    pub fn open(options: &WrittenServerOptions) -> Result<Self> {
        let mut own = None;
        let (address, access) = match &options.to {
            Some(url) => {
                let address: Address = url.parse().map_err(failed)?;
                let access = access(&address, &options.live)?;
                (address, access)
            }
            None => {
                let installation = Installation::read(&options.smb_conf)?;
                let socket = Address::Socket(installation.privileged_socket());
                own = Some(installation);
                (socket, Access::default())
            }
        };
        Ok(Self {
            name: address.to_string(),
            live: Live::open(&address, &access).map_err(failed)?,
            installation: own,
        })
    }

    /// Connects to another server of the forest, with the same account.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn partner(host: &str, options: &WrittenServerOptions) -> Result<Live> {
        let scheme = match options.to.as_deref() {
            Some(url) if url.starts_with("ldaps://") => "ldaps",
            _ => "ldap",
        };
        let address: Address = format!("{scheme}://{host}").parse().map_err(failed)?;
        let access = access(&address, &options.live)?;
        Live::open(&address, &access).map_err(failed)
    }
}

/// Asks on the terminal whether to go on.
///
/// # Errors
/// Where there is no terminal, and where the answer is no.
pub fn ask(question: &str) -> Result<()> {
    let refused = || Failure::refused("nothing was written");
    if !std::io::stdin().is_terminal() {
        return Err(Failure::refused(
            "nothing was written: there is no terminal to ask on; say --yes to go on without being \
             asked, or --dry-run to see the plan only",
        ));
    }
    let mut terminal = std::io::stderr();
    let asked = write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush());
    asked.map_err(|_| refused())?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|_| refused())?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => {
            report::say("no");
            Err(refused())
        }
    }
}
