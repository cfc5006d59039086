//! Writes a small seed corpus from the fixtures: `seeds FOLDER`, a folder for each target in it.

use ese::header::DatabaseHeaders;
use ese::log::{LogKind, OpenLog};
use ese::page::{PageKind, PageView};
use ese::record::{Record, Tagged, ValueForm};
use objects::ntds::Ntds;
use objects::{Entry, Link, Source, Value, Wanted};
use std::fs;
use std::path::Path;

/// A journal of a restore, with a line of each kind.
const JOURNAL: &str = r#"{"record":"restore","format":1,"source":"s","target":"t","request":{"objects":["00000000-0000-0000-0000-000000000001"],"subtree":true,"attributes":[],"newer":"merge","links":true,"password":"keep_of_deleted","rename_on_conflict":false,"into":null,"force":false,"privileged":true}}
{"record":"step","step":1,"object":"00000000-0000-0000-0000-000000000001","dn":"CN=a,DC=b","write":"reanimate","from":"CN=x,DC=b"}
{"record":"done","step":1}
{"record":"step","step":2,"object":"00000000-0000-0000-0000-000000000001","dn":"CN=a,DC=b","write":"modify","changes":[{"attribute":"sn","removed":["a"],"added":[{"base64":"/w=="}]},{"attribute":"unicodePwd","withheld":16}]}
{"record":"refused","step":2,"reason":"no"}
{"record":"resumed"}
{"record":"step","step":3,"object":"00000000-0000-0000-0000-000000000002","dn":"CN=c,DC=b","write":"create"}
{"record":"done","step":3,"now":"00000000-0000-0000-0000-000000000003"}
"#;

fn main() {
    let folder = std::env::args_os().nth(1).expect("usage: seeds FOLDER");
    let folder = Path::new(&folder);
    let mut written = 0;
    for fixture in testkit::every() {
        let unpacked = fixture.unpack();
        let name = fixture.name.replace(['/', ':'], "-");
        for entry in fs::read_dir(unpacked.path()).expect("list the fixture") {
            let path = entry.expect("folder entry").path();
            let content = fs::read(&path).expect("read the fixture");
            let file = path
                .file_name()
                .expect("a file")
                .to_string_lossy()
                .into_owned();
            let inside = match file.rsplit_once('.') {
                Some((_, "edb" | "dit")) => inside(&content),
                Some((_, "log")) if !file.ends_with("tmp.log") => records(&path),
                _ => Vec::new(),
            };
            let seeds = seeds(&file, &content);
            let seeds = seeds
                .into_iter()
                .map(|(target, seed)| (target, String::new(), seed.to_vec()));
            for (target, part, seed) in seeds.chain(inside) {
                let target = folder.join(target);
                fs::create_dir_all(&target).expect("create the corpus");
                // Some targets take choices from the last eight bytes.
                let seed = [&seed[..], &[0; 8]].concat();
                fs::write(target.join(format!("{name}-{file}{part}")), seed)
                    .expect("write the seed");
                written += 1;
            }
        }
    }
    let token = contract::ExpiryToken {
        created: 1_700_000_000,
        tombstone_lifetime_days: 180,
        signature: [1; 28],
    };
    let tokens = folder.join("expiry_token");
    fs::create_dir_all(&tokens).expect("create the corpus");
    fs::write(tokens.join("token"), token.to_bytes()).expect("write the seed");
    let replays = folder.join("replay");
    fs::create_dir_all(&replays).expect("create the corpus");
    for start in 0..4 {
        let seed = [start, 40, 1, 0, 100, 0, 7, 9, 1, 20, 3, 9];
        fs::write(replays.join(format!("start-{start}")), seed).expect("write the seed");
    }
    let messages = folder.join("ldap_message");
    fs::create_dir_all(&messages).expect("create the corpus");
    for scope in 0..3 {
        // A search for (cn=*) with an empty base.
        let start = [0x30, 28, 2, 1, 2, 0x63, 23, 4, 0, 10, 1, scope, 10, 1, 0];
        let end = [2, 1, 0, 2, 1, 0, 1, 1, 0, 0x87, 2, b'c', b'n', 0x30, 0];
        let seed = [start, end].concat();
        fs::write(messages.join(format!("scope-{scope}")), seed).expect("write the seed");
    }
    let journals = folder.join("restore_journal");
    fs::create_dir_all(&journals).expect("create the corpus");
    fs::write(journals.join("sample"), JOURNAL).expect("write the seed");
    let tickets = folder.join("logon_info");
    fs::create_dir_all(&tickets).expect("create the corpus");
    fs::write(tickets.join("sample"), logon_info()).expect("write the seed");
    written += 7 + steps(folder) + edits(folder) + samba(folder) + images(folder) + objects(folder);
    println!("{written} seeds in {}", folder.display());
}

/// A sound database each, which the targets contain, and an smb.conf.
fn samba(folder: &Path) -> usize {
    let smb_conf: &[u8] =
        b"[global]\nin clude = /etc/%m.conf\n; x\nconfig file = \\\n /etc/x\ninclude = registry\n";
    let seeds = [
        ("lmdb", [255].as_slice()),
        ("tdb", &[255]),
        ("smb_conf", smb_conf),
    ];
    for (target, seed) in seeds {
        let target = folder.join(target);
        fs::create_dir_all(&target).expect("create the corpus");
        fs::write(target.join("sound"), seed).expect("write the seed");
    }
    seeds.len()
}

/// Each sound image of a disk, which the targets contain, unchanged and with a change, and the first
/// bytes of formats.
fn images(folder: &Path) -> usize {
    let mut written = 0;
    let mut seed = |target: &str, name: String, bytes: &[u8]| {
        let target = folder.join(target);
        fs::create_dir_all(&target).expect("create the corpus");
        fs::write(target.join(name), bytes).expect("write the seed");
        written += 1;
    };
    for (target, count) in [("disk_image", 7), ("windows_disk", 2)] {
        for which in 1..=count {
            seed(target, format!("sound-{which}"), &[which]);
            let change = [which, 3, 0, 5, 1, 40, 0, 255, 9];
            seed(target, format!("changed-{which}"), &change);
        }
    }
    let descriptor = b"\0# Disk DescriptorFile\nparentCID=ffffffff\nRW 16 ZERO\n";
    seed("disk_image", "descriptor".into(), descriptor);
    seed("disk_image", "qcow2".into(), b"\0QFI\xfb\0\0\0\x03");
    written
}

/// Values and records of the sample forest's objects, one of each class, in the forms of both
/// engines.
fn objects(folder: &Path) -> usize {
    let forest = testkit::find("sample-forest/clean").expect("it ships").unpack();
    let directory = Ntds::open(forest.path()).expect("a directory");
    let wanted = Wanted::everything();
    let mut seen = std::collections::HashSet::new();
    let mut written = 0;
    let mut seed = |target: &str, name: usize, bytes: &[u8]| {
        let target = folder.join(target);
        fs::create_dir_all(&target).expect("create the corpus");
        fs::write(target.join(format!("object-{name}")), bytes).expect("write the seed");
        written += 1;
    };
    for (number, entry) in directory.all(&wanted).expect("objects").enumerate() {
        let entry = entry.expect("an object");
        let class = (entry.class().map(str::to_owned), entry.state);
        if !seen.insert(class) {
            continue;
        }
        seed("ldb_record", number, &ldb_record(&entry));
        for attribute in &entry.attributes {
            match (&*attribute.schema.name, attribute.values.first()) {
                ("replPropertyMetaData" | "prefixMap", Some(Value::Bytes(bytes))) => {
                    seed("repl_metadata", number, bytes);
                }
                (_, Some(Value::Descriptor(bytes))) => {
                    seed("security_descriptor", number, bytes);
                    // As Samba stores that of a file: version 1.
                    let mut attribute = vec![1, 0, 1, 0, 0, 0, 2, 0];
                    attribute.extend_from_slice(bytes);
                    seed("ntacl", number, &attribute);
                }
                _ => {}
            }
        }
        for link in entry.links.iter().take(1) {
            seed("extended_dn", number, extended_dn(link).as_bytes());
        }
    }
    written
}

/// The record of an object in Samba's packed form, with lengths of values in four bytes.
fn ldb_record(entry: &Entry) -> Vec<u8> {
    let number = |number: usize| (number as u32).to_le_bytes();
    let text = |text: &str| [&number(text.len()), text.as_bytes(), &[0]].concat();
    let mut descriptions = Vec::new();
    let mut values = Vec::new();
    for attribute in &entry.attributes {
        let all: Vec<_> = attribute.values.iter().filter_map(Value::to_ldap).collect();
        descriptions.extend(text(&attribute.schema.name));
        descriptions.extend(number(all.len()));
        descriptions.push(4);
        for value in all {
            descriptions.extend(number(value.len()));
            values.extend([&value[..], &[0]].concat());
        }
    }
    let mut record = [0x2601_1968u32.to_le_bytes(), number(entry.attributes.len())].concat();
    record.extend(text(&entry.dn));
    record.extend(text("x/y"));
    record.extend(number(descriptions.len() + 4));
    record.extend(descriptions);
    record.extend(values);
    record
}

/// A link as Samba stores it.
fn extended_dn(link: &Link) -> String {
    let mut text = String::new();
    if let Some(data) = &link.data {
        text += &format!("B:{}:{}:", data.len() * 2, ids::hex::encode(data));
    }
    if let Some(guid) = link.other.guid {
        text += &format!("<GUID={guid}>;");
    }
    if let Some(stamp) = link.metadata {
        text += &format!(
            "<RMD_ADDTIME={}0000000>;<RMD_CHANGETIME={}0000000>;<RMD_FLAGS={}>;<RMD_INVOCID={}>;\
             <RMD_LOCAL_USN={}>;<RMD_ORIGINATING_USN={}>;<RMD_VERSION={}>;",
            stamp.created.0,
            stamp.changed.0,
            u8::from(link.removed.is_some()),
            stamp.invocation_id,
            stamp.local_usn,
            stamp.originating_usn,
            stamp.version
        );
    }
    if let Some(sid) = &link.other.sid {
        text += &format!("<SID={sid}>;");
    }
    text + &link.other.dn
}

/// A user in a ticket: two groups, an extra SID, a resource group.
fn logon_info() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut numbers = |numbers: &[u32]| {
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    };
    let name = |length: u32| (length * 2) << 16 | (length * 2);
    let text = |length: u32| [length, 0, length, 0x41_0041, 0x41_0041];
    let sid = |count: u32, last: u32| [count, count << 8 | 1, 0x0500_0000, 21, 1, 2, 3, last];
    numbers(&[0x0008_1001, 0xcccc_cccc, 0, 0, 1]);
    numbers(&[0; 12]);
    numbers(&[name(4), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    numbers(&[0, 1104, 513, 2, 1, 0x20, 0, 0, 0, 0]);
    numbers(&[name(4), 1, name(4), 1, 1]);
    numbers(&[0; 10]);
    numbers(&[1, 1, 1, 1, 1]);
    numbers(&text(4));
    numbers(&[2, 513, 7, 1200, 0x17]);
    numbers(&text(4));
    numbers(&text(4));
    numbers(&sid(4, 0)[..7]);
    numbers(&[1, 1, 7]);
    numbers(&sid(5, 1300));
    numbers(&sid(4, 0)[..7]);
    numbers(&[1, 1400, 7]);
    bytes
}

/// Sessions with the service: steps of the target `service`, each with a call, a peer, a handle and
/// the call's arguments.
fn steps(folder: &Path) -> usize {
    let plain = |call: u8| vec![call, 0, 0, 0];
    let backup: [Vec<u8>; 9] = [
        vec![0],
        vec![0, 0, 0, 1, 0, 0],
        plain(2),
        vec![3, 0, 0, 1, 0, 0],
        plain(17),
        plain(4),
        plain(5),
        plain(6),
        plain(1),
    ];
    let file = |name: u8| {
        vec![
            18, 0, 0, 0, 0, 0, 0, name, 8, 0, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0,
        ]
    };
    let restore: [Vec<u8>; 9] = [
        vec![1],
        vec![8, 0, 0, 0],
        vec![9, 0, 0, 0, 0, 0],
        plain(13),
        vec![10, 0, 0, 0, 1, 0, 1, 1, 0],
        vec![11, 0, 0, 0, 16, 0, 0, 0],
        file(0),
        file(3),
        [vec![12, 0, 0, 0, 0], plain(14)].concat(),
    ];
    let stolen: [Vec<u8>; 6] = [
        vec![0],
        vec![0, 0, 0, 1, 0, 0],
        vec![1, 1, 0, 0],
        vec![3, 2, 0, 1, 0, 0],
        vec![16, 2, 0, 4, 0x60, 1, 2, 3, 0],
        vec![19, 1, 9, 0, 0, 0, 4, 0, 0, 0, 0, 0],
    ];
    let target = folder.join("service");
    fs::create_dir_all(&target).expect("create the corpus");
    let walks = [
        ("backup", backup.concat()),
        ("restore", restore.concat()),
        ("stolen", stolen.concat()),
    ];
    for (name, walk) in &walks {
        fs::write(target.join(name), walk).expect("write the seed");
    }
    walks.len()
}

/// For the targets that change a whole database: a change of each field of a page's header and of
/// the tags after it. Returns the number of seeds.
fn edits(folder: &Path) -> usize {
    let fields: &[u16] = &[8, 16, 20, 24, 28, 30, 32, 34, 36, 38, 40, 44, 60, 80, 100];
    let from_the_end = [1u16, 2, 4, 5, 6, 8, 12, 16, 40];
    let offsets = || (fields.iter().copied()).chain(from_the_end.map(|back| 8192 - back));
    let mut written = 0;
    for target in ["tree", "catalog", "long_value"] {
        let seeds = folder.join(target);
        fs::create_dir_all(&seeds).expect("create the corpus");
        for (database, page, offset) in [0u8, 7]
            .into_iter()
            .flat_map(|database| (0..3u8).map(move |page| (database, page)))
            .flat_map(|(database, page)| offsets().map(move |offset| (database, page * 5, offset)))
        {
            let [low, high] = offset.to_le_bytes();
            let seed = [database, page, 0, low, high, 3];
            fs::write(seeds.join(format!("{database}-{page}-{offset}")), seed)
                .expect("write the seed");
            written += 1;
        }
    }
    written
}

/// The targets for this file, and the part of it that they read.
fn seeds<'a>(file: &str, content: &'a [u8]) -> Vec<(&'static str, &'a [u8])> {
    let start = |length: usize| &content[..length.min(content.len())];
    match file.rsplit_once('.') {
        Some((_, "edb" | "dit")) => {
            let headers = DatabaseHeaders::parse(content).expect("a sound database");
            let size = headers.header.page_size().bytes();
            let page = content.get(4 * size..5 * size).unwrap_or_default();
            vec![
                ("database_header", start(2 * size)),
                ("page_checksum", page),
                ("verify_stream", start(4 * size)),
            ]
        }
        // One log of a sequence is like the others.
        Some(("edb", "log")) => vec![("log_header", start(4096)), ("log", start(15 * 4096))],
        Some((_, "chk")) => vec![("checkpoint", content)],
        Some((_, "jfm")) => vec![("flush_map", content)],
        _ => Vec::new(),
    }
}

/// Records of a log: one of each type.
fn records(path: &Path) -> Vec<(&'static str, String, Vec<u8>)> {
    let kind = match path.ends_with("edb.log") {
        true => LogKind::Current,
        false => LogKind::Numbered,
    };
    let log = OpenLog::read(path, kind).expect("a sound log");
    let mut records = log.records();
    let mut seeds = Vec::new();
    let mut seen = std::collections::HashSet::new();
    while let Some(entry) = records.next_entry().expect("a sound log") {
        if entry.bytes.len() <= 4096 && seen.insert(entry.kind) {
            seeds.push((
                "log_record",
                format!("-{}", entry.position),
                entry.bytes.to_vec(),
            ));
        }
    }
    seeds
}

/// Pages, records and compressed values of a database: one of each kind.
fn inside(content: &[u8]) -> Vec<(&'static str, String, Vec<u8>)> {
    let headers = DatabaseHeaders::parse(content).expect("a sound database");
    let size = headers.header.page_size();
    let mut seeds = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for number in 1..=size.pages_in(content.len() as u64) {
        let start = size.offset_of(number) as usize;
        let Some(bytes) = content.get(start..start + size.bytes()) else {
            break;
        };
        let page = PageView::new(bytes, number).expect("a page");
        let flags = page.flags();
        if page.is_blank() || page.node_count() == 0 {
            continue;
        }
        if seen.insert((flags.kind(), flags.is_leaf(), flags.is_root())) {
            seeds.push(("page", format!("-{number}"), bytes.to_vec()));
        }
        for (index, node) in page.nodes().enumerate() {
            let Ok(node) = node else { continue };
            let is_record = flags.is_leaf() && flags.kind() == PageKind::Primary;
            if is_record && index == 0 {
                seeds.push(("record", format!("-{number}"), node.data.to_vec()));
            }
            if is_record && index < 4 {
                seeds.extend(
                    compressed(node.data, page)
                        .map(|value| ("decompress", format!("-{number}-{index}"), value.to_vec())),
                );
            }
        }
    }
    seeds
}

/// A compressed value of a record.
fn compressed<'a>(data: &'a [u8], page: PageView<'a>) -> Option<&'a [u8]> {
    let record = Record::new(data, page.size(), page.flags().has_new_record_format()).ok()?;
    let fields = record.tagged().ok()?;
    fields
        .iter()
        .flatten()
        .find_map(|field| match field.content {
            Tagged::Values(values) => values
                .flatten()
                .find(|(form, _)| *form == ValueForm::Compressed)
                .map(|(_, value)| value),
            Tagged::Null => None,
        })
}
