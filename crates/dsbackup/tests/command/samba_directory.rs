//! A provisioned Samba domain: facts, tables, files and memberships; and its databases while another
//! process writes to them.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::lab::samba_domain::provision;
use crate::lab::{Lab, Run};
use serde_json::Value;

/// Runs Python with Samba's library, with the domain as `directory`.
fn python(lab: &Lab, code: &str) -> Command {
    let before = "import sys, ldb\nfrom samba.auth import system_session\n\
        from samba.param import LoadParm\nfrom samba.samdb import SamDB\n\
        settings = LoadParm()\nsettings.load(sys.argv[1])\n\
        directory = SamDB(url=sys.argv[2], session_info=system_session(), lp=settings)\n";
    let mut command = Command::new("/usr/bin/python3");
    command
        .args(["-c", &format!("{before}{code}")])
        .arg(lab.path("samba/etc/smb.conf"))
        .arg(lab.path("samba/private/sam.ldb"));
    command
}

fn read(lab: &Lab, code: &str) -> Value {
    let output = python(lab, code).output().expect("python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const CHANGES: &str = "
base = directory.domain_dn()
for number in range(7):
    directory.newuser(f'user{number}', 'Passw0rd-lab')
for name in 'one', 'two', 'three':
    directory.newgroup(name)
def add(group, *members):
    directory.add_remove_group_members(group, members, add_members_operation=True)
add('one', 'two', 'user1')
add('two', 'three', 'user2')
add('three', 'one', 'user3')
add('Administrators', 'one')
directory.delete(f'CN=user6,CN=Users,{base}')
";

const FACTS: &str = "
import json
def count(expression, controls=()):
    total = 0
    for context in directory.search('', ldb.SCOPE_BASE, attrs=['namingContexts'])[0]['namingContexts']:
        found = directory.search(str(context), ldb.SCOPE_SUBTREE, expression, attrs=['dn'],
            controls=list(controls))
        total += len(found)
    return total
root = directory.search('', ldb.SCOPE_BASE, attrs=['*'])[0]
print(json.dumps({
    'users': count('(&(objectClass=user)(!(objectClass=computer)))'),
    'computers': count('(objectClass=computer)'),
    'groups': count('(objectClass=group)'),
    'contacts': count('(objectClass=contact)'),
    'group_policies': count('(objectClass=groupPolicyContainer)'),
    'deleted': count('(&(isDeleted=TRUE)(name=*DEL:*))', ['show_deleted:1', 'show_recycled:1']),
    'all': count('(objectClass=*)', ['show_deleted:1', 'show_recycled:1']),
    'usn': int(str(root['highestCommittedUSN'])),
    'sid': directory.get_domain_sid(),
    'invocation_id': directory.get_invocation_id(),
    'dsa_guid': directory.get_ntds_GUID(),
}))
";

#[test]
fn facts_tables_files_and_memberships_are_those_of_the_domain() {
    let lab = Lab::empty();
    if provision(&lab, "mdb").is_none() {
        return;
    }
    assert!(python(&lab, CHANGES).status().expect("python3").success());
    let expected = read(&lab, FACTS);
    let private = lab.path("samba/private");
    let private = private.to_str().expect("plain");

    let facts = lab.json(&["facts", private]);
    assert_eq!(facts["domain"]["dns_name"], "lab.example");
    assert_eq!(facts["domain"]["netbios_name"], "LAB");
    assert_eq!(facts["domain"]["sid"], expected["sid"]);
    assert_eq!(facts["forest"], "lab.example");
    assert_eq!(facts["server"], "DC1");
    assert_eq!(facts["dsa_guid"], expected["dsa_guid"]);
    assert_eq!(facts["invocation_id"], expected["invocation_id"]);
    assert_eq!(facts["highest_committed_usn"], expected["usn"]);
    assert_eq!(facts["naming_contexts"].as_array().map(Vec::len), Some(5));
    let counts = &facts["counts"];
    for class in ["users", "computers", "groups", "contacts", "group_policies"] {
        assert_eq!(counts[class], expected[class], "{class}");
    }
    assert_eq!(counts["deleted"]["tombstones"], expected["deleted"]);
    let all = expected["all"].as_u64().zip(expected["deleted"].as_u64());
    let live = all.map(|(all, deleted)| all - deleted);
    assert_eq!(counts["objects"].as_u64(), live);
    let words = lab.succeed(&["facts", private]).stdout;
    assert!(words.contains("lab.example (DC=lab,DC=example)"), "{words}");

    let tables = lab.json(&["tables", private]);
    let tables = tables.as_array().expect("a list");
    let objects: u64 = tables
        .iter()
        .filter_map(|table| table["objects"].as_u64())
        .sum();
    assert_eq!(Some(objects), expected["all"].as_u64());
    assert!(tables.iter().all(|table| table["format"] == "LMDB"));
    assert!(tables.iter().all(|table| {
        table["indexes"]
            .as_array()
            .is_some_and(|all| all.len() > 50)
    }));

    files(&lab, private);
    memberships(&lab, private);
}

fn files(lab: &Lab, private: &str) {
    let list = lab.json(&["files", private]);
    let list = list.as_array().expect("a list");
    let named = |name: &str| {
        let file = list.iter().find(|file| file["path"] == name);
        file.unwrap_or_else(|| panic!("{name} is not in {list:?}"))
    };
    let database = named("private/sam.ldb");
    let size = Path::new(private)
        .join("sam.ldb")
        .metadata()
        .expect("there")
        .len();
    assert_eq!(database["size"], size);
    let policy = list.iter().find(|file| {
        let path = file["path"].as_str().expect("a path");
        path.to_lowercase().ends_with("/gpt.ini")
    });
    let path = policy.expect("a policy")["path"].as_str().expect("a path");
    let run = lab.succeed(&["cat", private, &path.to_uppercase()]);
    assert!(run.stdout.contains("Version="), "{run}");
    let text = lab
        .succeed(&["files", private, "state/sysvol", "--acl"])
        .stdout;
    assert!(text.contains("GPT.INI"), "{text}");
    for (refused, code) in [
        ("private/sam.ldb", 4),
        ("private/secrets.tdb", 4),
        ("private/secrets.keytab", 4),
        ("private/encrypted_secrets.key", 4),
        ("private/tls/key.pem", 1),
        ("private", 1),
        ("nothing", 1),
    ] {
        let run = lab.run(&["cat", private, refused]);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (Some(code), ""),
            "{refused}: {run}"
        );
    }
}

fn memberships(lab: &Lab, private: &str) {
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        let mut names: Vec<String> = list
            .map(|membership| {
                let name = membership["dn"].as_str().expect("a name");
                let own = name.split(',').next().unwrap_or_default();
                own.trim_start_matches("CN=").to_owned()
            })
            .collect();
        names.sort();
        names
    };
    // A circle, with a way out.
    let user = lab.json(&["show", private, "user3", "--recursive"]);
    let found = names(&user["member_of_recursive"]);
    assert_eq!(
        found,
        [
            "Administrators",
            "Domain Users",
            "Users",
            "one",
            "three",
            "two"
        ]
    );
    let group = lab.json(&["show", private, "one", "--recursive"]);
    let found = names(&group["members_recursive"]);
    assert_eq!(found, ["three", "two", "user1", "user2", "user3"]);
    let users = lab.json(&[
        "search",
        private,
        "(cn=Domain Users)",
        "member",
        "--recursive",
    ]);
    let found = names(&users[0]["members_recursive"]);
    assert!(found.contains(&"user0".to_owned()), "{found:?}");
    let words = lab
        .succeed(&["show", private, "user3", "--recursive"])
        .stdout;
    assert!(words.contains("three > two > one"), "{words}");
    assert!(words.contains("primary group"), "{words}");
}

/// Adds pairs of users, each in one transaction.
const WRITER: &str = "
base = directory.domain_dn()
for number in range(100000):
    directory.transaction_start()
    for kind in 'left', 'right':
        directory.add({'dn': f'CN=pair-{kind}{number},CN=Users,{base}', 'objectClass': 'user',
            'sAMAccountName': f'pair-{kind}{number}'})
    directory.transaction_commit()
    print(number, flush=True)
";

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn databases_that_are_written_to_are_read_at_one_point_in_time() {
    for backend in ["tdb", "mdb"] {
        let lab = Lab::empty();
        if provision(&lab, backend).is_none() {
            return;
        }
        let private = lab.path("samba/private");
        // What a running domain controller listens on.
        std::fs::create_dir_all(private.join("ldap_priv")).expect("a folder");
        let _listener = UnixListener::bind(private.join("ldap_priv/ldapi")).expect("a socket");
        let writer = python(&lab, WRITER).stdout(Stdio::piped()).spawn();
        let mut writer = Killed(writer.expect("python3"));
        let lines = BufReader::new(writer.0.stdout.take().expect("a pipe")).lines();
        let mut lines = lines.map(|line| line.expect("readable"));
        let cache = lab.path("cache");
        let private = private.to_str().expect("plain");
        let search = |filter: &str| {
            let mut command = lab.dsbackup(&["search", private, filter, "--json"]);
            let run = Run::of(command.env("DSBACKUP_CACHE", &cache));
            assert_eq!(run.code, Some(0), "{run}");
            let found: Value = serde_json::from_str(&run.stdout).expect("a list");
            let found = found.as_array().expect("a list").iter();
            let names = found.map(|user| user["dn"].as_str().expect("a name").to_owned());
            names.collect::<Vec<_>>()
        };
        for _ in 0..5 {
            lines.next().expect("the writer runs");
            let pairs = search("(cn=pair-*)");
            let left = pairs
                .iter()
                .filter(|name| name.contains("pair-left"))
                .count();
            assert!(left > 0, "{backend}");
            assert_eq!(
                pairs.len(),
                2 * left,
                "{backend}: half a transaction was read"
            );
        }
        for wait in [5, 20, 60] {
            let mut command = lab.dsbackup(&["search", private, "(cn=pair-*)", "--json"]);
            command
                .env("DSBACKUP_CACHE", &cache)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut killed = Killed(command.spawn().expect("dsbackup"));
            std::thread::sleep(Duration::from_millis(wait));
            killed.0.kill().expect("kill -9");
            killed.0.wait().expect("its end");
            // The writer goes on at once.
            lines.next().expect("the writer runs");
            lines.next().expect("the writer runs");
        }
        let left = std::fs::read_dir(&cache).into_iter().flatten().count();
        assert_eq!(left, 0, "{backend}: files are left");
    }
}

const POLICY: &str = "
import json
policies = directory.search(directory.domain_dn(), ldb.SCOPE_SUBTREE,
    '(objectClass=groupPolicyContainer)', attrs=['cn', 'displayName'])
policy = sorted(policies, key=lambda policy: str(policy['cn']))[0]
change = ldb.Message(policy.dn)
change['versionNumber'] = ldb.MessageElement('7', ldb.FLAG_MOD_REPLACE, 'versionNumber')
directory.modify(change)
print(json.dumps({'cn': str(policy['cn']), 'name': str(policy['displayName'])}))
";

#[test]
fn diff_shows_policies_by_name_with_the_lines_of_their_files() {
    let lab = Lab::empty();
    if provision(&lab, "tdb").is_none() {
        return;
    }
    let folder = lab.path("samba");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&folder)
        .arg(lab.path("before"))
        .status();
    assert!(copied.expect("cp").success());
    let policy = read(&lab, POLICY);
    let (guid, name) = (
        policy["cn"].as_str().expect("text"),
        policy["name"].as_str().expect("text"),
    );
    let policies = folder.join("state/sysvol/lab.example/Policies").join(guid);
    let gpt = policies.join("GPT.INI");
    let old = std::fs::read_to_string(&gpt).expect("text");
    std::fs::write(&gpt, old.replace("Version=", "Version=1")).expect("write");
    let settings = "[Unicode]\r\nUnicode=yes\r\n[System Access]\r\nMinimumPasswordLength = 12\r\n";
    let wide: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(settings.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    std::fs::write(policies.join("MACHINE/GptTmpl.inf"), wide).expect("write");
    let secret = "<User userName=\"x\" cpassword=\"j1Uyj3Vx8TY9LtLZil2uAuZkFQA\"/>\r\n";
    std::fs::write(policies.join("USER/Groups.xml"), secret).expect("write");

    let (before, after) = (lab.path("before"), folder.join("private"));
    let (before, after) = (
        before.to_str().expect("plain"),
        after.to_str().expect("plain"),
    );
    let changes = lab.json(&["diff", before, after]);
    let object = changes["changes"].as_array().expect("a list").iter();
    let mut object = object.filter(|change| change["class"] == "groupPolicyContainer");
    assert_eq!(object.next().expect("the policy")["display_name"], name);
    let files = changes["files"].as_array().expect("a list");
    assert_eq!(changes["totals"]["files"], 3);
    let file = |end: &str| {
        let mut files = files.iter();
        let found = files.find(|file| {
            file["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(end))
        });
        found.unwrap_or_else(|| panic!("{end} is not in {changes}"))
    };
    assert_eq!(file("GPT.INI")["kind"], "changed");
    assert_eq!(file("GPT.INI")["display_name"], name);
    let added = &file("GptTmpl.inf")["lines"];
    assert_eq!(added[3]["text"], "MinimumPasswordLength = 12");
    assert_eq!(file("Groups.xml")["kind"], "added");

    let run = lab.run(&["diff", before, after, "--exit-code"]);
    assert_eq!(run.code, Some(6), "{run}");
    for part in [
        &format!("(group policy {name:?})") as &str,
        &format!("Policies/{guid}/GPT.INI (file of the group policy {name:?})"),
        "+ line 4: MinimumPasswordLength = 12",
        "content: with a password or key (withheld)",
        "3 files of SYSVOL",
    ] {
        assert!(run.stdout.contains(part), "{part}: {run}");
    }
    assert!(!run.stdout.contains("j1Uyj3Vx8TY9LtLZil2uAuZkFQA"), "{run}");
    let page = lab.path("page.html");
    lab.succeed(&[
        "diff",
        before,
        after,
        "--html",
        page.to_str().expect("plain"),
    ]);
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("MinimumPasswordLength = 12"), "{page}");
    let same = lab.run(&["diff", after, after, "--exit-code"]);
    assert_eq!(same.code, Some(0), "{same}");
    let limited = lab.json(&["diff", before, after, "--class", "user"]);
    assert!(limited["files"].is_null(), "{limited}");
}
