//! `dsbackup browse`, read by OpenLDAP's ldapsearch, and attacked.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::lab::browse::{Objects, Server, objects};
use crate::lab::samba_domain::{provision, store};
use crate::lab::{self, Lab, Run};
use ldap_server::Framed;

const DOMAIN: &str = "DC=corp,DC=example";
/// Results of any size.
const ALL: [&str; 2] = ["--max-results", "0"];

fn forest() -> tempfile::TempDir {
    testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack()
}

/// Everything that `export` writes, from the server: at once, in pages, in order; with deleted
/// objects.
fn check_everything(server: &Server, export: impl Fn(&[&str]) -> Objects) {
    let live = export(&[]);
    assert!(live.len() > 100, "{} objects", live.len());
    assert!(objects(&server.search(&["-b", "", "-s", "sub"])) == live);
    let pages = ["-b", "", "-s", "sub", "-E", "pr=97/noprompt"];
    assert!(objects(&server.search(&pages)) == live);
    let sorted = [&pages[..], &["-E", "sss=name"]].concat();
    assert!(objects(&server.search(&sorted)) == live);
    let deleted = server.search(&["-b", "", "-s", "sub", "-E", "!1.2.840.113556.1.4.2064"]);
    let deleted = objects(&deleted);
    assert!(deleted.len() > live.len());
    assert!(deleted == export(&["--deleted"]));
}

#[test]
fn ldapsearch_reads_what_export_writes() {
    let folder = forest();
    let export = |arguments: &[&str]| {
        let arguments = [&["export", ".", "--ldif"], arguments].concat();
        objects(&lab::succeed(folder.path(), &arguments))
    };
    let server = Server::over(folder.path(), &ALL);
    check_everything(&server, export);
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

/// Sizes, names of objects and attributes, controls: as a domain controller answers.
fn check_controls(server: &Server, domain: &str) {
    let root = server.search(&["-b", "", "-s", "base"]);
    assert!(
        root.contains(&format!("defaultNamingContext: {domain}\n")),
        "{root}"
    );
    let schema = format!("CN=Aggregate,CN=Schema,CN=Configuration,{domain}");
    assert!(
        root.contains(&format!("subschemaSubentry: {schema}\n")),
        "{root}"
    );
    // Sizes, names only, no attributes.
    let limited = ["-z", "3", "-LLL", "-b", domain, "1.1"];
    let run = server.run("ldapsearch", &limited);
    assert_eq!(
        (run.code, run.stdout.matches("dn: ").count()),
        (Some(4), 3),
        "{run}"
    );
    let types = server.search(&["-A", "-b", domain, "-s", "base", "objectClass"]);
    assert_eq!(types, format!("dn: {domain}\nobjectClass:\n\n"));

    // By GUID; with GUID and SID in names.
    let text = server.search(&[
        "-b",
        domain,
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
        format!("dn: {domain}\n\n")
    );

    // Parts of a security descriptor: the owner is shorter than all of it.
    let descriptor = |control: &[&str]| {
        let ask = ["-b", domain, "-s", "base", "nTSecurityDescriptor"];
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
    let admins = format!("CN=Domain Admins,CN=Users,{domain}");
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
    // In order; without the container of deleted objects, and with it.
    let of = |arguments: &[&str]| {
        let all = [&["-b", domain, "-s", "one", "name"], arguments].concat();
        let text = server.search(&all);
        let names = text.lines().filter_map(|line| line.strip_prefix("name: "));
        names.map(str::to_lowercase).collect::<Vec<_>>()
    };
    let mut names = of(&[]);
    names.sort();
    assert_eq!(of(&["-E", "sss=name"]), names);
    names.reverse();
    assert_eq!(of(&["-E", "sss=-name"]), names);
    let deleted = of(&["-E", "!1.2.840.113556.1.4.417"]);
    assert_eq!(deleted.len(), names.len() + 1);
    assert!(deleted.contains(&"deleted objects".into()), "{deleted:?}");
}

#[test]
fn controls_and_options_do_what_they_do_on_a_domain_controller() {
    let folder = forest();
    let server = Server::over(folder.path(), &[]);
    check_controls(&server, DOMAIN);
    let admins = format!("CN=Domain Admins,CN=Users,{DOMAIN}");
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

/// Every check of this file on the lab's newest snapshot, whose domain is `domain`.
fn check_snapshot(lab: &Lab, domain: &str) {
    let command = |arguments: &[&str]| {
        let mut command = lab.dsbackup(arguments);
        command.env("DSBACKUP_CACHE", lab.path("cache"));
        command
    };
    let server = Server::start(command(&["browse", "latest"]).args(ALL));
    let export = |arguments: &[&str]| {
        let arguments = [&["export", "latest", "--ldif"], arguments].concat();
        let run = Run::of(&mut command(&arguments));
        assert_eq!(run.code, Some(0), "{run}");
        objects(&run.stdout)
    };
    check_everything(&server, export);
    check_controls(&server, domain);
}

#[test]
fn snapshots_of_databases_are_served_as_directories_are() {
    for fixture in ["sample-forest/clean", "sample-forest/dirty"] {
        let lab = Lab::with_repository(fixture);
        let folder = lab.directory();
        let folder = folder.to_str().expect("plain");
        lab.succeed(&["backup", "--keep-logs", "--directory", folder]);
        check_snapshot(&lab, DOMAIN);
    }
}

#[test]
fn snapshots_of_samba_are_served_as_directories_are() {
    let lab = Lab::empty();
    if provision(&lab, "mdb").is_none() {
        return;
    }
    lab.succeed(&["init"]);
    store(&lab, &lab.path("samba/private"));
    check_snapshot(&lab, "DC=lab,DC=example");
}

#[test]
fn clients_trust_the_certificate_at_once_and_after_starttls() {
    let lab = Lab::with(&testkit::find("sample-forest/clean").expect("shipped"));
    lab::certificate(&lab, "127.0.0.1");
    let [certificate, key] = ["pem", "key"].map(|end| lab.path(&format!("127.0.0.1.{end}")));
    let mut command = lab.dsbackup(&["browse"]);
    command
        .arg(lab.directory())
        .args(["--certificate", "127.0.0.1.pem"]);
    command
        .args(["--key", "127.0.0.1.key"])
        .current_dir(lab.path("."));
    let mut server = Server::start(&mut command);
    let port = server
        .address
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let ask = |server: &Server, more: &[&str], trusted: &Path| {
        let arguments = [more, &["-LLL", "-b", DOMAIN, "-s", "base", "1.1"]].concat();
        let mut command = server.command("ldapsearch", &arguments);
        let run = Run::of(command.env("LDAPTLS_CACERT", trusted));
        (run.code == Some(0)).then_some(run.stdout)
    };
    let expected = Some(format!("dn: {DOMAIN}\n\n"));
    let other = Lab::empty();
    lab::certificate(&other, "127.0.0.1");
    let stranger = other.path("127.0.0.1.pem");
    server.url = format!("ldaps://127.0.0.1:{port}");
    assert_eq!(ask(&server, &[], &certificate), expected);
    assert_eq!(ask(&server, &[], &stranger), None);
    server.url = format!("ldap://127.0.0.1:{port}");
    assert_eq!(ask(&server, &["-ZZ"], &certificate), expected);
    assert_eq!(ask(&server, &["-ZZ"], &stranger), None);
    // From this machine a password is taken without TLS, too.
    assert_eq!(ask(&server, &[], &certificate), expected);

    // A key that is not the certificate's.
    let wrong = other.path("127.0.0.1.key");
    assert!(key.exists());
    let mut command = lab.dsbackup(&["browse"]);
    command
        .arg(lab.directory())
        .arg("--certificate")
        .arg(&certificate);
    let run = Run::of(
        command
            .arg("--key")
            .arg(&wrong)
            .args(["--listen", "127.0.0.1:0"]),
    );
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("127.0.0.1.pem"), "{run}");
}

#[test]
fn hostile_connections_do_no_harm() {
    let folder = forest();
    let server = Server::over(folder.path(), &[]);
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
fn greedy_searches_take_little_memory() {
    let folder = forest();
    let server = Server::over(folder.path(), &ALL);
    let count = objects(&server.search(&["-b", "", "-s", "sub", "1.1"])).len();
    let before = server.peak_kib();
    let wide = |terms: usize| {
        let terms: String = (0..terms).map(|term| format!("(cn=x{term})")).collect();
        format!("(|(objectClass=*){terms})")
    };
    let deep = |levels: usize| "(!".repeat(levels) + "(cn=x)" + &")".repeat(levels);
    let (wide, deep, deeper) = (wide(8_000), deep(60), deep(100));
    let names: Vec<String> = (0..20_000).map(|name| format!("no{name}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let everything = ["-LLL", "-b", "", "-s", "sub"];
    let huge_page = ["-E", "pr=2147483647/noprompt"];
    for (arguments, found) in [
        ([&huge_page[..], &["1.1"]].concat(), Some(count)),
        ([&["(objectClass=*)"][..], &names].concat(), Some(count)),
        (vec![wide.as_str(), "1.1"], Some(count)),
        (vec![deep.as_str(), "1.1"], Some(0)),
        (vec![deeper.as_str(), "1.1"], None),
    ] {
        let run = server.run("ldapsearch", &[&everything, &arguments[..]].concat());
        let dns = run.stdout.matches("dn: ").count() + run.stdout.matches("dn:: ").count();
        match found {
            Some(found) => assert_eq!((run.code, dns), (Some(0), found), "{}", run.stderr),
            None => assert_eq!(run.code, Some(11), "{}", run.stderr),
        }
    }
    let grown = server.peak_kib() - before;
    assert!(grown < 64 << 10, "they took {grown} KiB");
}

/// A message of an operation whose content has fewer than 100 bytes.
fn message(id: u8, operation: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len() as u8;
    [&[0x30, length + 5, 2, 1, id, operation, length], content].concat()
}

/// A connection of a client that has bound.
fn bound(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).expect("a connection");
    let password = server.password.as_bytes();
    let bind = [&[2, 1, 3, 4, 0, 0x80, password.len() as u8], password].concat();
    stream.write_all(&message(1, 0x60, &bind)).expect("sent");
    let mut answer = [0; 14];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer[9], 0, "{answer:?}");
    stream
}

/// A search for everything.
fn everything(id: u8) -> Vec<u8> {
    let mut content = vec![4, 0, 10, 1, 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0];
    content.extend(b"\x87\x0bobjectClass\x30\x00");
    message(id, 0x63, &content)
}

#[test]
fn clients_that_take_no_results_take_little_memory() {
    let folder = forest();
    let server = Server::over(folder.path(), &ALL);
    let before = server.peak_kib();
    let ids = 2..10;
    let mut open: Vec<TcpStream> = (0..50).map(|_| bound(&server)).collect();
    for stream in &mut open {
        let searches: Vec<u8> = ids.clone().flat_map(everything).collect();
        stream.write_all(&searches).expect("sent");
    }
    std::thread::sleep(Duration::from_secs(2));
    let grown = server.peak_kib() - before;
    assert!(grown < 128 << 10, "400 searches took {grown} KiB");
    // When they are gone, others are served.
    drop(open);
    let found = server.search(&["-b", DOMAIN, "-s", "base", "1.1"]);
    assert_eq!(found, format!("dn: {DOMAIN}\n\n"));
}

#[test]
fn abandoned_searches_are_not_answered() {
    let folder = forest();
    let server = Server::over(folder.path(), &ALL);
    let mut stream = bound(&server);
    let ids = 2..10;
    let mut bytes: Vec<u8> = ids.clone().flat_map(everything).collect();
    bytes.extend(ids.clone().flat_map(|id| message(99, 0x50, &[id])));
    bytes.extend(message(98, 0x77, b"\x80\x171.3.6.1.4.1.4203.1.11.3"));
    stream.write_all(&bytes).expect("sent");
    // Nothing is read until the last message has surely arrived.
    std::thread::sleep(Duration::from_millis(500));
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).expect("a timeout");
    let (mut read, mut ended) = (Vec::new(), 0);
    let mut piece = [0; 1 << 16];
    'answers: loop {
        let count = stream.read(&mut piece).expect("an answer");
        assert!(count > 0, "the connection ended");
        read.extend_from_slice(&piece[..count]);
        while let Framed::Message(length) = ldap_server::frame(&read, usize::MAX) {
            // The number and the kind, behind a length in one to five bytes.
            let at = 2 + usize::from(read[1].saturating_sub(0x80));
            let (id, kind) = (read[at + 2], read[at + 3]);
            read.drain(..length);
            match (id, kind) {
                (98, 0x78) => break 'answers,
                (_, 0x65) => ended += 1,
                (_, 0x64) => {}
                other => panic!("{other:x?}"),
            }
        }
    }
    assert!(ended < ids.len(), "none was abandoned");
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
