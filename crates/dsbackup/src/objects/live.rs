//! A running server as a SOURCE on the command line.

use std::path::Path;

use live::{Access, Address, Credentials, Live};

use super::source::{Opened, Sources};
use crate::cli::LiveOptions;
use crate::failure::{Failure, Result};
use crate::password;

/// The variable that holds the password of `--ldap-user`.
const PASSWORD: &str = "DSBACKUP_LDAP_PASSWORD";

/// Opens a server's directory, where `source` is its URL, or one at a path or in a snapshot.
///
/// # Errors
/// Where the server cannot be asked; those of [`Sources::open`].
pub fn open(source: &Path, options: &LiveOptions, sources: &Sources<'_>) -> Result<Opened> {
    match source.to_str().filter(|text| Address::is_one(text)) {
        Some(url) => {
            let address: Address = url.parse().map_err(failed)?;
            let access = access(&address, options)?;
            let live = Live::open(&address, &access).map_err(failed)?;
            Ok(Opened::running(url.to_owned(), Box::new(live)))
        }
        None => sources.open(source),
    }
}

/// Whether a SOURCE is the URL of a server.
pub fn is_server(source: &Path) -> bool {
    source.to_str().is_some_and(Address::is_one)
}

/// A server's error as the reason of a failure.
pub fn failed(error: live::Error) -> Failure {
    Failure::Server(error.to_string())
}

/// How a server is accessed.
///
/// # Errors
/// Where the user's password is not known.
pub fn access(address: &Address, options: &LiveOptions) -> Result<Access> {
    let credentials = match (&options.ldap_user, address) {
        (Some(user), _) => Credentials::Simple {
            user: user.clone(),
            password: password::of_user(user, options.ldap_password_file.as_deref(), PASSWORD)?,
        },
        (None, Address::Socket(_)) => Credentials::Anonymous,
        (None, Address::Tcp { .. }) => Credentials::Kerberos,
    };
    Ok(Access {
        credentials,
        ca_file: options.ldap_ca_file.clone(),
        pin: options.ldap_pin,
    })
}
