//! The commands that read databases, logs and their companions, on files of the real engine.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use crate::lab;
use crate::lab::Run;
use crate::lab::set::{Set, dsbackup, every, json, run, succeed, text};
use serde_json::Value;

fn is_clean(set: &Set) -> bool {
    let headers = ese::header::DatabaseHeaders::read(Path::new(&set.database));
    headers.expect("a header").header.is_clean()
}

#[test]
fn dump_equals_the_engines_line_for_line() {
    let mut compared = 0;
    for (fixture, set) in every().filter(|(_, set)| is_clean(set)) {
        let Some(expected) = fixture.companion("expected.jsonl.zst") else {
            continue;
        };
        let found = succeed(&["dump", "--indexes", &set.database]).stdout;
        assert!(
            found.as_bytes() == expected,
            "{}: the dumps differ",
            fixture.name
        );
        compared += 1;
    }
    println!("{compared} dumps are the engine's");
    assert!(compared > 0);
}

#[test]
fn verify_finds_every_fixture_sound() {
    for (fixture, set) in every() {
        let run = succeed(&["verify-db", "--json", &set.database]);
        let found = json(&run);
        assert_eq!(found["findings"], serde_json::json!([]), "{}", fixture.name);
        assert_eq!(found["totals"]["sound"], true, "{}", fixture.name);
        let structure = &found["totals"]["structure"];
        assert_eq!(structure.is_object(), is_clean(&set), "{}", fixture.name);
    }
}

#[test]
fn verify_lists_damage_and_ends_with_1() {
    let set = Set::shipped("ese/p4096-clean");
    // A bit in a page of a tree and one in the header's shadow copy.
    lab::flip_bit(Path::new(&set.database), 4096 * 40 + 900);
    lab::flip_bit(Path::new(&set.database), 4096 + 100);
    let run = run(&["verify-db", "--json", &set.database]);
    assert_eq!(run.code, Some(1), "{run}");
    let found = json(&run);
    let findings = found["findings"].as_array().expect("a list");
    assert_eq!(found["totals"]["sound"], false);
    assert_eq!(found["totals"]["damages"], findings.len());
    let at = |offset: u64| {
        findings
            .iter()
            .filter(move |finding| finding["offset"] == offset)
    };
    // What its content says beside is named by the tag.
    let page: Vec<_> = at(4096 * 40)
        .filter(|finding| finding.get("tag").is_none())
        .collect();
    let [page] = page[..] else {
        panic!("the bad page is named once: {run}")
    };
    assert_eq!(page["page"], 39);
    assert!(
        page["expected"]
            .as_str()
            .is_some_and(|text| text.starts_with("checksum")),
        "{run}"
    );
    assert!(
        at(4096).count() > 0 || at(0).count() > 0,
        "the header: {run}"
    );

    let words = Run::of(&mut dsbackup(&["verify-db", &set.database]));
    assert_eq!(words.code, Some(1), "{words}");
    assert!(words.stdout.contains("DAMAGED"), "{words}");

    let not_there = Run::of(&mut dsbackup(&["verify-db", &set.path("nothing.edb")]));
    assert_eq!(not_there.code, Some(2), "{not_there}");
    let log = Set::shipped("sample-forest/clean").path("edb.log");
    let no_database = Run::of(&mut dsbackup(&["verify-db", &log]));
    assert_eq!(no_database.code, Some(2), "{no_database}");
}

#[test]
fn a_damaged_page_ends_a_dump_with_its_name_after_what_was_readable() {
    let set = Set::shipped("sample-forest/clean");
    let whole = succeed(&["dump", &set.database]).stdout;
    // The last leaf of the table of links, which comes late in the dump.
    let database = ese::Database::open(&set.database).expect("open");
    let table = database
        .table("sd_table")
        .expect("readable")
        .expect("there");
    let offset = database.page_size().offset_of(table.tree.root);
    drop(database);
    lab::flip_bit(Path::new(&set.database), offset + 5000);
    let run = run(&["dump", &set.database]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("expected checksum"), "{}", run.stderr);
    assert!(run.stderr.contains("verify-db"), "{}", run.stderr);
    assert!(whole.starts_with(&run.stdout) && run.stdout.len() > whole.len() / 2);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let set = Set::shipped("sample-forest/clean");
    for arguments in [
        vec!["dump", "--indexes", &set.database],
        vec!["dump", "--csv", "--table", "datatable", &set.database],
    ] {
        let mut command = dsbackup(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start");
        let mut out = child.stdout.take().expect("piped");
        out.read_exact(&mut [0; 100]).expect("the first bytes");
        drop(out);
        let run = Run::from(child.wait_with_output().expect("its end"));
        assert_eq!(
            (run.code, run.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn one_table_as_lines_and_as_csv() {
    let set = Set::shipped("sample-forest/clean");
    let all = succeed(&["dump", "--indexes", &set.database]).stdout;
    let one = succeed(&["dump", "--indexes", "--table", "link_table", &set.database]).stdout;
    assert!(all.contains(&one) && one.contains("\"t\":\"ix\""));

    let csv = succeed(&["dump", "--csv", "--table", "hiddentable", &set.database]).stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("\"usn_col\",\"dsa_col\",\"state_col\","),
        "{csv}"
    );
    assert!(lines[1].starts_with("12288,211,7,,,1,,10,0,3130"), "{csv}");

    let csv = succeed(&["dump", "--csv", "--table", "datatable", &set.database]).stdout;
    let names = csv.lines().next().expect("a heading").split(',').count();
    let domain = csv
        .lines()
        .find(|line| line.starts_with("4,3,1,1376281,"))
        .expect("the domain");
    assert!(domain.contains("\"corp\""), "text is text: {domain}");
    assert!(
        domain.contains(",655427;655426;65536,"),
        "several values: {domain}"
    );
    // Commas in quotation marks part no fields.
    let outside = domain.split('"').step_by(2);
    let commas: usize = outside.map(|part| part.matches(',').count()).sum();
    assert_eq!(commas + 1, names, "{domain}");

    let missing = run(&["dump", "--table", "nothing", &set.database]);
    assert_eq!(missing.code, Some(1), "{missing}");
    assert!(missing.stderr.contains("dsbackup tables"), "{missing}");
}

#[test]
fn secrets_in_clear_are_never_written_and_encrypted_ones_not_on_demand() {
    let set = Set::shipped("sample-forest/clean");
    let as_stored = succeed(&["dump", "--table", "datatable", &set.database]).stdout;
    let redacted = succeed(&[
        "dump",
        "--redact-secrets",
        "--table",
        "datatable",
        &set.database,
    ])
    .stdout;
    let secret = "\"ATTk589914\":[\"";
    assert!(as_stored.contains(&format!("{secret}13000000")));
    assert!(redacted.contains(&format!("{secret}(withheld)\"]")));
    assert!(!redacted.contains(&format!("{secret}13")));
    assert_eq!(as_stored.lines().count(), redacted.lines().count());

    let Some(fixture) = testkit::find("ntds/contoso-small") else {
        return;
    };
    let set = Set::of(&fixture).expect("a database");
    let mut secrets = Vec::new();
    for object in fixture.listed_objects().expect("ground truth") {
        let object: Value = serde_json::from_slice(&object).expect("JSON");
        for name in ["ms-Mcs-AdmPwd", "msFVE-RecoveryPassword"] {
            let values = object["attributes"].get(name).and_then(Value::as_array);
            secrets.extend(
                values
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
        }
    }
    assert!(secrets.len() > 10, "the set holds passwords in clear");
    let csv = succeed(&["dump", "--csv", "--table", "datatable", &set.database]).stdout;
    let lines = succeed(&["dump", "--indexes", &set.database]).stdout;
    for secret in secrets {
        let bytes = secret.encode_utf16().flat_map(u16::to_le_bytes);
        let stored: String = bytes.map(|byte| format!("{byte:02x}")).collect();
        let plain: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [&secret, &stored, &plain] {
            assert!(
                !csv.contains(form) && !lines.contains(form),
                "a password shows"
            );
        }
    }
}

#[test]
fn inspect_tells_what_a_dirty_database_needs() {
    let set = Set::shipped("sample-forest/dirty");
    let found = json(&succeed(&["inspect", "--json", &set.database]));
    assert_eq!(found["kind"], "database");
    assert_eq!(found["fields"]["State"], "Dirty Shutdown");
    assert_eq!(found["fields"]["cbDbPage"], "8192");
    let range = |lowest, highest| serde_json::json!({ "lowest": lowest, "highest": highest });
    assert_eq!(found["logs"]["required"], range(6, 7));
    assert_eq!(found["logs"]["missing"], serde_json::json!([]));
    assert_eq!(found["logs"]["present"][0]["file"], "edb00006.log");
    assert_eq!(found["logs"]["present"][1]["file"], "edb.log");

    std::fs::remove_file(set.path("edb00006.log")).expect("lose a log");
    let found = json(&succeed(&["inspect", "--json", &set.database]));
    assert_eq!(found["logs"]["missing"], serde_json::json!([range(6, 6)]));
    let words = succeed(&["inspect", &set.database]).stdout;
    assert!(words.contains("MISSING"), "{words}");

    let clean = Set::shipped("sample-forest/clean");
    let found = json(&succeed(&["inspect", "--json", &clean.database]));
    assert_eq!(found["fields"]["State"], "Clean Shutdown");
    assert!(found.get("logs").is_none());
}

#[test]
fn inspect_shows_the_engines_own_fields() {
    for (fixture, set) in every() {
        let file = match is_clean(&set) {
            true => "header-after.txt",
            false => "header-before.txt",
        };
        let Some(engine) = fixture.companion(file) else {
            continue;
        };
        let engine = String::from_utf8_lossy(&engine).into_owned();
        let found = json(&succeed(&["inspect", "--json", &set.database]));
        let mut compared = 0;
        for name in [
            "State",
            "Log Required",
            "DB Signature",
            "cbDbPage",
            "Last Attach",
        ] {
            let line = engine
                .lines()
                .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
            if let Some(expected) = line {
                let found = found["fields"][name].as_str().expect("a field");
                assert_eq!(found.trim(), expected.trim(), "{}: {name}", fixture.name);
                compared += 1;
            }
        }
        assert!(compared >= 4, "{}: {engine}", fixture.name);
    }
}

#[test]
fn inspect_knows_every_kind_of_file() {
    let forest = Set::shipped("sample-forest/clean");
    let other = Set::shipped("ese/ad2016-ntds");
    for (path, kind, part) in [
        (forest.path("edb.chk"), "checkpoint", "Checkpoint"),
        (forest.path("edb.log"), "transaction log", "lGeneration"),
        (
            forest.path("edb00001.log"),
            "transaction log",
            "written to its end",
        ),
        (forest.path("edbtmp.log"), "temporary log", "holds nothing"),
        (other.path("test.jfm"), "flush map", "Last Flush Map Attach"),
    ] {
        let words = succeed(&["inspect", &path]).stdout;
        assert!(
            words.contains(kind) && words.contains(part),
            "{path}: {words}"
        );
        assert_eq!(json(&succeed(&["inspect", "--json", &path]))["kind"], kind);
    }
    let text = forest.path("notes.txt");
    std::fs::write(&text, "no file of the engine").expect("write");
    let run = run(&["inspect", &text]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(
        run.stderr.contains("no file of the storage engine"),
        "{run}"
    );
}

#[test]
fn inspect_finds_a_damaged_log() {
    let set = Set::shipped("sample-forest/clean");
    let log = set.path("edb00001.log");
    lab::flip_bit(Path::new(&log), 3 * 4096 + 200);
    let run = run(&["inspect", &log]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stdout.contains("lGeneration: 1 (0x1)"), "{run}");
    assert!(run.stdout.contains("DAMAGED"), "{run}");
}

#[test]
fn inspect_lists_the_records_of_a_log() {
    let set = Set::shipped("ese/ad2016-ntds");
    let log = set.path("edb.log");
    let words = succeed(&["inspect", "--records", &log]).stdout;
    let lines: Vec<&str> = words.lines().filter(|line| line.starts_with('>')).collect();
    let found = json(&succeed(&["inspect", "--records", "--json", &log]));
    let records = found["records"].as_array().expect("a list");
    assert_eq!(records.len(), lines.len());
    assert_eq!(records[0]["type"], "Init");
    assert_eq!(records[0]["lgpos"], "00000001,0001,0000");
    assert_eq!(found["fields"]["lGeneration"], "1 (0x1)");
    let run = run(&["inspect", "--records", &set.database]);
    assert_eq!(run.code, Some(1), "{run}");
}

#[test]
fn tables_and_their_space_are_listed() {
    for (fixture, set) in every().filter(|(_, set)| is_clean(set)) {
        let tables = json(&succeed(&["tables", "--json", &set.database]));
        let space = json(&succeed(&["space", "--json", &set.database]));
        let names = |list: &Value| {
            let list = list.as_array().expect("a list");
            let mut names: Vec<String> =
                list.iter().map(|table| table["name"].to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&tables), names(&space["tables"]), "{}", fixture.name);
        let number = |value: &Value| value.as_u64().expect("a number");
        let mut total = number(&space["available"]);
        for table in space["tables"].as_array().expect("a list") {
            let parts = ["rows", "long_values", "indexes", "available"];
            let parts: u64 = parts.iter().map(|part| number(&table[*part])).sum();
            assert_eq!(parts, number(&table["total"]), "{}: {table}", fixture.name);
            total += parts;
        }
        let size = number(&space["size"]);
        assert!(
            total <= size && total > size / 2,
            "{}: {total} of {size}",
            fixture.name
        );
    }
    let set = Set::shipped("sample-forest/clean");
    let words = succeed(&["tables", &set.database]).stdout;
    assert!(words.contains("datatable"), "{words}");
    let words = succeed(&["space", &set.database]).stdout;
    assert!(
        words
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("datatable")),
        "{words}"
    );
}

#[test]
fn facts_of_a_directory() {
    let set = Set::shipped("sample-forest/clean");
    let words = succeed(&["facts", &set.database]).stdout;
    for part in [
        "corp.example (DC=corp,DC=example)",
        "CORP",
        "3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18",
        "e1450b96-7fa3-4c88-9d12-60a5f3c8b74d",
        "180 days",
        "116 users, 38 groups, 15 computers, 5 contacts",
        "3 tombstones, 3 in the Recycle Bin, 3 recycled",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let found = json(&succeed(&["facts", "--json", &set.database]));
    assert_eq!(found["tombstone_lifetime"]["days"], 180);
    assert_eq!(found["highest_committed_usn"], 4542);

    let dirty = Set::shipped("sample-forest/dirty");
    let run = run(&["facts", &dirty.database]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("logs are replayed"), "{run}");
    let other = Set::shipped("ese/p4096-clean");
    let run = Run::of(&mut dsbackup(&["facts", &other.database]));
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stderr.contains("no database of Active Directory"),
        "{run}"
    );
}

#[test]
fn databases_of_samba_are_known_verified_and_their_tools_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for (packed, name, kind, tool) in [
        ("small.tdb.zst", "secrets.ldb", "TDB", "ldbsearch -H"),
        ("small.mdb.zst", "DC=X.ldb", "LMDB", "ldbsearch -H"),
        ("small.tdb.zst", "share_info.tdb", "TDB", "tdbdump"),
    ] {
        let packed = testkit::workspace().join("fuzz/sound").join(packed);
        let content = std::fs::read(packed).expect("it ships");
        let content = zstd::decode_all(&content[..]).expect("zstd");
        let path = folder.path().join(name);
        std::fs::write(&path, &content).expect("write");
        let path = text(&path);

        let found = json(&succeed(&["inspect", "--json", &path]));
        assert_eq!(found["kind"], format!("Samba database ({kind})"));
        assert!(
            found["verdict"]
                .as_str()
                .is_some_and(|text| text.contains(tool))
        );
        for command in ["facts", "tables", "space", "dump"] {
            let refused = run(&[command, &path]);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
            assert!(refused.stderr.contains(tool), "{command}: {refused}");
        }
        let sound = json(&succeed(&["verify-db", "--json", &path]));
        assert_eq!(sound["totals"]["sound"], true);

        let mut damaged = content;
        damaged[4096..].fill(0xFF);
        std::fs::write(&path, &damaged).expect("write");
        let run = run(&["verify-db", &path]);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stdout.contains("DAMAGED"), "{run}");
    }
}
