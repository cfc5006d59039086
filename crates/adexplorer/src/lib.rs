//! Writes a directory in the format of Sysinternals' AD Explorer, which its own window,
//! ADExplorerSnapshot.py and, through that, BloodHound open.
//!
//! The format is not published. The facts come from the parser of ADExplorerSnapshot.py and from
//! the snapshot in its tests; integers are little-endian, text is UTF-16 and ends with a NUL.
//!
//! | offset | size | content |
//! | --- | --- | --- |
//! | 0 | 10 | `win-ad-ob` |
//! | 10 | 4 | 0x10001 |
//! | 14 | 8 | time, in 100 ns since 1601 |
//! | 22 | 520 | description |
//! | 542 | 520 | server |
//! | 1062 | 4 | number of objects |
//! | 1066 | 4 | number of attributes in them, distinguished names not counted |
//! | 1070 | 8 | offset of the schema |
//! | 1078 | 8 | offset of the tree |
//! | 1086 | | objects, each as in `object`; 8 bytes of zero |
//! | | | schema: attributes, classes, rights, each as in `schema`; zeros up to a multiple of 8 |
//! | | | tree, as in `tree` |
//!
//! AD Explorer reads one domain, its configuration and its schema; so much is written. Passwords
//! and keys are left out.
#![forbid(unsafe_code)]

mod object;
mod schema;
mod text;
mod tree;

use std::collections::HashMap;
use std::io::{self, Seek, SeekFrom, Write};

use objects::{ObjectId, Scope, Source, Wanted};

use crate::schema::Schema;
use crate::text::fixed;
use crate::tree::Tree;

/// The reason why a snapshot could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be read.
    #[error(transparent)]
    Source(#[from] objects::Error),
    /// The file could not be written.
    #[error("{0}")]
    Write(#[from] io::Error),
    /// The directory has no domain.
    #[error("the directory has no domain, and AD Explorer knows only domains")]
    NoDomain,
    /// An object, or their number, does not fit into the format.
    #[error("{0}: too large for the format, which counts in 32 bits")]
    TooLarge(String),
}

/// What the header tells.
#[derive(Debug, Clone, Copy)]
pub struct Header<'h> {
    /// The point in time, in 100 ns since 1601.
    pub time: u64,
    /// A description; cut to 259 characters.
    pub description: &'h str,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Objects.
    pub objects: u32,
    /// Bytes.
    pub bytes: u64,
}

/// The length of the header.
const HEADER: u64 = 1086;

/// Writes a directory to the start of `out`, which is empty. Calls `watch` after each object.
///
/// # Errors
/// See [`Error`].
pub fn write(
    source: &dyn Source,
    header: Header<'_>,
    out: &mut (impl Write + Seek),
    watch: &mut dyn FnMut(),
) -> Result<Written, Error> {
    let facts = source.facts();
    let domain = facts
        .default_naming_context
        .as_ref()
        .ok_or(Error::NoDomain)?;
    let heads: Vec<ObjectId> = [
        Some(domain),
        facts.configuration.as_ref(),
        facts.schema.as_ref(),
    ]
    .into_iter()
    .flatten()
    .filter_map(|head| {
        let mut contexts = facts.naming_contexts.iter();
        contexts.find(|context| context.dn.eq_ignore_ascii_case(&head.dn))
    })
    .map(|context| context.id)
    .collect();
    let schema = Schema::read(source)?;
    out.seek(SeekFrom::Start(HEADER))?;
    let mut at = HEADER;
    let mut attributes = 0u32;
    let mut tree = Tree::default();
    let wanted = Wanted {
        links: true,
        back_links: true,
        descriptor: true,
        ..Wanted::default()
    };
    for head in heads {
        let mut numbers = HashMap::new();
        for entry in source.scan(head, Scope::Subtree, &wanted)? {
            let entry = entry?;
            let object = object::encode(&entry, &schema)?;
            out.write_all(&object.bytes)?;
            let parent = entry
                .parent
                .and_then(|parent| numbers.get(&parent).copied());
            let number = tree.add(at, parent);
            numbers.insert(entry.id, number);
            at += object.bytes.len() as u64;
            attributes = attributes.saturating_add(object.attributes);
            watch();
        }
    }
    let objects = u32::try_from(tree.len()).map_err(|_| Error::TooLarge("the objects".into()))?;
    let schema_at = at + 8;
    let mut rest = vec![0; 8];
    rest.extend(schema.encode()?);
    let tree_at = (at + rest.len() as u64).next_multiple_of(8);
    rest.resize((tree_at - at) as usize, 0);
    rest.extend(tree.encode()?);
    out.write_all(&rest)?;
    let mut start = b"win-ad-ob\0".to_vec();
    start.extend(0x1_0001u32.to_le_bytes());
    start.extend(header.time.to_le_bytes());
    start.extend(fixed(header.description, 260));
    start.extend(fixed(
        facts.dns_host_name.as_deref().unwrap_or_default(),
        260,
    ));
    start.extend(objects.to_le_bytes());
    start.extend(attributes.to_le_bytes());
    start.extend(schema_at.to_le_bytes());
    start.extend(tree_at.to_le_bytes());
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&start)?;
    out.flush()?;
    Ok(Written {
        objects,
        bytes: at + rest.len() as u64,
    })
}
