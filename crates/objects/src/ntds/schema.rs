//! The schema, read from the directory itself.

use std::collections::HashMap;
use std::sync::Arc;

use ese::rows::{Row, Value};
use ids::Guid;
use ntds::attribute::Attribute;
use ntds::{Dnt, as_number};

use super::tables::{Tables, range_of};
use crate::Result;
use crate::prefix::PrefixTable;
use crate::schema::{AttributeNumber, AttributeSchema, ClassSchema, Schema, Syntax};

/// Attributes of the schema's own objects; these numbers are the same in every directory.
mod number {
    use ntds::attribute::Attribute;

    pub const SUB_CLASS_OF: Attribute = Attribute(131_093);
    pub const GOVERNS_ID: Attribute = Attribute(131_094);
    pub const ATTRIBUTE_SYNTAX: Attribute = Attribute(131_104);
    pub const IS_SINGLE_VALUED: Attribute = Attribute(131_105);
    pub const LINK_ID: Attribute = Attribute(131_122);
    pub const OM_SYNTAX: Attribute = Attribute(131_303);
    pub const SEARCH_FLAGS: Attribute = Attribute(131_406);
    pub const OBJECT_CLASS_CATEGORY: Attribute = Attribute(131_442);
    pub const SCHEMA_ID_GUID: Attribute = Attribute(589_972);
    pub const SYSTEM_FLAGS: Attribute = Attribute(590_199);
    pub const PREFIX_MAP: Attribute = Attribute(590_362);
    pub const IS_DEFUNCT: Attribute = Attribute(590_485);
    pub const DEFAULT_OBJECT_CATEGORY: Attribute = Attribute(590_607);
}

/// The meaning of the numbers in a directory's rows.
pub struct Vocabulary {
    pub schema: Schema,
    pub prefixes: PrefixTable,
    classes: HashMap<u32, Arc<str>>,
    attributes: HashMap<u32, Arc<str>>,
}

/// A class, before the names of its relatives are known.
struct Class {
    number: u32,
    parent: Option<u32>,
    default_category: Option<Dnt>,
    schema: ClassSchema,
}

impl Vocabulary {
    /// Reads the schema. `name_of` returns the name of an object, by its number and the keywords of
    /// naming attributes.
    pub fn read(
        tables: &Tables,
        name_of: impl Fn(Dnt, &HashMap<u32, Arc<str>>) -> Result<Arc<str>>,
    ) -> Result<Self> {
        let prefixes = prefixes(tables)?;
        let (mut attributes, mut classes) = (Vec::new(), Vec::new());
        let mut entries = tables.database.entries(tables.children()?);
        entries = entries.within(range_of(tables.schema));
        let mut rows = tables.database.rows(&tables.data);
        while let Some(entry) = entries.next()? {
            let Some(row) = rows.find(entry.bookmark)? else {
                return Err(tables.inconsistent("PDNT_index, schema", "a row", "none"));
            };
            let object = SchemaRow { tables, row };
            if let Some(attribute) = object.attribute(&prefixes)? {
                attributes.push(attribute);
            } else if let Some(class) = object.class(&prefixes)? {
                classes.push(class);
            }
        }
        if attributes.is_empty() {
            return Err(tables.inconsistent("schema", "attributes", "none"));
        }
        let attribute_names = (attributes.iter())
            .filter_map(|attribute| {
                Some((prefixes.number(&attribute.oid)?, attribute.name.clone()))
            })
            .collect();
        let class_names: HashMap<u32, Arc<str>> = (classes.iter())
            .map(|class| (class.number, class.schema.name.clone()))
            .collect();
        let mut finished = Vec::with_capacity(classes.len());
        for class in classes {
            finished.push(ClassSchema {
                parent: class
                    .parent
                    .and_then(|parent| class_names.get(&parent).cloned()),
                default_object_category: match class.default_category {
                    Some(dnt) => Some(name_of(dnt, &attribute_names)?),
                    None => None,
                },
                ..class.schema
            });
        }
        Ok(Self {
            schema: Schema::new(attributes, finished),
            prefixes,
            classes: class_names,
            attributes: attribute_names,
        })
    }

    /// The name of a class; its dotted identifier if it has none.
    pub fn class(&self, number: u32) -> Arc<str> {
        let known = self
            .classes
            .get(&number)
            .or_else(|| self.attributes.get(&number));
        known.cloned().unwrap_or_else(|| self.oid(number))
    }

    /// The dotted identifier of a number; the number if its prefix is unknown.
    pub fn oid(&self, number: u32) -> Arc<str> {
        let oid = self.prefixes.oid(number);
        oid.unwrap_or_else(|| number.to_string()).into()
    }

    /// The name of an attribute; its dotted identifier if it has none.
    pub fn attribute(&self, number: u32) -> Arc<str> {
        let known = self
            .attributes
            .get(&number)
            .or_else(|| self.classes.get(&number));
        known.cloned().unwrap_or_else(|| self.oid(number))
    }

    /// The attributes' names by number.
    pub fn attribute_names(&self) -> &HashMap<u32, Arc<str>> {
        &self.attributes
    }
}

/// The prefixes of the directory, including those of extensions.
fn prefixes(tables: &Tables) -> Result<PrefixTable> {
    let mut prefixes = PrefixTable::default();
    let mut rows = tables.database.rows(&tables.data);
    if let Some(row) = rows.find(&ntds::key_of(tables.schema))?
        && let Some(column) = tables.column(number::PREFIX_MAP)
        && let Some(map) = row.value(column)?
    {
        // Identifiers with unread prefixes are shown as numbers.
        let _ = prefixes.add_stored(&map);
    }
    Ok(prefixes)
}

/// A row of the schema.
struct SchemaRow<'r> {
    tables: &'r Tables,
    row: Row<'r>,
}

impl SchemaRow<'_> {
    fn value(&self, attribute: Attribute) -> Result<Value<'_>> {
        match self.tables.column(attribute) {
            Some(column) => Ok(self.row.typed(column)?),
            None => Ok(Value::Null),
        }
    }

    fn number(&self, attribute: Attribute) -> Result<Option<u32>> {
        Ok(as_number(&self.value(attribute)?).map(|number| number as u32))
    }

    fn flag(&self, attribute: Attribute) -> Result<bool> {
        Ok(self.number(attribute)?.is_some_and(|number| number != 0))
    }

    fn name(&self) -> Result<Option<Arc<str>>> {
        match self.value(Attribute::LDAP_DISPLAY_NAME)? {
            Value::Text(text) => Ok(Some(text.into())),
            _ => Ok(None),
        }
    }

    fn guid(&self) -> Result<Option<Guid>> {
        match self.value(number::SCHEMA_ID_GUID)? {
            Value::Binary(bytes) => Ok(bytes.as_ref().try_into().ok().map(Guid)),
            _ => Ok(None),
        }
    }

    /// The attribute in the row. `None` if it describes none.
    fn attribute(&self, prefixes: &PrefixTable) -> Result<Option<AttributeSchema>> {
        let (Some(id), Some(name)) = (self.number(Attribute::ATTRIBUTE_ID)?, self.name()?) else {
            return Ok(None);
        };
        let syntax = self.number(number::ATTRIBUTE_SYNTAX)?.unwrap_or_default() & 0xffff;
        let om_syntax = self.number(number::OM_SYNTAX)?.unwrap_or_default();
        let Some(syntax) = Syntax::new(syntax, om_syntax) else {
            return Ok(None);
        };
        let number = self.number(Attribute::MSDS_INT_ID)?.unwrap_or(id);
        let oid = prefixes.oid(id).unwrap_or_else(|| id.to_string());
        let is_secret = [id, number]
            .iter()
            .any(|number| ntds::secrets::protection_of(&name, Attribute(*number)).is_some());
        Ok(Some(AttributeSchema {
            is_secret,
            name,
            oid: oid.into(),
            number: AttributeNumber(number),
            syntax,
            is_single_valued: self.flag(number::IS_SINGLE_VALUED)?,
            link_id: self.number(number::LINK_ID)?,
            search_flags: self.number(number::SEARCH_FLAGS)?.unwrap_or_default(),
            system_flags: self.number(number::SYSTEM_FLAGS)?.unwrap_or_default(),
            guid: self.guid()?,
            is_defunct: self.flag(number::IS_DEFUNCT)?,
        }))
    }

    /// The class in the row. `None` if it describes none.
    fn class(&self, prefixes: &PrefixTable) -> Result<Option<Class>> {
        let (Some(id), Some(name)) = (self.number(number::GOVERNS_ID)?, self.name()?) else {
            return Ok(None);
        };
        let category = self.number(number::DEFAULT_OBJECT_CATEGORY)?;
        let oid = prefixes.oid(id).unwrap_or_else(|| id.to_string());
        Ok(Some(Class {
            number: id,
            parent: self.number(number::SUB_CLASS_OF)?,
            default_category: category.and_then(|dnt| Dnt::try_from(dnt).ok()),
            schema: ClassSchema {
                name,
                oid: oid.into(),
                parent: None,
                category: self
                    .number(number::OBJECT_CLASS_CATEGORY)?
                    .unwrap_or_default(),
                default_object_category: None,
                guid: self.guid()?,
                is_defunct: self.flag(number::IS_DEFUNCT)?,
            },
        }))
    }
}
