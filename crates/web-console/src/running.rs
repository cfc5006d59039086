//! Running directory servers: where objects are brought back, and what is there now.

use live::{Access, Address, Credentials, Live};
use samba::Installation;

use crate::problem::Problem;
use crate::settings::ServerSettings;

/// The configuration of a Samba domain controller if no other is named.
const SMB_CONF: &str = "/etc/samba/smb.conf";

/// A connection to a running server.
pub struct Running {
    /// Its directory.
    pub live: Live,
    /// Its address, for journals and people.
    pub address: String,
    /// The domain controller on this computer, where it is that one.
    pub installation: Option<Installation>,
}

impl Running {
    /// Connects.
    ///
    /// # Errors
    /// If the server cannot be reached, or does not take the account.
    pub fn connect(server: &ServerSettings) -> Result<Self, Problem> {
        let (address, installation) = match &server.url {
            Some(url) => (url.parse::<Address>().map_err(Problem::failed)?, None),
            None => {
                let file = server.smb_conf.clone().unwrap_or_else(|| SMB_CONF.into());
                let own = Installation::read(&file).map_err(Problem::failed)?;
                (Address::Socket(own.privileged_socket()), Some(own))
            }
        };
        let access = match (&address, &installation) {
            // Whoever opens the privileged socket is the system.
            (_, Some(_)) => Access::default(),
            _ => access(server, &address)?,
        };
        Ok(Self {
            live: Live::open(&address, &access).map_err(Problem::failed)?,
            address: address.to_string(),
            installation,
        })
    }

    /// Connects to another server of the same forest, with the same account.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn partner(server: &ServerSettings, host: &str) -> Result<Live, Problem> {
        let is_tls = (server.url.as_deref()).is_some_and(|url| url.starts_with("ldaps://"));
        let scheme = if is_tls { "ldaps" } else { "ldap" };
        let address: Address = format!("{scheme}://{host}")
            .parse()
            .map_err(Problem::failed)?;
        Live::open(&address, &access(server, &address)?).map_err(Problem::failed)
    }
}

fn access(server: &ServerSettings, address: &Address) -> Result<Access, Problem> {
    let credentials = match (&server.user, &server.password_file, address) {
        (Some(user), Some(file), _) => Credentials::Simple {
            user: user.clone(),
            password: backup::password::line_of(file).map_err(Problem::failed)?,
        },
        (_, _, Address::Socket(_)) => Credentials::Anonymous,
        _ => Credentials::Kerberos,
    };
    let pin = server.pin.as_deref().map(str::parse).transpose();
    Ok(Access {
        credentials,
        ca_file: server.ca_file.clone(),
        pin: pin.map_err(Problem::failed)?,
    })
}
