//! A service that accepts the domain's tickets, and how its tests log on.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use contract::ResultCode;
use ntdsbcli::{Server, set_auth_identity};
use service::{Configuration, KerberosConfiguration, Mode};

use crate::audit_log::refusal;
use crate::host::Host;
use crate::kerberos::domain::{
    ADMINISTRATORS_PASSWORD, Domain, PASSWORD, PRINCIPAL, WRONG_PASSWORD,
};
use crate::world::{World, refused};

/// A service that accepts the domain's tickets.
pub struct Scene {
    pub domain: Domain,
    pub world: World,
    pub audit: PathBuf,
}

impl Scene {
    pub fn new(domain: Domain) -> Self {
        let world = World::new();
        let audit = world.path().join("audit.jsonl");
        Self {
            domain,
            world,
            audit,
        }
    }

    pub fn configuration(&self) -> Configuration {
        self.configuration_with(|_| ())
    }

    /// The configuration with a change to its rule for tickets.
    pub fn configuration_with(
        &self,
        change: impl FnOnce(&mut KerberosConfiguration),
    ) -> Configuration {
        let mut kerberos = KerberosConfiguration {
            keytab: Some(self.domain.keytab()),
            principal: PRINCIPAL.into(),
            directory: Some(self.domain.directory()),
            restore_without_directory: false,
            remember_groups: None,
            backup: vec![self.domain.sid("reader")],
            restore: vec![],
            deny: vec![self.domain.sid("denied")],
        };
        change(&mut kerberos);
        let mut configuration = self.world.configuration(vec![]);
        configuration.audit.file = Some(self.audit.clone());
        configuration.remote.as_mut().unwrap().kerberos = Some(kerberos);
        configuration
    }

    pub fn host(&self) -> Host {
        Host::start(&self.configuration(), Mode::Normal).unwrap()
    }

    pub fn server(&self, host: &Host) -> Server {
        crate::world::server(host, self.world.tls(None))
    }

    /// Refused, and one line says so; returns it.
    pub fn refused(&self, server: &Server) -> serde_json::Value {
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

    pub fn audited(&self, part: &str) -> bool {
        let log = std::fs::read_to_string(&self.audit).unwrap();
        assert!(!log.contains(PASSWORD) && !log.contains(ADMINISTRATORS_PASSWORD));
        log.contains(part)
    }
}

/// Puts a user's ticket into the process's cache.
pub fn kinit(user: &str, more: &[&str]) {
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
pub fn log_on(user: &str, password: &str) {
    set_auth_identity(Some((user, "krb.test", password)));
}
