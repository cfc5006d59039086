//! A number that is equal where two entries have nothing different that counts.
//!
//! Values are hashed with keys drawn anew for each comparison, and the hashes of an entry's values
//! added up, so that their order does not count and nobody can make two entries whose numbers are
//! equal. By chance one change in 2^64 is missed.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use objects::metadata::AttributeMetadata;
use objects::schema::Schema;
use objects::{Entry, Value, dn};

use crate::compare::{descriptor, is_secret, secret_of};
use crate::{Options, acl};

/// Makes fingerprints that can be compared with each other.
pub struct Fingerprints<'o> {
    keys: RandomState,
    options: &'o Options,
}

/// What a hash is of, so that equal bytes of different parts differ.
#[derive(Hash)]
enum Part<'p> {
    Name(&'p str, &'p str),
    Secret(&'p str, u32, i64, [u8; 16], i64),
    Descriptor(&'p str),
    Value(&'p str),
}

impl<'o> Fingerprints<'o> {
    /// With new keys.
    pub fn new(options: &'o Options) -> Self {
        Self {
            keys: RandomState::new(),
            options,
        }
    }

    /// The number of an entry.
    pub fn of(&self, entry: &Entry, schema: &Schema) -> u64 {
        let mut sum = 0u64;
        let mut add = |hash: u64| sum = sum.wrapping_add(hash);
        if self.options.counts_places() {
            for part in dn::parse(dn::rdn(&entry.dn)).unwrap_or_default() {
                add(self.keys.hash_one(Part::Name(&part.kind, &part.value)));
            }
        }
        for attribute in &entry.attributes {
            if is_secret(attribute) || !self.options.counts(&attribute.schema, &entry.dn) {
                continue;
            }
            let name = attribute.schema.name.to_ascii_lowercase();
            for value in &attribute.values {
                match descriptor(&attribute.schema, value) {
                    Some(descriptor) => {
                        let mut hasher = self.keys.build_hasher();
                        Part::Descriptor(&name).hash(&mut hasher);
                        let all = self.options.all;
                        acl::flags(&descriptor, self.options).hash(&mut hasher);
                        (&descriptor.owner, &descriptor.group).hash(&mut hasher);
                        descriptor.dacl.is_some().hash(&mut hasher);
                        (all && descriptor.sacl.is_some()).hash(&mut hasher);
                        for entry in acl::counting(&descriptor, all) {
                            entry.hash(&mut hasher);
                        }
                        add(hasher.finish());
                    }
                    None => add(self.of_value(&name, value)),
                }
            }
        }
        for stamp in &entry.metadata {
            if let Some(attribute) = secret_of(schema, stamp)
                && self.options.counts(attribute, &entry.dn)
            {
                add(self.of_secret(&attribute.name.to_ascii_lowercase(), stamp));
            }
        }
        sum
    }

    fn of_value(&self, name: &str, value: &Value) -> u64 {
        let mut hasher = self.keys.build_hasher();
        Part::Value(name).hash(&mut hasher);
        let reference = value.reference();
        match (value, reference.and_then(|reference| reference.guid)) {
            (Value::Name(_), Some(guid)) => guid.0.hash(&mut hasher),
            _ => value.canonical().hash(&mut hasher),
        }
        hasher.finish()
    }

    fn of_secret(&self, name: &str, stamp: &AttributeMetadata) -> u64 {
        self.keys.hash_one(Part::Secret(
            name,
            stamp.version,
            stamp.changed.0,
            stamp.invocation_id.0,
            stamp.originating_usn,
        ))
    }
}
