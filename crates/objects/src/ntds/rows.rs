//! Entries from rows of `datatable`.

use std::sync::Arc;

use ese::catalog::Column;
use ese::long_value::ValueState;
use ese::rows::{Row, Rows, StoredValue};
use ids::{Guid, Sid};
use ntds::Dnt;
use ntds::attribute::Attribute;

use super::columns::{self, ColumnRole, ColumnText, Fixed};
use super::core::{Core, Selection, dnt_of, id_of};
use super::links;
use super::names::{Named, Part};
use super::tables::{ROOT, whole_number};
use crate::entry::Marks;
use crate::metadata::AttributeMetadata;
use crate::schema::Syntax;
use crate::{AttributeValues, Entry, ObjectId, Result, State, Value, dn, metadata};

/// The head of a naming context (`instanceType`).
const IS_HEAD: i64 = 1;

/// The fields of a row that every entry needs.
#[derive(Default)]
struct Essentials {
    dnt: Dnt,
    parent: Dnt,
    naming_context: Dnt,
    is_object: bool,
    /// The naming attribute, and its value.
    name_kind: Option<u32>,
    name: Option<String>,
    guid: Option<Guid>,
    sid: Option<Sid>,
    instance_type: i64,
    marks: Marks,
    metadata: Vec<AttributeMetadata>,
}

impl Core {
    /// The entry of an id. `None` if there is no such object.
    pub fn entry(&self, id: ObjectId, selection: &Selection<'_>) -> Result<Option<Entry>> {
        self.entry_at(&mut self.rows(), id, selection)
    }

    /// Same as [`Self::entry`], with `rows` of `datatable`.
    pub fn entry_at(
        &self,
        rows: &mut Rows<'_>,
        id: ObjectId,
        selection: &Selection<'_>,
    ) -> Result<Option<Entry>> {
        let Some(dnt) = dnt_of(id) else {
            return Ok(None);
        };
        match rows.find(&ntds::key_of(dnt))? {
            Some(row) => self.entry_of(&row, selection),
            None => Ok(None),
        }
    }

    /// The entry of a row. `None` for phantoms and the root of all names.
    pub fn entry_of(&self, row: &Row<'_>, selection: &Selection<'_>) -> Result<Option<Entry>> {
        let mut essentials = Essentials::default();
        let mut attributes: Vec<AttributeValues> = Vec::new();
        let mut failed = None;
        row.visit(|value| {
            if failed.is_none() {
                let noted = self.note(row, &value, selection, &mut essentials, &mut attributes);
                failed = noted.err();
            }
            Ok(())
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if !essentials.is_object || essentials.dnt == ROOT {
            return Ok(None);
        }
        self.finish(essentials, attributes, selection).map(Some)
    }

    fn note(
        &self,
        row: &Row<'_>,
        value: &StoredValue<'_>,
        selection: &Selection<'_>,
        essentials: &mut Essentials,
        attributes: &mut Vec<AttributeValues>,
    ) -> Result<()> {
        let (Some(role), Some(is_wanted)) = (
            self.roles.get(value.position),
            selection.columns.get(value.position),
        ) else {
            return Ok(());
        };
        let (schema, form) = match role {
            ColumnRole::None => return Ok(()),
            ColumnRole::Fixed(fixed) => {
                if let ese::rows::Stored::Plain(bytes) = value.stored {
                    essentials.note_fixed(*fixed, bytes);
                }
                return Ok(());
            }
            ColumnRole::Attribute(schema, form) => (schema, *form),
        };
        if schema.is_secret && !is_wanted {
            return Ok(());
        }
        let essential = Attribute(schema.number.0);
        let is_metadata = selection.wanted.metadata && essential == METADATA;
        if !is_wanted && !is_metadata && !is_essential(essential) {
            return Ok(());
        }
        let (bytes, state) = row.decode(value.stored)?;
        if let ValueState::Undecoded(reason) = state {
            let object = format!("DNT {}, {}", essentials.dnt, schema.name);
            let found = format!("{reason:?}");
            return Err((self.tables).inconsistent(
                &object,
                "a value that can be decompressed",
                &found,
            ));
        }
        essentials.note(essential, &bytes, value.column);
        if is_metadata {
            essentials.metadata = self.metadata(essentials.dnt, &bytes)?;
        }
        if !is_wanted {
            return Ok(());
        }
        let value = match schema.syntax {
            Syntax::Descriptor if !schema.is_secret && schema.number.0 == DESCRIPTOR.0 => {
                Value::Descriptor(self.descriptors.get(&self.tables, &bytes)?)
            }
            _ => columns::decode(
                &bytes,
                schema,
                form,
                ColumnText(value.column),
                &self.vocabulary,
                |dnt| self.reference(dnt),
            )?,
        };
        match attributes.last_mut() {
            Some(last) if Arc::ptr_eq(&last.schema, schema) => last.values.push(value),
            _ => attributes.push(AttributeValues {
                schema: schema.clone(),
                values: vec![value],
            }),
        }
        Ok(())
    }

    fn finish(
        &self,
        essentials: Essentials,
        mut attributes: Vec<AttributeValues>,
        selection: &Selection<'_>,
    ) -> Result<Entry> {
        let named = self.name_of(&essentials)?;
        // Rows hold the most derived class first, LDAP shows it last.
        for attribute in &mut attributes {
            if attribute.schema.number.0 == Attribute::OBJECT_CLASS.0 {
                attribute.values.reverse();
            }
        }
        self.add_own_name(&named.reference, selection, &mut attributes);
        let links = links::of_object(self, essentials.dnt, selection)?;
        links::add_values(&links, &mut attributes);
        let is_head = essentials.instance_type & IS_HEAD != 0;
        let context = if is_head {
            essentials.dnt
        } else {
            essentials.naming_context
        };
        Ok(Entry {
            id: id_of(essentials.dnt),
            dn: named.reference.dn.clone(),
            guid: essentials.guid,
            sid: essentials.sid,
            parent: (essentials.parent > ROOT).then(|| id_of(essentials.parent)),
            naming_context: (context > ROOT).then(|| id_of(context)),
            state: State::of(essentials.marks, self.recycle_bin),
            is_hidden: essentials.marks.is_deleted,
            attributes,
            links,
            metadata: essentials.metadata,
        })
    }

    fn name_of(&self, essentials: &Essentials) -> Result<Arc<Named>> {
        let words = self.vocabulary.attribute_names();
        match (essentials.name_kind, &essentials.name) {
            (Some(kind), Some(name)) if essentials.parent >= ROOT => {
                let part = Part {
                    text: Part::text(words, kind, name),
                    parent: essentials.parent,
                    guid: essentials.guid,
                    sid: essentials.sid.clone(),
                    is_phantom: false,
                };
                (self.names).of_part(&self.tables, words, essentials.dnt, part)
            }
            // This reports what is missing.
            _ => self.named(essentials.dnt),
        }
    }

    /// distinguishedName, which LDAP shows as an attribute.
    fn add_own_name(
        &self,
        own: &crate::Reference,
        selection: &Selection<'_>,
        attributes: &mut Vec<AttributeValues>,
    ) {
        let Some(schema) = self.vocabulary.schema.attribute("distinguishedName") else {
            return;
        };
        let is_there = (attributes.iter()).any(|values| values.schema.number == schema.number);
        if !is_there && selection.wanted.has(&schema.name) {
            attributes.push(AttributeValues {
                schema: schema.clone(),
                values: vec![Value::Name(own.clone())],
            });
        }
    }

    fn metadata(&self, dnt: Dnt, bytes: &[u8]) -> Result<Vec<AttributeMetadata>> {
        metadata::parse(bytes).map_err(|malformed| {
            let object = format!("DNT {dnt}");
            let found = format!("{} at offset {}", malformed.found, malformed.offset);
            (self.tables).inconsistent(&object, malformed.expected, &found)
        })
    }
}

const DESCRIPTOR: Attribute = Attribute(131_353);
const METADATA: Attribute = Attribute(589_827);

fn is_essential(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::OBJECT_GUID
            | Attribute::OBJECT_SID
            | Attribute::INSTANCE_TYPE
            | Attribute::IS_DELETED
            | Attribute::IS_RECYCLED
            | Attribute::LAST_KNOWN_RDN
            | Attribute::RDN
    )
}

impl Essentials {
    fn note_fixed(&mut self, fixed: Fixed, bytes: &[u8]) {
        let number = whole_number(bytes).unwrap_or_default();
        let dnt = Dnt::try_from(number).unwrap_or_default();
        match fixed {
            Fixed::Dnt => self.dnt = dnt,
            Fixed::Parent => self.parent = dnt,
            Fixed::NamingContext => self.naming_context = dnt,
            Fixed::IsObject => self.is_object = number != 0,
            Fixed::NameKind => self.name_kind = Some(number as u32),
        }
    }

    fn note(&mut self, attribute: Attribute, bytes: &[u8], column: &Column) {
        let number = || whole_number(bytes).unwrap_or_default();
        match attribute {
            Attribute::OBJECT_GUID => self.guid = bytes.try_into().ok().map(Guid),
            Attribute::OBJECT_SID => self.sid = Sid::from_stored(bytes),
            Attribute::INSTANCE_TYPE => self.instance_type = number(),
            Attribute::IS_DELETED => self.marks.is_deleted = number() != 0,
            Attribute::IS_RECYCLED => self.marks.is_recycled = number() != 0,
            Attribute::LAST_KNOWN_RDN => self.marks.has_last_known_name = true,
            Attribute::RDN => {
                let name = ColumnText(column).text(bytes);
                self.marks.has_name_of_deleted =
                    (name.as_ref()).is_some_and(|name| name.contains(dn::DELETED_MARK));
                self.name = name;
            }
            _ => {}
        }
    }
}
