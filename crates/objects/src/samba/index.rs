//! All objects of all partitions: their records, identities and parents.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::samba::ldb::{self, Place, Record};
use ids::{Guid, Sid};

use crate::entry::Marks;
use crate::{Error, Lookup, Result, dn};

/// The number of an object in the index.
pub type Number = u32;

/// An object.
pub struct Object {
    pub dn: Arc<str>,
    pub guid: Option<Guid>,
    pub sid: Option<Sid>,
    pub marks: Marks,
    pub parent: Option<Number>,
    /// The head of its naming context.
    pub context: Option<Number>,
    file: usize,
    place: Place,
}

/// All objects.
pub struct Index {
    files: Vec<(PathBuf, ldb::File)>,
    /// The names of the partitions, one for each file.
    partitions: Vec<String>,
    /// The content of `@ROOTDSE` in `sam.ldb`.
    pub root: HashMap<String, Vec<String>>,
    objects: Vec<Object>,
    names: HashMap<Box<str>, Number>,
    guids: HashMap<Guid, Number>,
    sids: HashMap<Sid, Vec<Number>>,
    accounts: HashMap<Box<str>, Vec<Number>>,
    principals: HashMap<Box<str>, Vec<Number>>,
    children: HashMap<Number, Vec<Number>>,
    /// The highest USN. `None` if there is no `metadata.tdb`.
    pub usn: Option<u64>,
}

/// Opens a database.
pub type Open<'o> = &'o dyn Fn(&Path) -> ::samba::Result<ldb::File>;

impl Index {
    /// Reads all records of `sam` (`sam.ldb`) and its partitions, which `open` opens.
    pub fn read(sam: &Path, open: Open<'_>) -> Result<Self> {
        let mut specials = specials(sam, open)?;
        let folder = sam.parent().unwrap_or(Path::new("."));
        let partition = specials.remove("@PARTITION").unwrap_or_default();
        let mut index = Self {
            files: Vec::new(),
            partitions: Vec::new(),
            root: specials.remove("@ROOTDSE").unwrap_or_default(),
            objects: Vec::new(),
            names: HashMap::new(),
            guids: HashMap::new(),
            sids: HashMap::new(),
            accounts: HashMap::new(),
            principals: HashMap::new(),
            children: HashMap::new(),
            usn: None,
        };
        for partition in partition.get("partition").into_iter().flatten() {
            let wrong =
                |reason: &str| damaged(sam, &format!("@PARTITION: {partition:?}: {reason}"));
            let (name, file) = partition
                .split_once(':')
                .ok_or_else(|| wrong("expected a name, a colon and a file"))?;
            let relative = Path::new(file);
            let is_inside = relative
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            if !is_inside {
                return Err(wrong("its file is not beneath sam.ldb"));
            }
            let path = folder.join(relative);
            let name = dn::fold(name).ok_or_else(|| wrong("no distinguished name"))?;
            index.files.push((path.clone(), open(&path)?));
            index.partitions.push(name);
            index.read_file(index.files.len() - 1)?;
        }
        if index.objects.is_empty() {
            return Err(damaged(sam, "expected partitions with objects, found none"));
        }
        index.build_tree();
        index.usn = usn(&folder.join("sam.ldb.d/metadata.tdb"), open)?;
        Ok(index)
    }

    fn read_file(&mut self, file: usize) -> Result<()> {
        let Some((path, opened)) = self.files.get(file) else {
            return Ok(());
        };
        let mut found = Vec::new();
        opened.visit(|key, value, place| -> Result<()> {
            if key.starts_with(b"DN=@") {
                return Ok(());
            }
            let record = Record::parse(value).map_err(|malformed| {
                damaged(path, &format!("key {}: {malformed}", key.escape_ascii()))
            })?;
            // In the oldest form of records the name is in the key.
            let key_name = || key.strip_prefix(b"DN=")?.split(|byte| *byte == 0).next();
            let Some(name) = record.dn.or_else(key_name) else {
                return Ok(());
            };
            let flag = |name| record.value(name) == Some(b"TRUE");
            let own_name = record.value("name").unwrap_or_default();
            let text = |name| {
                let text = std::str::from_utf8(record.value(name)?).ok()?;
                Some(text.to_lowercase().into_boxed_str())
            };
            let object = Object {
                dn: String::from_utf8_lossy(name).into(),
                guid: (record.value("objectGUID"))
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Guid),
                sid: record.value("objectSid").and_then(Sid::from_bytes),
                marks: Marks {
                    is_deleted: flag("isDeleted"),
                    is_recycled: flag("isRecycled"),
                    has_last_known_name: record.value("msDS-LastKnownRDN").is_some(),
                    has_name_of_deleted: String::from_utf8_lossy(own_name)
                        .contains(dn::DELETED_MARK),
                },
                parent: None,
                context: None,
                file,
                place,
            };
            found.push((object, text("sAMAccountName"), text("userPrincipalName")));
            Ok(())
        })?;
        for (object, account, principal) in found {
            self.add(object, account, principal);
        }
        Ok(())
    }

    fn add(&mut self, object: Object, account: Option<Box<str>>, principal: Option<Box<str>>) {
        let Ok(number) = Number::try_from(self.objects.len()) else {
            return;
        };
        if let Some(name) = dn::fold(&object.dn) {
            self.names.insert(name.into(), number);
        }
        if let Some(guid) = object.guid {
            self.guids.insert(guid, number);
        }
        if let Some(sid) = &object.sid {
            self.sids.entry(sid.clone()).or_default().push(number);
        }
        for (map, text) in [
            (&mut self.accounts, account),
            (&mut self.principals, principal),
        ] {
            if let Some(text) = text {
                map.entry(text).or_default().push(number);
            }
        }
        self.objects.push(object);
    }

    fn build_tree(&mut self) {
        let heads: Vec<Option<Number>> = (self.partitions.iter())
            .map(|name| self.names.get(name.as_str()).copied())
            .collect();
        for (number, object) in (0..).zip(&mut self.objects) {
            object.context = heads.get(object.file).copied().flatten();
            let parent = dn::parent(&object.dn).and_then(dn::fold);
            object.parent = parent.and_then(|name| self.names.get(name.as_str()).copied());
            if let Some(parent) = object.parent {
                self.children.entry(parent).or_default().push(number);
            }
        }
    }

    /// An object.
    pub fn get(&self, number: Number) -> Option<&Object> {
        self.objects.get(number as usize)
    }

    /// All objects' numbers.
    pub fn numbers(&self) -> std::ops::Range<Number> {
        0..self.objects.len() as Number
    }

    /// The record of an object.
    pub fn bytes(&self, object: &Object) -> Result<Vec<u8>> {
        match self.files.get(object.file) {
            Some((_, file)) => Ok(file.read(object.place)?),
            None => Ok(Vec::new()),
        }
    }

    /// The objects directly beneath another one.
    pub fn children(&self, number: Number) -> &[Number] {
        self.children.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The objects at most `levels` levels beneath an object in the same naming context. With all
    /// levels, the object itself comes first.
    pub fn beneath(&self, base: Number, levels: usize) -> Vec<Number> {
        let context = self.get(base).and_then(|object| object.context);
        let mut found = Vec::new();
        let mut waiting = vec![(base, 0)];
        while let Some((number, level)) = waiting.pop() {
            let Some(object) = self.get(number) else {
                continue;
            };
            if object.context != context {
                continue;
            }
            if level > 0 || levels == usize::MAX {
                found.push(number);
            }
            if level < levels {
                let children = self.children(number).iter().rev();
                waiting.extend(children.map(|child| (*child, level + 1)));
            }
        }
        found
    }

    /// The matching objects.
    pub fn find(&self, what: &Lookup<'_>) -> Vec<Number> {
        let all = |map: &HashMap<Box<str>, Vec<Number>>, text: &str| {
            map.get(text.to_lowercase().as_str())
                .cloned()
                .unwrap_or_default()
        };
        let one = |number: Option<&Number>| number.copied().into_iter().collect();
        match what {
            Lookup::Dn(name) => one(dn::fold(name).and_then(|name| self.names.get(name.as_str()))),
            Lookup::Guid(guid) => one(self.guids.get(guid)),
            Lookup::Sid(sid) => self.sids.get(sid).cloned().unwrap_or_default(),
            Lookup::Account(name) => all(&self.accounts, name),
            Lookup::PrincipalName(name) => all(&self.principals, name),
        }
    }

    /// The partitions' files, with their paths.
    pub fn files(&self) -> &[(PathBuf, ldb::File)] {
        &self.files
    }

    /// The names of the partitions, as `sam.ldb` lists them.
    pub fn partitions(&self) -> &[String] {
        &self.partitions
    }

    #[cold]
    pub fn damaged(&self, object: &Object, reason: &str) -> Error {
        let path = self.files.get(object.file).map(|(path, _)| path.as_path());
        damaged(path.unwrap_or(Path::new("sam.ldb")), reason)
    }
}

type Specials = HashMap<String, HashMap<String, Vec<String>>>;

/// ldb's own records of `sam.ldb`, by name, with their values as text.
fn specials(sam: &Path, open: Open<'_>) -> Result<Specials> {
    let mut specials = HashMap::new();
    open(sam)?.visit(|key, value, _| -> Result<()> {
        let name = key.strip_prefix(b"DN=").unwrap_or_default();
        let name = name.strip_suffix(b"\0").unwrap_or(name);
        if !matches!(name, b"@PARTITION" | b"@ROOTDSE") {
            return Ok(());
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let record = Record::parse(value)
            .map_err(|malformed| damaged(sam, &format!("{name}: {malformed}")))?;
        let attributes = record.elements.iter().map(|element| {
            let values = element.values.iter();
            let values = values.map(|value| String::from_utf8_lossy(value).into_owned());
            (
                String::from_utf8_lossy(element.name).into_owned(),
                values.collect(),
            )
        });
        specials.insert(name, attributes.collect());
        Ok(())
    })?;
    Ok(specials)
}

/// The USN that the database of the partitions' sequence number holds.
fn usn(metadata: &Path, open: Open<'_>) -> Result<Option<u64>> {
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut usn = None;
    open(metadata)?.visit(|key, value, _| -> Result<()> {
        if key.strip_suffix(b"\0").unwrap_or(key) == b"SEQ_NUM" {
            let text = value.strip_suffix(b"\0").unwrap_or(value);
            usn = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok());
        }
        Ok(())
    })?;
    Ok(usn)
}

#[cold]
fn damaged(path: &Path, reason: &str) -> Error {
    Error::Samba(::samba::Error::Damaged {
        path: path.to_path_buf(),
        reason: reason.to_owned(),
    })
}
