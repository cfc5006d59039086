//! A Samba domain with some accounts, on loopback addresses of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ADDRESS: &str = "127.70.0.1";
pub const PRINCIPAL: &str = "dsbackup/localhost@KRB.TEST";
pub const PASSWORD: &str = "Sesam-Oeffne-Dich1";
pub const WRONG_PASSWORD: &str = "not this one";
pub const ADMINISTRATORS_PASSWORD: &str = "Pa55word-of-Admin";

/// A domain with some accounts.
pub struct Domain {
    pub folder: PathBuf,
}

/// The running domain controller; stopped when the value is dropped.
pub struct Controller {
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
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn keytab(&self) -> PathBuf {
        self.path("service.keytab")
    }

    pub fn directory(&self) -> String {
        let socket = self.path("private/ldap_priv/ldapi");
        format!(
            "ldapi://{}",
            socket.display().to_string().replace('/', "%2F")
        )
    }

    /// The SID of an account or group.
    pub fn sid(&self, name: &str) -> String {
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

    pub fn samba_tool(&self, arguments: &[&str]) {
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

/// Creates the domain in a folder; `None` if that is not possible.
pub fn make_domain(path: &Path) -> Option<Controller> {
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
             bind interfaces only = yes\nserver services = ldap, kdc\nlog file = {d}/log.samba\n\
             {folders}\
             [sysvol]\npath = {d}/state/sysvol\n\
             [netlogon]\npath = {d}/state/sysvol/krb.test/scripts\n"
        ),
    )
    .ok()?;
    std::fs::write(
        path.join("krb5.conf"),
        format!(
            "[libdefaults]\ndefault_realm = KRB.TEST\ndns_lookup_kdc = false\n\
             dns_lookup_realm = false\n\
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
