//! Evaluates filters on entries.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ids::Guid;

use super::compare::{has_parts, is_equal, is_same_object, order};
use super::{Filter, MatchingRule};
use crate::schema::AttributeSchema;
use crate::{Entry, Lookup, Result, Source, Value, Wanted};

/// The objects that lead to a target, by opposite attribute and target.
type Chains = HashMap<(String, Vec<u8>), Arc<HashSet<Guid>>>;

/// Evaluates filters on the entries of one source.
pub struct Matcher<'s> {
    source: &'s dyn Source,
    chains: RefCell<Chains>,
}

impl<'s> Matcher<'s> {
    /// For entries of `source`, read with the attributes in the filter.
    pub fn new(source: &'s dyn Source) -> Self {
        Self {
            source,
            chains: RefCell::default(),
        }
    }

    /// Whether the entry matches.
    ///
    /// # Errors
    /// Fails if a chain of objects is unreadable.
    pub fn matches(&self, filter: &Filter, entry: &Entry) -> Result<bool> {
        Ok(self.truth(filter, entry)? == Some(true))
    }

    /// `None` if the filter is undefined for the entry, for example because the schema lacks an
    /// attribute. Then its negation is undefined, too.
    fn truth(&self, filter: &Filter, entry: &Entry) -> Result<Option<bool>> {
        let any = |name: &str, test: &dyn Fn(&Value, &AttributeSchema) -> bool| {
            let attribute = self.source.schema().attribute(name)?;
            let values = entry.values(&attribute.name);
            Some(values.iter().any(|value| test(value, attribute)))
        };
        let schema = self.source.schema();
        Ok(match filter {
            Filter::And(filters) => {
                let mut all = Some(true);
                for filter in filters {
                    match self.truth(filter, entry)? {
                        Some(true) => {}
                        Some(false) => return Ok(Some(false)),
                        None => all = None,
                    }
                }
                all
            }
            Filter::Or(filters) => {
                let mut one = Some(false);
                for filter in filters {
                    match self.truth(filter, entry)? {
                        Some(true) => return Ok(Some(true)),
                        Some(false) => {}
                        None => one = None,
                    }
                }
                one
            }
            Filter::Not(filter) => self.truth(filter, entry)?.map(|truth| !truth),
            Filter::Present(name) => any(name, &|_, _| true),
            Filter::Equal(name, bytes) | Filter::Approximate(name, bytes) => {
                any(name, &|value, attribute| {
                    is_equal(value, bytes, attribute, schema)
                })
            }
            Filter::GreaterOrEqual(name, bytes) => any(name, &|value, attribute| {
                order(value, bytes, attribute).is_some_and(|order| order.is_ge())
            }),
            Filter::LessOrEqual(name, bytes) => any(name, &|value, attribute| {
                order(value, bytes, attribute).is_some_and(|order| order.is_le())
            }),
            Filter::Substrings(name, parts) => {
                any(name, &|value, attribute| has_parts(value, parts, attribute))
            }
            Filter::Extensible {
                attribute,
                rule: MatchingRule::InChain,
                value,
            } => self.is_in_chain(attribute, value, entry)?,
            Filter::Extensible {
                attribute,
                rule,
                value,
            } => {
                let text = std::str::from_utf8(value).ok();
                let Some(bits) = text.and_then(|text| text.trim().parse::<i64>().ok()) else {
                    return Ok(None);
                };
                any(attribute, &|value, _| {
                    value.integer().is_some_and(|number| match rule {
                        MatchingRule::BitAnd => number & bits == bits,
                        _ => number & bits != 0,
                    })
                })
            }
        })
    }

    /// Whether the values of the attribute lead from the entry to the object named by `target`.
    fn is_in_chain(&self, name: &str, target: &[u8], entry: &Entry) -> Result<Option<bool>> {
        let Some(attribute) = self.source.schema().attribute(name) else {
            return Ok(None);
        };
        let Ok(target) = std::str::from_utf8(target) else {
            return Ok(None);
        };
        let opposite =
            (attribute.link_id).and_then(|link| self.source.schema().attribute_of_link(link ^ 1));
        let Some(opposite) = opposite else {
            return self.leads_to(attribute, target, entry).map(Some);
        };
        let key = (opposite.name.to_string(), target.as_bytes().to_vec());
        let known = self.chains.borrow().get(&key).cloned();
        let chain = match known {
            Some(known) => known,
            None => {
                let chain = Arc::new(self.leading_to(opposite, target)?);
                self.chains.borrow_mut().insert(key, chain.clone());
                chain
            }
        };
        Ok(Some(entry.guid.is_some_and(|guid| chain.contains(&guid))))
    }

    /// The objects that lead to `target`, found from there through the opposite attribute.
    fn leading_to(&self, opposite: &AttributeSchema, target: &str) -> Result<HashSet<Guid>> {
        let wanted = Wanted {
            deleted: true,
            ..Wanted::only([&*opposite.name])
        };
        let mut found = HashSet::new();
        let mut waiting = self.find(target)?;
        while let Some(id) = waiting.pop() {
            let Some(entry) = self.source.entry(id, &wanted)? else {
                continue;
            };
            for value in entry.values(&opposite.name) {
                if let Some(guid) = value.reference().and_then(|name| name.guid)
                    && found.insert(guid)
                {
                    waiting.extend(self.source.find(&Lookup::Guid(guid))?);
                }
            }
        }
        Ok(found)
    }

    /// Whether the values of an attribute without an opposite lead from the entry to `target`.
    fn leads_to(&self, attribute: &AttributeSchema, target: &str, entry: &Entry) -> Result<bool> {
        let wanted = Wanted {
            deleted: true,
            ..Wanted::only([&*attribute.name])
        };
        let mut seen = HashSet::new();
        let mut waiting: Vec<Value> = entry.values(&attribute.name).to_vec();
        while let Some(value) = waiting.pop() {
            let Some(name) = value.reference() else {
                continue;
            };
            if is_same_object(name, target) {
                return Ok(true);
            }
            let Some(guid) = name.guid.filter(|guid| seen.insert(*guid)) else {
                continue;
            };
            for id in self.source.find(&Lookup::Guid(guid))? {
                if let Some(next) = self.source.entry(id, &wanted)? {
                    waiting.extend_from_slice(next.values(&attribute.name));
                }
            }
        }
        Ok(false)
    }

    fn find(&self, target: &str) -> Result<Vec<crate::ObjectId>> {
        let bracketed = target
            .strip_prefix('<')
            .and_then(|text| text.strip_suffix('>'));
        match bracketed.and_then(|text| text.split_once('=')) {
            Some((kind, guid)) if kind.eq_ignore_ascii_case("GUID") => match guid.parse() {
                Ok(guid) => self.source.find(&Lookup::Guid(guid)),
                Err(_) => Ok(Vec::new()),
            },
            Some((_, sid)) => match sid.parse() {
                Ok(sid) => self.source.find(&Lookup::Sid(&sid)),
                Err(_) => Ok(Vec::new()),
            },
            None => self.source.find(&Lookup::Dn(target)),
        }
    }
}
