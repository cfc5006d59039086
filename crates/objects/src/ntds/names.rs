//! Names of objects by DNT.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use ese::catalog::Column;
use ese::rows::{Row, Value};
use ids::{Guid, Sid};
use ntds::Dnt;
use ntds::attribute::Attribute;

use super::tables::{ROOT, Tables};
use crate::{Reference, Result, dn};

/// The capacity of the cache, which is emptied when full. Enough for the groups and members of a
/// large directory; some 30 MiB.
const MOST_KEPT: usize = 100_000;

/// The keywords of the naming attributes that every directory has.
const WORDS: [(Attribute, &str); 6] = [
    (Attribute::COMMON_NAME, "CN"),
    (Attribute::DOMAIN_COMPONENT, "DC"),
    (Attribute::ORGANIZATIONAL_UNIT_NAME, "OU"),
    (Attribute::ORGANIZATION_NAME, "O"),
    (Attribute::LOCALITY_NAME, "L"),
    (Attribute::COUNTRY_NAME, "C"),
];

/// A cache of the names of objects, read on demand.
#[derive(Default)]
pub struct Names {
    kept: RwLock<HashMap<Dnt, Arc<Named>>>,
}

/// The data for references to a row.
#[derive(Debug, Clone)]
pub struct Named {
    pub reference: Reference,
    pub parent: Dnt,
}

/// A row's own part of its name.
pub struct Part {
    pub text: String,
    pub parent: Dnt,
    pub guid: Option<Guid>,
    pub sid: Option<Sid>,
    pub is_phantom: bool,
}

impl Part {
    /// The text of a part: the keyword of a naming attribute, and a value.
    pub fn text(words: &HashMap<u32, Arc<str>>, kind: u32, value: &str) -> String {
        let known = WORDS.iter().find(|(attribute, _)| attribute.0 == kind);
        let value = dn::escape(value);
        match (known, words.get(&kind)) {
            (Some((_, word)), _) => format!("{word}={value}"),
            (None, Some(name)) => format!("{}={value}", name.to_uppercase()),
            (None, None) => format!("ATT{kind}={value}"),
        }
    }
}

impl Names {
    /// The name of a row, and further data for references to it. `words` are the names of
    /// attributes by number.
    pub fn get(
        &self,
        tables: &Tables,
        words: &HashMap<u32, Arc<str>>,
        dnt: Dnt,
    ) -> Result<Arc<Named>> {
        // From the row up to the first known name, then down again.
        let mut parts = Vec::new();
        let mut next = dnt;
        let mut above = loop {
            if next == ROOT {
                break None;
            }
            if let Some(known) = self.kept(next) {
                break Some(known);
            }
            if parts.len() == dn::MOST_PARTS {
                let object = format!("ancestors of DNT {dnt}");
                return Err(tables.inconsistent(&object, "the root within 256 parents", "more"));
            }
            let part = read(tables, words, next, dnt)?;
            let parent = part.parent;
            parts.push((next, part));
            next = parent;
        };
        for (number, part) in parts.into_iter().rev() {
            above = Some(self.add(number, part, above.as_deref()));
        }
        Ok(above.unwrap_or_else(|| {
            Arc::new(Named {
                reference: Reference {
                    dn: "".into(),
                    guid: None,
                    sid: None,
                    is_phantom: true,
                },
                parent: 0,
            })
        }))
    }

    /// Same as [`Self::get`], for a row whose own part is at hand.
    pub fn of_part(
        &self,
        tables: &Tables,
        words: &HashMap<u32, Arc<str>>,
        dnt: Dnt,
        part: Part,
    ) -> Result<Arc<Named>> {
        if let Some(known) = self.kept(dnt) {
            return Ok(known);
        }
        let above = match part.parent {
            ROOT => None,
            parent => Some(self.get(tables, words, parent)?),
        };
        Ok(self.add(dnt, part, above.as_deref()))
    }

    /// Makes a name, and keeps it.
    fn add(&self, dnt: Dnt, part: Part, above: Option<&Named>) -> Arc<Named> {
        let name = match above {
            Some(parent) => format!("{},{}", part.text, parent.reference.dn),
            None => part.text,
        };
        let named = Arc::new(Named {
            reference: Reference {
                dn: name.into(),
                guid: part.guid,
                sid: part.sid,
                is_phantom: part.is_phantom,
            },
            parent: part.parent,
        });
        self.keep(dnt, &named);
        named
    }

    fn kept(&self, dnt: Dnt) -> Option<Arc<Named>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&dnt).cloned()
    }

    fn keep(&self, dnt: Dnt, named: &Arc<Named>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(dnt, named.clone());
    }
}

/// The own part of the name of `dnt`, an ancestor of `of` or `of` itself.
fn read(tables: &Tables, words: &HashMap<u32, Arc<str>>, dnt: Dnt, of: Dnt) -> Result<Part> {
    let lacks =
        |what: &str| tables.inconsistent(&format!("DNT {dnt}, ancestor of DNT {of}"), what, "none");
    let mut rows = tables.database.rows(&tables.data);
    let Some(row) = rows.find(&ntds::key_of(dnt))? else {
        return Err(lacks("a row"));
    };
    let column = |name| tables.data.column(name);
    let kind = tables.number(&row, column("RDNtyp_col"))?;
    let kind = kind.ok_or_else(|| lacks("a naming attribute"))? as u32;
    let value = match typed(&row, tables.column(Attribute::RDN))? {
        Value::Text(value) => value,
        _ => return Err(lacks("a name")),
    };
    let bytes = |attribute| -> Result<Option<Vec<u8>>> {
        match typed(&row, tables.column(attribute))? {
            Value::Binary(bytes) => Ok(Some(bytes.into_owned())),
            _ => Ok(None),
        }
    };
    Ok(Part {
        text: Part::text(words, kind, &value),
        parent: (tables.dnt(&row, column("PDNT_col"))?).ok_or_else(|| lacks("a parent"))?,
        guid: (bytes(Attribute::OBJECT_GUID)?)
            .and_then(|bytes| bytes.try_into().ok())
            .map(Guid),
        sid: bytes(Attribute::OBJECT_SID)?.and_then(|bytes| Sid::from_stored(&bytes)),
        is_phantom: tables.number(&row, column("OBJ_col"))? == Some(0),
    })
}

fn typed<'r>(row: &Row<'r>, column: Option<&Column>) -> Result<Value<'r>> {
    match column {
        Some(column) => Ok(row.typed(column)?),
        None => Ok(Value::Null),
    }
}
