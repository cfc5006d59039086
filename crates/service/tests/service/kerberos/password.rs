//! The password of DsSetAuthIdentity leaves no trace.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ntdsbcli::{Server, TlsOptions};
use service::Mode;
use testkit::traces;

use crate::host::Host;
use crate::kerberos::DOMAIN_FOLDER;
use crate::kerberos::domain::Domain;
use crate::kerberos::scene::{Scene, log_on};
use crate::world::prepare;

/// The environment variable with the parameters of the parts below.
const PART: &str = "DSBACKUP_TEST_PART";

/// Starts a part of this test as a process of its own.
fn part(name: &str, about: &str, said: &Path) -> Child {
    let said = std::fs::File::create(said).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--ignored"])
        .env(PART, about)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(said)
        .spawn()
        .unwrap()
}

/// The rest of the first line of a process's output that has this word.
fn told(process: &mut Child, word: &str) -> String {
    let output = BufReader::new(process.stdout.as_mut().unwrap());
    output
        .lines()
        .map(Result::unwrap)
        .find_map(|line| Some(line.split_once(word)?.1.to_owned()))
        .unwrap()
}

/// The password of DsSetAuthIdentity, while a backup goes on and after its client was killed: in no
/// arguments, environment, log, audit log or file, and not in the memory of client or service.
pub fn password_in_a_process(scene: &Scene) {
    // It exists nowhere else, not even in this program.
    let mut random = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut random))
        .unwrap();
    let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let secret = format!("Aa1-{random}");
    scene
        .domain
        .samba_tool(&["user", "create", "secretive", &secret]);
    scene
        .domain
        .samba_tool(&["group", "addmembers", "Backup Operators", "secretive"]);
    let logs = scene.world.path();
    let mut service = part(
        "kerberos::password::part_service",
        "",
        &logs.join("service.log"),
    );
    let facts = told(&mut service, "listening ");
    let mut client = part(
        "kerberos::password::part_client",
        &facts,
        &logs.join("client.log"),
    );
    let mut input = client.stdin.take().unwrap();
    input.write_all(secret.as_bytes()).unwrap();
    drop(input);
    told(&mut client, "reading");
    for process in [client.id(), service.id()] {
        for process in traces::family(process) {
            let shown = traces::in_the_open(process, &secret);
            assert!(shown.is_empty(), "{shown:?}");
            let shown = traces::in_memory(process, &secret);
            assert!(shown.is_empty(), "{shown:?}");
        }
    }
    let audit = Path::new(facts.split(' ').nth(2).unwrap());
    let abort = Command::new("kill")
        .args(["-ABRT", &client.id().to_string()])
        .status();
    assert!(abort.unwrap().success());
    assert!(!client.wait().unwrap().success());
    drop(service.stdin.take());
    assert!(service.wait().unwrap().success());
    assert!(
        std::fs::read_to_string(audit)
            .unwrap()
            .contains("secretive@KRB.TEST")
    );
    for folder in [logs, audit.parent().unwrap()] {
        let found = traces::in_files(folder, &secret);
        assert!(found.is_empty(), "{found:?}");
    }
    let _ = std::fs::remove_dir_all(audit.parent().unwrap());
}

/// Not a test of its own: a service, until its input ends. Backups take their time.
#[test]
#[ignore = "a part of tickets_of_a_real_domain"]
fn part_service() {
    let folder = std::env::var_os(DOMAIN_FOLDER).expect("set by the test whose part this is");
    let scene = Scene::new(Domain {
        folder: folder.into(),
    });
    let kept = tempfile::tempdir().unwrap().keep();
    let mut configuration = scene.configuration();
    configuration.audit.file = Some(kept.join("audit.jsonl"));
    configuration.remote.as_mut().unwrap().bandwidth_limit_kib_s = Some(512);
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    println!(
        "listening {} {} {}",
        host.addresses[0].port(),
        scene.world.service.pin(),
        kept.join("audit.jsonl").display()
    );
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    host.stop().unwrap();
}

/// Not a test of its own: a client that backs up slowly, with the password that it reads.
#[test]
#[ignore = "a part of tickets_of_a_real_domain"]
fn part_client() {
    let facts = std::env::var(PART).expect("set by the test whose part this is");
    let mut facts = facts.split(' ');
    let tls = TlsOptions {
        ca_file: None,
        pin: None,
        client_certificate: None,
        client_key: None,
    };
    let port = facts.next().unwrap();
    let pin = Some(facts.next().unwrap().parse().unwrap());
    let server = Server::named_with(&format!("localhost:{port}"), TlsOptions { pin, ..tls });
    // The application wipes its own copy.
    let mut password = [0; 64];
    let length = std::fs::File::open("/dev/stdin")
        .unwrap()
        .read(&mut password)
        .unwrap();
    log_on(
        "secretive",
        std::str::from_utf8(&password[..length]).unwrap(),
    );
    password.fill(0);
    std::hint::black_box(&password);
    let mut backup = prepare(&server.unwrap()).unwrap();
    let database = backup.database_names().unwrap().remove(0);
    backup.open_file(&database.name, 1 << 20).unwrap();
    let mut buffer = vec![0; 1 << 20];
    backup.read(&mut buffer).unwrap();
    println!("reading");
    while backup.read(&mut buffer).is_ok() {}
    panic!("killed before the end, it was to be");
}
