//! Bytes of a client of the LDAP server: framed, decoded, answered or refused. The client has bound,
//! so that searches run, on the sample forest.
#![no_main]

use std::sync::{Arc, LazyLock};

use ldap_server::{Effect, Framed, Limits, Password, Served, Session, Tls, frame};
use libfuzzer_sys::fuzz_target;
use objects::ntds::Ntds;

/// A bind of version 3 with the password `p`.
const BIND: [u8; 15] = [0x30, 13, 2, 1, 1, 0x60, 8, 2, 1, 3, 4, 0, 0x80, 1, b'p'];

static SOURCE: LazyLock<(tempfile::TempDir, Arc<Ntds>)> = LazyLock::new(|| {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let ntds = Ntds::open(&folder.path().join("ntds.dit")).expect("a directory");
    (folder, Arc::new(ntds))
});

fuzz_target!(|data: &[u8]| {
    let largest = Limits::default().message;
    let served = Served::new(SOURCE.1.clone(), Password::new("p".into()), Limits::default());
    let mut session = Session::new(
        Arc::new(served),
        Tls::Absent {
            takes_passwords: true,
        },
    );
    session.take(&BIND);
    assert!(session.is_bound());
    let mut rest = data;
    while let Framed::Message(length) = frame(rest, largest) {
        match session.take(&rest[..length]) {
            // Some results are enough.
            Effect::Search(search) => {
                let mut left = 20;
                search.run(|_| {
                    left -= 1;
                    left > 0
                });
            }
            Effect::Close(_) => break,
            _ => {}
        }
        rest = &rest[length..];
    }
});
