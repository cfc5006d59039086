//! The directory of a server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ids::Guid;
use objects::schema::{AttributeSchema, Schema};
use objects::{Entries, Entry, Facts, Lookup, ObjectId, Reference, Scope, Source, Wanted, dn};
use rasn_ldap::{AttributeValueAssertion, Filter, ResultCode, SearchRequestScope};

use crate::attributes::{attributes, range};
use crate::connection::{Asked, Connection, Page, Search, Sent};
use crate::facts::Root;
use crate::known::Known;
use crate::{Access, Address, Error, Result, controls, facts, schema};

/// A running server as a source of objects.
///
/// Each call asks the server, so that objects may change between two of them. Objects of a scan
/// come in the order in which the server sends them. Links have no times, and removed links are
/// not sent. Passwords and keys that a server sends to the system itself are withheld.
pub struct Live {
    server: String,
    connection: Mutex<Connection>,
    known: Mutex<Known>,
    schema: Schema,
    facts: Facts,
    is_samba: bool,
    is_read_only: bool,
    /// The naming contexts' names, folded, with the longest first.
    contexts: Vec<(String, ObjectId)>,
}

/// Attributes of a range are asked for so often at most: a server could name ranges without end.
const MOST_RANGES: usize = 100_000;

/// Pages without entries in a row.
const MOST_EMPTY_PAGES: usize = 1_000;

impl Live {
    /// Connects, and reads facts and schema.
    ///
    /// # Errors
    /// Where the server cannot be reached or authenticated, refuses the client or the search, or
    /// shows no security descriptors to it.
    pub fn open(address: &Address, access: &Access) -> Result<Self> {
        let mut connection = Connection::open(address, access)?;
        let root = Root::read(&mut connection)?;
        let missing = |what: &'static str| Error::Answer {
            server: address.to_string(),
            expected: what,
            found: "none".into(),
        };
        let head = root.name("schemaNamingContext");
        let head = head.ok_or_else(|| missing("a schemaNamingContext in the rootDSE"))?;
        let schema = schema::read(&mut connection, head)?;
        if schema.attribute("objectClass").is_none() {
            return Err(missing("a schema that this account may read"));
        }
        let mut known = Known::default();
        let facts = facts::read(&mut connection, &root, &mut known)?;
        let fold = |name: &str| dn::fold(name).unwrap_or_default();
        let mut contexts: Vec<(String, ObjectId)> = (facts.naming_contexts.iter())
            .map(|context| (fold(&context.dn), context.id))
            .collect();
        contexts.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let live = Self {
            server: address.to_string(),
            connection: Mutex::new(connection),
            known: Mutex::new(known),
            schema,
            facts,
            is_read_only: root.is_read_only(),
            is_samba: (root.text("vendorName")).is_some_and(|name| name.starts_with("Samba")),
            contexts,
        };
        live.check_descriptors()?;
        Ok(live)
    }

    /// Without them, every object would seem to have lost its own.
    fn check_descriptors(&self) -> Result<()> {
        let Some(context) = self.facts.naming_contexts.first() else {
            return Ok(());
        };
        let wanted = Wanted::only(["nTSecurityDescriptor"]);
        let search = self.search(&context.dn, SearchRequestScope::BaseObject, &wanted);
        let head = self
            .connection()
            .page(&search, &[])?
            .entries
            .into_iter()
            .next();
        match head
            .as_ref()
            .and_then(|head| schema::first(head, "nTSecurityDescriptor"))
        {
            Some(_) => Ok(()),
            None => Err(Error::Authentication {
                server: self.server.clone(),
                reason: "this account may not read whole security descriptors: use one that may, \
                         such as a member of Domain Admins"
                    .into(),
            }),
        }
    }

    /// The server's address.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whether the server says that it is Samba's.
    pub fn is_samba(&self) -> bool {
        self.is_samba
    }

    /// Whether it is a read-only domain controller, which refers all changes to others.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// The object with this objectGUID, deleted or not; `None` where there is none.
    ///
    /// # Errors
    /// Fails if the server does not answer.
    pub fn by_guid(&self, guid: Guid, wanted: &Wanted) -> objects::Result<Option<Entry>> {
        let sent = self.at(&format!("<GUID={guid}>"), wanted)?;
        sent.map(|sent| self.entry_of(sent, wanted)).transpose()
    }

    /// Those of these objects that exist, deleted or not, in any order: the server is asked for many at
    /// a time.
    ///
    /// # Errors
    /// Fails if the server does not answer.
    pub fn by_guids(&self, guids: &[Guid], wanted: &Wanted) -> objects::Result<Vec<Entry>> {
        let values: Vec<[u8; 16]> = guids.iter().map(|guid| guid.0).collect();
        self.holders("objectGUID", &values, wanted)
    }

    /// The objects of all naming contexts that have one of `values` in the attribute, deleted ones
    /// included.
    ///
    /// # Errors
    /// Fails if the server does not answer.
    pub fn holders(
        &self,
        attribute: &str,
        values: &[impl AsRef<[u8]>],
        wanted: &Wanted,
    ) -> objects::Result<Vec<Entry>> {
        /// Values in a search.
        const AT_ONCE: usize = 100;
        let mut entries = Vec::new();
        for values in values.chunks(AT_ONCE) {
            let any = values.iter().map(|value| {
                let value = value.as_ref().to_vec().into();
                Filter::EqualityMatch(AttributeValueAssertion::new(attribute.into(), value))
            });
            let filter = Filter::Or(any.collect::<Vec<_>>().into());
            let mut searches = self.of_all(wanted);
            for search in &mut searches {
                search.filter = filter.clone();
            }
            for entry in Answers::new(self, searches, wanted) {
                entries.push(entry?);
            }
        }
        Ok(entries)
    }

    pub(crate) fn has_recycle_bin(&self) -> bool {
        self.facts.recycle_bin_enabled
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<Arc<AttributeSchema>> {
        self.schema.attribute(name).cloned()
    }

    pub(crate) fn met(&self, guid: Option<Guid>, dn: &Arc<str>) -> ObjectId {
        self.known().met(guid, dn)
    }

    pub(crate) fn above(&self, dn: &str) -> Option<ObjectId> {
        self.known().above(dn)
    }

    /// Whether an object of this name is in one of the server's own naming contexts: beneath its head, and
    /// in no domain beneath that. Names without a domain are.
    pub fn holds(&self, dn: &str) -> bool {
        let domain = dn::domain(dn);
        let context = self.context(dn);
        domain.is_none() || context.is_some_and(|(name, _)| dn::domain(name) == domain)
    }

    pub(crate) fn naming_context(&self, dn: &str) -> Option<ObjectId> {
        self.context(dn).map(|(_, id)| *id)
    }

    /// The innermost naming context whose head is above a name, or has it.
    fn context(&self, dn: &str) -> Option<&(String, ObjectId)> {
        let folded = dn::fold(dn)?;
        self.contexts.iter().find(|(name, _)| {
            let rest = folded.strip_suffix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(','))
        })
    }

    /// Asks for the rest of an attribute with many values.
    pub(crate) fn rest(
        &self,
        object: &Reference,
        name: &str,
        mut next: u64,
        values: &mut Vec<Vec<u8>>,
    ) -> objects::Result<()> {
        let base = match object.guid {
            Some(guid) => format!("<GUID={guid}>"),
            None => object.dn.to_string(),
        };
        let mut search = self.search(&base, SearchRequestScope::BaseObject, &Wanted::everything());
        for _ in 0..MOST_RANGES {
            search.attributes = vec![format!("{name};range={next}-*")];
            let page = self.connection().page(&search, &[])?;
            let sent = page.entries.into_iter().flat_map(|entry| entry.attributes);
            let mut part = sent.filter(|(found, values)| {
                range(found).name.eq_ignore_ascii_case(name) && !values.is_empty()
            });
            let Some((description, more)) = part.next() else {
                return Ok(());
            };
            values.extend(more);
            match range(&description).next {
                Some(after) if after > next => next = after,
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn search(&self, base: &str, scope: SearchRequestScope, wanted: &Wanted) -> Search {
        let mut controls = vec![controls::extended_names(), controls::whole_descriptors()];
        if wanted.deleted || scope == SearchRequestScope::BaseObject {
            controls.extend(controls::deleted());
        }
        Search {
            base: base.to_owned(),
            scope,
            filter: Filter::Present("objectClass".into()),
            attributes: attributes(wanted),
            controls,
        }
    }

    /// The first object at a base; `None` where there is none.
    fn at(&self, base: &str, wanted: &Wanted) -> Result<Option<Sent>> {
        let search = self.search(base, SearchRequestScope::BaseObject, wanted);
        let page = self.connection().page(&search, &[]);
        Ok(some_or_missing(page)?.and_then(|page| page.entries.into_iter().next()))
    }

    fn found_at(&self, base: &str) -> objects::Result<Vec<ObjectId>> {
        let names = Wanted::names();
        let found = self.at(base, &names)?;
        let entry = found.map(|sent| self.entry_of(sent, &names)).transpose()?;
        Ok(entry.into_iter().map(|entry| entry.id).collect())
    }

    /// The objects of all naming contexts with this value, deleted ones included.
    fn with_value(&self, name: &str, value: &str) -> objects::Result<Vec<ObjectId>> {
        let wanted = Wanted {
            deleted: true,
            ..Wanted::names()
        };
        let entries = self.holders(name, &[value], &wanted)?;
        Ok(entries.into_iter().map(|entry| entry.id).collect())
    }

    fn of_all(&self, wanted: &Wanted) -> VecDeque<Search> {
        let contexts = self.facts.naming_contexts.iter();
        contexts
            .map(|context| self.search(&context.dn, SearchRequestScope::WholeSubtree, wanted))
            .collect()
    }
}

fn some_or_missing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Refused {
            code: ResultCode::NoSuchObject | ResultCode::InvalidDnSyntax | ResultCode::Referral,
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Source for Live {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn find(&self, what: &Lookup<'_>) -> objects::Result<Vec<ObjectId>> {
        match what {
            // The empty name is that of the rootDSE.
            Lookup::Dn(name) if dn::parse(name).is_none_or(|parts| parts.is_empty()) => Ok(vec![]),
            Lookup::Dn(name) => self.found_at(name),
            Lookup::Guid(guid) => self.found_at(&format!("<GUID={guid}>")),
            Lookup::Sid(sid) => self.found_at(&format!("<SID={sid}>")),
            Lookup::Account(name) => self.with_value("sAMAccountName", name),
            Lookup::PrincipalName(name) => self.with_value("userPrincipalName", name),
        }
    }

    fn entry(&self, id: ObjectId, wanted: &Wanted) -> objects::Result<Option<Entry>> {
        let Some(base) = self.known().base(id) else {
            return Ok(None);
        };
        let sent = self.at(&base, wanted)?;
        sent.map(|sent| self.entry_of(sent, wanted)).transpose()
    }

    fn scan<'s>(
        &'s self,
        base: ObjectId,
        scope: Scope,
        wanted: &'s Wanted,
    ) -> objects::Result<Entries<'s>> {
        if scope == Scope::Base {
            return Ok(Box::new(self.entry(base, wanted)?.map(Ok).into_iter()));
        }
        let name = self.known().name(base);
        let name = name.ok_or_else(|| objects::Error::Server {
            server: self.server.clone(),
            reason: format!("base {}: no such object", base.0),
        })?;
        let search = match scope {
            Scope::Subtree => self.search(&name, SearchRequestScope::WholeSubtree, wanted),
            _ => self.search(&name, SearchRequestScope::SingleLevel, wanted),
        };
        let answers = Answers::new(self, [search].into(), wanted);
        if scope != Scope::Children {
            return Ok(Box::new(answers));
        }
        let folded = dn::fold(&name);
        let heads = self
            .facts
            .naming_contexts
            .iter()
            .filter(move |context| dn::parent(&context.dn).and_then(dn::fold) == folded);
        let heads = heads.filter_map(|context| self.entry(context.id, wanted).transpose());
        Ok(Box::new(answers.chain(heads)))
    }

    fn all<'s>(&'s self, wanted: &'s Wanted) -> objects::Result<Entries<'s>> {
        Ok(Box::new(Answers::new(self, self.of_all(wanted), wanted)))
    }
}

/// The answers to some searches, page by page.
struct Answers<'l> {
    live: &'l Live,
    searches: VecDeque<Search>,
    /// The next page, which the server makes while this one is read.
    next: Option<Asked>,
    page: std::vec::IntoIter<Sent>,
    empty_pages: usize,
    wanted: &'l Wanted,
}

impl<'l> Answers<'l> {
    fn new(live: &'l Live, searches: VecDeque<Search>, wanted: &'l Wanted) -> Self {
        Self {
            live,
            searches,
            next: None,
            page: Vec::new().into_iter(),
            empty_pages: 0,
            wanted,
        }
    }

    fn advance(&mut self) -> objects::Result<Option<Entry>> {
        loop {
            if let Some(sent) = self.page.next() {
                return self.live.entry_of(sent, self.wanted).map(Some);
            }
            let Some(search) = self.searches.front() else {
                return Ok(None);
            };
            let mut connection = self.live.connection();
            let asked = match self.next.take() {
                Some(asked) => asked,
                None => connection.ask_page(search, &[])?,
            };
            let Page { entries, cookie } = connection.answer_to(asked)?;
            self.empty_pages = match entries.is_empty() {
                true => self.empty_pages + 1,
                false => 0,
            };
            if self.empty_pages > MOST_EMPTY_PAGES {
                return Err(objects::Error::Server {
                    server: self.live.server.clone(),
                    reason: format!("{}: the answer's pages do not end", search.base),
                });
            }
            self.page = entries.into_iter();
            if cookie.is_empty() {
                self.searches.pop_front();
            }
            if let Some(search) = self.searches.front() {
                self.next = Some(connection.ask_page(search, &cookie)?);
            }
        }
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        if let Some(asked) = &self.next {
            self.live.connection().forget(asked);
        }
    }
}

impl Iterator for Answers<'_> {
    type Item = objects::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) {
            self.searches.clear();
            self.page = Vec::new().into_iter();
        }
        next
    }
}
