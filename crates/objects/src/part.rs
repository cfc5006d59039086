//! The part of a tree that an object is in.

use crate::{Entry, ObjectId, Result, Scope, Source, Wanted, dn};

/// Whether a scan of `base` with `scope` gives `entry`; its state does not count. Reads the objects
/// between them.
///
/// # Errors
/// Fails if the directory is damaged.
pub fn is_within(source: &dyn Source, entry: &Entry, base: ObjectId, scope: Scope) -> Result<bool> {
    match scope {
        Scope::Base => return Ok(entry.id == base),
        Scope::Children => return Ok(entry.parent == Some(base)),
        Scope::OneLevel if entry.parent != Some(base) => return Ok(false),
        Scope::OneLevel | Scope::Subtree => {}
    }
    let names = Wanted::names();
    let Some(base) = source.entry(base, &names)? else {
        return Ok(false);
    };
    if base.naming_context.is_some() && base.naming_context != entry.naming_context {
        return Ok(false);
    }
    let (mut id, mut parent) = (entry.id, entry.parent);
    for _ in 0..dn::MOST_PARTS {
        if id == base.id {
            return Ok(true);
        }
        let above = match parent {
            Some(parent) => source.entry(parent, &names)?,
            None => None,
        };
        match above {
            Some(above) => (id, parent) = (above.id, above.parent),
            None => break,
        }
    }
    Ok(false)
}
