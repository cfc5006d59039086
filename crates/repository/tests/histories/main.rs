//! Random histories of a repository: backup, forget, prune, copy, repair, two at once, kill -9, and
//! damage to its files. Afterwards every listed snapshot restores bit by bit, or is reported as
//! damaged.
//!
//! A short form runs with the tests. `DSBACKUP_HISTORIES=200` runs that many and shows progress,
//! `DSBACKUP_HISTORY=SEED` runs one again. Killed commands depend on the computer's speed, so a
//! seed that found a bug may have to be run more than once.

#[path = "../stored/common/mod.rs"]
mod common;
mod killed;
mod model;
mod random;
mod tally;

use std::path::Path;
use std::time::Duration;

use model::{Place, Side};
use random::Random;
use repository::*;
use tally::Tally;

/// Seeds that once found a bug.
const FOUND: [u64; 0] = [];

/// The number of further histories in the short form.
const SHORT: u64 = 4;

#[test]
fn what_is_listed_restores_or_is_named_as_damaged() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let place = memory();
    let template = place.path().join("template");
    model::template(&template);
    testkit::cheap_key::replace_key(&template, common::PASSWORD);
    let seeds: Vec<u64> = match (number("DSBACKUP_HISTORY"), number("DSBACKUP_HISTORIES")) {
        (Some(seed), _) => vec![seed],
        (None, count) => FOUND.into_iter().chain(0..count.unwrap_or(SHORT)).collect(),
    };
    let mut tally = Tally::of(seeds.len());
    for seed in seeds {
        history(&template, seed, &mut tally);
    }
    tally.conclude();
}

/// A folder in memory, if possible: killing a process loses nothing of a file system, so waiting
/// for disks gains nothing.
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A history of two repositories; snapshots are copied to the second.
fn history(template: &Path, seed: u64, tally: &mut Tally) {
    let folder = memory();
    let mut random = Random::new(seed);
    let mut one = Side::new(template, folder.path().join("one"));
    let mut two = Side::new(template, folder.path().join("two"));
    let other_handle = common::open(&one.path);
    let mut place = Place::new(seed);
    let steps = 8 + random.below(8);
    let harm_at = match random.below(2) {
        0 => u64::MAX,
        _ => 2 + random.below(steps),
    };
    for step in 0..steps {
        if step == harm_at {
            place.tell(format!("harm {}", one.harm(&mut random)));
            one.take_stock(&place);
        }
        match random.below(20) {
            0..6 => {
                let backup = place.new_backup(&mut random);
                let snapshot = backup.store(&one.repository).expect("a backup");
                one.has(&place, snapshot);
            }
            6..8 => one.forget(&mut place, &mut random),
            8..11 => one.prune(&mut place),
            11..13 => one.copy_to(&mut two, &mut place, &mut random),
            13 => one.repair(&mut place),
            14..16 => together(&mut one, &other_handle, &mut place, &mut random),
            _ => {
                let in_time = killed::step(&mut one, &mut two, &mut place, &mut random);
                tally.killed(in_time);
            }
        }
    }
    one.verify(&place);
    two.verify(&place);
    let others_restic = seed.is_multiple_of(4) && !one.is_harmed();
    if others_restic {
        common::restic_succeeds(&one.path, &["check", "--read-data"]);
        common::restic_succeeds(&two.path, &["check", "--read-data"]);
    }
    tally.history(seed, steps, one.is_harmed());
}

/// A backup beside another writer with its own view of the repository.
fn together(one: &mut Side, other: &Repository, place: &mut Place, random: &mut Random) {
    let first = place.new_backup(random);
    let second = place.new_backup(random);
    let prune = random.below(2) == 0;
    place.tell(format!(
        "together with {}",
        if prune { "a prune" } else { "a backup" }
    ));
    let (stored, beside) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| match prune {
            true => {
                let patience = Duration::from_secs(60);
                let lock = other
                    .lock(LockKind::Exclusive, patience)
                    .expect("a lock in time");
                other.prune(&lock, false, &mut |_, _, _| ()).map(|_| None)
            }
            false => second.store(other).map(Some),
        });
        (
            first.store(&one.repository),
            beside.join().expect("no panic"),
        )
    });
    one.has(place, stored.expect("a backup"));
    match beside {
        Ok(Some(snapshot)) => one.has(place, snapshot),
        Ok(None) => {}
        Err(error) => one.excuse(place, &error),
    }
}
