//! Sources of objects.

use std::collections::HashSet;
use std::sync::Arc;

use ids::{Guid, Sid};

use crate::schema::{AttributeSchema, Schema};
use crate::{Entry, ObjectId, Reference, Result};

/// The entries of a scan.
pub type Entries<'s> = Box<dyn Iterator<Item = Result<Entry>> + 's>;

/// The ids of a scan.
pub type Ids<'s> = Box<dyn Iterator<Item = Result<ObjectId>> + 's>;

/// Reads one object after the other.
pub type Reader<'s> = Box<dyn FnMut(ObjectId) -> Result<Option<Entry>> + 's>;

/// A directory whose objects can be read. Readers may share it between threads.
pub trait Source: Send + Sync {
    /// The identity of the directory.
    fn facts(&self) -> &Facts;

    /// Its attributes and classes.
    fn schema(&self) -> &Schema;

    /// The matching objects: none or one, except for account names, which domains may share.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    fn find(&self, what: &Lookup<'_>) -> Result<Vec<ObjectId>>;

    /// The objects in which an attribute equals a filter's value, and perhaps further ones, as an
    /// index tells, in any order. `None` if only a scan can tell them.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    fn find_in_index(
        &self,
        _attribute: &AttributeSchema,
        _value: &[u8],
    ) -> Result<Option<Vec<ObjectId>>> {
        Ok(None)
    }

    /// An object. `None` if there is none with this id.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    fn entry(&self, id: ObjectId, wanted: &Wanted) -> Result<Option<Entry>>;

    /// Same as [`Self::entry`], for many objects: what is wanted is looked up once, and an object
    /// that is stored near the one before it is found faster.
    fn reader<'s>(&'s self, wanted: &'s Wanted) -> Reader<'s> {
        Box::new(move |id| self.entry(id, wanted))
    }

    /// The objects at and beneath `base`, parents before their children, each read on demand. Omits
    /// other naming contexts, except for the heads directly beneath `base` with
    /// [`Scope::Children`].
    ///
    /// # Errors
    /// Fails if there is no such object.
    fn scan<'s>(&'s self, base: ObjectId, scope: Scope, wanted: &'s Wanted) -> Result<Entries<'s>>;

    /// The ids of the objects that [`Self::scan`] gives, in its order, and perhaps of further ones,
    /// without reading the objects: so threads can share the work, each with a
    /// [`Self::scan_reader`]. `None` if only a scan tells them.
    ///
    /// # Errors
    /// Fails if there is no such object.
    fn scan_ids<'s>(
        &'s self,
        _base: ObjectId,
        _scope: Scope,
        _deleted: bool,
    ) -> Result<Option<Ids<'s>>> {
        Ok(None)
    }

    /// Reads the objects of [`Self::scan_ids`]; gives `None` for those that [`Self::scan`] omits.
    ///
    /// # Errors
    /// Fails if there is no such object.
    fn scan_reader<'s>(
        &'s self,
        _base: ObjectId,
        _scope: Scope,
        wanted: &'s Wanted,
    ) -> Result<Reader<'s>> {
        Ok(self.reader(wanted))
    }

    /// All objects of all naming contexts, in the fastest order.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    fn all<'s>(&'s self, wanted: &'s Wanted) -> Result<Entries<'s>>;

    /// About how many objects [`Self::all`] returns with deleted ones, to tell how far it is.
    /// `None` if only reading them would tell.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    fn estimated_objects(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// The criterion for finding an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'l> {
    /// The distinguished name.
    Dn(&'l str),
    /// The objectGUID.
    Guid(Guid),
    /// The objectSid.
    Sid(&'l Sid),
    /// The sAMAccountName, in any case.
    Account(&'l str),
    /// The userPrincipalName, in any case.
    PrincipalName(&'l str),
}

/// The part of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The object itself.
    Base,
    /// Its children in the same naming context.
    OneLevel,
    /// Itself and everything beneath it in the same naming context.
    Subtree,
    /// All its children, including heads of other naming contexts and deleted objects.
    Children,
}

/// The requested part of each object. Other parts cost nothing.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only these attributes, in lower case; `None` for all.
    pub attributes: Option<HashSet<String>>,
    /// Links from the object; also as values of their attributes.
    pub links: bool,
    /// Links to the object, for example `memberOf`.
    pub back_links: bool,
    /// The security descriptor.
    pub descriptor: bool,
    /// Replication metadata.
    pub metadata: bool,
    /// Deleted objects and their containers, too.
    pub deleted: bool,
}

impl Wanted {
    /// Everything, including deleted objects.
    pub fn everything() -> Self {
        Self {
            attributes: None,
            links: true,
            back_links: true,
            descriptor: true,
            metadata: true,
            deleted: true,
        }
    }

    /// Only the fields that every entry has.
    pub fn names() -> Self {
        Self {
            attributes: Some(HashSet::new()),
            ..Self::default()
        }
    }

    /// Only the attributes with these names, in any case, links included.
    pub fn only<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: HashSet<String> = (names.into_iter())
            .map(|name| name.to_ascii_lowercase())
            .collect();
        Self {
            links: true,
            back_links: true,
            descriptor: names.contains("ntsecuritydescriptor"),
            attributes: Some(names),
            ..Self::default()
        }
    }

    /// Whether the attribute with this name is requested.
    pub fn has(&self, name: &str) -> bool {
        (self.attributes.as_ref()).is_none_or(|names| names.contains(&name.to_ascii_lowercase()))
    }
}

/// The identity of a directory, from its rootDSE.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The kind of directory, for example `NTDS`.
    pub kind: &'static str,
    /// The head of the domain.
    pub default_naming_context: Option<Reference>,
    /// The head of the configuration.
    pub configuration: Option<Reference>,
    /// The head of the schema.
    pub schema: Option<Reference>,
    /// The forest's root domain.
    pub root_domain: Option<Reference>,
    /// The naming contexts that the directory holds.
    pub naming_contexts: Vec<NamingContext>,
    /// The server's NTDS Settings.
    pub service: Option<Reference>,
    /// The server's DNS name.
    pub dns_host_name: Option<String>,
    /// The current life of the server's database.
    pub invocation_id: Option<Guid>,
    /// Whether the Recycle Bin is enabled in the forest.
    pub recycle_bin_enabled: bool,
}

/// A naming context.
#[derive(Debug, Clone)]
pub struct NamingContext {
    /// The id of its head.
    pub id: ObjectId,
    /// The name of its head.
    pub dn: Arc<str>,
}
