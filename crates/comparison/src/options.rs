//! Which objects and attributes count.

use std::collections::HashSet;

use objects::schema::{AttributeSchema, Schema};
use objects::{Entry, Wanted, dn};

/// Which objects and attributes are compared. Names are in lower case.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only objects at and beneath this name in either directory, within its naming context.
    pub base: Option<String>,
    /// Only objects of these classes, or of classes derived from them; all where there is none.
    pub classes: HashSet<String>,
    /// Only these attributes, back links and noise among them; all but back links and noise where
    /// there is none.
    pub attributes: HashSet<String>,
    /// Back links, noise and inherited entries of security descriptors as well.
    pub all: bool,
    /// Marks of lists in security descriptors that say "entries came from above", where none did, as
    /// well. Servers leave them in objects that were moved; they change no right.
    pub inheritance_marks: bool,
    /// Objects that neither directory has alive as well.
    pub deleted: bool,
}

/// Attributes that change without anybody's doing, or that are each server's own, in lower case,
/// besides those that the schema marks as not replicated. Source: \[MS-ADTS\] 3.1.1.1.11 and the
/// descriptions of these attributes in \[MS-ADA1\] to \[MS-ADA3\].
const NOISE: [&str; 39] = [
    "badpasswordtime",
    "badpwdcount",
    "dscorepropagationdata",
    "lastlogoff",
    "lastlogon",
    "lastlogontimestamp",
    "logoncount",
    "modifiedcount",
    "modifiedcountatlastprom",
    "msds-cached-membership",
    "msds-cached-membership-time-stamp",
    "msds-executescriptpassword",
    "msds-failedinteractivelogoncount",
    "msds-failedinteractivelogoncountatlastsuccessfullogon",
    "msds-lastfailedinteractivelogontime",
    "msds-lastsuccessfulinteractivelogontime",
    "msds-nctype",
    "msds-replicationepoch",
    "msds-retiredreplncsignatures",
    "msds-usnlastsyncsuccess",
    "partialattributedeletionlist",
    "partialattributeset",
    "peklist",
    "prefixmap",
    "replpropertymetadata",
    "repluptodatevector",
    "repsfrom",
    "repsto",
    "retiredrepldsasignatures",
    "ridnextrid",
    "ridpreviousallocationpool",
    "schemainfo",
    "schemaupdate",
    "serverstate",
    "subrefs",
    "usnchanged",
    "usncreated",
    "usnlastobjrem",
    "whenchanged",
];

/// Attributes that say again what an object's name says.
const OF_NAME: [&str; 2] = ["distinguishedname", "name"];

impl Options {
    /// Whether only part of each directory is passed over, so that an object missing in one pass
    /// may still be in the directory.
    pub(crate) fn is_partial(&self) -> bool {
        self.base.is_some() || !self.classes.is_empty()
    }

    /// Whether an object's class is asked for.
    pub(crate) fn has_class(&self, entry: &Entry) -> bool {
        self.classes.is_empty()
            || (entry.classes()).any(|class| self.classes.contains(&class.to_ascii_lowercase()))
    }

    /// Whether an attribute of an object with this name counts.
    pub(crate) fn counts(&self, attribute: &AttributeSchema, object: &str) -> bool {
        let name = attribute.name.to_ascii_lowercase();
        if !self.attributes.is_empty() {
            return self.attributes.contains(&name);
        }
        if OF_NAME.contains(&name.as_str()) || is_naming(&name, object) {
            return false;
        }
        self.all
            || !(attribute.is_back_link()
                || attribute.is_not_replicated()
                || attribute.is_constructed()
                || NOISE.contains(&name.as_str()))
    }

    /// Whether moves and new names count.
    pub(crate) fn counts_places(&self) -> bool {
        self.attributes.is_empty() || OF_NAME.iter().any(|name| self.attributes.contains(*name))
    }

    /// What has to be read of each object.
    pub(crate) fn wanted(&self, schema: &Schema) -> Wanted {
        let mut wanted = Wanted::everything();
        if self.attributes.is_empty() {
            wanted.back_links = self.all;
            return wanted;
        }
        let chosen = || {
            let names = self.attributes.iter();
            names.filter_map(|name| schema.attribute(name))
        };
        wanted.back_links = chosen().any(|attribute| attribute.is_back_link());
        wanted.descriptor = self.attributes.contains("ntsecuritydescriptor");
        let names = self.attributes.iter().cloned();
        wanted.attributes = Some(names.chain(["objectclass".to_owned()]).collect());
        wanted
    }
}

/// Whether the attribute (in lower case) names the object, such as `cn` of `CN=Alice`.
fn is_naming(attribute: &str, object: &str) -> bool {
    let kind = dn::rdn(object).split_once('=').map(|(kind, _)| kind.trim());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(attribute))
}
