//! The objects that a filter can match at all, found by identity instead of in a scan.

use ids::{Guid, Sid};

use super::Filter;
use crate::{Lookup, ObjectId, Result, Source};

impl Filter {
    /// The objects that may match, each once, if the filter demands an identity: a GUID, SID,
    /// sAMAccountName, userPrincipalName or distinguished name. Whether they do match, and where
    /// they are, is for the caller to see. `None` if only a scan can tell.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    pub fn candidates(&self, source: &dyn Source) -> Result<Option<Vec<ObjectId>>> {
        let mut found = match self {
            // One condition limits all.
            Self::And(filters) => {
                for filter in filters {
                    if let Some(found) = filter.candidates(source)? {
                        return Ok(Some(found));
                    }
                }
                return Ok(None);
            }
            Self::Or(filters) => {
                if !filters.iter().all(|filter| filter.is_by_identity(source)) {
                    return Ok(None);
                }
                let mut all = Vec::new();
                for filter in filters {
                    all.extend(filter.candidates(source)?.into_iter().flatten());
                }
                all
            }
            Self::Equal(name, value) | Self::Approximate(name, value) => {
                match identity(name, source) {
                    Some(identity) => identity.find(value, source)?,
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }

    /// Whether [`Self::candidates`] finds the objects, without looking for them.
    fn is_by_identity(&self, source: &dyn Source) -> bool {
        match self {
            Self::And(filters) => filters.iter().any(|filter| filter.is_by_identity(source)),
            Self::Or(filters) => filters.iter().all(|filter| filter.is_by_identity(source)),
            Self::Equal(name, _) | Self::Approximate(name, _) => identity(name, source).is_some(),
            _ => false,
        }
    }
}

/// An attribute that directories find objects by.
#[derive(Clone, Copy)]
enum Identity {
    Name,
    Guid,
    Sid,
    Account,
    PrincipalName,
}

fn identity(name: &str, source: &dyn Source) -> Option<Identity> {
    let attribute = source.schema().attribute(name)?;
    let names = [
        ("distinguishedName", Identity::Name),
        ("objectGUID", Identity::Guid),
        ("objectSid", Identity::Sid),
        ("sAMAccountName", Identity::Account),
        ("userPrincipalName", Identity::PrincipalName),
    ];
    let found = (names.into_iter()).find(|(name, _)| attribute.name.eq_ignore_ascii_case(name));
    found.map(|(_, identity)| identity)
}

impl Identity {
    /// The objects with an identity that equals the filter's `value`, in any form that the
    /// comparison accepts.
    fn find(self, value: &[u8], source: &dyn Source) -> Result<Vec<ObjectId>> {
        let text = std::str::from_utf8(value).ok();
        match (self, text) {
            (Self::Guid, _) => {
                let bytes = value.try_into().ok().map(Guid);
                let written = text.and_then(|text| text.parse().ok());
                all(bytes.into_iter().chain(written), |guid| {
                    source.find(&Lookup::Guid(guid))
                })
            }
            (Self::Sid, _) => {
                let bytes = Sid::from_bytes(value);
                let written = text.and_then(|text| text.parse::<Sid>().ok());
                all(bytes.into_iter().chain(written), |sid| {
                    source.find(&Lookup::Sid(&sid))
                })
            }
            (_, None) => Ok(Vec::new()),
            (Self::Account, Some(text)) => source.find(&Lookup::Account(text)),
            (Self::PrincipalName, Some(text)) => source.find(&Lookup::PrincipalName(text)),
            (Self::Name, Some(text)) => match in_brackets(text) {
                None => source.find(&Lookup::Dn(text)),
                Some((kind, guid)) if kind.eq_ignore_ascii_case("GUID") => {
                    all(guid.parse(), |guid| source.find(&Lookup::Guid(guid)))
                }
                Some((_, sid)) => all(sid.parse::<Sid>(), |sid| source.find(&Lookup::Sid(&sid))),
            },
        }
    }
}

/// The parts of `<GUID=...>` and `<SID=...>`.
fn in_brackets(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('<')?.strip_suffix('>')?;
    inner.split_once('=')
}

fn all<T>(
    identities: impl IntoIterator<Item = T>,
    find: impl Fn(T) -> Result<Vec<ObjectId>>,
) -> Result<Vec<ObjectId>> {
    let mut found = Vec::new();
    for identity in identities {
        found.extend(find(identity)?);
    }
    Ok(found)
}
