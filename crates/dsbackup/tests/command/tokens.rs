//! The expiry token: a backup is restored only while it may be, and only with its own token.

use crate::lab::token::{expired, store_with_token};
use crate::lab::{Lab, PASSWORD, assert_same, content};
use contract::ExpiryToken;
use repository::{Location, Password, Repository};

#[test]
fn tokens_that_do_not_permit_a_restore_are_refused_each_with_its_code() {
    let lab = Lab::with_backup("sample-forest/clean");
    let original = lab.content();
    let plain = lab.path("plain");
    let plain = plain.to_str().expect("plain");
    let tamper = |mut token: Vec<u8>| {
        token[20] ^= 0x40;
        token
    };
    type Change = Box<dyn FnOnce(Vec<u8>) -> Vec<u8>>;
    let cases: [(&str, Change); 4] = [
        (
            "hrUnknownExpiryTokenFormat",
            Box::new(|_| b"a token of another kind".to_vec()),
        ),
        ("hrInvalidParam", Box::new(tamper)),
        ("hrMissingExpiryToken", Box::new(|_| Vec::new())),
        ("hrContentsExpired", Box::new(expired)),
    ];
    for (code, change) in cases {
        store_with_token(&lab, change);
        let service = lab.serve(&["--restore-mode"]);
        let run = lab.run(&["restore", "latest"]);
        service.stop();
        assert_eq!(run.code, Some(4), "{run}");
        assert!(run.stderr.contains(code), "{code}: {run}");
        assert_same(
            &lab.content(),
            &original,
            "a refused restore changed the directory",
        );

        let run = lab.run(&["restore", "latest", "--target", plain]);
        assert_eq!(run.code, Some(4), "{run}");
        assert!(run.stderr.contains(code), "{code}: {run}");

        // Put a good token back for the next case.
        let good = restored_token(&lab);
        if code != "hrContentsExpired" {
            store_with_token(&lab, |_| good);
        }
    }

    // The last one has expired: it may be looked at, on request.
    assert_eq!(
        lab.json(&["snapshots"])
            .as_array()
            .expect("a list")
            .last()
            .expect("one")["expired"],
        true
    );
    let run = lab.succeed(&["restore", "latest", "--target", plain, "--ignore-expiry"]);
    assert!(run.stderr.contains("must never go online"), "{run}");
    assert_same(&content(plain.as_ref()), &original, "restored to look at");
}

/// The token of the lab's first snapshot, which nobody has changed.
fn restored_token(lab: &Lab) -> Vec<u8> {
    let location = Location::parse(lab.repository().to_str().expect("plain")).expect("a location");
    let repository = Repository::open(&location, &Password::new(PASSWORD), &Default::default())
        .expect("the repository");
    let mut snapshots = repository.snapshots().expect("snapshots");
    snapshots.sort_by_key(|snapshot| snapshot.time);
    let first = repository.open_snapshot(&snapshots[0]).expect("readable");
    first.read("expiry-token", 4096).expect("a token")
}

#[test]
fn another_directorys_snapshot_does_not_pass_for_this_one() {
    let lab = Lab::with_backup("sample-forest/clean");
    // The token says which database it belongs to.
    store_with_token(&lab, |token| {
        let mut token = ExpiryToken::from_bytes(&token).expect("a token");
        token.signature = [7; 28];
        token.to_bytes()
    });
    let service = lab.serve(&["--restore-mode"]);
    let run = lab.run(&["restore", "latest"]);
    assert_ne!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains("hrBadDbSignature"), "{run}");
    service.stop();
    lab.serve_refused(&[]);
}
