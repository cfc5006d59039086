//! The end of replay: at a gap of the logs, at a generation, at a time.

use std::time::{Duration, SystemTime};

use crate::attempt::{attempt, log_of, refusal};
use crate::common::unpacked;
use ese::header::LogTime;
use ese::log_set::LogSet;
use ese::recovery::{Error, Stop};
use jiff::civil;
use jiff::tz::TimeZone;

/// The time in a header.
fn time_of(time: &LogTime) -> SystemTime {
    let (hour, minute, second, millisecond) = time.time_of_day();
    let date = civil::date(time.year() as i16, time.month() as i8, time.day() as i8);
    let nanosecond = i32::from(millisecond) * 1_000_000;
    let time = date.at(hour as i8, minute as i8, second as i8, nanosecond);
    time.to_zoned(TimeZone::UTC).unwrap().timestamp().into()
}

#[test]
fn logs_after_a_gap_are_not_ignored() {
    // The database requires the logs up to the end of its backup; more follow, with a gap.
    let Some(fixture) = testkit::find("ese/chain-ad2016:backup-2") else {
        return;
    };
    let folder = unpacked(&fixture);
    let set = LogSet::in_folder(folder.path(), "edb").unwrap();
    let last = set.logs.last().unwrap().generation();
    std::fs::remove_file(log_of(folder.path(), last - 1)).unwrap();
    let text = refusal(folder.path());
    println!("{text}");
    assert!(text.contains(&format!("{:#x}", last - 1)), "{text}");

    // The same if replay is to stop after the gap.
    let soon = SystemTime::now() + Duration::from_secs(3600);
    let begun = time_of(&set.logs.last().unwrap().header.created);
    for stop in [Stop::Generation(last), Stop::Time(soon), Stop::Time(begun)] {
        let error = attempt(folder.path(), |options| options.until(stop)).err();
        assert!(matches!(error, Some(Error::MissingCommittedLogs { .. })));
    }
    let before = attempt(folder.path(), |options| {
        options.until(Stop::Generation(last - 2))
    });
    assert!(before.is_ok());

    let outcome = attempt(folder.path(), |options| options.allow_loss(true)).unwrap();
    assert_eq!(outcome.summary.lost, [last - 1..=last]);
    assert_eq!(outcome.summary.generations.unwrap().end() + 1, last - 1);
}

#[test]
fn replay_stops_at_a_generation_or_a_time() {
    let Some(fixture) = testkit::find("ese/chain-ad2016:backup-2") else {
        return;
    };
    let folder = unpacked(&fixture);
    let all = attempt(folder.path(), |options| options).unwrap();
    let last = *all.summary.generations.as_ref().unwrap().end();

    let until = |stop| attempt(folder.path(), |options| options.until(stop));
    let earlier = until(Stop::Generation(last - 1)).unwrap();
    assert_eq!(earlier.summary.generations.unwrap().end() + 1, last);
    assert_eq!(earlier.summary.lost, [last..=last]);
    assert_ne!(earlier.dump, all.dump);

    // The same logs without the last one lead to the same state.
    std::fs::rename(log_of(folder.path(), last), folder.path().join("away")).unwrap();
    let without = attempt(folder.path(), |options| options).unwrap();
    assert_eq!(without.dump, earlier.dump);
    std::fs::rename(
        folder.path().join("away"),
        folder.path().join(format!("edb{last:05X}.log")),
    )
    .unwrap();

    let error = until(Stop::Generation(1)).err().unwrap();
    assert!(matches!(error, Error::StopTooEarly { .. }), "{error}");
    let soon = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(until(Stop::Time(soon)).unwrap().dump, all.dump);
    let long_ago = until(Stop::Time(SystemTime::UNIX_EPOCH)).err().unwrap();
    assert!(matches!(long_ago, Error::StopTooEarly { .. }), "{long_ago}");
}

#[test]
fn a_time_to_stop_falls_between_two_generations() {
    let Some(fixture) = testkit::find("ese/chain-ad2016:backup-2") else {
        return;
    };
    let folder = unpacked(&fixture);
    let until = |stop| attempt(folder.path(), |options| options.until(stop));
    let set = LogSet::in_folder(folder.path(), "edb").unwrap();
    let mut stopped = 0;
    for next in &set.logs {
        let before = next.generation() - 1;
        // Its first record comes after it was created.
        let at = until(Stop::Time(time_of(&next.header.created)));
        let short = Duration::from_millis(1);
        let earlier = until(Stop::Time(time_of(&next.header.created) - short));
        match until(Stop::Generation(before)) {
            Ok(expected) => {
                let at = at.unwrap();
                assert_eq!(at.summary.generations, expected.summary.generations);
                assert!(at.dump == expected.dump);
                // A millisecond earlier, the log before it may still receive a record, so that
                // replay ends before that log.
                let ended =
                    earlier.map_or(0, |outcome| *outcome.summary.generations.unwrap().end());
                assert!(ended < before);
                stopped += 1;
            }
            Err(error) => {
                assert!(matches!(error, Error::StopTooEarly { .. }), "{error}");
                assert!(matches!(at, Err(Error::StopTooEarly { .. })));
            }
        }
    }
    assert!(stopped > 0);
}
