//! The commands that look into a directory, on the sample forest and on what its maker says of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::lab::{dsbackup, succeed};
use serde_json::Value as Json;

fn forest() -> (tempfile::TempDir, Vec<Json>) {
    let fixture = testkit::find("sample-forest/clean").expect("shipped");
    let lines = fixture.listed_objects().expect("ground truth").into_iter();
    let objects = lines.map(|line| serde_json::from_slice::<Json>(&line).expect("JSON"));
    let objects = objects.filter(|object| !object["objectGUID"].is_null());
    (fixture.unpack(), objects.collect())
}

#[test]
fn ls_shows_the_tree() {
    let (folder, truth) = forest();
    let contexts = succeed(folder.path(), &["ls", "."]);
    for name in ["DC=corp,DC=example", "CN=Configuration,DC=corp,DC=example"] {
        assert!(
            contexts.lines().any(|line| line.starts_with(name)),
            "{contexts}"
        );
    }
    let base = "OU=Corp,DC=corp,DC=example";
    let listed = succeed(folder.path(), &["ls", "ntds.dit", base, "--json"]);
    let listed: Vec<Json> = serde_json::from_str(&listed).expect("JSON");
    let listed: BTreeSet<&str> = listed
        .iter()
        .filter_map(|line| line["dn"].as_str())
        .collect();
    let own = truth
        .iter()
        .find(|object| object["dn"] == base)
        .expect("a container");
    let children = truth.iter().filter(|object| object["pdnt"] == own["dnt"]);
    let children: BTreeSet<&str> = children
        .filter_map(|object| object["dn"].as_str())
        .collect();
    assert_eq!(listed, children);
    // The tree: each object right after what is above it, one level further in.
    let tree = succeed(folder.path(), &["ls", ".", "DC=corp,DC=example", "-R"]);
    let depth = |line: &str| (line.len() - line.trim_start().len()) / 2;
    let mut lines = tree.lines().skip(1).peekable();
    assert!(
        lines
            .peek()
            .is_some_and(|line| line.starts_with("DC=corp,DC=example ")),
        "{tree}"
    );
    let mut above = 0;
    for line in lines {
        assert!(depth(line) <= above + 1, "{line}");
        above = depth(line);
    }
    let json = succeed(folder.path(), &["ls", ".", "--recursive", "--json"]);
    let json: Vec<Json> = serde_json::from_str(&json).expect("JSON");
    let all = ["search", ".", "(objectClass=*)", "cn", "--json"];
    let all: Vec<Json> = serde_json::from_str(&succeed(folder.path(), &all)).expect("JSON");
    assert_eq!(json.len(), all.len());
    let missing = dsbackup(folder.path(), &["ls", ".", "OU=Nowhere,DC=corp,DC=example"]);
    assert_eq!(missing.code, Some(1), "{missing}");
}

#[test]
fn search_finds_users_and_shows_attributes() {
    let (folder, truth) = forest();
    let is_user = |object: &&Json| {
        let classes = object["objectClass"].as_array().expect("classes");
        object["isDeleted"] == false && classes.iter().any(|class| class == "user")
    };
    let users: Vec<&Json> = truth.iter().filter(is_user).collect();
    let filter = "(objectClass=user)";
    let found = succeed(folder.path(), &["search", ".", filter, "mail", "--json"]);
    let found: Vec<Json> = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found.len(), users.len());
    let mails = |objects: &[&Json]| -> BTreeMap<String, Json> {
        let pairs = objects.iter().map(|object| {
            let dn = object["dn"].as_str().expect("a name").to_owned();
            (dn, object["attributes"]["mail"].clone())
        });
        pairs.collect()
    };
    assert_eq!(mails(&found.iter().collect::<Vec<_>>()), mails(&users));
    // A filter may demand what is not shown.
    let count = |filter: &str| {
        let found = succeed(folder.path(), &["search", ".", filter, "cn", "--json"]);
        let found: Vec<Json> = serde_json::from_str(&found).expect("JSON");
        found.len()
    };
    let all = count("(objectClass=*)");
    assert_eq!(count("(nTSecurityDescriptor=*)"), all);
    assert_eq!(count("(!(nTSecurityDescriptor=*))"), 0);
    let of_domain = |domain: &str| {
        let name = format!("{domain}\\Administrator");
        dsbackup(folder.path(), &["show", ".", &name])
    };
    for domain in ["CORP", "corp.example", "BUILTIN"] {
        assert_eq!(of_domain(domain).code, Some(0), "{domain}");
    }
    let elsewhere = of_domain("ELSEWHERE");
    assert_eq!(elsewhere.code, Some(1), "{elsewhere}");
    assert!(
        elsewhere.stderr.contains("of the domain CORP"),
        "{elsewhere}"
    );
    let table = succeed(
        folder.path(),
        &["search", ".", "(sAMAccountName=udangelo)", "sn", "memberOf"],
    );
    assert!(table.starts_with("sn"), "{table}");
    assert!(
        table.contains("D'Angelo") && table.ends_with("1 object\n"),
        "{table}"
    );
    let base = ["--base", "CN=Users,DC=corp,DC=example", "--scope", "one"];
    let found = succeed(
        folder.path(),
        &[&["search", ".", "(cn=*)"][..], &base].concat(),
    );
    assert!(
        found.contains("CN=Administrator,CN=Users,DC=corp,DC=example"),
        "{found}"
    );
    let deleted = succeed(
        folder.path(),
        &["search", ".", "(isDeleted=TRUE)", "--deleted"],
    );
    assert!(deleted.contains("in the Recycle Bin"), "{deleted}");
    for wrong in [
        &["search", ".", "(cn=a"][..],
        &["search", ".", "(cn=a)", "noSuchAttribute"],
    ] {
        let run = dsbackup(folder.path(), wrong);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(
            run.stderr.contains("cn=a") || run.stderr.contains("noSuchAttribute"),
            "{run}"
        );
    }
}

#[test]
fn show_takes_any_name_of_an_object() {
    let (folder, truth) = forest();
    let user = truth
        .iter()
        .find(|object| object["attributes"]["sAMAccountName"][0] == "udangelo");
    let user = user.expect("a user");
    let text = |name: &str| user[name].as_str().expect("text");
    let mut shown = BTreeSet::new();
    for name in [
        text("dn"),
        text("objectGUID"),
        text("objectSid"),
        "udangelo",
        "CORP\\UDangelo",
        "udangelo@corp.example",
    ] {
        shown.insert(succeed(folder.path(), &["show", ".", name]));
    }
    assert_eq!(shown.len(), 1);
    let shown = shown.pop_first().expect("one");
    let has = |name: &str, value: &str| {
        shown
            .lines()
            .any(|line| line.starts_with(name) && line.ends_with(value))
    };
    assert!(has("objectGUID", text("objectGUID")), "{shown}");
    assert!(has("objectSid", text("objectSid")), "{shown}");
    assert!(has("sn", "D'Angelo"), "{shown}");
    assert!(
        shown.contains("O:") && shown.contains("unicodePwd") && shown.contains("withheld ("),
        "{shown}"
    );

    let object = succeed(
        folder.path(),
        &["show", ".", "udangelo", "--metadata", "--json"],
    );
    let object: Json = serde_json::from_str(&object).expect("JSON");
    let stamps = object["metadata"].as_array().expect("stamps");
    let expected = user["metadata"].as_object().expect("stamps");
    assert_eq!(stamps.len(), expected.len());
    for stamp in stamps {
        let expected = &expected[stamp["attribute"].as_str().expect("a name")];
        assert_eq!(stamp["version"], expected[0]);
        assert_eq!(stamp["local_usn"], expected[2]);
        assert_eq!(stamp["server"], "DC01");
    }
    let words = succeed(folder.path(), &["show", ".", "udangelo", "--metadata"]);
    assert!(
        words.contains("changed (UTC)") && words.contains("DC01"),
        "{words}"
    );
    let nobody = dsbackup(folder.path(), &["show", ".", "nobody"]);
    assert_eq!(nobody.code, Some(1), "{nobody}");
}

#[test]
fn several_objects_are_shown_one_after_the_other_or_none() {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let show = |names: &[&str]| dsbackup(folder.path(), &[&["show", "."], names].concat());
    let one = |name| show(&[name, "--recursive"]).stdout;
    let both = show(&["udangelo", "Administrator", "--recursive"]);
    assert_eq!(both.code, Some(0), "{both}");
    let expected = format!("{}\n\n{}", one("udangelo"), one("Administrator"));
    assert_eq!(both.stdout, expected);
    let json = |names: &[&str]| -> Json {
        let shown = show(&[names, &["--json", "--metadata"]].concat());
        serde_json::from_str(&shown.stdout).unwrap_or_else(|_| panic!("{shown}"))
    };
    let several = json(&["udangelo", "Administrator"]);
    assert_eq!(several[0], json(&["udangelo"]));
    assert_eq!(several[1], json(&["Administrator"]));
    let with_nobody = show(&["udangelo", "nobody"]);
    assert_eq!(with_nobody.code, Some(1), "{with_nobody}");
    assert!(with_nobody.stdout.is_empty(), "{with_nobody}");
    let history = show(&["udangelo", "Administrator", "--history"]);
    assert_eq!(history.code, Some(2), "{history}");
}

/// Names and values of a file of LDIF, by distinguished name.
fn read_ldif(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let unfolded = text.replace("\n ", "");
    let mut objects = BTreeMap::new();
    for record in unfolded.split("\n\n").skip(1) {
        let lines = record
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut lines: Vec<(String, String)> = lines
            .map(|line| {
                let (name, value) = line.split_once(':').expect("a colon");
                (name.to_owned(), value.to_owned())
            })
            .collect();
        if lines.is_empty() {
            continue;
        }
        let (_, dn) = lines.remove(0);
        objects.insert(dn, lines);
    }
    objects
}

#[test]
fn export_writes_every_object_and_no_secret() {
    let (folder, truth) = forest();
    let ldif = succeed(folder.path(), &["export", ".", "--ldif", "--deleted"]);
    assert!(ldif.starts_with("version: 1\n\ndn: "), "{}", &ldif[..80]);
    assert!(ldif.lines().all(|line| line.len() <= 78));
    let objects = read_ldif(&ldif);
    assert_eq!(objects.len(), truth.len());
    for object in truth
        .iter()
        .filter(|object| object["dn"].as_str().is_some_and(str::is_ascii))
    {
        let lines = &objects[&format!(" {}", object["dn"].as_str().expect("a name"))];
        for class in object["objectClass"].as_array().expect("classes") {
            let line = (
                "objectClass".to_owned(),
                format!(" {}", class.as_str().expect("a name")),
            );
            assert!(lines.contains(&line), "{}", object["dn"]);
        }
    }
    let lines = succeed(folder.path(), &["export", ".", "--jsonl", "--deleted"]);
    assert_eq!(lines.lines().count(), truth.len());
    let some = [
        "export",
        ".",
        "--jsonl",
        "--filter",
        "(objectClass=group)",
        "member",
    ];
    let groups = succeed(folder.path(), &some);
    assert!(
        groups.lines().all(|line| !line.contains("objectClass")),
        "{groups}"
    );
    let csv = succeed(
        folder.path(),
        &[
            "export",
            ".",
            "--csv",
            "--filter",
            "(objectClass=user)",
            "sn",
            "mail",
        ],
    );
    assert!(csv.starts_with("dn,mail,sn\r\n"), "{csv}");
    assert!(csv.contains("udangelo@corp.example,D'Angelo\r\n"), "{csv}");
    assert_eq!(dsbackup(folder.path(), &["export", "."]).code, Some(2));

    // No secret in any form that the commands write octets in.
    let csv = succeed(folder.path(), &["export", ".", "--csv", "--deleted"]);
    let all = [ldif.replace("\n ", ""), lines, csv].concat();
    let mut secrets = 0;
    for object in &truth {
        for name in [
            "unicodePwd",
            "ntPwdHistory",
            "supplementalCredentials",
            "pekList",
        ] {
            for value in object["attributes"][name].as_array().into_iter().flatten() {
                let digits = value.as_str().expect("digits");
                // What follows the header is the secret.
                assert!(!all.contains(&digits[32..64]), "{}: {name}", object["dn"]);
                let bytes = ids::hex::decode(digits).expect("digits");
                let coded =
                    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
                assert!(!all.contains(&coded[24..48]), "{}: {name}", object["dn"]);
                secrets += 1;
            }
        }
    }
    assert!(secrets > 100, "{secrets}");
}

#[test]
fn a_directory_that_was_not_shut_down_is_refused() {
    let folder = testkit::find("sample-forest/dirty")
        .expect("shipped")
        .unpack();
    let run = dsbackup(folder.path(), &["ls", "."]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("replayed"), "{run}");
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    let run = dsbackup(folder.path(), &["ls", "empty"]);
    assert_eq!(run.code, Some(1), "{run}");
    let run = dsbackup(folder.path(), &["ls", "edb00001.log"]);
    assert_eq!(run.code, Some(2), "{run}");
}

#[test]
fn install_from_media_is_a_source_with_its_sysvol() {
    let (forest, _) = forest();
    let folder = tempfile::tempdir().expect("a folder");
    let lab = folder.path();
    let policy = "SYSVOL/corp.example/Policies/{31B2F340-016D-11D2-945F-00C04FB984F9}";
    for folder in ["Active Directory", "registry", policy] {
        std::fs::create_dir_all(lab.join("ifm").join(folder)).expect("a folder");
    }
    let database = lab.join("ifm/Active Directory/ntds.dit");
    std::fs::copy(forest.path().join("ntds.dit"), &database).expect("a database");
    let version = b"[General]\r\nVersion=65537\r\n";
    let write = |name: &str, content: &[u8]| {
        std::fs::write(lab.join("ifm").join(name), content).expect("a file");
    };
    write("registry/SYSTEM", b"regf");
    write(&format!("{policy}/GPT.INI"), version);
    let shown = |source: &str| succeed(lab, &["show", source, "CORP\\udangelo", "--json"]);
    let expected = shown("ifm/Active Directory/ntds.dit");
    let gpt = format!("{}/gpt.ini", policy.to_lowercase());
    for source in [
        "ifm",
        "ifm/Active Directory",
        "ifm/Active Directory/ntds.dit",
    ] {
        assert_eq!(shown(source), expected, "{source}");
        let files = succeed(lab, &["files", source, "sysvol", "--json"]);
        let files: Vec<Json> = serde_json::from_str(&files).expect("JSON");
        let found = files.iter().find(|file| file["kind"] == "file");
        let found = found.expect("a file of SYSVOL");
        assert_eq!(found["path"], format!("{policy}/GPT.INI"));
        assert_eq!(found["size"], version.len());
        let content = succeed(lab, &["cat", source, &gpt]);
        assert_eq!(content.as_bytes(), version, "{source}");
        for secret in ["registry/SYSTEM", "Active Directory/ntds.dit"] {
            let run = dsbackup(lab, &["cat", source, secret]);
            assert_eq!(run.code, Some(4), "{run}");
        }
    }
}

#[test]
fn a_snapshot_for_ad_explorer_goes_into_a_file_without_secrets() {
    let (folder, _) = forest();
    let words = succeed(
        folder.path(),
        &["export", ".", "--adexplorer", "forest.dat"],
    );
    assert!(words.contains("objects"), "{words}");
    let bytes = std::fs::read(folder.path().join("forest.dat")).expect("a snapshot");
    assert!(bytes.starts_with(b"win-ad-ob\0"));
    let run = dsbackup(
        folder.path(),
        &["export", ".", "--adexplorer", "none/forest.dat"],
    );
    assert_eq!(run.code, Some(1), "{run}");
    let run = dsbackup(
        folder.path(),
        &["export", ".", "--adexplorer", "x", "--deleted"],
    );
    assert_eq!(run.code, Some(2), "{run}");
}
