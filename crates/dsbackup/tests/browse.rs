//! `dsbackup browse`, read by OpenLDAP's ldapsearch, and attacked.

mod lab;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lab::Run;
use serde_json::Value as Json;

const DOMAIN: &str = "DC=corp,DC=example";

struct Server {
    process: Child,
    address: String,
    password: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_dsbackup"))
            .args(["browse", ".", "--listen", "127.0.0.1:0", "--json"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("dsbackup");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut text = String::new();
        for line in output.lines() {
            text += &line.expect("a line");
            if text.ends_with('}') {
                break;
            }
        }
        let told: Json = serde_json::from_str(&text).expect("JSON");
        let of = |name: &str| told[name].as_str().expect("text").to_owned();
        Self {
            process,
            address: of("address"),
            password: of("password"),
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Run {
        let uri = format!("ldap://{}", self.address);
        let mut command = Command::new(program);
        command.args(["-x", "-H", &uri, "-D", "reader", "-w", &self.password]);
        Run::of(command.args(arguments))
    }

    fn search(&self, arguments: &[&str]) -> String {
        let run = self.run(
            "ldapsearch",
            &[&["-LLL", "-o", "ldif-wrap=no"], arguments].concat(),
        );
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        run.stdout
    }

    fn peak_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).expect("a process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .expect("VmHWM");
        line.split_whitespace()
            .nth(1)
            .expect("a number")
            .parse()
            .expect("a number")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn forest() -> tempfile::TempDir {
    testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack()
}

type Objects = BTreeMap<Vec<u8>, Vec<(String, Vec<u8>)>>;

/// The objects of an LDIF file, their values in order.
fn objects(ldif: &str) -> Objects {
    let unfolded = ldif.replace("\n ", "");
    let mut found = Objects::new();
    let mut name = Vec::new();
    for line in unfolded.lines() {
        let Some((attribute, value)) = line.split_once(':') else {
            continue;
        };
        if line.starts_with('#') || line == "version: 1" {
            continue;
        }
        let value = match value.strip_prefix(':') {
            Some(digits) => STANDARD.decode(digits.trim()).expect("base64"),
            None => value.strip_prefix(' ').unwrap_or(value).as_bytes().to_vec(),
        };
        match attribute {
            "dn" => {
                name.clone_from(&value);
                assert!(found.insert(value, Vec::new()).is_none(), "twice: {line}");
            }
            _ => found
                .get_mut(&name)
                .expect("an object")
                .push((attribute.to_owned(), value)),
        }
    }
    found
}

#[test]
fn ldapsearch_reads_what_export_writes() {
    let folder = forest();
    let export = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dsbackup"));
        command
            .current_dir(folder.path())
            .args(["export", ".", "--ldif"]);
        let run = Run::of(command.args(arguments));
        assert_eq!(run.code, Some(0), "{run}");
        objects(&run.stdout)
    };
    let server = Server::start(folder.path());
    let live = export(&[]);
    assert!(live.len() > 100, "{} objects", live.len());
    assert!(objects(&server.search(&["-b", "", "-s", "sub"])) == live);
    // In pages, in order, with deleted objects.
    let pages = ["-b", "", "-s", "sub", "-E", "pr=97/noprompt"];
    assert!(objects(&server.search(&pages)) == live);
    let sorted = [&pages[..], &["-E", "sss=name"]].concat();
    assert!(objects(&server.search(&sorted)) == live);
    let deleted = server.search(&["-b", "", "-s", "sub", "-E", "!1.2.840.113556.1.4.2064"]);
    let deleted = objects(&deleted);
    assert!(deleted.len() > live.len());
    assert!(deleted == export(&["--deleted"]));
    // A filter, and attributes by name.
    let filter = "(&(objectCategory=person)(userAccountControl:1.2.840.113556.1.4.803:=512))";
    let found = server.search(&["-b", DOMAIN, filter, "sAMAccountName", "memberOf"]);
    let expected = export(&[
        "--base",
        DOMAIN,
        "--filter",
        filter,
        "sAMAccountName",
        "memberOf",
    ]);
    assert!(!expected.is_empty());
    assert_eq!(objects(&found), expected);
}

#[test]
fn controls_and_options_do_what_they_do_on_a_domain_controller() {
    let folder = forest();
    let server = Server::start(folder.path());
    let root = server.search(&["-b", "", "-s", "base"]);
    assert!(
        root.contains(&format!("defaultNamingContext: {DOMAIN}\n")),
        "{root}"
    );
    let schema = format!("CN=Aggregate,CN=Schema,CN=Configuration,{DOMAIN}");
    assert!(
        root.contains(&format!("subschemaSubentry: {schema}\n")),
        "{root}"
    );
    // Sizes, names only, no attributes.
    let limited = ["-z", "3", "-LLL", "-b", DOMAIN, "1.1"];
    let run = server.run("ldapsearch", &limited);
    assert_eq!(
        (run.code, run.stdout.matches("dn: ").count()),
        (Some(4), 3),
        "{run}"
    );
    let types = server.search(&["-A", "-b", DOMAIN, "-s", "base", "objectClass"]);
    assert_eq!(types, format!("dn: {DOMAIN}\nobjectClass:\n\n"));

    // By GUID; with GUID and SID in names.
    let text = server.search(&[
        "-b",
        DOMAIN,
        "-s",
        "base",
        "-E",
        "1.2.840.113556.1.4.529=::MAMCAQE=",
        "1.1",
    ]);
    let name = objects(&text).into_keys().next().expect("the domain");
    let name = String::from_utf8(name).expect("text");
    let guid = name
        .strip_prefix("<GUID=")
        .and_then(|text| text.split_once('>'));
    let guid = guid.expect("a GUID").0;
    assert!(name.contains(">;<SID=S-1-5-21-"), "{name}");
    let base = format!("<GUID={guid}>");
    assert_eq!(
        server.search(&["-b", &base, "-s", "base", "1.1"]),
        format!("dn: {DOMAIN}\n\n")
    );

    // Parts of a security descriptor: the owner is shorter than all of it.
    let descriptor = |control: &[&str]| {
        let ask = ["-b", DOMAIN, "-s", "base", "nTSecurityDescriptor"];
        let found = objects(&server.search(&[control, &ask].concat()));
        found.values().next().expect("the domain")[0].1.len()
    };
    let owner = descriptor(&["-E", "1.2.840.113556.1.4.801=::MAMCAQE="]);
    let whole = descriptor(&[]);
    // The header, and a SID of a domain.
    assert!(
        owner <= 20 + 28 && owner < whole,
        "{owner} of {whole} bytes"
    );

    // Parts of an attribute, and the objects behind one.
    let admins = format!("CN=Domain Admins,CN=Users,{DOMAIN}");
    let members = server.search(&["-b", &admins, "-s", "base", "member"]);
    let members = objects(&members)
        .remove(admins.as_bytes())
        .expect("the group");
    assert!(!members.is_empty());
    let ranged = server.search(&["-b", &admins, "-s", "base", "(cn=*)", "member;range=0-0"]);
    assert_eq!(ranged.matches("member;range=0-").count(), 1);
    // SEQUENCE { OCTET STRING "member" }
    let through = "!1.2.840.113556.1.4.1504=::MAgEBm1lbWJlcg==";
    let behind = objects(&server.search(&["-b", &admins, "-s", "base", "-E", through, "1.1"]));
    let mut expected: Vec<Vec<u8>> = members.into_iter().map(|(_, name)| name).collect();
    expected.sort();
    assert_eq!(behind.into_keys().collect::<Vec<_>>(), expected);

    // Failures have their own codes.
    let missing = server.run("ldapsearch", &["-b", "OU=Nowhere,DC=corp,DC=example"]);
    assert_eq!(missing.code, Some(32), "{missing}");
    let critical = server.run("ldapsearch", &["-b", DOMAIN, "-E", "!1.2.3.4"]);
    assert_eq!(critical.code, Some(12), "{critical}");
    let write = server.run("ldapdelete", &[&admins]);
    assert_eq!(write.code, Some(53), "{write}");
    let who = server.run("ldapwhoami", &[]);
    assert_eq!(who.stdout, "u:reader\n", "{who}");
}

#[test]
fn hostile_connections_do_no_harm() {
    let folder = forest();
    let server = Server::start(folder.path());
    let ask = || server.search(&["-b", DOMAIN, "-s", "base", "1.1"]);
    let expected = ask();
    let before = server.peak_kib();
    let mut open = Vec::new();
    for number in 0..1000_u32 {
        let mut stream = TcpStream::connect(&server.address).expect("a connection");
        let bytes: Vec<u8> = match number % 6 {
            // Garbage, a huge length, half a message, silence, a byte, a message over the limit.
            0 => (0..2000).map(|at| (at * 7919 + number) as u8).collect(),
            1 => vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff],
            2 => vec![0x30, 0x82, 0x20, 0x00, 0x02, 0x01, 0x01],
            3 => Vec::new(),
            4 => vec![0x30],
            _ => [&[0x30, 0x83, 0x10, 0, 0][..], &[0; 30_000]].concat(),
        };
        // The server may have closed the connection already.
        let _ = stream.write_all(&bytes);
        open.push(stream);
    }
    assert_eq!(ask(), expected);
    let grown = server.peak_kib() - before;
    assert!(grown < 64 << 10, "1,000 connections took {grown} KiB");
    // What cannot be a message is refused, not waited for.
    let mut answer = Vec::new();
    let refused = &mut open[1];
    refused
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    refused
        .read_to_end(&mut answer)
        .expect("the end of the connection");
    assert_eq!(answer.first(), Some(&0x30));
    drop(open);
    assert_eq!(ask(), expected);
}

#[test]
fn other_machines_need_tls() {
    let folder = forest();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dsbackup"));
    command
        .current_dir(folder.path())
        .args(["browse", ".", "--listen", "0.0.0.0:0"]);
    let run = Run::of(&mut command);
    assert_ne!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains("--certificate"), "{run}");
}
