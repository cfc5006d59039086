//! Tickets of a real domain: who is let in by them, and who is not. The domain is a Samba domain controller that the test
//! makes, on loopback addresses of its own; where samba or the Kerberos commands are missing the tests say that they
//! were skipped.
#![allow(dead_code, reason = "other tests use the rest of the helpers")]

#[path = "service/certificates.rs"]
mod certificates;
#[path = "service/client.rs"]
mod client;
#[path = "service/host.rs"]
mod host;
#[path = "service/world.rs"]
mod world;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::{RestoreType, ResultCode};
use kerberos::{Initiator, Password};
use ntdsbcli::{RestoreContext, Server, set_auth_identity};
use service::{Configuration, KerberosConfiguration, Mode};
use tonic::transport::Channel;
use wire::v1::AuthenticateRequest;
use wire::v1::ad_identity_client::AdIdentityClient;

use crate::client::Client;
use crate::host::Host;
use crate::world::{World, back_up, prepare, refused};

const ADDRESS: &str = "127.70.0.1";
const PRINCIPAL: &str = "dsbackup/localhost@KRB.TEST";
const PASSWORD: &str = "Sesam-Oeffne-Dich1";
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
    assert_eq!(refused(server).code, ResultCode::ACCESS_DENIED);
    kinit("backupper", &[]);
    back_up(server);
    // A ticket that has run out.
    kinit("backupper", &["-l", "2s"]);
    std::thread::sleep(Duration::from_secs(4));
    let error = refused(server);
    assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{error}");
    std::fs::remove_file(scene.domain.path("tickets")).unwrap();
}

fn refusals(scene: &Scene, server: &Server) {
    for (user, password) in [
        ("ordinary", PASSWORD),
        ("disabled", PASSWORD),
        ("backupper", "not this one"),
        ("nobody-of-that-name", PASSWORD),
        // A Backup Operator, but denied.
        ("denied", PASSWORD),
    ] {
        log_on(user, password);
        let error = refused(server);
        assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{user}: {error}");
        assert!(!error.reason.contains(password), "{user}: {error}");
    }
    set_auth_identity(None);
    // Who has a ticket, but no privilege, is known by name.
    for user in ["ordinary", "denied"] {
        assert!(scene.audited(&format!("\"caller\":\"{user}@KRB.TEST\"")));
    }
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
    let denied = Err(ResultCode::ACCESS_DENIED);
    let (own, connection) = client();
    let (_, other_connection) = client();
    let good = token(&own);
    assert_eq!(send(&other_connection, good.clone()), denied, "relayed");
    assert_eq!(send(&connection, token(b"")), denied, "bound to nothing");
    assert_eq!(
        send(&connection, token(b"tls-exporter:x")),
        denied,
        "bound elsewhere"
    );
    for garbage in [
        vec![],
        vec![0x60],
        vec![0xff; 100_000],
        good[..good.len() / 2].to_vec(),
    ] {
        assert_eq!(send(&connection, garbage), denied, "garbage");
    }
    // The relayed one is spent: the replay cache knows it.
    assert_eq!(
        send(&connection, good),
        denied,
        "replayed after it was relayed"
    );
    let good = token(&own);
    assert_eq!(send(&connection, good.clone()), Ok(true));
    assert_eq!(send(&connection, good), denied, "replayed");
    assert!(scene.audited("Incorrect channel bindings"));

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
    let error = refused(&scene.server(&other));
    assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{error}");
    set_auth_identity(None);
}

/// The directory knows of an account what a ticket from before does not say.
fn disabled_since(scene: &Scene, server: &Server) {
    kinit("backupper", &[]);
    prepare(server).unwrap().end().unwrap();
    scene.domain.samba_tool(&["user", "disable", "backupper"]);
    let error = refused(server);
    assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{error}");
    assert!(scene.audited("is disabled"));
}
