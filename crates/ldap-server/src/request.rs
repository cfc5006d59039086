//! What a client searches for: the search request with its controls.

use std::collections::{HashMap, HashSet};

use objects::Wanted;
use objects::filter::Filter;
use objects::ldap::oid;
use objects::schema::Schema;
use rasn::prelude::*;
use rasn_ldap::{Control, ResultCode, SearchRequest, SearchRequestScope};

use crate::answer::Refusal;
use crate::{descriptor, filter};

/// The controls that the server knows.
pub const CONTROLS: [&str; 11] = [
    oid::PAGED,
    oid::SHOW_DELETED,
    oid::SORT,
    oid::SORTED,
    oid::EXTENDED_DN,
    oid::SD_FLAGS,
    oid::DOMAIN_SCOPE,
    oid::SEARCH_OPTIONS,
    oid::ATTRIBUTE_SCOPED,
    oid::SHOW_RECYCLED,
    oid::MANAGE_DSA_IT,
];

/// A page of a search.
#[derive(AsnType, Encode, Decode, Debug, Clone)]
pub struct Page {
    /// The most objects in the page; in the answer an estimate of all, or 0.
    pub size: i64,
    /// The server's mark of the next page; empty before the first and after the last.
    pub cookie: OctetString,
}

/// A key to sort by.
#[derive(AsnType, Encode, Decode, Debug, Clone)]
pub struct SortKey {
    /// The attribute.
    pub attribute: OctetString,
    /// The rule; ignored.
    #[rasn(tag(0))]
    pub rule: Option<OctetString>,
    /// Whether the greatest comes first.
    #[rasn(tag(1), default)]
    pub reverse: bool,
}

#[derive(AsnType, Encode, Decode, Debug, Clone)]
struct Number {
    value: i64,
}

#[derive(AsnType, Encode, Decode, Debug, Clone)]
struct Name {
    value: OctetString,
}

/// How names of objects are written (LDAP_SERVER_EXTENDED_DN_OID).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameForm {
    /// The name only.
    Plain,
    /// With GUID and SID in hexadecimal digits.
    Digits,
    /// With GUID and SID as text.
    Text,
}

/// A part of an attribute's values, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first value.
    pub first: usize,
    /// The last one; `None` for as many as possible.
    pub last: Option<usize>,
}

/// The attributes that a client asks for.
#[derive(Debug, Clone, Default)]
pub struct Attributes {
    /// All that are not returned by name only.
    pub all: bool,
    /// By name, in lower case, as the schema spells it.
    pub named: HashMap<String, Option<Range>>,
}

/// A search.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name of its base.
    pub base: String,
    /// Its scope.
    pub scope: SearchRequestScope,
    /// The most objects; 0 for any number.
    pub size_limit: u32,
    /// The most seconds; 0 for any number.
    pub time_limit: u32,
    /// Names of attributes without their values.
    pub types_only: bool,
    /// The filter.
    pub filter: Filter,
    /// The attributes.
    pub attributes: Attributes,
    /// The page.
    pub page: Option<Page>,
    /// The order.
    pub sort: Option<SortKey>,
    /// The parts of security descriptors.
    pub sd_flags: Option<u32>,
    /// The form of names.
    pub names: NameForm,
    /// Deleted objects, too.
    pub deleted: bool,
    /// Deleted objects, including recycled ones.
    pub recycled: bool,
    /// The attribute of the base whose values are searched instead of the base.
    pub through: Option<String>,
}

impl Request {
    /// A search request.
    ///
    /// # Errors
    /// Fails for a filter or a control that the server cannot honour.
    pub fn new(
        request: SearchRequest,
        controls: Vec<Control>,
        schema: &Schema,
    ) -> Result<Self, Refusal> {
        let mut made = Self {
            base: request.base_object.0,
            scope: request.scope,
            size_limit: request.size_limit,
            time_limit: request.time_limit,
            types_only: request.types_only,
            filter: filter::convert(request.filter)?,
            attributes: Attributes::new(
                request.attributes.iter().map(|name| name.0.as_str()),
                schema,
            ),
            page: None,
            sort: None,
            sd_flags: None,
            names: NameForm::Plain,
            deleted: false,
            recycled: false,
            through: None,
        };
        for control in controls {
            made.apply(&control)?;
        }
        if made.through.is_some() && made.scope != SearchRequestScope::BaseObject {
            let reason = "an attribute scoped query has the scope base";
            return Err(Refusal::new(ResultCode::ProtocolError, reason));
        }
        Ok(made)
    }

    fn apply(&mut self, control: &Control) -> Result<(), Refusal> {
        let kind = String::from_utf8_lossy(&control.control_type);
        let value = control.control_value.as_deref();
        match &*kind {
            oid::PAGED => self.page = Some(parse(value, &kind)?),
            oid::SORT => {
                let keys: Vec<SortKey> = parse(value, &kind)?;
                match <[SortKey; 1]>::try_from(keys) {
                    Ok([key]) => self.sort = Some(key),
                    Err(_) if !control.criticality => {}
                    Err(_) => {
                        let reason = "this server sorts by one attribute";
                        return Err(Refusal::new(ResultCode::UnwillingToPerform, reason));
                    }
                }
            }
            oid::SD_FLAGS => {
                let flags = match value {
                    Some(_) => parse::<Number>(value, &kind)?.value,
                    None => i64::from(descriptor::EVERYTHING),
                };
                self.sd_flags = Some(flags as u32 & descriptor::EVERYTHING);
            }
            oid::EXTENDED_DN => {
                self.names = match value {
                    Some(_) if parse::<Number>(value, &kind)?.value == 1 => NameForm::Text,
                    _ => NameForm::Digits,
                };
            }
            oid::SHOW_DELETED => self.deleted = true,
            oid::SHOW_RECYCLED => self.recycled = true,
            oid::ATTRIBUTE_SCOPED => {
                let name = parse::<Name>(value, &kind)?.value;
                self.through = Some(String::from_utf8_lossy(&name).into_owned());
            }
            // There are no referrals to leave out. The phantom root is the empty base.
            oid::DOMAIN_SCOPE | oid::MANAGE_DSA_IT | oid::SEARCH_OPTIONS => {}
            _ if control.criticality => {
                let reason = format!("this server does not know the critical control {kind}");
                return Err(Refusal::new(
                    ResultCode::UnavailableCriticalExtension,
                    reason,
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// What to read of each object: for the filter and the order, and to return it if `whole`.
    pub fn wanted(&self, schema: &Schema, whole: bool) -> Wanted {
        let known = |name: &str| {
            (schema.attribute(name)).map(|attribute| attribute.name.to_ascii_lowercase())
        };
        let mut names: HashSet<String> = (self.filter.attributes().iter())
            .filter_map(|name| known(name))
            .collect();
        if let Some(key) = &self.sort {
            names.extend(known(&String::from_utf8_lossy(&key.attribute)));
        }
        names.insert("objectclass".into());
        let is_all = whole && self.attributes.all;
        if whole {
            names.extend(self.attributes.named.keys().cloned());
        }
        Wanted {
            links: true,
            back_links: true,
            descriptor: names.contains("ntsecuritydescriptor")
                || (is_all && self.sd_flags.is_some()),
            attributes: (!is_all).then_some(names),
            metadata: false,
            deleted: self.deleted || self.recycled,
        }
    }
}

impl Attributes {
    fn new<'n>(names: impl Iterator<Item = &'n str>, schema: &Schema) -> Self {
        let mut made = Self::default();
        let mut is_empty = true;
        for name in names {
            is_empty = false;
            if name == "*" {
                made.all = true;
                continue;
            }
            let mut options = name.split(';');
            let name = options.next().unwrap_or_default();
            let mut range = None;
            for option in options {
                match Range::parse(option) {
                    Some(found) => range = Some(found),
                    // Such as binary: values are octets anyway.
                    None => continue,
                }
            }
            let known = schema.attribute(name).map(|attribute| &*attribute.name);
            let name = known.unwrap_or(name).to_ascii_lowercase();
            made.named.entry(name).or_insert(range);
        }
        made.all |= is_empty;
        made
    }

    /// Whether the attribute with this name, in lower case, is named; and the part of its values.
    pub fn named(&self, name: &str) -> Option<Option<Range>> {
        self.named.get(name).copied()
    }
}

impl Range {
    /// `range=0-1499`, `range=1500-*`.
    fn parse(option: &str) -> Option<Self> {
        let (kind, range) = option.split_once('=')?;
        let (first, last) = range.split_once('-')?;
        let first = first.parse().ok()?;
        let last = match last {
            "*" => None,
            last => Some(last.parse().ok()?),
        };
        let is_ordered = last.is_none_or(|last| first <= last);
        (kind.eq_ignore_ascii_case("range") && is_ordered).then_some(Self { first, last })
    }
}

fn parse<T: Decode>(value: Option<&[u8]>, control: &str) -> Result<T, Refusal> {
    rasn::ber::decode(value.unwrap_or_default()).map_err(|_| {
        let reason = format!("the control {control} has a malformed value");
        Refusal::new(ResultCode::ProtocolError, reason)
    })
}
