//! The network endpoint: who is admitted, who is not, and with which privileges.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use contract::{Error, RestoreType, ResultCode};
use ntdsbcli::{RestoreContext, Server, TlsOptions};
use service::{Mode, RemoteConfiguration};

use crate::audit_log::refusal;
use crate::certificates::{Authority, Issued};
use crate::host::Host;
use crate::world::{World, back_up, by_fingerprint, by_subject, prepare, refused, server};

#[test]
fn a_mapped_certificate_backs_up_every_byte() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let host = world.host(vec![entry, by_subject("CN=recovery-host")]);
    back_up(&server(&host, world.tls(Some(&client))));
    // Known by subject, because the authority vouches for it.
    let recovery = world.authority.client(world.path(), "recovery-host");
    back_up(&server(&host, world.tls(Some(&recovery))));
    // The service is authenticated by its key alone.
    let pinned = TlsOptions {
        ca_file: None,
        pin: Some(world.service.pin()),
        ..world.tls(Some(&client))
    };
    back_up(&server(&host, pinned));
}

#[test]
fn each_privilege_is_good_for_its_own_calls_only() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let restorer = world.authority.client(world.path(), "restorer");
    let nobody = world.authority.client(world.path(), "nobody");
    let host = world.host(vec![
        entry,
        by_fingerprint(&restorer, false, true),
        by_fingerprint(&nobody, false, false),
    ]);
    let backup = server(&host, world.tls(Some(&client)));
    let restore = server(&host, world.tls(Some(&restorer)));
    let nobody = server(&host, world.tls(Some(&nobody)));
    let denied = |result: Result<(), Error>| {
        assert_eq!(result.unwrap_err().code, ResultCode::ACCESS_DENIED);
    };
    assert_eq!(ntdsbcli::is_ntds_online(&backup), Ok(true));
    assert_eq!(ntdsbcli::is_ntds_online(&restore), Ok(true));
    denied(ntdsbcli::is_ntds_online(&nobody).map(drop));
    denied(prepare(&restore).map(drop));
    denied(ntdsbcli::set_current_backup_log(&restore, 1));
    denied(RestoreContext::prepare(&backup, RestoreType::CatchUp, None).map(drop));
    // A caller that may restore gets the reason why not now.
    let error = RestoreContext::prepare(&restore, RestoreType::CatchUp, None)
        .err()
        .unwrap();
    assert_eq!(error.code, ResultCode::DATABASE_IN_USE);
}

#[test]
fn unknown_certificates_are_denied_every_call() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let expired = world.authority.expired_client(world.path(), "expired");
    let mut configuration = world.configuration(vec![
        entry,
        by_fingerprint(&expired, true, true),
        by_subject("CN=recovery-host"),
    ]);
    let audit = world.path().join("audit.jsonl");
    configuration.audit.file = Some(audit.clone());
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let other = tempfile::tempdir().unwrap();
    let strangers = [
        None,
        Some(world.authority.client(world.path(), "unmapped")),
        Some(expired),
        // The right names, but another authority.
        Some(Authority::new().client(other.path(), "recovery-host")),
        Some(Authority::new().client(other.path(), "backup-host")),
        // A certificate for services is none for clients.
        Some(world.authority.service(other.path(), "recovery-host")),
    ];
    for stranger in &strangers {
        let server = server(&host, world.tls(stranger.as_ref()));
        let mut error = None;
        // The call's own line says why; without certificate and ticket there is no call.
        let line = refusal(&audit, || error = Some(refused(&server)));
        let (call, why) = match stranger {
            Some(_) => ("HrRBackupPrepare", "its certificate"),
            None => ("Disconnect", "it showed no certificate"),
        };
        let said = line["result"].as_str().unwrap();
        assert_eq!(line["call"], call);
        assert!(
            said.contains(why) || said.contains("invalid peer certificate"),
            "{line}"
        );
        let error = error.unwrap();
        assert_eq!(error.code, ResultCode::ACCESS_DENIED, "{error}");
        let hints = [
            client.fingerprint(),
            "ntds".into(),
            "expired".into(),
            "map".into(),
        ];
        assert!(
            !hints.iter().any(|hint| error.reason.contains(hint)),
            "{error}"
        );
        refusal(&audit, || {
            let error = ntdsbcli::is_ntds_online(&server).unwrap_err();
            assert_eq!(error.code, ResultCode::ACCESS_DENIED);
        });
    }
}

#[test]
fn a_stranger_in_the_services_place_is_not_believed() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let host = world.host(vec![entry]);
    let other = tempfile::tempdir().unwrap();
    let stranger = Authority::new();
    let good = world.tls(Some(&client));
    let wrong_authority = TlsOptions {
        ca_file: Some(stranger.file(other.path(), "ca.pem")),
        ..good.clone()
    };
    let wrong_pin = TlsOptions {
        ca_file: None,
        pin: Some(stranger.service(other.path(), "service").pin()),
        ..good.clone()
    };
    let right_authority_wrong_pin = TlsOptions {
        ca_file: good.ca_file.clone(),
        ..wrong_pin.clone()
    };
    let wrong_authority_right_pin = TlsOptions {
        pin: Some(world.service.pin()),
        ..wrong_authority.clone()
    };
    for tls in [
        wrong_authority,
        wrong_pin,
        right_authority_wrong_pin,
        wrong_authority_right_pin,
    ] {
        let error = refused(&server(&host, tls));
        assert_eq!(error.code, ResultCode::COULD_NOT_CONNECT, "{error}");
    }
    // The right certificate, but for another name.
    let port = host.addresses[0].port();
    let elsewhere = Server::named_with(&format!("127.0.0.2:{port}"), good.clone()).unwrap();
    assert_eq!(refused(&elsewhere).code, ResultCode::COULD_NOT_CONNECT);
    back_up(&server(&host, good));
}

#[test]
fn nothing_is_said_without_tls_or_with_an_old_one() {
    let world = World::new();
    let mut configuration = world.configuration(vec![]);
    let audit = world.path().join("audit.jsonl");
    configuration.audit.file = Some(audit.clone());
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let address = host.addresses[0];
    // HTTP/2 and HTTP/1 in clear: no answer but a TLS alert, and the end of the connection.
    for greeting in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let line = refusal(&audit, || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(15)))
                .unwrap();
            stream.write_all(greeting).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.len() <= 7 && answer.first().is_none_or(|byte| *byte == 21));
        });
        assert_eq!(line["call"], "TlsHandshake");
    }
    for version in ["-tls1", "-tls1_1", "-tls1_2"] {
        let line = refusal(&audit, || {
            let said = s_client(&address.to_string(), version);
            assert!(said.contains("Cipher is (NONE)"), "{version}: {said}");
        });
        assert_eq!(line["call"], "TlsHandshake");
    }
    // With the right version the refusal is for the missing certificate.
    let line = refusal(&audit, || {
        let said = s_client(&address.to_string(), "-tls1_3");
        assert!(said.contains("Cipher is TLS_"), "{said}");
    });
    assert_eq!(line["call"], "Disconnect");
}

/// The output of openssl's client for a handshake in this version of TLS.
fn s_client(address: &str, version: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", address, version, "-alpn", "h2"])
        // The oldest are still offered at this level only.
        .args(["-cipher", "DEFAULT@SECLEVEL=0"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_renewed_certificate_counts_from_the_next_connection_on() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let host = world.host(vec![entry]);
    let pinned = |service: &Issued| TlsOptions {
        ca_file: None,
        pin: Some(service.pin()),
        ..world.tls(Some(&client))
    };
    let old = pinned(&world.service);
    let running = prepare(&server(&host, old.clone())).unwrap();
    let folder = tempfile::tempdir_in(world.path()).unwrap();
    let renewed = world.authority.service(folder.path(), "renewed");
    let new = pinned(&renewed);
    // Between the two renames certificate and key do not belong together: the old ones stay in use.
    std::fs::rename(&renewed.certificate, &world.service.certificate).unwrap();
    assert_eq!(
        ntdsbcli::is_ntds_online(&server(&host, old.clone())),
        Ok(true)
    );
    std::fs::rename(&renewed.key, &world.service.key).unwrap();
    assert_eq!(ntdsbcli::is_ntds_online(&server(&host, new)), Ok(true));
    assert_eq!(
        refused(&server(&host, old)).code,
        ResultCode::COULD_NOT_CONNECT
    );
    // Existing connections stay.
    running.database_names().unwrap();
    running.end().unwrap();
}

#[test]
fn what_cannot_be_used_of_renewed_files_does_not_count() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let host = world.host(vec![entry]);
    let (certificate, key) = (&world.service.certificate, &world.service.key);
    let tls = TlsOptions {
        pin: Some(world.service.pin()),
        ..world.tls(Some(&client))
    };
    let served = || {
        let answer = ntdsbcli::is_ntds_online(&server(&host, tls.clone()));
        assert_eq!(answer, Ok(true), "the earlier ones stay in use");
    };
    let sound = [
        std::fs::read(certificate).unwrap(),
        std::fs::read(key).unwrap(),
    ];
    for file in [certificate, key] {
        std::fs::rename(file, file.with_extension("away")).unwrap();
        served();
        for nonsense in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &sound[0][..sound[0].len() / 2],
            &[0xff; 5000],
        ] {
            std::fs::write(file, nonsense).unwrap();
            served();
        }
        std::fs::remove_file(file).unwrap();
        std::fs::rename(file.with_extension("away"), file).unwrap();
        served();
    }
    // A key that others may read is not used either.
    let folder = tempfile::tempdir_in(world.path()).unwrap();
    let renewed = world.authority.service(folder.path(), "renewed");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&renewed.key, open).unwrap();
    std::fs::rename(&renewed.key, key).unwrap();
    std::fs::rename(&renewed.certificate, certificate).unwrap();
    served();
    // Once it is right, it counts. A change of its mode alone is seen, too.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(key, private).unwrap();
    let error = refused(&server(&host, tls.clone()));
    assert_eq!(error.code, ResultCode::COULD_NOT_CONNECT, "{error}");
}

#[test]
fn unusable_configurations_are_named() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let fails = |change: &dyn Fn(&mut RemoteConfiguration), part: &str| {
        let mut configuration = world.configuration(vec![entry.clone()]);
        change(configuration.remote.as_mut().unwrap());
        let error = Host::start(&configuration, Mode::Normal).err().unwrap();
        assert_eq!(error.code, ResultCode::INVALID_PARAM);
        assert!(error.reason.contains(part), "{error}");
    };
    fails(&|remote| remote.listen.clear(), "listen");
    fails(&|remote| remote.key = client.key.clone(), "backup-host.key");
    fails(
        &|remote| remote.key = "/no/such/file".into(),
        "/no/such/file",
    );
    fails(&|remote| remote.clients.push(entry.clone()), "mapped");
    fails(
        &|remote| remote.clients[0].fingerprint = Some("12".into()),
        "64",
    );
    fails(
        &|remote| remote.clients[0].subject = Some("CN=x".into()),
        "either",
    );
    fails(
        &|remote| {
            remote.clients = vec![by_subject("CN=x")];
            remote.client_ca = None;
        },
        "client_ca",
    );
    use std::os::unix::fs::PermissionsExt;
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&world.service.key, mode(0o644)).unwrap();
    fails(&|_| (), "chmod");
}

#[test]
fn one_peer_takes_its_own_places_only() {
    let world = World::new();
    let (client, entry) = world.backup_client();
    let mut configuration = world.configuration(vec![entry]);
    configuration
        .remote
        .as_mut()
        .unwrap()
        .max_connections_per_address = 4;
    let host = Host::start(&configuration, Mode::Normal).unwrap();
    let server = server(&host, world.tls(Some(&client)));
    let running = prepare(&server).unwrap();
    // Silent connections, far more than one address may have.
    let silent: Vec<TcpStream> = (0..200)
        .filter_map(|_| TcpStream::connect(host.addresses[0]).ok())
        .collect();
    assert!(prepare(&server).is_err(), "no place is left");
    running.database_names().unwrap();
    running.end().unwrap();
    // Other ways in stay open.
    assert_eq!(
        ntdsbcli::is_ntds_online(&Server::at_socket(host.socket())),
        Ok(true)
    );
    drop(silent);
    let deadline = Instant::now() + Duration::from_secs(15);
    while ntdsbcli::is_ntds_online(&server).is_err() {
        assert!(Instant::now() < deadline, "the places are free again");
        std::thread::sleep(Duration::from_millis(50));
    }
}
