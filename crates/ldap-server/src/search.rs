//! The objects of a search, in order, page by page.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use objects::filter::{self, Matcher};
use objects::ldap::oid;
use objects::{Entry, Lookup, ObjectId, Scope, Source, State, Value, Wanted};
use rasn::prelude::*;
use rasn_ldap::{Control, ProtocolOp, ResultCode, SearchRequestScope, SearchResultDone};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::{self, Refusal};
use crate::render;
use crate::request::{Page, Request};
use crate::served::Served;
use crate::subschema;

/// The longest part of a value that sorting compares, in bytes.
const SORTED_BY: usize = 256;

/// The rest of paged searches, of one connection.
#[derive(Debug)]
pub struct Pages {
    open: VecDeque<Rest>,
    last: u64,
    /// What all connections may keep.
    places: Arc<Semaphore>,
}

/// The rest of a paged search.
#[derive(Debug)]
struct Rest {
    mark: u64,
    ids: Vec<ObjectId>,
    _places: OwnedSemaphorePermit,
}

/// A search, ready to run.
pub struct Search {
    /// The number of its message.
    pub id: u32,
    /// Whether the client has abandoned it.
    pub is_abandoned: Arc<AtomicBool>,
    pub(crate) served: Arc<Served>,
    pub(crate) request: Request,
    pub(crate) pages: Arc<Mutex<Pages>>,
}

/// Whether a search goes on.
type Step = Result<(), Stop>;

enum Stop {
    /// The client is gone, or has abandoned the search.
    Silent,
    With(Refusal),
}

impl<E: Into<Refusal>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::With(error.into())
    }
}

/// An answer with a number: of sorting, of an attribute scoped query.
#[derive(AsnType, Encode)]
struct Code {
    value: Enumerated,
}

#[derive(AsnType, Encode, Debug, Clone, Copy, PartialEq, Eq)]
#[rasn(enumerated)]
enum Enumerated {
    Success = 0,
    NoSuchAttribute = 16,
}

/// What sorting compares: values of one attribute have one form.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Bytes(Vec<u8>),
}

impl Search {
    /// Runs the search, on a thread that may wait. `send` is called with each message but the last,
    /// which is returned; it returns false if the client is gone. `None` if the client does not
    /// wait for an answer.
    pub fn run(self, mut send: impl FnMut(Vec<u8>) -> bool) -> Option<Vec<u8>> {
        let asked = Duration::from_secs(self.request.time_limit.into());
        let time = match asked.is_zero() {
            true => self.served.limits.search,
            false => asked.min(self.served.limits.search),
        };
        let deadline = Instant::now() + time;
        let mut controls = Vec::new();
        let result = match self.answer(&mut send, deadline, &mut controls) {
            Ok(()) => Refusal::none(),
            Err(Stop::With(refusal)) => refusal,
            Err(Stop::Silent) => return None,
        };
        let done = ProtocolOp::SearchResDone(SearchResultDone(result.result()));
        Some(answer::message(self.id, done, controls))
    }

    fn answer(
        &self,
        send: &mut impl FnMut(Vec<u8>) -> bool,
        deadline: Instant,
        controls: &mut Vec<Control>,
    ) -> Step {
        let schema = self.served.source.schema();
        let mut sent = 0;
        let asked = usize::try_from(self.request.size_limit).unwrap_or(usize::MAX);
        let mut give = |entry: &Entry| -> Step {
            if asked > 0 && sent == asked {
                let reason = "the size limit of the search is reached";
                return Err(Refusal::new(ResultCode::SizeLimitExceeded, reason).into());
            }
            if self.request.page.is_none() && sent == self.most() {
                let reason = format!("ask for pages: a result has at most {sent} objects");
                return Err(Refusal::new(ResultCode::SizeLimitExceeded, reason).into());
            }
            sent += 1;
            let most = self.served.limits.values;
            let mut attributes = render::attributes(entry, &self.request, most);
            attributes.extend(subschema::attributes(
                &*self.served.source,
                entry,
                &self.request,
            )?);
            let name = render::name(entry, &self.request);
            match send(render::message(self.id, &name, attributes)) {
                true => Ok(()),
                false => Err(Stop::Silent),
            }
        };
        if self.request.page.is_none() && self.request.sort.is_none() {
            let wanted = self.request.wanted(schema, true);
            return self.visit(&wanted, deadline, |entry| give(&entry));
        }
        // The rest is found by number, so that a page holds no scan open.
        let (ids, rest) = match &self.request.page {
            None => (self.find(deadline, controls)?, Vec::new()),
            Some(page) => {
                let mut ids = match page.cookie.is_empty() {
                    true => self.find(deadline, controls)?,
                    false => self.pages().take(&page.cookie).ok_or_else(|| {
                        let reason = "this connection has no open search with this cookie";
                        Refusal::new(ResultCode::UnwillingToPerform, reason)
                    })?,
                };
                let size = usize::try_from(page.size).unwrap_or(0).min(self.most());
                let rest = ids.split_off(size.min(ids.len()));
                (ids, rest)
            }
        };
        let wanted = self.request.wanted(schema, true);
        for id in ids {
            self.check(deadline)?;
            if let Some(mut entry) = self.read(id, &wanted)? {
                render::without_secrets(&mut entry);
                give(&entry)?;
            }
        }
        if let Some(page) = &self.request.page {
            // A page of size 0 ends the search (RFC 2696).
            let is_over = rest.is_empty() || page.size <= 0;
            let cookie = match is_over {
                true => Vec::new(),
                false => self.pages().keep(rest, self.served.limits.pages)?,
            };
            controls.push(control(
                oid::PAGED,
                &Page {
                    size: 0,
                    cookie: cookie.into(),
                },
            ));
        }
        Ok(())
    }

    /// The matching objects, in order.
    fn find(&self, deadline: Instant, controls: &mut Vec<Control>) -> Result<Vec<ObjectId>, Stop> {
        let schema = self.served.source.schema();
        let wanted = self.request.wanted(schema, false);
        let Some(key) = &self.request.sort else {
            let mut ids = Vec::new();
            self.visit(&wanted, deadline, |entry| {
                ids.push(entry.id);
                Ok(())
            })?;
            return Ok(ids);
        };
        let name = String::from_utf8_lossy(&key.attribute);
        let attribute = schema.attribute(&name);
        let code = match attribute {
            Some(_) => Enumerated::Success,
            None => Enumerated::NoSuchAttribute,
        };
        controls.push(control(oid::SORTED, &Code { value: code }));
        let name = attribute
            .map(|attribute| &*attribute.name)
            .unwrap_or_default();
        let mut found = Vec::new();
        self.visit(&wanted, deadline, |entry| {
            found.push((entry.value(name).and_then(sort_key), entry.id));
            Ok(())
        })?;
        // Objects without a value come last, in either direction.
        found.sort_by(|(one, _), (other, _)| match (one, other) {
            (Some(one), Some(other)) if key.reverse => other.cmp(one),
            (Some(one), Some(other)) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// Calls `each` with each matching object.
    fn visit(
        &self,
        wanted: &Wanted,
        deadline: Instant,
        mut each: impl FnMut(Entry) -> Step,
    ) -> Step {
        let (filter, source) = (&self.request.filter, &*self.served.source);
        let admits = |entry: &mut Entry| -> Result<bool, Stop> {
            self.check(deadline)?;
            render::without_secrets(entry);
            Ok(self.is_visible(entry))
        };
        let matcher = Matcher::new(source);
        let mut test = |mut entry: Entry| -> Step {
            match admits(&mut entry)? && matcher.matches(filter, &entry)? {
                true => each(entry),
                false => Ok(()),
            }
        };
        let scope = match self.request.scope {
            SearchRequestScope::BaseObject => Scope::Base,
            SearchRequestScope::SingleLevel => Scope::OneLevel,
            _ => Scope::Subtree,
        };
        let contexts = &self.served.source.facts().naming_contexts;
        let bases = match (self.request.base.is_empty(), scope) {
            // The phantom root: above all naming contexts.
            (true, Scope::Subtree) => contexts.iter().map(|context| context.id).collect(),
            _ => vec![self.base()?],
        };
        if bases == [subschema::STAND_IN] {
            let entry = subschema::stand_in(source);
            return match entry.filter(|_| scope != Scope::OneLevel) {
                Some(entry) => test(entry),
                None => Ok(()),
            };
        }
        if let Some(name) = &self.request.through {
            return self.visit_referred(name, &bases, wanted, test);
        }
        filter::Search::new(source, (&bases, scope), Some(filter), wanted).run(admits, each)
    }

    /// Calls `each` with the objects that an attribute of the base refers to.
    fn visit_referred(
        &self,
        name: &str,
        bases: &[ObjectId],
        wanted: &Wanted,
        mut each: impl FnMut(Entry) -> Step,
    ) -> Step {
        let Some(attribute) = self.served.source.schema().attribute(name) else {
            let reason = format!("the schema has no attribute {name}");
            return Err(Refusal::new(ResultCode::NoSuchAttribute, reason).into());
        };
        let of_base = Wanted::only([&*attribute.name]);
        for base in bases {
            let Some(entry) = self.served.source.entry(*base, &of_base)? else {
                continue;
            };
            for value in entry.values(&attribute.name) {
                let Some(guid) = value.reference().and_then(|other| other.guid) else {
                    continue;
                };
                for id in self.served.source.find(&Lookup::Guid(guid))? {
                    if let Some(entry) = self.served.source.entry(id, wanted)? {
                        each(entry)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn read(&self, id: ObjectId, wanted: &Wanted) -> objects::Result<Option<Entry>> {
        match id {
            subschema::STAND_IN => Ok(subschema::stand_in(&*self.served.source)),
            _ => self.served.source.entry(id, wanted),
        }
    }

    fn base(&self) -> Result<ObjectId, Stop> {
        let missing = || {
            let reason = format!("the directory has no object {:?}", self.request.base);
            Stop::With(Refusal::new(ResultCode::NoSuchObject, reason))
        };
        let source = &*self.served.source;
        let Some(id) = find(source, &self.request.base)? else {
            let is_subschema = subschema::name(source.facts())
                .is_some_and(|name| name.eq_ignore_ascii_case(&self.request.base));
            return match is_subschema {
                true => Ok(subschema::STAND_IN),
                false => Err(missing()),
            };
        };
        let entry = self.served.source.entry(
            id,
            &Wanted {
                deleted: true,
                ..Wanted::names()
            },
        )?;
        match entry.is_some_and(|entry| self.is_visible(&entry)) {
            true => Ok(id),
            false => Err(missing()),
        }
    }

    fn is_visible(&self, entry: &Entry) -> bool {
        match entry.state {
            State::Recycled => self.request.recycled,
            _ => !entry.is_hidden || self.request.deleted || self.request.recycled,
        }
    }

    /// The most objects in a result or a page.
    fn most(&self) -> usize {
        match self.served.limits.results {
            0 => usize::MAX,
            most => most,
        }
    }

    fn check(&self, deadline: Instant) -> Step {
        if self.is_abandoned.load(Relaxed) {
            return Err(Stop::Silent);
        }
        if Instant::now() > deadline {
            let reason = "the time limit of the search is reached";
            return Err(Refusal::new(ResultCode::TimeLimitExceeded, reason).into());
        }
        Ok(())
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// None yet. `places`: as many as all connections may keep objects.
    pub fn new(places: Arc<Semaphore>) -> Self {
        Self {
            open: VecDeque::new(),
            last: 0,
            places,
        }
    }

    /// The rest of the search with this cookie.
    fn take(&mut self, cookie: &[u8]) -> Option<Vec<ObjectId>> {
        let mark = u64::from_le_bytes(cookie.try_into().ok()?);
        let place = self.open.iter().position(|rest| rest.mark == mark)?;
        self.open.remove(place).map(|rest| rest.ids)
    }

    /// Keeps the rest of a search, and returns its cookie. The oldest of more than `most` is
    /// dropped.
    fn keep(&mut self, ids: Vec<ObjectId>, most: usize) -> Result<Vec<u8>, Refusal> {
        while self.open.len() >= most.max(1) {
            self.open.pop_front();
        }
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let places = self.places.clone().try_acquire_many_owned(count);
        let places = places.map_err(|_| {
            let reason = "the paged searches of all clients are too large: try again later";
            Refusal::new(ResultCode::Busy, reason)
        })?;
        self.last += 1;
        self.open.push_back(Rest {
            mark: self.last,
            ids,
            _places: places,
        });
        Ok(self.last.to_le_bytes().to_vec())
    }
}

/// The object with a name: a distinguished name, `<GUID=...>` or `<SID=...>`.
///
/// # Errors
/// Fails if the directory is damaged, and for a malformed name.
pub fn find(source: &dyn Source, name: &str) -> Result<Option<ObjectId>, Refusal> {
    let malformed = || {
        let reason = format!("{name:?} is no distinguished name");
        Refusal::new(ResultCode::InvalidDnSyntax, reason)
    };
    let bracketed = (name.trim().strip_prefix('<')).and_then(|text| text.strip_suffix('>'));
    let found = match bracketed.and_then(|text| text.split_once('=')) {
        Some((kind, guid)) if kind.eq_ignore_ascii_case("GUID") => {
            let bare = || ids::hex::decode_array(guid).map(objects::Guid);
            let guid = guid.parse().ok().or_else(bare).ok_or_else(malformed)?;
            source.find(&Lookup::Guid(guid))?
        }
        Some((kind, sid)) if kind.eq_ignore_ascii_case("SID") => {
            let octets = || objects::Sid::from_bytes(&ids::hex::decode(sid)?);
            let sid = sid.parse().ok().or_else(octets).ok_or_else(malformed)?;
            source.find(&Lookup::Sid(&sid))?
        }
        _ if objects::dn::parse(name).is_none() => return Err(malformed()),
        _ => source.find(&Lookup::Dn(name))?,
    };
    Ok(found.first().copied())
}

fn sort_key(value: &Value) -> Option<Key> {
    let start = |mut bytes: Vec<u8>| {
        bytes.truncate(SORTED_BY);
        bytes.shrink_to_fit();
        Key::Bytes(bytes)
    };
    Some(match value {
        Value::Text(text) => start(text.to_lowercase().into_bytes()),
        Value::Integer(number) => Key::Number(*number),
        Value::Time(time) | Value::UtcTime(time) => Key::Number(time.0),
        value => start(value.to_ldap()?.to_ascii_lowercase()),
    })
}

fn control(kind: &str, value: &impl Encode) -> Control {
    let kind = kind.as_bytes().to_vec().into();
    // Numbers and octets can always be written.
    let value = rasn::ber::encode(value).unwrap_or_default();
    Control::new(kind, false, Some(value.into()))
}
