//! What was written is read again by a small reader, and has the objects of the directory with all
//! their values; no secret is in it.

use std::collections::BTreeMap;
use std::io::Cursor;

use adexplorer::{Header, write};
use objects::ntds::Ntds;
use objects::{Scope, Source, Value, Wanted};

struct Reader<'r>(&'r [u8]);

impl Reader<'_> {
    fn u32(&self, at: usize) -> usize {
        u32::from_le_bytes(self.0[at..at + 4].try_into().expect("4 bytes")) as usize
    }

    fn u64(&self, at: usize) -> usize {
        u64::from_le_bytes(self.0[at..at + 8].try_into().expect("8 bytes")) as usize
    }

    /// Text up to a NUL.
    fn text(&self, at: usize) -> String {
        let units = self.0[at..]
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        String::from_utf16(&units).expect("UTF-16")
    }

    /// The text after its length, and the place behind it.
    fn counted(&self, at: usize) -> (String, usize) {
        match self.u32(at) {
            0 => (String::new(), at + 4),
            length => (self.text(at + 4), at + 4 + length),
        }
    }

    /// Names and kinds of the attributes.
    fn attributes(&self) -> Vec<(String, usize)> {
        let mut at = self.u64(1070);
        let count = self.u32(at);
        at += 4;
        let attributes = (0..count).map(|_| {
            let (name, kind_at) = self.counted(at);
            let kind = self.u32(kind_at + 4);
            let (dn, end) = self.counted(kind_at + 8);
            assert!(dn.contains("CN=Schema,CN=Configuration,"), "{dn}");
            at = end + 36;
            (name, kind)
        });
        attributes.collect()
    }

    /// The values of each attribute of an object, as LDAP writes them.
    fn object(&self, at: usize, attributes: &[(String, usize)]) -> BTreeMap<String, Vec<Vec<u8>>> {
        let count = self.u32(at + 4);
        let entries = (0..count).map(|number| {
            let entry = at + 8 + 8 * number;
            let (name, kind) = &attributes[self.u32(entry)];
            (name.clone(), self.values(at + self.u32(entry + 4), *kind))
        });
        entries.collect()
    }

    fn values(&self, at: usize, kind: usize) -> Vec<Vec<u8>> {
        let count = self.u32(at);
        let mut next = at + 4 + 4 * count;
        let values = (0..count).map(|number| match kind {
            1..=5 => self.text(at + self.u32(at + 4 + 4 * number)).into_bytes(),
            6 => match self.u32(at + 4 + 4 * number) {
                0 => b"FALSE".to_vec(),
                _ => b"TRUE".to_vec(),
            },
            7 => {
                let value = self.u32(at + 4 + 4 * number) as u32;
                (value as i32).to_string().into_bytes()
            }
            8 => {
                let length = self.u32(at + 4 + 4 * number);
                let value = self.0[next..next + length].to_vec();
                next += length;
                value
            }
            10 => (self.u64(at + 4 + 8 * number) as i64)
                .to_string()
                .into_bytes(),
            9 => {
                let part = |part: usize| {
                    let at = at + 4 + 16 * number + 2 * part;
                    u16::from_le_bytes([self.0[at], self.0[at + 1]])
                };
                let [year, month, day] = [0, 1, 3].map(part);
                let [hour, minute, second] = [4, 5, 6].map(part);
                format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}.0Z")
                    .into_bytes()
            }
            25 => self.0[at + 8..at + 8 + self.u32(at + 4)].to_vec(),
            kind => panic!("kind {kind}"),
        });
        values.collect()
    }
}

#[test]
fn all_objects_are_in_it_with_their_values_and_no_secret_is() {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let directory = Ntds::open(folder.path()).expect("a directory");
    let mut out = Cursor::new(Vec::new());
    let header = Header {
        time: 132_827_825_226_331_628,
        description: "Friday",
    };
    let written = write(&directory, header, &mut out, &mut || {}).expect("written");
    let bytes = out.into_inner();
    assert_eq!(bytes.len() as u64, written.bytes);
    let reader = Reader(&bytes);
    assert_eq!(&bytes[..14], b"win-ad-ob\0\x01\0\x01\0");
    assert_eq!(reader.text(22), "Friday");
    assert_eq!(Some(reader.text(542)), directory.facts().dns_host_name);
    let attributes = reader.attributes();

    let mut at = 1086;
    let mut found = BTreeMap::new();
    for _ in 0..reader.u32(1062) {
        let object = reader.object(at, &attributes);
        let name = String::from_utf8(object["distinguishedName"][0].clone()).expect("UTF-8");
        found.insert(name, (at, object));
        at += reader.u32(at);
    }
    assert_eq!(at + 8, reader.u64(1070), "8 bytes of zero");
    assert_eq!(found.len(), written.objects as usize);

    let wanted = Wanted {
        deleted: false,
        metadata: false,
        ..Wanted::everything()
    };
    let facts = directory.facts();
    let heads = [
        &facts.default_naming_context,
        &facts.configuration,
        &facts.schema,
    ];
    let mut values = 0;
    let mut expected = 0;
    for head in heads.into_iter().flatten() {
        let mut contexts = facts.naming_contexts.iter();
        let context = contexts
            .find(|context| context.dn == head.dn)
            .expect("a context");
        for entry in directory
            .scan(context.id, Scope::Subtree, &wanted)
            .expect("a scan")
        {
            let entry = entry.expect("an entry");
            expected += 1;
            let (_, object) = found
                .get(&*entry.dn)
                .unwrap_or_else(|| panic!("{}", entry.dn));
            for attribute in &entry.attributes {
                let name = &*attribute.schema.name;
                if attribute
                    .values
                    .iter()
                    .any(|value| matches!(value, Value::Withheld(_)))
                {
                    assert!(!object.contains_key(name), "{}: {name}", entry.dn);
                    continue;
                }
                // Octets come with a name that this reader does not read.
                let Some(here) = object.get(name).filter(|_| {
                    !attribute
                        .values
                        .iter()
                        .any(|value| matches!(value, Value::BytesAndName(..)))
                }) else {
                    continue;
                };
                let there: Vec<Vec<u8>> = (attribute.values.iter())
                    .filter_map(|value| match value {
                        Value::Sid(sid) => Some(sid.to_bytes()),
                        Value::UtcTime(time) => Some(time.generalized().into_bytes()),
                        value => value.to_ldap().map(|value| value.into_owned()),
                    })
                    .collect();
                assert_eq!(*here, there, "{}: {name}", entry.dn);
                values += there.len();
            }
        }
    }
    assert_eq!(found.len(), expected);
    assert!(
        values > 50 * expected / 10,
        "{values} values of {expected} objects"
    );

    // The tree leads to each object once.
    let tree = reader.u64(1078);
    let mut offsets = Vec::new();
    let mut waiting = vec![tree];
    while let Some(at) = waiting.pop() {
        offsets.push(reader.u64(at));
        let (branches, leaves) = (reader.u32(at + 8), reader.u32(at + 12));
        waiting.extend((0..branches).map(|branch| at + reader.u32(at + 16 + 4 * branch)));
        let leaf_at = at + 16 + 4 * branches;
        offsets.extend((0..leaves).map(|leaf| reader.u64(leaf_at + 8 * leaf)));
    }
    offsets.retain(|offset| *offset != (-2_i64) as usize);
    offsets.sort_unstable();
    let mut expected: Vec<usize> = found.values().map(|(at, _)| *at).collect();
    expected.sort_unstable();
    assert_eq!(offsets, expected);
}
