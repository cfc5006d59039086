//! A last log cut off at any place: recovery fails, or ends in a state that follows from the logs.

use std::path::Path;

use crate::attempt::{CRASHED, attempt};
use crate::common::back_to_creation;
use ese::recovery::Error;

/// The way in which a log loses its end.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The file ends there.
    Short,
    /// Zeros follow, as in the unwritten part of the current log.
    Zeros,
}

/// Cuts the last log in many places. If the crashed database can be recovered, it must equal a
/// database made from the remaining logs alone, replayed from the creation on.
#[test]
fn a_cut_log_never_leads_to_a_wrong_database() {
    // The first file holds nearly all changes of its logs, the second few.
    cut_everywhere(&testkit::find(CRASHED).unwrap(), 4);
    if let Some(fixture) = testkit::find("ese/p8192-manygen") {
        let recovered = cut_everywhere(&fixture, 1);
        assert!(recovered > 20);
    }
    // The log that is cut attaches these several times.
    for name in ["ese/restart-p4096", "ese/restart-ad2016"] {
        if let Some(fixture) = testkit::find(name) {
            cut_everywhere(&fixture, 4);
        }
    }
}

/// Returns the number of cuts after which recovery succeeded. The places to cut are every `step`th
/// sector and 24 random bytes.
fn cut_everywhere(fixture: &testkit::Fixture, step: usize) -> usize {
    let crashed = fixture.unpack();
    let from_nothing = fixture.unpack();
    let (database, page) = back_to_creation(from_nothing.path(), 0).unwrap();
    std::fs::write(&database, [&page[..], &page[..]].concat()).unwrap();

    let current = crashed.path().join("edb.log");
    let same_current = from_nothing.path().join("edb.log");
    let whole = std::fs::read(&current).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut places: Vec<usize> = (4096..used + 8192).step_by(4096 * step).collect();
    let mut random = 88172645463325252_u64;
    for _ in 0..24 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        places.push(4096 + random as usize % (used - 4096));
    }
    let (mut recovered, mut refused) = (0, 0);
    let mut states = std::collections::HashSet::new();
    for place in places {
        for cut in [Cut::Short, Cut::Zeros] {
            let bytes = match cut {
                Cut::Short => whole[..place].to_vec(),
                Cut::Zeros => {
                    let mut bytes = whole.clone();
                    bytes[place..].fill(0);
                    bytes
                }
            };
            std::fs::write(&current, &bytes).unwrap();
            std::fs::write(&same_current, &bytes).unwrap();
            let with_loss = |folder: &Path| attempt(folder, |options| options.allow_loss(true));
            let without_loss = attempt(crashed.path(), |options| options);
            let from_crash = with_loss(crashed.path());
            let truth = match with_loss(from_nothing.path()) {
                Ok(truth) => truth,
                // The creation itself is cut off.
                Err(Error::LogsEndTooEarly { .. }) => {
                    assert!(from_crash.is_err(), "{cut:?} at {place:#x}");
                    continue;
                }
                Err(error) => panic!("{cut:?} at {place:#x}: {error}"),
            };
            states.insert(truth.dump.clone());
            if let Cut::Short = cut
                && place < whole.len()
            {
                assert!(
                    without_loss.is_err(),
                    "{cut:?} at {place:#x}: loss is not silent"
                );
                assert!(!truth.summary.lost.is_empty());
            }
            match from_crash {
                Ok(outcome) => {
                    assert!(outcome.dump == truth.dump, "{cut:?} at {place:#x}");
                    recovered += 1;
                }
                Err(error) => {
                    assert!(
                        matches!(
                            error,
                            Error::NewerThanLogs { .. }
                                | Error::Undo { .. }
                                | Error::LogsEndTooEarly { .. }
                        ),
                        "{cut:?} at {place:#x}: {error}"
                    );
                    refused += 1;
                }
            }
            if let Ok(outcome) = without_loss {
                assert!(outcome.dump == truth.dump, "{cut:?} at {place:#x}");
            }
        }
    }
    println!(
        "{}: {recovered} recovered, {refused} refused, {} states",
        fixture.name,
        states.len()
    );
    recovered
}
