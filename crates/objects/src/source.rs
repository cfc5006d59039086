//! Where objects come from.

use std::collections::HashSet;
use std::sync::Arc;

use ids::{Guid, Sid};

use crate::schema::Schema;
use crate::{Entry, ObjectId, Reference, Result};

/// Entries met one by one.
pub type Entries<'s> = Box<dyn Iterator<Item = Result<Entry>> + 's>;

/// A directory whose objects can be read. Readers may share it between threads.
pub trait Source: Send + Sync {
    /// Who the directory is.
    fn facts(&self) -> &Facts;

    /// Its attributes and classes.
    fn schema(&self) -> &Schema;

    /// The objects that fit: none or one, except for names of accounts, which domains may share.
    ///
    /// # Errors
    /// Where the directory is damaged.
    fn find(&self, what: &Lookup<'_>) -> Result<Vec<ObjectId>>;

    /// One object; `None` where there is none with this id.
    ///
    /// # Errors
    /// Where the directory is damaged.
    fn entry(&self, id: ObjectId, wanted: &Wanted) -> Result<Option<Entry>>;

    /// The objects at and beneath `base`, parents before their children, each read when it is asked
    /// for. Other naming contexts are left out, except for the heads directly beneath `base` with
    /// [`Scope::Children`].
    ///
    /// # Errors
    /// Where there is no such object.
    fn scan<'s>(&'s self, base: ObjectId, scope: Scope, wanted: &'s Wanted) -> Result<Entries<'s>>;

    /// All objects of all naming contexts, in the order in which they are read fastest.
    ///
    /// # Errors
    /// Where the directory is damaged.
    fn all<'s>(&'s self, wanted: &'s Wanted) -> Result<Entries<'s>>;
}

/// Which object is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'l> {
    /// That with this distinguished name.
    Dn(&'l str),
    /// That with this objectGUID.
    Guid(Guid),
    /// That with this objectSid.
    Sid(&'l Sid),
    /// Those with this sAMAccountName, in any case.
    Account(&'l str),
    /// That with this userPrincipalName, in any case.
    PrincipalName(&'l str),
}

/// How much of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The object itself.
    Base,
    /// Its children in the same naming context.
    OneLevel,
    /// Itself and everything beneath in the same naming context.
    Subtree,
    /// All its children, heads of other naming contexts and deleted objects included.
    Children,
}

/// How much of each object is wanted. What is not wanted costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Only these attributes, in lower case; all where there is none.
    pub attributes: Option<HashSet<String>>,
    /// Links from the object, and as values of their attributes.
    pub links: bool,
    /// Links to the object, such as `memberOf`.
    pub back_links: bool,
    /// The security descriptor.
    pub descriptor: bool,
    /// Replication metadata.
    pub metadata: bool,
    /// Deleted objects as well.
    pub deleted: bool,
}

impl Wanted {
    /// All there is, deleted objects included.
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

    /// Nothing but what every entry has.
    pub fn names() -> Self {
        Self {
            attributes: Some(HashSet::new()),
            ..Self::default()
        }
    }

    /// Only the attributes of these names, in any case, links among them.
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

    /// Whether the attribute of this name is wanted.
    pub fn has(&self, name: &str) -> bool {
        (self.attributes.as_ref()).is_none_or(|names| names.contains(&name.to_ascii_lowercase()))
    }
}

/// Who a directory is: what its rootDSE says.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The kind of directory, such as `NTDS`.
    pub kind: &'static str,
    /// The domain's head.
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
    /// The life of the server's database.
    pub invocation_id: Option<Guid>,
    /// Whether the Recycle Bin is enabled in the forest.
    pub recycle_bin_enabled: bool,
}

/// A naming context.
#[derive(Debug, Clone)]
pub struct NamingContext {
    /// What the source knows its head by.
    pub id: ObjectId,
    /// Its head's name.
    pub dn: Arc<str>,
}
