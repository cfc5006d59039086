//! Filters of LDAP messages.

use objects::filter::{Filter, MatchingRule, Substrings};
use rasn_ldap::{Filter as Wire, ResultCode, SubstringChoice};

use crate::answer::Refusal;

/// The deepest nesting of a filter.
const DEEPEST: usize = 64;

/// The filter of a message.
///
/// # Errors
/// Fails if it is too deep, or if a matching rule is unknown.
pub fn convert(filter: Wire) -> Result<Filter, Refusal> {
    at_depth(filter, 0)
}

fn at_depth(filter: Wire, depth: usize) -> Result<Filter, Refusal> {
    if depth == DEEPEST {
        let reason = format!("the filter is nested deeper than {DEEPEST} levels");
        return Err(Refusal::new(ResultCode::AdminLimitExceeded, reason));
    }
    let all = |filters: Vec<Wire>| -> Result<Vec<Filter>, Refusal> {
        let filters = filters.into_iter();
        filters.map(|filter| at_depth(filter, depth + 1)).collect()
    };
    Ok(match filter {
        Wire::And(filters) => Filter::And(all(filters.into_vec())?),
        Wire::Or(filters) => Filter::Or(all(filters.into_vec())?),
        Wire::Not(filter) => Filter::Not(Box::new(at_depth(*filter, depth + 1)?)),
        Wire::EqualityMatch(pair) => {
            Filter::Equal(pair.attribute_desc.0, pair.assertion_value.to_vec())
        }
        Wire::ApproxMatch(pair) => {
            Filter::Approximate(pair.attribute_desc.0, pair.assertion_value.to_vec())
        }
        Wire::GreaterOrEqual(pair) => {
            Filter::GreaterOrEqual(pair.attribute_desc.0, pair.assertion_value.to_vec())
        }
        Wire::LessOrEqual(pair) => {
            Filter::LessOrEqual(pair.attribute_desc.0, pair.assertion_value.to_vec())
        }
        Wire::Present(name) => Filter::Present(name.0),
        Wire::Substrings(filter) => {
            let mut parts = Substrings::default();
            for part in filter.substrings {
                match part {
                    SubstringChoice::Initial(value) => parts.first = Some(value.to_vec()),
                    SubstringChoice::Any(value) => parts.middle.push(value.to_vec()),
                    SubstringChoice::Final(value) => parts.last = Some(value.to_vec()),
                    _ => return Err(unknown("part of a substring filter")),
                }
            }
            // An empty part fits anywhere.
            parts.middle.retain(|part| !part.is_empty());
            Filter::Substrings(filter.r#type.0, parts)
        }
        Wire::ExtensibleMatch(found) => {
            let Some(attribute) = found.r#type else {
                return Err(unknown("filter without an attribute"));
            };
            let value = found.match_value.to_vec();
            let rule = match found.matching_rule.as_ref().map(|rule| rule.0.as_str()) {
                None => return Ok(Filter::Equal(attribute.0, value)),
                Some("1.2.840.113556.1.4.803") => MatchingRule::BitAnd,
                Some("1.2.840.113556.1.4.804") => MatchingRule::BitOr,
                Some("1.2.840.113556.1.4.1941") => MatchingRule::InChain,
                Some(rule) => return Err(unknown(&format!("matching rule {rule}"))),
            };
            Filter::Extensible {
                attribute: attribute.0,
                rule,
                value,
            }
        }
        _ => return Err(unknown("filter")),
    })
}

fn unknown(what: &str) -> Refusal {
    let reason = format!("this server knows no such {what}");
    Refusal::new(ResultCode::InappropriateMatching, reason)
}
