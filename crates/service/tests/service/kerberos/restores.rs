//! Who may restore, with a reachable directory and without.

use contract::{RestoreType, ResultCode};
use ntdsbcli::{RestoreContext, Server, set_auth_identity};
use service::Mode;

use crate::audit_log::refusal;
use crate::host::Host;
use crate::in_memory::Backup;
use crate::kerberos::domain::{ADMINISTRATORS_PASSWORD, PASSWORD};
use crate::kerberos::scene::{Scene, kinit, log_on};
use crate::kerberos::tickets::disabled_since;
use crate::world::prepare;

/// Administrator and a Backup Operator restore every byte, by password and by ticket; who may not
/// do so does not.
pub fn restores(scene: &Scene) {
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

/// The address of a directory that is down.
const NOBODY_LISTENS: &str = "ldapi://%2Fno%2Fsuch%2Fsocket";

/// The directory to be asked is down.
pub fn without_directory(scene: &Scene) {
    let configuration = |allowed| {
        scene.configuration_with(|kerberos| {
            kerberos.directory = Some(NOBODY_LISTENS.into());
            kerberos.restore_without_directory = allowed;
            kerberos.restore = vec![scene.domain.sid("reader")];
        })
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

/// The directory's last answer about a Backup Operator counts while it is down, until a new answer.
pub fn remembered_operator(scene: &Scene) {
    let file = scene.world.path().join("groups.json");
    let start = |mode| {
        let configuration = scene.configuration_with(|kerberos| {
            kerberos.restore_without_directory = true;
            kerberos.remember_groups = Some(file.clone());
            if mode == Mode::Restore {
                kerberos.directory = Some(NOBODY_LISTENS.into());
            }
        });
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
