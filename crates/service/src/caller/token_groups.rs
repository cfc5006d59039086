//! The groups of an account by the directory's tokenGroups: nested and built-in ones too, such as
//! Backup Operators, which no ticket names.

use std::time::Duration;

use ids::Sid;
use ldap3::{LdapConn, LdapConnSettings, LdapError, Scope, SearchEntry};

/// How long the directory may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// ADS_UF_ACCOUNTDISABLE of userAccountControl.
const DISABLED: u32 = 2;

/// The result noSuchObject (RFC 4511, 4.1.9).
const NO_SUCH_OBJECT: u32 = 32;

/// Why the directory gave no groups.
pub(super) enum Failure {
    /// Nothing listens at its address.
    Down(String),
    /// The account does not exist or is disabled.
    Refused(String),
    /// Anything else.
    Unclear(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Unclear(reason)
    }
}

/// Asks the directory at a URL such as
/// `ldapi://%2Fvar%2Flib%2Fsamba%2Fprivate%2Fldap_priv%2Fldapi`, which authenticates this process
/// by its user.
///
/// # Errors
/// The directory cannot be queried, or the account does not exist or was disabled since the ticket
/// was issued.
pub(super) fn look_up(directory: &str, account: &Sid) -> Result<Vec<Sid>, Failure> {
    let failed = |error: LdapError| format!("{directory}: {error}");
    let settings = LdapConnSettings::new().set_conn_timeout(PATIENCE);
    let mut connection = LdapConn::with_settings(settings, directory)
        .map_err(|error| Failure::Down(failed(error)))?;
    let found = connection
        .with_timeout(PATIENCE)
        .search(
            &format!("<SID={account}>"),
            Scope::Base,
            "(objectClass=*)",
            ["tokenGroups", "userAccountControl"],
        )
        .and_then(ldap3::SearchResult::success);
    let _ = connection.unbind();
    let entries = match found {
        Err(LdapError::LdapResult { result }) if result.rc == NO_SUCH_OBJECT => Vec::new(),
        found => found.map_err(failed)?.0,
    };
    let entry = entries
        .into_iter()
        .next()
        .map(SearchEntry::construct)
        .ok_or_else(|| Failure::Refused(format!("{directory}: there is no account {account}")))?;
    let control = entry.attrs.get("userAccountControl");
    let control: u32 = control
        .and_then(|values| values.first()?.parse().ok())
        .ok_or_else(|| format!("{directory}: {account} has no userAccountControl"))?;
    if control & DISABLED != 0 {
        return Err(Failure::Refused(format!("{account} is disabled")));
    }
    // Values that happen to be UTF-8 are returned as text.
    let texts = entry.attrs.get("tokenGroups").into_iter().flatten();
    let bytes = entry.bin_attrs.get("tokenGroups").into_iter().flatten();
    texts
        .map(String::as_bytes)
        .chain(bytes.map(Vec::as_slice))
        .map(|sid| {
            Sid::from_bytes(sid)
                .ok_or_else(|| format!("{directory}: tokenGroups holds no SID").into())
        })
        .collect()
}
