//! A session on the sample forest: any bytes are answered or refused; nobody reads without the
//! password, nobody writes, and secrets match nothing; limits of time, size and number.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ldap_server::{Effect, Limits, Password, Served, Session, Tls};
use objects::ntds::Ntds;
use objects::schema::Schema;
use objects::{Entries, Entry, Facts, Lookup, ObjectId, Scope, Source, Wanted};
use proptest::prelude::*;
use rasn_ldap::{
    AbandonRequest, AddRequest, AttributeValueAssertion, AuthenticationChoice, BindRequest,
    CompareRequest, Control, DelRequest, ExtendedRequest, Filter, LdapMessage, ProtocolOp,
    ResultCode, SearchRequest, SearchRequestDerefAliases, SearchRequestScope,
};

const PASSWORD: &str = "a password for tests";
const DOMAIN: &str = "DC=corp,DC=example";
const ABSENT: Tls = Tls::Absent {
    takes_passwords: true,
};

static SOURCE: LazyLock<(tempfile::TempDir, Arc<Ntds>)> = LazyLock::new(|| {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let ntds = Ntds::open(&folder.path().join("ntds.dit")).expect("a directory");
    (folder, Arc::new(ntds))
});

fn served(limits: Limits) -> Arc<Served> {
    let password = Password::new(PASSWORD.into());
    Arc::new(Served::new(SOURCE.1.clone(), password, limits))
}

fn session(tls: Tls) -> Session {
    Session::new(served(Limits::default()), tls)
}

fn bound() -> Session {
    bound_to(served(Limits::default()))
}

fn bound_to(served: Arc<Served>) -> Session {
    let mut session = Session::new(served, ABSENT);
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
        Effect::StartTls(bytes) | Effect::Seal(bytes, _) => sent.push(bytes),
        Effect::Search(search) => {
            let last = search.run(|bytes| {
                sent.push(bytes);
                true
            });
            sent.extend(last);
        }
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
        let mut session = session(ABSENT);
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
    let takes_passwords = false;
    for tls in [
        Tls::Absent { takes_passwords },
        Tls::Possible { takes_passwords },
    ] {
        let mut session = session(tls);
        let answers = ask(&mut session, bind(PASSWORD));
        assert_eq!(code(&answers), ResultCode::ConfidentialityRequired);
        assert!(!session.is_bound());
    }
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

fn everything() -> ProtocolOp {
    let all = SearchRequestScope::WholeSubtree;
    find("", all, present("objectClass"), &["1.1"])
}

fn page(size: u8, cookie: &[u8]) -> Vec<Control> {
    let mut value = vec![
        0x30,
        5 + cookie.len() as u8,
        2,
        1,
        size,
        4,
        cookie.len() as u8,
    ];
    value.extend(cookie);
    let kind = b"1.2.840.113556.1.4.319".to_vec().into();
    vec![Control::new(kind, true, Some(value.into()))]
}

#[test]
fn a_search_ends_when_its_time_is_over() {
    let limits = Limits {
        search: Duration::ZERO,
        ..Limits::default()
    };
    let answers = ask(&mut bound_to(served(limits)), everything());
    let ended = (answers.len(), code(&answers));
    assert_eq!(ended, (1, ResultCode::TimeLimitExceeded));
}

#[test]
fn an_abandoned_search_is_not_answered() {
    let message = LdapMessage::new(7, everything());
    let bytes = rasn::ber::encode(&message).expect("a message");
    let Effect::Search(search) = bound().take(&bytes) else {
        panic!("no search");
    };
    let (is_abandoned, mut sent) = (search.is_abandoned.clone(), 0);
    let last = search.run(|_| {
        sent += 1;
        is_abandoned.store(sent == 3, Relaxed);
        true
    });
    assert_eq!((last, sent), (None, 3));
    let abandon = ProtocolOp::AbandonRequest(AbandonRequest(7));
    let bytes = rasn::ber::encode(&LdapMessage::new(8, abandon)).expect("a message");
    assert!(matches!(bound().take(&bytes), Effect::Abandon(7)));
}

#[test]
fn more_objects_than_the_limit_come_in_pages_only() {
    let limits = Limits {
        results: 10,
        ..Limits::default()
    };
    let mut session = bound_to(served(limits));
    let answers = ask(&mut session, everything());
    let ended = (answers.len(), code(&answers));
    assert_eq!(ended, (11, ResultCode::SizeLimitExceeded));
    let answers = ask_with(&mut session, everything(), page(100, &[]));
    assert_eq!((answers.len(), code(&answers)), (11, ResultCode::Success));
}

#[test]
fn open_pages_of_all_clients_are_limited() {
    let count = ask(&mut bound(), everything()).len() - 1;
    let limits = Limits {
        // The rests of two searches, but for the last object.
        paged: 2 * count - 3,
        ..Limits::default()
    };
    let served = served(limits);
    let mut sessions = [(); 2].map(|()| bound_to(served.clone()));
    let mut codes = Vec::new();
    for session in &mut sessions {
        codes.push(code(&ask_with(session, everything(), page(1, &[]))));
    }
    assert_eq!(codes, [ResultCode::Success, ResultCode::Busy]);
    let [first, mut second] = sessions;
    drop(first);
    let answers = ask_with(&mut second, everything(), page(1, &[]));
    assert_eq!(code(&answers), ResultCode::Success);
}

#[test]
fn the_container_of_deleted_objects_is_shown_on_demand() {
    let name = format!("CN=Deleted Objects,{DOMAIN}");
    let show = Control::new(b"1.2.840.113556.1.4.417".to_vec().into(), true, None);
    let cn = AttributeValueAssertion::new("cn".into(), b"Deleted Objects".to_vec().into());
    let cn = Filter::EqualityMatch(cn);
    let mut session = bound();
    for (base, scope, expected) in [
        (
            &*name,
            SearchRequestScope::BaseObject,
            ResultCode::NoSuchObject,
        ),
        (DOMAIN, SearchRequestScope::SingleLevel, ResultCode::Success),
        (
            DOMAIN,
            SearchRequestScope::WholeSubtree,
            ResultCode::Success,
        ),
    ] {
        let op = || find(base, scope, cn.clone(), &["1.1"]);
        let answers = ask(&mut session, op());
        assert_eq!((answers.len(), code(&answers)), (1, expected), "{base}");
        let answers = ask_with(&mut session, op(), vec![show.clone()]);
        assert_eq!(
            (answers.len(), code(&answers)),
            (2, ResultCode::Success),
            "{base}"
        );
    }
}

#[test]
fn a_directory_without_a_subschema_has_one_all_the_same() {
    let name = format!("CN=Aggregate,CN=Schema,CN=Configuration,{DOMAIN}");
    let lookup = Lookup::Dn(&name);
    assert!(SOURCE.1.find(&lookup).expect("readable").is_empty());
    let class = AttributeValueAssertion::new("objectClass".into(), b"subSchema".to_vec().into());
    let names = ["attributeTypes", "objectClasses", "dITContentRules", "cn"];
    let op = || {
        let class = Filter::EqualityMatch(class.clone());
        find(&name, SearchRequestScope::BaseObject, class, &names)
    };
    for controls in [Vec::new(), page(5, &[])] {
        let answers = ask_with(&mut bound(), op(), controls);
        let ProtocolOp::SearchResEntry(entry) = &answers[0].protocol_op else {
            panic!("{answers:?}");
        };
        let counts: Vec<(&str, usize)> = (entry.attributes.iter())
            .map(|attribute| (attribute.r#type.0.as_str(), attribute.vals.len()))
            .collect();
        let [
            (_, 1),
            ("attributeTypes", types),
            ("objectClasses", classes),
            (_, rules),
        ] = counts[..]
        else {
            panic!("{counts:?}");
        };
        assert!(types > 100 && classes > 40 && rules > 0, "{counts:?}");
    }
}

/// A directory that is not read from one end to the other.
struct WithoutScans(Arc<Ntds>);

impl Source for WithoutScans {
    fn facts(&self) -> &Facts {
        self.0.facts()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn find(&self, what: &Lookup<'_>) -> objects::Result<Vec<ObjectId>> {
        self.0.find(what)
    }

    fn entry(&self, id: ObjectId, wanted: &Wanted) -> objects::Result<Option<Entry>> {
        self.0.entry(id, wanted)
    }

    fn scan<'s>(&'s self, _: ObjectId, _: Scope, _: &'s Wanted) -> objects::Result<Entries<'s>> {
        panic!("a scan");
    }

    fn all<'s>(&'s self, _: &'s Wanted) -> objects::Result<Entries<'s>> {
        panic!("a scan");
    }
}

#[test]
fn an_identity_is_found_without_a_scan() {
    let source = Arc::new(WithoutScans(SOURCE.1.clone()));
    let served = Served::new(source, Password::new(PASSWORD.into()), Limits::default());
    let mut session = bound_to(Arc::new(served));
    let account = SOURCE
        .1
        .find(&Lookup::Account("Administrator"))
        .expect("readable")[0];
    let entry = SOURCE
        .1
        .entry(account, &Wanted::names())
        .expect("readable")
        .expect("there");
    let sid = entry.sid.expect("a SID").to_bytes();
    let guid = entry.guid.expect("a GUID").0.to_vec();
    for (attribute, value) in [
        ("sAMAccountName", b"administrator".to_vec()),
        ("objectSid", sid),
        ("objectGUID", guid),
        ("distinguishedName", entry.dn.as_bytes().to_vec()),
    ] {
        let pair = AttributeValueAssertion::new(attribute.into(), value.into());
        let both = [Filter::EqualityMatch(pair), present("objectClass")];
        let mut filter = rasn::types::SetOf::new();
        both.into_iter().for_each(|part| filter.insert(part));
        let all = SearchRequestScope::WholeSubtree;
        let op = find(DOMAIN, all, Filter::And(filter), &["1.1"]);
        let answers = ask(&mut session, op);
        assert_eq!(
            (answers.len(), code(&answers)),
            (2, ResultCode::Success),
            "{attribute}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_answered_or_refused(bytes: Vec<u8>) {
        take(&mut session(ABSENT), &bytes);
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
