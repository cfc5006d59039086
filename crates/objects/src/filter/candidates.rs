//! The objects that a filter can match at all, found by identity or in an index instead of in a
//! scan.

use ids::{Guid, Sid};

use super::Filter;
use crate::{Lookup, ObjectId, Result, Scope, Source, Wanted, dn, is_within};

/// The most that lookups may cost, and the most candidates that are read one by one; a scan costs
/// less than more of them.
const MOST: usize = 1024;
/// What the lookup of an account or principal name costs: an NTDS is read in one pass.
const PASS: usize = 64;
/// What an index costs, if there is one: it may have many objects with the value.
const INDEX: usize = 128;

impl Filter {
    /// The objects that may match, each once and in the order of their ids, if the filter demands an
    /// identity (a GUID, SID, sAMAccountName, userPrincipalName or distinguished name) or the value
    /// of an attribute that the source has an index of. Whether they do match, and where they are,
    /// is for the caller to see. `None` if a scan is faster, or if only a scan can tell.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    pub fn candidates(&self, source: &dyn Source) -> Result<Option<Vec<ObjectId>>> {
        self.candidates_for(source, MOST)
    }

    /// Those that a search with this scope looks for: what is beneath an object is faster read than
    /// a long list of an index, where most of that is elsewhere.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    pub(super) fn candidates_in(
        &self,
        source: &dyn Source,
        scope: Scope,
    ) -> Result<Option<Vec<ObjectId>>> {
        match scope {
            Scope::Base => Ok(None),
            Scope::OneLevel | Scope::Children => self.candidates_for(source, INDEX - 1),
            Scope::Subtree => self.candidates_for(source, MOST),
        }
    }

    /// Those that lookups tell which cost this much at most.
    fn candidates_for(&self, source: &dyn Source, most: usize) -> Result<Option<Vec<ObjectId>>> {
        if self.cost(source).is_none_or(|cost| cost > most) {
            return Ok(None);
        }
        let mut found = Vec::new();
        if !self.collect_candidates(source, most, &mut found)? {
            return Ok(None);
        }
        found.sort_unstable();
        found.dedup();
        Ok(Some(found))
    }

    /// The candidates that scans of `bases` with `scope` give, parents before their children.
    /// `deleted`: deleted objects and their containers, too. `None` if a scan is faster.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    pub fn candidates_within(
        &self,
        source: &dyn Source,
        bases: &[ObjectId],
        scope: Scope,
        deleted: bool,
    ) -> Result<Option<Vec<ObjectId>>> {
        match self.candidates_in(source, scope)? {
            Some(candidates) if are_few(&candidates) => {
                within(source, candidates, bases, scope, deleted).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What it costs to look for the candidates. `None` if only a scan can tell them.
    fn cost(&self, source: &dyn Source) -> Option<usize> {
        match self {
            Self::And(filters) => filters.iter().filter_map(|part| part.cost(source)).min(),
            Self::Or(filters) => filters.iter().map(|part| part.cost(source)).sum(),
            Self::Equal(name, _) | Self::Approximate(name, _) => match identity(name, source) {
                Some(Identity::Account | Identity::PrincipalName) => Some(PASS),
                Some(_) => Some(1),
                None => {
                    let attribute = source.schema().attribute(name)?;
                    attribute.is_single_valued.then_some(INDEX)
                }
            },
            _ => None,
        }
    }

    /// Adds the candidates. `false` if only a scan can tell them: an index was missing.
    fn collect_candidates(
        &self,
        source: &dyn Source,
        most: usize,
        found: &mut Vec<ObjectId>,
    ) -> Result<bool> {
        match self {
            // One condition limits all.
            Self::And(filters) => {
                let costs = filters.iter().map(|part| (part.cost(source), part));
                let mut costs: Vec<_> = costs
                    .filter_map(|(cost, part)| Some((cost.filter(|cost| *cost <= most)?, part)))
                    .collect();
                costs.sort_by_key(|(cost, _)| *cost);
                for (_, part) in costs {
                    let mut of_part = Vec::new();
                    if part.collect_candidates(source, most, &mut of_part)? {
                        found.append(&mut of_part);
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Or(filters) => {
                // An index that is missing shows before the others are asked.
                let mut parts: Vec<_> = filters.iter().collect();
                parts.sort_by_key(|part| std::cmp::Reverse(part.cost(source)));
                for part in parts {
                    if !part.collect_candidates(source, most, found)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Equal(name, value) | Self::Approximate(name, value) => {
                if let Some(identity) = identity(name, source) {
                    found.extend(identity.find(value, source)?);
                    return Ok(true);
                }
                let Some(attribute) = source.schema().attribute(name) else {
                    return Ok(false);
                };
                let indexed = source.find_in_index(attribute, value)?;
                let is_known = indexed.is_some();
                found.extend(indexed.into_iter().flatten());
                Ok(is_known)
            }
            _ => Ok(false),
        }
    }
}

/// Whether it is faster to read candidates one by one than to scan for them.
pub fn are_few(candidates: &[ObjectId]) -> bool {
    candidates.len() <= MOST
}

/// Those of the candidates that scans of `bases` with `scope` give, parents before their children.
///
/// # Errors
/// Fails if the directory is damaged.
pub fn within(
    source: &dyn Source,
    candidates: Vec<ObjectId>,
    bases: &[ObjectId],
    scope: Scope,
    deleted: bool,
) -> Result<Vec<ObjectId>> {
    let names = Wanted::names();
    let mut found = Vec::new();
    for id in candidates {
        let Some(entry) = source.entry(id, &names)? else {
            continue;
        };
        let shows_all = deleted || matches!(scope, Scope::Base | Scope::Children);
        if entry.is_hidden && !shows_all {
            continue;
        }
        for base in bases {
            if is_within(source, &entry, *base, scope)? {
                let depth = dn::parse(&entry.dn).map_or(0, |parts| parts.len());
                found.push((depth, id));
                break;
            }
        }
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, id)| id).collect())
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
