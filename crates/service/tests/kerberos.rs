//! Tickets of a real domain: who is let in by them, and who is not. The domain is a Samba domain controller that the test
//! makes, on loopback addresses of its own; where samba or the Kerberos commands are missing the tests say that they
//! were skipped.
#![allow(dead_code, reason = "other tests use the rest of the helpers")]

#[path = "service/audit_log.rs"]
mod audit_log;
#[path = "service/certificates.rs"]
mod certificates;
#[path = "service/client.rs"]
mod client;
#[path = "service/host.rs"]
mod host;
#[path = "service/in_memory.rs"]
mod in_memory;
#[path = "service/world.rs"]
mod world;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::{RestoreType, ResultCode};
use kerberos::{Initiator, Password};
use ntdsbcli::{RestoreContext, Server, TlsOptions, set_auth_identity};
use service::{Configuration, KerberosConfiguration, Mode};
use testkit::traces;
use tonic::transport::Channel;
use wire::v1::AuthenticateRequest;
use wire::v1::ad_identity_client::AdIdentityClient;

use crate::audit_log::refusal;
use crate::client::Client;
use crate::host::Host;
use crate::in_memory::Backup;
use crate::world::{World, back_up, prepare, refused};

const ADDRESS: &str = "127.70.0.1";
const PRINCIPAL: &str = "dsbackup/localhost@KRB.TEST";
const PASSWORD: &str = "Sesam-Oeffne-Dich1";
const WRONG_PASSWORD: &str = "not this one";
const ADMINISTRATORS_PASSWORD: &str = "Pa55word-of-Admin";

/// A domain with some accounts.
struct Domain {
    folder: PathBuf,
}

/// Its domain controller, for as long as the value lives.
struct Controller {
    samba: Child,
}

impl Drop for Controller {
    fn drop(&mut self) {
        // Its workers end with it.
        let _ = Command::new("kill")
            .arg(self.samba.id().to_string())
            .status();
        let _ = self.samba.wait();
    }
}

impl Domain {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn keytab(&self) -> PathBuf {
        self.path("service.keytab")
    }

    fn directory(&self) -> String {
        let socket = self.path("private/ldap_priv/ldapi");
        format!(
            "ldapi://{}",
            socket.display().to_string().replace('/', "%2F")
        )
    }

    /// The SID of an account or group.
    fn sid(&self, name: &str) -> String {
        let filter = format!("(sAMAccountName={name})");
        let output = run(Command::new("ldbsearch").args([
            "-H",
            self.path("private/sam.ldb").to_str().unwrap(),
            &filter,
            "objectSid",
        ]))
        .unwrap();
        let line = output
            .lines()
            .find(|line| line.starts_with("objectSid: "))
            .unwrap();
        line["objectSid: ".len()..].to_owned()
    }

    fn samba_tool(&self, arguments: &[&str]) {
        samba_tool(&self.folder, arguments).unwrap();
    }
}

fn run(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        eprintln!(
            "{command:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        return None;
    }
    Some(text)
}

fn samba_tool(folder: &Path, arguments: &[&str]) -> Option<()> {
    let configuration = folder.join("smb.conf");
    run(Command::new("samba-tool")
        .args(arguments)
        .arg("-s")
        .arg(&configuration)
        .env("KRB5_CONFIG", folder.join("krb5.conf")))
    .map(drop)
}

/// Makes the domain in a folder; none where that is not possible.
fn make_domain(path: &Path) -> Option<Controller> {
    let d = path.display();
    let folders: String = [
        "private dir = private",
        "state directory = state",
        "cache directory = cache",
        "lock directory = lock",
        "pid directory = run",
        "binddns dir = bind",
        "ncalrpc dir = ncalrpc",
        "winbindd socket directory = winbindd",
        "ntp signd socket directory = ntp",
    ]
    .iter()
    .map(|line| {
        let (key, name) = line.split_once(" = ").unwrap();
        std::fs::create_dir(path.join(name)).unwrap();
        format!("{key} = {d}/{name}\n")
    })
    .collect();
    std::fs::write(
        path.join("smb.conf"),
        format!(
            "[global]\nnetbios name = KRBDC\nrealm = KRB.TEST\nworkgroup = KRBT\n\
             server role = active directory domain controller\ninterfaces = {ADDRESS}/8\n\
             bind interfaces only = yes\nserver services = ldap, kdc\nlog file = {d}/log.samba\n{folders}\
             [sysvol]\npath = {d}/state/sysvol\n[netlogon]\npath = {d}/state/sysvol/krb.test/scripts\n"
        ),
    )
    .ok()?;
    std::fs::write(
        path.join("krb5.conf"),
        format!(
            "[libdefaults]\ndefault_realm = KRB.TEST\ndns_lookup_kdc = false\ndns_lookup_realm = false\n\
             dns_canonicalize_hostname = false\nrdns = false\nudp_preference_limit = 1\n\
             [realms]\nKRB.TEST = {{\nkdc = {ADDRESS}\n}}\n[domain_realm]\nlocalhost = KRB.TEST\n"
        ),
    )
    .ok()?;
    samba_tool(
        path,
        &[
            "domain",
            "provision",
            "--realm=KRB.TEST",
            "--domain=KRBT",
            "--host-name=KRBDC",
            "--host-ip=127.70.0.1",
            "--server-role=dc",
            "--dns-backend=NONE",
            "--adminpass=Pa55word-of-Admin",
        ],
    )?;
    for user in [
        "backupper",
        "ordinary",
        "disabled",
        "denied",
        "reader",
        "service",
    ] {
        samba_tool(path, &["user", "create", user, PASSWORD])?;
    }
    samba_tool(
        path,
        &[
            "group",
            "addmembers",
            "Backup Operators",
            "backupper,denied",
        ],
    )?;
    samba_tool(path, &["user", "disable", "disabled"])?;
    // A password of its own, so a key of its own.
    samba_tool(path, &["user", "create", "other", "Ganz-Anders-Als-1"])?;
    for (name, account) in [
        ("dsbackup/localhost", "service"),
        ("other/localhost", "other"),
    ] {
        samba_tool(path, &["spn", "add", name, account])?;
    }
    let keytab = path.join("service.keytab");
    let keytab = keytab.to_str()?;
    samba_tool(
        path,
        &[
            "domain",
            "exportkeytab",
            keytab,
            "--principal=dsbackup/localhost",
        ],
    )?;
    let samba = Command::new("samba")
        .args(["-F", "--no-process-group", "-s"])
        .arg(path.join("smb.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let controller = Controller { samba };
    let deadline = Instant::now() + Duration::from_secs(60);
    let ldapi = path.join("private/ldap_priv/ldapi");
    while std::net::TcpStream::connect((ADDRESS, 88)).is_err() || !ldapi.exists() {
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Some(controller)
}

/// A service that accepts the domain's tickets.
struct Scene {
    domain: Domain,
    world: World,
    audit: PathBuf,
}

impl Scene {
    fn new(domain: Domain) -> Self {
        let world = World::new();
        let audit = world.path().join("audit.jsonl");
        Self {
            domain,
            world,
            audit,
        }
    }

    fn configuration(&self) -> Configuration {
        let mut configuration = self.world.configuration(vec![]);
        configuration.audit.file = Some(self.audit.clone());
        configuration.remote.as_mut().unwrap().kerberos = Some(KerberosConfiguration {
            keytab: self.domain.keytab(),
            principal: PRINCIPAL.into(),
            directory: Some(self.domain.directory()),
            restore_without_directory: false,
            remember_groups: None,
            backup: vec![self.domain.sid("reader")],
            restore: vec![],
            deny: vec![self.domain.sid("denied")],
        });
        configuration
    }

    fn host(&self) -> Host {
        Host::start(&self.configuration(), Mode::Normal).unwrap()
    }

    fn server(&self, host: &Host) -> Server {
        crate::world::server(host, self.world.tls(None))
    }

    /// Refused, and one line says so; returns it.
    fn refused(&self, server: &Server) -> serde_json::Value {
        let line = refusal(&self.audit, || {
            let error = refused(server);
            assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{error}");
            for secret in [PASSWORD, ADMINISTRATORS_PASSWORD, WRONG_PASSWORD] {
                assert!(!error.reason.contains(secret), "{error}");
            }
        });
        assert!(line["from"].as_str().unwrap().starts_with("127.0.0.1:"));
        line
    }

    fn audited(&self, part: &str) -> bool {
        let log = std::fs::read_to_string(&self.audit).unwrap();
        assert!(!log.contains(PASSWORD) && !log.contains(ADMINISTRATORS_PASSWORD));
        log.contains(part)
    }
}

const DOMAIN_FOLDER: &str = "DSBACKUP_TEST_DOMAIN";

#[test]
fn tickets_of_a_real_domain() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_controller) = make_domain(folder.path()) else {
        eprintln!(
            "note: no Samba domain controller can be made here (samba, krb5-user, root?); skipped"
        );
        return;
    };
    // The library reads its configuration from the environment, so the rest runs in a process of its own.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "part_tickets", "--nocapture", "--ignored"])
        .env("KRB5_CONFIG", folder.path().join("krb5.conf"))
        .env(
            "KRB5CCNAME",
            format!("FILE:{}", folder.path().join("tickets").display()),
        )
        .env(DOMAIN_FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Not a test of its own: what the process in the domain does.
#[test]
#[ignore = "a part of tickets_of_a_real_domain"]
fn part_tickets() {
    let folder = std::env::var_os(DOMAIN_FOLDER).expect("set by the test whose part this is");
    let scene = Scene::new(Domain {
        folder: folder.into(),
    });
    let host = scene.host();
    let server = scene.server(&host);
    by_password(&scene, &server);
    by_cache(&scene, &server);
    refusals(&scene, &server);
    stolen_tokens(&scene, &host);
    disabled_since(&scene, &server);
    drop(host);
    password_in_a_process(&scene);
    restores(&scene);
    without_directory(&scene);
    remembered_operator(&scene);
}

/// Puts a user's ticket into the process's cache.
fn kinit(user: &str, more: &[&str]) {
    let mut kinit = Command::new("kinit")
        .args(more)
        .arg(format!("{user}@KRB.TEST"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(kinit.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(kinit.wait().unwrap().success());
}

/// Logs on as DsSetAuthIdentity does.
fn log_on(user: &str, password: &str) {
    set_auth_identity(Some((user, "krb.test", password)));
}

/// Administrator and a Backup Operator back up and may restore; an account that may only back up does only that.
fn by_password(scene: &Scene, server: &Server) {
    let restore = || RestoreContext::prepare(server, RestoreType::CatchUp, None).map(drop);
    for (user, password, restores) in [
        ("Administrator", ADMINISTRATORS_PASSWORD, true),
        ("backupper", PASSWORD, true),
        ("reader", PASSWORD, false),
    ] {
        log_on(user, password);
        back_up(server);
        let expected = match restores {
            // Let in, and told why not now.
            true => ResultCode::DATABASE_IN_USE,
            false => ResultCode::ACCESS_DENIED,
        };
        assert_eq!(restore().unwrap_err().code, expected, "{user}");
        let caller = format!("\"caller\":\"{user}@KRB.TEST\"");
        assert!(scene.audited(&caller), "{user}");
    }
    set_auth_identity(None);
}

/// Without an identity the tickets of the process's own cache count.
fn by_cache(scene: &Scene, server: &Server) {
    // The domain or the client's own library refuses already: the service sees a connection without proof.
    assert_eq!(scene.refused(server)["call"], "Disconnect");
    kinit("backupper", &[]);
    back_up(server);
    // A ticket that has run out.
    kinit("backupper", &["-l", "2s"]);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(scene.refused(server)["call"], "Disconnect");
    std::fs::remove_file(scene.domain.path("tickets")).unwrap();
}

fn refusals(scene: &Scene, server: &Server) {
    for (user, password) in [
        ("ordinary", PASSWORD),
        ("disabled", PASSWORD),
        ("backupper", WRONG_PASSWORD),
        ("nobody-of-that-name", PASSWORD),
        // A Backup Operator, but denied.
        ("denied", PASSWORD),
    ] {
        log_on(user, password);
        let line = scene.refused(server);
        // Who has a ticket, but no privilege, is known by name.
        let (caller, call) = match user {
            "ordinary" | "denied" => (format!("{user}@KRB.TEST"), "HrRBackupPrepare"),
            _ => ("unknown".to_owned(), "Disconnect"),
        };
        assert_eq!(line["caller"], caller, "{line}");
        assert_eq!(line["call"], call, "{line}");
    }
    set_auth_identity(None);
}

/// Tokens that are taken to another channel, of another service, twice, or none at all.
fn stolen_tokens(scene: &Scene, host: &Host) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let password = Password {
        user: "backupper".into(),
        domain: "krb.test".into(),
        password: PASSWORD.to_owned().into(),
    };
    let stranger = scene.world.authority.client(scene.world.path(), "stranger");
    let client = || {
        runtime.block_on(async {
            let stream = scene.world.connect(host, &stranger).await;
            let channel = wire::tls::channel_binding(stream.get_ref().1).unwrap();
            (channel, Client::channel_over(stream).await)
        })
    };
    let send = |channel: &Channel, token: Vec<u8>| {
        let mut client = AdIdentityClient::new(channel.clone());
        runtime
            .block_on(client.authenticate(AuthenticateRequest { token }))
            .map(|answer| answer.into_inner().done)
            .map_err(|status| wire::from_status(&status).code)
    };
    let token = |channel: &[u8]| {
        let mut initiator = Initiator::new("localhost", channel, Some(&password)).unwrap();
        initiator.step(&[]).unwrap().token
    };
    let denied = |connection: &Channel, token: Vec<u8>, what: &str| {
        let line = refusal(&scene.audit, || {
            let answer = send(connection, token);
            assert_eq!(answer, Err(ResultCode::ACCESS_DENIED), "{what}");
        });
        assert_eq!(line["call"], "Authenticate", "{what}: {line}");
    };
    let (own, connection) = client();
    let (_, other_connection) = client();
    let good = token(&own);
    denied(&other_connection, good.clone(), "relayed");
    assert!(scene.audited("Incorrect channel bindings"));
    denied(&connection, token(b""), "bound to nothing");
    denied(&connection, token(b"tls-exporter:x"), "bound elsewhere");
    for garbage in [
        vec![],
        vec![0x60],
        vec![0xff; 100_000],
        good[..good.len() / 2].to_vec(),
    ] {
        denied(&connection, garbage, "garbage");
    }
    // The relayed one is spent: the replay cache knows it.
    denied(&connection, good, "replayed after it was relayed");
    let good = token(&own);
    assert_eq!(send(&connection, good.clone()), Ok(true));
    denied(&connection, good, "replayed");

    // The same tickets are good for nothing at a service of another name.
    let mut configuration = scene.configuration();
    configuration.endpoint.socket = scene.world.path().join("other/s.sock");
    let directory = crate::host::Directory::of("sample-forest/clean");
    configuration.store = directory.configuration().store;
    let keytab = scene.domain.path("other.keytab");
    scene.domain.samba_tool(&[
        "domain",
        "exportkeytab",
        keytab.to_str().unwrap(),
        "--principal=other/localhost",
    ]);
    let kerberos = &mut configuration.remote.as_mut().unwrap().kerberos;
    let kerberos = kerberos.as_mut().unwrap();
    kerberos.keytab = keytab;
    kerberos.principal = "other/localhost@KRB.TEST".into();
    let other = Host::start(&configuration, Mode::Normal).unwrap();
    log_on("backupper", PASSWORD);
    let line = scene.refused(&scene.server(&other));
    assert_eq!(line["call"], "Authenticate", "{line}");
    set_auth_identity(None);
}

/// The directory knows of an account what a ticket from before does not say.
fn disabled_since(scene: &Scene, server: &Server) {
    kinit("backupper", &[]);
    prepare(server).unwrap().end().unwrap();
    scene.domain.samba_tool(&["user", "disable", "backupper"]);
    let line = scene.refused(server);
    assert!(line["result"].as_str().unwrap().contains("is disabled"));
    scene.domain.samba_tool(&["user", "enable", "backupper"]);
}

/// What the parts below need to know.
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

/// The password of DsSetAuthIdentity, while a backup goes on and after its client was killed: in no arguments, environment,
/// log, audit log or file, and not in the memory of client or service.
fn password_in_a_process(scene: &Scene) {
    // It stands nowhere else, not even in this program.
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
    let mut service = part("part_service", "", &logs.join("service.log"));
    let facts = told(&mut service, "listening ");
    let mut client = part("part_client", &facts, &logs.join("client.log"));
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
    // Where the application had it is the application's business: it wipes it.
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

/// Administrator and a Backup Operator restore every byte, by password and by ticket; who may not do so does not.
fn restores(scene: &Scene) {
    let directory = &scene.world.directory;
    let backup = {
        let host = directory.host();
        Backup::of(&Server::at_socket(host.socket()))
    };
    let content = || -> Vec<_> {
        let read = |name: &String| std::fs::read(directory.file(name)).unwrap();
        let names = directory.names();
        names
            .iter()
            .map(|name| (name.clone(), read(name)))
            .collect()
    };
    let before = content();
    let host = Host::start(&scene.configuration(), Mode::Restore).unwrap();
    let server = scene.server(&host);
    kinit("backupper", &[]);
    for (user, password) in [
        ("Administrator", Some(ADMINISTRATORS_PASSWORD)),
        ("backupper", Some(PASSWORD)),
        ("backupper", None),
    ] {
        set_auth_identity(password.map(|password| (user, "krb.test", password)));
        directory.flip("ntds.dit", 100_000);
        assert!(content() != before);
        backup.restore(&server, directory);
        assert!(content() == before, "{user} restored every byte");
        let caller = format!("\"caller\":\"{user}@KRB.TEST\"");
        let log = std::fs::read_to_string(&scene.audit).unwrap();
        let sent = log
            .lines()
            .filter(|line| line.contains("HrRRestoreWriteFile") && line.contains(&caller));
        assert!(sent.count() >= backup.files.len(), "{user}");
    }
    for (user, password) in [
        ("ordinary", PASSWORD),
        ("reader", PASSWORD),
        ("denied", PASSWORD),
    ] {
        log_on(user, password);
        let line = refusal(&scene.audit, || {
            let token = Some(backup.token.as_slice());
            let error = RestoreContext::prepare(&server, RestoreType::CatchUp, token)
                .err()
                .unwrap();
            assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{user}: {error}");
        });
        assert_eq!(line["call"], "HrRRestorePrepare", "{user}");
    }
    assert!(content() == before);
    set_auth_identity(None);
}

/// The directory that would be asked is the one that lies still.
fn without_directory(scene: &Scene) {
    let configuration = |allowed| {
        let mut configuration = scene.configuration();
        let kerberos = &mut configuration.remote.as_mut().unwrap().kerberos;
        let kerberos = kerberos.as_mut().unwrap();
        kerberos.directory = Some("ldapi://%2Fno%2Fsuch%2Fsocket".into());
        kerberos.restore_without_directory = allowed;
        kerberos.restore = vec![scene.domain.sid("reader")];
        configuration
    };
    let restore = |server: &Server| RestoreContext::prepare(server, RestoreType::CatchUp, None);
    for (mode, allowed, user, password, let_in) in [
        (
            Mode::Restore,
            false,
            "Administrator",
            ADMINISTRATORS_PASSWORD,
            false,
        ),
        (
            Mode::Restore,
            true,
            "Administrator",
            ADMINISTRATORS_PASSWORD,
            true,
        ),
        (Mode::Restore, true, "reader", PASSWORD, true),
        // No ticket names that group.
        (Mode::Restore, true, "backupper", PASSWORD, false),
        (Mode::Restore, true, "denied", PASSWORD, false),
        (
            Mode::Normal,
            true,
            "Administrator",
            ADMINISTRATORS_PASSWORD,
            false,
        ),
    ] {
        let host = Host::start(&configuration(allowed), mode).unwrap();
        let server = scene.server(&host);
        log_on(user, password);
        if let_in {
            restore(&server).unwrap().end().unwrap();
        } else {
            refusal(&scene.audit, || {
                let code = restore(&server).err().unwrap().code;
                assert_eq!(code, ResultCode::ACCESS_DENIED, "{user}, {mode:?}");
            });
        }
    }
    set_auth_identity(None);
}

/// What the directory said of a Backup Operator counts when it lies still, until it says otherwise.
fn remembered_operator(scene: &Scene) {
    let file = scene.world.path().join("groups.json");
    let start = |mode| {
        let mut configuration = scene.configuration();
        let kerberos = &mut configuration.remote.as_mut().unwrap().kerberos;
        let kerberos = kerberos.as_mut().unwrap();
        kerberos.restore_without_directory = true;
        kerberos.remember_groups = Some(file.clone());
        if mode == Mode::Restore {
            kerberos.directory = Some("ldapi://%2Fno%2Fsuch%2Fsocket".into());
        }
        Host::start(&configuration, mode).unwrap()
    };
    let restores = |user, let_in| {
        let host = start(Mode::Restore);
        let server = scene.server(&host);
        log_on(user, PASSWORD);
        match RestoreContext::prepare(&server, RestoreType::CatchUp, None) {
            Ok(restore) => restore.end().unwrap(),
            Err(error) => assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{user}: {error}"),
        }
        let log = std::fs::read_to_string(&scene.audit).unwrap();
        let last = log.lines().rfind(|line| line.contains(user)).unwrap();
        assert_eq!(last.contains("HrRRestoreEnd"), let_in, "{last}");
    };
    restores("backupper", false);
    {
        let host = start(Mode::Normal);
        let server = scene.server(&host);
        log_on("backupper", PASSWORD);
        prepare(&server).unwrap().end().unwrap();
        for user in ["ordinary", "denied"] {
            log_on(user, PASSWORD);
            scene.refused(&server);
        }
    }
    let known = std::fs::read_to_string(&file).unwrap();
    assert!(known.contains(&scene.domain.sid("backupper")) && known.contains("S-1-5-32-551"));
    for user in ["ordinary", "denied"] {
        assert!(!known.contains(&scene.domain.sid(user)), "{user}: {known}");
        restores(user, false);
    }
    restores("backupper", true);
    {
        let host = start(Mode::Normal);
        set_auth_identity(None);
        kinit("backupper", &[]);
        disabled_since(scene, &scene.server(&host));
    }
    restores("backupper", false);
    set_auth_identity(None);
}
