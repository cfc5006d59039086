//! A session on the sample forest: any bytes are answered or refused; nobody reads without the
//! password, nobody writes, and secrets match nothing.

use std::sync::{Arc, LazyLock};

use ldap_server::{Effect, Limits, Password, Session, Tls};
use objects::ntds::Ntds;
use objects::{Source, Wanted};
use proptest::prelude::*;
use rasn_ldap::{
    AddRequest, AttributeValueAssertion, AuthenticationChoice, BindRequest, CompareRequest,
    Control, DelRequest, ExtendedRequest, Filter, LdapMessage, ProtocolOp, ResultCode,
    SearchRequest, SearchRequestDerefAliases, SearchRequestScope,
};

const PASSWORD: &str = "a password for tests";
const DOMAIN: &str = "DC=corp,DC=example";

static SOURCE: LazyLock<(tempfile::TempDir, Arc<Ntds>)> = LazyLock::new(|| {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let ntds = Ntds::open(&folder.path().join("ntds.dit")).expect("a directory");
    (folder, Arc::new(ntds))
});

fn session(tls: Tls) -> Session {
    let limits = Arc::new(Limits::default());
    let password = Arc::new(Password::new(PASSWORD.into()));
    Session::new(SOURCE.1.clone(), password, limits, tls)
}

fn bound() -> Session {
    let mut session = session(Tls::Absent);
    assert_eq!(
        code(&ask(&mut session, bind(PASSWORD))),
        ResultCode::Success
    );
    session
}

fn bind(password: &str) -> ProtocolOp {
    let password = AuthenticationChoice::Simple(password.as_bytes().to_vec().into());
    ProtocolOp::BindRequest(BindRequest::new(3, "reader".into(), password))
}

fn find(base: &str, scope: SearchRequestScope, filter: Filter, names: &[&str]) -> ProtocolOp {
    let never = SearchRequestDerefAliases::NeverDerefAliases;
    let names = names.iter().map(|name| (*name).into()).collect();
    ProtocolOp::SearchRequest(SearchRequest::new(
        base.into(),
        scope,
        never,
        0,
        0,
        false,
        filter,
        names,
    ))
}

/// All answers to a message.
fn take(session: &mut Session, bytes: &[u8]) -> Vec<LdapMessage> {
    let mut sent = Vec::new();
    match session.take(bytes) {
        Effect::Answer(bytes) | Effect::Delayed(bytes) | Effect::Close(bytes) => sent.push(bytes),
        Effect::StartTls(bytes) => sent.push(bytes),
        Effect::Search(search) => search.run(|bytes| {
            sent.push(bytes);
            true
        }),
        Effect::Abandon(_) => {}
    }
    let mut answers = Vec::new();
    for bytes in sent {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let ldap_server::Framed::Message(length) = ldap_server::frame(rest, usize::MAX) else {
                panic!("an answer is no message");
            };
            answers.push(rasn::ber::decode(&rest[..length]).expect("a message"));
            rest = &rest[length..];
        }
    }
    answers
}

fn ask(session: &mut Session, op: ProtocolOp) -> Vec<LdapMessage> {
    ask_with(session, op, Vec::new())
}

fn ask_with(session: &mut Session, op: ProtocolOp, controls: Vec<Control>) -> Vec<LdapMessage> {
    let mut message = LdapMessage::new(7, op);
    message.controls = (!controls.is_empty()).then_some(controls);
    take(session, &rasn::ber::encode(&message).expect("a message"))
}

fn code(answers: &[LdapMessage]) -> ResultCode {
    match &answers.last().expect("an answer").protocol_op {
        ProtocolOp::BindResponse(response) => response.result_code,
        ProtocolOp::SearchResDone(done) => done.0.result_code,
        ProtocolOp::CompareResponse(response) => response.0.result_code,
        ProtocolOp::AddResponse(response) => response.0.result_code,
        ProtocolOp::DelResponse(response) => response.0.result_code,
        ProtocolOp::ExtendedResp(response) => response.result_code,
        other => panic!("{other:?}"),
    }
}

fn present(name: &str) -> Filter {
    Filter::Present(name.into())
}

#[test]
fn without_the_password_only_the_root_is_read() {
    for password in ["", "wrong", "a password for test", "a password for tests "] {
        let mut session = session(Tls::Absent);
        assert_ne!(
            code(&ask(&mut session, bind(password))),
            ResultCode::Success
        );
        let root = find(
            "",
            SearchRequestScope::BaseObject,
            present("objectClass"),
            &[],
        );
        assert_eq!(ask(&mut session, root).len(), 2);
        let all = find(
            DOMAIN,
            SearchRequestScope::WholeSubtree,
            present("objectClass"),
            &[],
        );
        let answers = ask(&mut session, all);
        assert_eq!(
            (answers.len(), code(&answers)),
            (1, ResultCode::OperationsError)
        );
        let compare = ProtocolOp::CompareRequest(CompareRequest {
            entry: DOMAIN.into(),
            ava: AttributeValueAssertion::new("dc".into(), b"corp".to_vec().into()),
        });
        assert_eq!(
            code(&ask(&mut session, compare)),
            ResultCode::OperationsError
        );
    }
}

#[test]
fn a_password_does_not_cross_the_network_unencrypted() {
    let mut session = session(Tls::Possible {
        takes_passwords: false,
    });
    let answers = ask(&mut session, bind(PASSWORD));
    assert_eq!(code(&answers), ResultCode::ConfidentialityRequired);
    assert!(!session.is_bound());
}

#[test]
fn writes_and_unknown_critical_controls_are_refused() {
    let mut session = bound();
    let add = ProtocolOp::AddRequest(AddRequest {
        entry: "CN=new,DC=corp,DC=example".into(),
        attributes: Vec::new(),
    });
    assert_eq!(
        code(&ask(&mut session, add)),
        ResultCode::UnwillingToPerform
    );
    let delete = ProtocolOp::DelRequest(DelRequest(DOMAIN.into()));
    assert_eq!(
        code(&ask(&mut session, delete)),
        ResultCode::UnwillingToPerform
    );
    let new_password = ProtocolOp::ExtendedReq(ExtendedRequest {
        request_name: b"1.3.6.1.4.1.4203.1.11.1".to_vec().into(),
        request_value: None,
    });
    assert_eq!(
        code(&ask(&mut session, new_password)),
        ResultCode::UnwillingToPerform
    );
    for (is_critical, expected) in [
        (true, ResultCode::UnavailableCriticalExtension),
        (false, ResultCode::Success),
    ] {
        let control = Control::new(b"1.2.3.4".to_vec().into(), is_critical, None);
        let base = find(
            DOMAIN,
            SearchRequestScope::BaseObject,
            present("objectClass"),
            &[],
        );
        assert_eq!(code(&ask_with(&mut session, base, vec![control])), expected);
    }
}

#[test]
fn secrets_are_absent_from_results_and_filters() {
    let wanted = Wanted::everything();
    let secrets: Vec<String> = (SOURCE.1.schema().attributes().iter())
        .filter(|attribute| attribute.is_secret)
        .map(|attribute| attribute.name.to_string())
        .collect();
    let holders = (SOURCE.1.all(&wanted).expect("a scan"))
        .filter(|entry| {
            let entry = entry.as_ref().expect("an object");
            secrets.iter().any(|name| !entry.values(name).is_empty())
        })
        .count();
    assert!(holders > 0, "the forest has passwords");
    let mut session = bound();
    let names: Vec<&str> = secrets.iter().map(String::as_str).collect();
    for name in &secrets {
        let by_secret = find("", SearchRequestScope::WholeSubtree, present(name), &[]);
        assert_eq!(ask(&mut session, by_secret).len(), 1, "{name}");
    }
    let all = find(
        "",
        SearchRequestScope::WholeSubtree,
        present("objectClass"),
        &names,
    );
    for answer in ask(&mut session, all) {
        if let ProtocolOp::SearchResEntry(entry) = answer.protocol_op {
            assert!(entry.attributes.is_empty(), "{entry:?}");
        }
    }
}

#[test]
fn deep_filters_are_refused() {
    let mut filter = present("objectClass");
    for _ in 0..100 {
        filter = Filter::Not(Box::new(filter));
    }
    let search = find(DOMAIN, SearchRequestScope::BaseObject, filter, &[]);
    let answers = ask(&mut bound(), search);
    assert_eq!(answers.len(), 1);
    assert_ne!(code(&answers), ResultCode::Success);

    // A message of nothing but the starts of negations.
    let depth = 200_000;
    let mut bytes = vec![0x30, 0x84, 0, 0, 0, 0];
    bytes.extend([0x02, 1, 1, 0x63, 0x84, 0, 0x0f, 0, 0]);
    bytes.extend([
        0x04, 0, 0x0a, 1, 0, 0x0a, 1, 0, 0x02, 1, 0, 0x02, 1, 0, 0x01, 1, 0,
    ]);
    for _ in 0..depth {
        bytes.extend([0xa2, 0x83, 0x0e, 0, 0]);
    }
    let length = (bytes.len() as u32 - 6).to_be_bytes();
    bytes[2..6].copy_from_slice(&length);
    assert!(matches!(bound().take(&bytes), Effect::Close(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_answered_or_refused(bytes: Vec<u8>) {
        take(&mut session(Tls::Absent), &bytes);
    }

    #[test]
    fn changed_messages_are_answered_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let filter = Filter::And(vec![
            present("cn"),
            Filter::Not(Box::new(present("mail"))),
        ].into_iter().fold(rasn::types::SetOf::new(), |mut all, filter| {
            all.insert(filter);
            all
        }));
        let op = find(DOMAIN, SearchRequestScope::BaseObject, filter, &["*", "member;range=0-1"]);
        let mut message = LdapMessage::new(7, op);
        message.controls = Some(vec![Control::new(
            b"1.2.840.113556.1.4.319".to_vec().into(),
            true,
            Some(vec![0x30, 5, 2, 1, 9, 4, 0].into()),
        )]);
        let mut bytes = rasn::ber::encode(&message).expect("a message");
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        take(&mut bound(), &bytes);
    }
}
