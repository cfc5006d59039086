//! Who may back up, by password and by ticket, and who is refused.

use std::time::Duration;

use contract::{RestoreType, ResultCode};
use kerberos::{Acceptor, Initiator, Password};
use ntdsbcli::{RestoreContext, Server, set_auth_identity};
use service::Mode;
use tonic::transport::Channel;
use wire::v1::AuthenticateRequest;
use wire::v1::ad_identity_client::AdIdentityClient;

use crate::audit_log::refusal;
use crate::client::Client;
use crate::host::Host;
use crate::kerberos::domain::{ADMINISTRATORS_PASSWORD, PASSWORD, PRINCIPAL, WRONG_PASSWORD};
use crate::kerberos::scene::{Scene, kinit, log_on};
use crate::world::{back_up, prepare};

/// Administrator and a Backup Operator back up and may restore; an account that may only back up
/// does only that.
pub fn by_password(scene: &Scene, server: &Server) {
    let restore = || RestoreContext::prepare(server, RestoreType::CatchUp, None).map(drop);
    for (user, password, restores) in [
        ("Administrator", ADMINISTRATORS_PASSWORD, true),
        ("backupper", PASSWORD, true),
        ("reader", PASSWORD, false),
    ] {
        log_on(user, password);
        back_up(server);
        let expected = match restores {
            // Admitted, with the reason why not now.
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
pub fn by_cache(scene: &Scene, server: &Server) {
    // The domain or the client's own library already refuses: the service sees a connection without
    // authentication.
    assert_eq!(scene.refused(server)["call"], "Disconnect");
    kinit("backupper", &[]);
    back_up(server);
    // An expired ticket.
    kinit("backupper", &["-l", "2s"]);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(scene.refused(server)["call"], "Disconnect");
    std::fs::remove_file(scene.domain.path("tickets")).unwrap();
}

pub fn refusals(scene: &Scene, server: &Server) {
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
        // A caller with a ticket but no privilege is known by name.
        let (caller, call) = match user {
            "ordinary" | "denied" => (format!("{user}@KRB.TEST"), "HrRBackupPrepare"),
            _ => ("unknown".to_owned(), "Disconnect"),
        };
        assert_eq!(line["caller"], caller, "{line}");
        assert_eq!(line["call"], call, "{line}");
    }
    set_auth_identity(None);
}

/// Tokens relayed to another channel, of another service, replayed, or missing.
pub fn stolen_tokens(scene: &Scene, host: &Host) {
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
    // The relayed token is in the replay cache.
    denied(&connection, good, "replayed after it was relayed");
    let good = token(&own);
    assert_eq!(send(&connection, good.clone()), Ok(true));
    denied(&connection, good, "replayed");

    // Windows sends Kerberos's own token, without SPNEGO around it.
    let (own, connection) = client();
    let relayed = kerberos_alone(&token(&own));
    denied(&other_connection, relayed, "Kerberos alone, relayed");
    let unbound = kerberos_alone(&token(b""));
    denied(&connection, unbound, "Kerberos alone, bound to nothing");
    assert_eq!(send(&connection, kerberos_alone(&token(&own))), Ok(true));

    // The same tickets are good for nothing at a service of another name.
    let keytab = scene.domain.path("other.keytab");
    scene.domain.samba_tool(&[
        "domain",
        "exportkeytab",
        keytab.to_str().unwrap(),
        "--principal=other/localhost",
    ]);
    let mut configuration = scene.configuration_with(|kerberos| {
        kerberos.keytab = Some(keytab);
        kerberos.principal = "other/localhost@KRB.TEST".into();
    });
    configuration.endpoint.socket = scene.world.path().join("other/s.sock");
    let directory = crate::host::Directory::of("sample-forest/clean");
    configuration.store = directory.configuration().store;
    let other = Host::start(&configuration, Mode::Normal).unwrap();
    log_on("backupper", PASSWORD);
    let line = scene.refused(&scene.server(&other));
    assert_eq!(line["call"], "Authenticate", "{line}");
    set_auth_identity(None);
}

/// The token of Kerberos (RFC 4121) in one of SPNEGO.
fn kerberos_alone(negotiated: &[u8]) -> Vec<u8> {
    // Kerberos's name, and the beginning of a client's first token.
    const BEGIN: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
    let mut places = negotiated.windows(BEGIN.len());
    let at = places.position(|bytes| bytes == BEGIN).unwrap();
    // The tag, and a length in two bytes.
    let [0x60, 0x82, high, low] = negotiated[at - 4..at] else {
        panic!("{:x?}", &negotiated[at - 4..at]);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    negotiated[at - 4..at + length].to_vec()
}

/// The directory knows that an account is disabled, which an older ticket does not show.
pub fn disabled_since(scene: &Scene, server: &Server) {
    kinit("backupper", &[]);
    prepare(server).unwrap().end().unwrap();
    scene.domain.samba_tool(&["user", "disable", "backupper"]);
    let line = scene.refused(server);
    assert!(line["result"].as_str().unwrap().contains("is disabled"));
    scene.domain.samba_tool(&["user", "enable", "backupper"]);
}

/// Sealed messages are opened once, and in their order, by either side.
pub fn sealed_messages(scene: &Scene) {
    kinit("backupper", &[]);
    let acceptor = Acceptor::new(Some(&scene.domain.keytab()), PRINCIPAL).unwrap();
    let mut service = acceptor.begin_sealing().unwrap();
    let mut client = Initiator::sealing("dsbackup", "localhost").unwrap();
    let mut next = client.step(&[]).unwrap();
    while !next.token.is_empty() {
        let answer = service.step(&next.token).unwrap();
        if answer.token.is_empty() {
            break;
        }
        next = client.step(&answer.token).unwrap();
    }
    let from_client = [b"1", b"2", b"3"].map(|message| client.seal(message).unwrap());
    let from_service = [b"1", b"2", b"3"].map(|message| service.seal(message).unwrap());
    let check = |messages: [Vec<u8>; 3],
                 open: &mut dyn FnMut(&[u8]) -> kerberos::Result<Vec<u8>>| {
        let [first, second, third] = messages;
        assert_eq!(open(&first).unwrap(), b"1");
        assert!(open(&first).is_err(), "it came twice");
        assert!(open(&third).is_err(), "one is missing before it");
        assert!(open(&second).is_err(), "it came too late");
    };
    check(from_client, &mut |message| service.open(message));
    check(from_service, &mut |message| client.open(message));
    std::fs::remove_file(scene.domain.path("tickets")).unwrap();
}
