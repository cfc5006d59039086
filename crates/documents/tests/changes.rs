//! Change records, applied to the first of two random trees, make the second one: by the rules of a
//! strict server, for which every record must be right when its turn comes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use comparison::{Comparison, Options};
use documents::changes;
use objects::schema::{AttributeNumber, AttributeSchema, Schema, Syntax};
use objects::{
    AttributeValues, Entries, Entry, Facts, Guid, Lookup, NamingContext, ObjectId, Reference,
    Result, Scope, Source, State, Value, Wanted, dn,
};
use proptest::prelude::*;

const HEAD: &str = "DC=example";

/// An object. Others are named by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Object {
    /// None for the head.
    parent: Option<u8>,
    name: String,
    texts: BTreeMap<&'static str, BTreeSet<String>>,
    references: BTreeMap<&'static str, BTreeSet<u8>>,
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model(BTreeMap<u8, Object>);

/// Attributes: name, whether it has one value, whether it names objects, its link.
const ATTRIBUTES: [(&str, bool, bool, Option<u32>); 6] = [
    ("objectClass", false, false, None),
    ("description", false, false, None),
    ("title", true, false, None),
    ("member", false, true, Some(2)),
    ("manager", true, true, Some(42)),
    ("seeAlso", false, true, None),
];

/// The same with a schema, as a source.
struct Directory {
    model: Model,
    facts: Facts,
    schema: Schema,
}

impl Directory {
    fn of(model: &Model) -> Self {
        let attributes = ATTRIBUTES.iter().zip(1..);
        let attributes =
            attributes.map(
                |((name, is_single, is_reference, link), number)| AttributeSchema {
                    name: (*name).into(),
                    oid: format!("1.2.{number}").into(),
                    number: AttributeNumber(number),
                    syntax: match is_reference {
                        true => Syntax::Dn,
                        false => Syntax::Unicode,
                    },
                    is_single_valued: *is_single,
                    link_id: *link,
                    search_flags: 0,
                    system_flags: 0,
                    guid: None,
                    is_defunct: false,
                    is_secret: false,
                },
            );
        Self {
            model: model.clone(),
            facts: Facts {
                kind: "a model",
                default_naming_context: None,
                configuration: None,
                schema: None,
                root_domain: None,
                naming_contexts: vec![NamingContext {
                    id: ObjectId(0),
                    dn: HEAD.into(),
                }],
                service: None,
                dns_host_name: None,
                invocation_id: None,
                recycle_bin_enabled: false,
            },
            schema: Schema::new(attributes.collect(), Vec::new()),
        }
    }

    fn entry_of(&self, number: u8) -> Option<Entry> {
        let object = self.model.0.get(&number)?;
        let attribute = |name: &str| Arc::clone(self.schema.attribute(name).expect("known"));
        let texts = object.texts.iter().map(|(name, values)| AttributeValues {
            schema: attribute(name),
            values: values.iter().cloned().map(Value::Text).collect(),
        });
        let references = object
            .references
            .iter()
            .map(|(name, values)| AttributeValues {
                schema: attribute(name),
                values: (values.iter())
                    .map(|other| {
                        Value::Name(Reference {
                            dn: self.model.dn(*other).into(),
                            guid: Some(guid(*other)),
                            sid: None,
                            is_phantom: false,
                        })
                    })
                    .collect(),
            });
        Some(Entry {
            id: ObjectId(number.into()),
            dn: self.model.dn(number).into(),
            guid: Some(guid(number)),
            sid: None,
            parent: object.parent.map(|parent| ObjectId(parent.into())),
            naming_context: Some(ObjectId(0)),
            state: State::Live,
            is_hidden: false,
            attributes: texts
                .chain(references)
                .filter(|all| !all.values.is_empty())
                .collect(),
            links: Vec::new(),
            metadata: Vec::new(),
        })
    }
}

impl Source for Directory {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn find(&self, what: &Lookup<'_>) -> Result<Vec<ObjectId>> {
        let numbers = self.model.0.keys().filter(|number| match what {
            Lookup::Guid(wanted) => guid(**number) == *wanted,
            Lookup::Dn(name) => dn::is_same(&self.model.dn(**number), name),
            _ => false,
        });
        Ok(numbers.map(|number| ObjectId((*number).into())).collect())
    }

    fn entry(&self, id: ObjectId, _: &Wanted) -> Result<Option<Entry>> {
        Ok(u8::try_from(id.0)
            .ok()
            .and_then(|number| self.entry_of(number)))
    }

    fn scan<'s>(&'s self, _: ObjectId, _: Scope, wanted: &'s Wanted) -> Result<Entries<'s>> {
        self.all(wanted)
    }

    fn all<'s>(&'s self, _: &'s Wanted) -> Result<Entries<'s>> {
        let numbers = self.model.0.keys();
        Ok(Box::new(
            numbers.filter_map(|number| self.entry_of(*number)).map(Ok),
        ))
    }
}

fn guid(number: u8) -> Guid {
    Guid([number; 16])
}

impl Model {
    fn dn(&self, number: u8) -> String {
        let object = &self.0[&number];
        match object.parent {
            None => HEAD.to_owned(),
            Some(parent) => format!("CN={},{}", dn::escape(&object.name), self.dn(parent)),
        }
    }

    fn at(&self, name: &str) -> Option<u8> {
        let mut numbers = self.0.keys().copied();
        numbers.find(|number| dn::is_same(&self.dn(*number), name))
    }

    fn has_beneath(&self, above: u8, number: u8) -> bool {
        let parents = |number: &u8| self.0[number].parent;
        std::iter::successors(Some(number), parents).any(|found| found == above)
    }

    /// All objects by their names, whatever their numbers are.
    fn listed(&self) -> BTreeMap<String, BTreeSet<String>> {
        let one = |(number, object): (&u8, &Object)| {
            let texts = object.texts.iter().flat_map(|(name, values)| {
                values.iter().map(move |value| format!("{name}: {value}"))
            });
            let references = object.references.iter().flat_map(|(name, values)| {
                values
                    .iter()
                    .map(move |other| format!("{name}= {}", self.dn(*other)))
            });
            (self.dn(*number), texts.chain(references).collect())
        };
        self.0.iter().map(one).collect()
    }

    fn name_is_free(&self, name: &str, own: Option<u8>) {
        let other = self.at(name).filter(|other| Some(*other) != own);
        assert_eq!(other, None, "{name} is taken");
    }

    fn apply(&mut self, ldif: &str) {
        let unfolded = ldif.replace("\n ", "");
        for record in unfolded.split("\n\n") {
            let lines = record
                .lines()
                .filter(|line| !line.starts_with('#') && !line.is_empty());
            let lines: Vec<(String, String)> = lines.map(pair).collect();
            let Some(((first, name), rest)) = lines.split_first() else {
                continue;
            };
            if first == "version" {
                continue;
            }
            assert_eq!(first, "dn");
            let ((word, kind), rest) = rest.split_first().expect("a change type");
            assert_eq!(word, "changetype");
            match kind.as_str() {
                "add" => self.add(name, rest),
                "delete" => self.delete(name),
                "modrdn" => self.rename(name, rest),
                "modify" => self.modify(name, rest),
                other => panic!("{other}"),
            }
        }
    }

    fn known(&self, name: &str) -> u8 {
        self.at(name)
            .unwrap_or_else(|| panic!("no {name} in {:#?}", self.listed()))
    }

    fn add(&mut self, name: &str, lines: &[(String, String)]) {
        self.name_is_free(name, None);
        let parent = self.known(dn::parent(name).expect("a parent"));
        let own = dn::own_value(name).expect("a name");
        let mut object = Object {
            parent: Some(parent),
            name: own.clone(),
            ..Object::default()
        };
        for (attribute, value) in lines {
            match attribute.as_str() {
                "CN" => assert_eq!(*value, own),
                _ => self.put(&mut object, attribute, value),
            }
        }
        let free = (1..=u8::MAX)
            .rev()
            .find(|number| !self.0.contains_key(number));
        self.0.insert(free.expect("a number"), object);
    }

    fn put(&self, object: &mut Object, attribute: &str, value: &str) {
        let (name, is_single, is_reference, _) = of(attribute);
        let (is_new, count) = match is_reference {
            true => {
                let values = object.references.entry(name).or_default();
                (values.insert(self.known(value)), values.len())
            }
            false => {
                let values = object.texts.entry(name).or_default();
                (values.insert(value.to_owned()), values.len())
            }
        };
        assert!(is_new, "{attribute} has {value} already");
        assert!(!is_single || count == 1, "{attribute} has one value");
    }

    fn take(&self, object: &mut Object, attribute: &str, value: &str) {
        let (name, _, is_reference, _) = of(attribute);
        let was_there = match is_reference {
            true => {
                let values = object.references.entry(name).or_default();
                values.remove(&self.known(value))
            }
            false => object.texts.entry(name).or_default().remove(value),
        };
        assert!(was_there, "{attribute} has no {value}");
    }

    fn delete(&mut self, name: &str) {
        let number = self.known(name);
        let beneath = self
            .0
            .values()
            .filter(|object| object.parent == Some(number));
        assert_eq!(beneath.count(), 0, "{name} has children");
        self.0.remove(&number);
        for values in self
            .0
            .values_mut()
            .flat_map(|object| object.references.values_mut())
        {
            values.remove(&number);
        }
    }

    fn rename(&mut self, name: &str, lines: &[(String, String)]) {
        let number = self.known(name);
        let value = |wanted: &str| lines.iter().find(|(name, _)| name == wanted);
        let rdn = &value("newrdn").expect("a name").1;
        assert_eq!(value("deleteoldrdn").expect("whether").1, "1");
        let parent = match value("newsuperior") {
            Some((_, parent)) => parent.clone(),
            None => dn::parent(name).expect("a parent").to_owned(),
        };
        self.name_is_free(&format!("{rdn},{parent}"), Some(number));
        let parent = self.known(&parent);
        assert!(!self.has_beneath(number, parent), "{name} beneath itself");
        let object = self.0.get_mut(&number).expect("known");
        (object.parent, object.name) = (Some(parent), dn::own_value(rdn).expect("a name"));
    }

    fn modify(&mut self, name: &str, lines: &[(String, String)]) {
        let number = self.known(name);
        let mut object = self.0[&number].clone();
        for part in lines.split(|(name, _)| name == "-") {
            let Some(((how, attribute), values)) = part.split_first() else {
                continue;
            };
            assert!(!values.is_empty());
            if how == "replace" {
                object.texts.remove(of(attribute).0);
                object.references.remove(of(attribute).0);
            }
            for (of_value, value) in values {
                assert_eq!(attribute, of_value);
                match how.as_str() {
                    "delete" => self.take(&mut object, attribute, value),
                    "add" | "replace" => self.put(&mut object, attribute, value),
                    other => panic!("{other}"),
                }
            }
        }
        self.0.insert(number, object);
    }
}

fn of(attribute: &str) -> (&'static str, bool, bool, Option<u32>) {
    let mut known = ATTRIBUTES.into_iter();
    known
        .find(|(name, ..)| *name == attribute)
        .expect("an attribute")
}

fn pair(line: &str) -> (String, String) {
    if line == "-" {
        return ("-".into(), String::new());
    }
    let (name, value) = line.split_once(':').expect("a colon");
    let value = match value.strip_prefix(':') {
        Some(digits) => String::from_utf8(STANDARD.decode(digits.trim()).expect("base64")),
        None => Ok(value.strip_prefix(' ').unwrap_or(value).to_owned()),
    };
    (name.to_owned(), value.expect("text"))
}

/// Names, which few objects have to share.
const NAMES: [&str; 7] = [
    "a",
    "A",
    "b",
    "c, d",
    "ä#",
    " e",
    "long name of an object that is folded with others",
];

/// An object to be: how its parent and name are chosen, its values.
#[derive(Debug, Clone)]
struct Draft {
    order: u8,
    parent: prop::sample::Index,
    name: prop::sample::Index,
    texts: BTreeSet<String>,
    title: Option<String>,
    members: BTreeSet<u8>,
    manager: Option<u8>,
    see_also: BTreeSet<u8>,
}

const MOST: u8 = 9;

fn draft() -> impl Strategy<Value = Draft> {
    let others = || prop::collection::btree_set(0..MOST, 0..3);
    (
        (
            any::<u8>(),
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
        ),
        prop::collection::btree_set("[a-c:< ]{1,3}", 0..3),
        prop::option::of("[xy]"),
        others(),
        prop::option::of(0..MOST),
        others(),
    )
        .prop_map(
            |((order, parent, name), texts, title, members, manager, see_also)| Draft {
                order,
                parent,
                name,
                texts,
                title,
                members,
                manager,
                see_also,
            },
        )
}

/// A tree of these, each beneath one that came before it.
fn tree() -> impl Strategy<Value = Model> {
    let drafts = prop::collection::btree_map(1..MOST, draft(), 0..usize::from(MOST));
    drafts.prop_map(|drafts| {
        let mut model = Model(BTreeMap::from([(0, Object::default())]));
        let mut order: Vec<(&u8, &Draft)> = drafts.iter().collect();
        order.sort_by_key(|(number, draft)| (draft.order, **number));
        for (number, draft) in order {
            let above: Vec<u8> = model.0.keys().copied().collect();
            let parent = above[draft.parent.index(above.len())];
            let first = draft.name.index(NAMES.len());
            let names = NAMES.iter().cycle().skip(first).take(NAMES.len());
            let parent_dn = model.dn(parent);
            let is_free = |name: &&&str| {
                model
                    .at(&format!("CN={},{parent_dn}", dn::escape(name)))
                    .is_none()
            };
            let Some(name) = names.clone().find(is_free) else {
                continue;
            };
            let object = Object {
                parent: Some(parent),
                name: (*name).to_owned(),
                ..Object::default()
            };
            model.0.insert(*number, object);
        }
        let known: BTreeSet<u8> = model.0.keys().copied().collect();
        for (number, draft) in &drafts {
            let Some(object) = model.0.get_mut(number) else {
                continue;
            };
            let living = |all: &BTreeSet<u8>| all.intersection(&known).copied().collect();
            object.texts = BTreeMap::from([
                ("objectClass", BTreeSet::from(["top".to_owned()])),
                ("description", draft.texts.clone()),
                ("title", draft.title.iter().cloned().collect()),
            ]);
            object.references = BTreeMap::from([
                ("member", living(&draft.members)),
                ("manager", living(&draft.manager.iter().copied().collect())),
                ("seeAlso", living(&draft.see_also)),
            ]);
        }
        model
    })
}

fn records(before: &Model, after: &Model) -> String {
    let [before, after] = [before, after].map(Directory::of);
    let comparison = Comparison::new(&before, &after, Options::default()).expect("a comparison");
    let mut text = Vec::new();
    changes::write(&mut text, &comparison, &after).expect("records");
    String::from_utf8(text).expect("text")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn applied_to_the_first_directory_they_make_the_second(before in tree(), after in tree()) {
        let ldif = records(&before, &after);
        let mut applied = before.clone();
        applied.apply(&ldif);
        prop_assert_eq!(applied.listed(), after.listed(), "{}", ldif);
        // What lives in both is the same object still.
        for number in before.0.keys().filter(|number| after.0.contains_key(number)) {
            prop_assert_eq!(applied.dn(*number), after.dn(*number), "{}", ldif);
        }
        prop_assert_eq!(records(&before, &before), "version: 1\n\n");
    }
}
