//! Random histories of a repository with several writers at once: backups, the shipping of logs,
//! retention, prunes, copies and drills, each a process of its own, some of them killed. Nothing that
//! a command said to be stored is lost, and every snapshot leads to what the engine says.
//!
//! A short form runs with the tests. `DSBACKUP_WRITERS=100` runs that many histories,
//! `DSBACKUP_TEST_SEED` those from this seed on. What processes do at once depends on the computer's
//! speed, so a seed that found a fault may have to be run more than once.

use std::collections::VecDeque;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::chain::{Chain, NewLog};
use crate::lab::{Lab, PASSWORD, Run, write_secret};
use serde_json::Value;

/// What may happen at the same time. `DIRECTORY` and `OTHER` stand for paths of the lab.
const WRITERS: [&[&str]; 9] = [
    &["run", "files"],
    &["ship", "files", "--once"],
    &[
        "backup",
        "--directory",
        "DIRECTORY",
        "--database-name",
        "test.edb",
        "--keep-logs",
        "--retry-lock",
        "1m",
    ],
    &[
        "backup",
        "--directory",
        "DIRECTORY",
        "--database-name",
        "test.edb",
        "--logs-only",
        "--keep-logs",
        "--retry-lock",
        "1m",
    ],
    &[
        "forget",
        "--keep-last",
        "2",
        "--prune",
        "--retry-lock",
        "1m",
    ],
    &["prune", "--retry-lock", "1m"],
    &["copy", "--to", "OTHER", "--retry-lock", "1m"],
    &[
        "check",
        "--drill",
        "--all",
        "--scratch",
        "SCRATCH",
        "--retry-lock",
        "1m",
    ],
    &["repair", "index", "--retry-lock", "1m"],
];

/// The writers that store the directory as it is: those that succeed keep all logs finished before.
const STORES: std::ops::Range<usize> = 0..4;

/// The drill, for which the engine's own database is damaged: it has a table of objects, and is no
/// directory.
const DRILL: usize = 7;

/// Reproducible random numbers: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// A writer that has ended.
struct Ended {
    writer: usize,
    /// When it was killed, if it was.
    killed: Option<Duration>,
    run: Run,
}

struct History {
    lab: Lab,
    chain: Chain,
    random: Random,
    waiting: VecDeque<NewLog>,
    /// The newest generation that is finished in the directory.
    finished: u32,
    /// The newest one that a command has said to be stored.
    stored: u32,
    /// What happened, for messages.
    told: Vec<String>,
}

impl History {
    fn new(seed: u64) -> Self {
        let (lab, chain) = (Lab::empty(), Chain::shipped());
        let mut random = Random(seed);
        chain.full(&lab.directory());
        let text = format!(
            "[repository.local]\nlocation = {:?}\npassword_file = {:?}\n\
             [job.files]\nsource = {{ directory = {:?}, database_name = {:?} }}\n\
             repositories = [\"local\"]\nkeep_logs = {}\nretry_lock = \"1m\"\n\
             [job.files.keep]\nlast = 3\n\
             [job.files.ship]\nevery = \"0s\"\nfull_after_gap = true\n",
            lab.repository(),
            lab.path("password"),
            lab.directory(),
            chain.database_name(),
            random.below(2) == 0,
        );
        std::fs::write(lab.path("dsbackup.toml"), text).expect("write");
        write_secret(&lab.path("password"), &format!("{PASSWORD}\n"));
        lab.succeed(&["init"]);
        lab.succeed(&["init", "-r", lab.path("other").to_str().expect("plain")]);
        let (waiting, finished) = (chain.later(), chain.end(0));
        let mut history = Self {
            lab,
            chain,
            random,
            waiting,
            finished,
            stored: 0,
            told: vec![format!("DSBACKUP_TEST_SEED={seed}")],
        };
        let first = Run::of(&mut history.command(0));
        assert_eq!(first.code, Some(0), "{first}");
        history.stored = finished;
        history
    }

    fn command(&self, writer: usize) -> Command {
        let place = |argument: &&str| match *argument {
            "DIRECTORY" => self.lab.directory().display().to_string(),
            "OTHER" => self.lab.path("other").display().to_string(),
            "SCRATCH" => self.lab.path("").display().to_string(),
            argument => argument.to_owned(),
        };
        let arguments: Vec<String> = WRITERS[writer].iter().map(place).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = self.lab.dsbackup(&arguments);
        command
            .env("DSBACKUP_CONFIG", self.lab.path("dsbackup.toml"))
            .env("DSBACKUP_STATE_FOLDER", self.lab.path("state"))
            .env("DSBACKUP_TO_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn story(&self) -> String {
        self.told.join("; ")
    }

    /// The engine finishes some logs, and some writers work at once.
    fn round(&mut self) {
        for _ in 0..self.random.below(3) {
            if let Some(log) = self.waiting.pop_front() {
                log.finish_in(&self.lab.directory());
                self.finished += 1;
                self.told.push(format!("log {:#x}", self.finished));
            }
        }
        let count = 2 + self.random.below(3);
        let plans: Vec<(usize, Option<Duration>)> = (0..count)
            .map(|_| {
                let writer = self.random.below(WRITERS.len() as u64) as usize;
                // Each stretch of time is as likely as the next one, which is twice as long.
                let longest = 1 << (10 + self.random.below(10));
                let kill = self.random.below(2) == 0;
                let delay = Duration::from_micros(self.random.below(longest));
                (writer, kill.then_some(delay))
            })
            .collect();
        let mut children: Vec<_> = (plans.iter())
            .map(|(writer, _)| self.command(*writer).spawn().expect("a writer"))
            .collect();
        let begin = Instant::now();
        let mut kills: Vec<(Duration, usize)> = (plans.iter().enumerate())
            .filter_map(|(index, (_, kill))| Some(((*kill)?, index)))
            .collect();
        kills.sort_unstable();
        for (delay, index) in kills {
            std::thread::sleep(delay.saturating_sub(begin.elapsed()));
            children[index].kill().expect("kill -9");
            // While nobody has asked for its end, its locks count as those of a living process.
            children[index].wait().expect("its end");
        }
        let ended: Vec<Ended> = (plans.into_iter().zip(children))
            .map(|((writer, killed), child)| Ended {
                writer,
                killed,
                run: child.wait_with_output().expect("its end").into(),
            })
            .collect();
        for Ended {
            writer,
            killed,
            run,
        } in ended
        {
            let name = WRITERS[writer][0];
            let how = match (killed, run.code) {
                (Some(after), None) => format!("killed after {} µs", after.as_micros()),
                (_, code) => format!("{code:?}"),
            };
            self.told.push(format!("{name} {how}"));
            // Another one may hold the directory, or be the same job. Nothing is damaged.
            assert!(
                (writer == DRILL || run.code != Some(3)) && !run.stderr.contains("panicked"),
                "{}: {run}",
                self.story()
            );
            if STORES.contains(&writer) && run.code == Some(0) {
                self.stored = self.finished;
            }
        }
    }

    /// Looks at both repositories.
    fn check(&mut self) {
        let of = |location: &str, arguments: &[&str]| {
            let place = self.lab.path(location).display().to_string();
            self.lab.run(&[arguments, &["-r", &place]].concat())
        };
        for location in ["repository", "other"] {
            let list = of(location, &["snapshots", "--json"]);
            let list: Value = serde_json::from_str(&list.stdout).expect("a list");
            let list = list.as_array().expect("a list").clone();
            let unusable: Vec<&Value> = (list.iter())
                .filter(|snapshot| !snapshot["unusable"].is_null())
                .collect();
            assert!(
                unusable.is_empty(),
                "{location}: {unusable:#?}: {}",
                self.story()
            );
            let sound = of(location, &["check", "--read-data"]);
            let empty = location == "other" && list.is_empty();
            assert!(
                sound.code == Some(0) || empty && sound.code == Some(3),
                "{location}: {sound}: {}",
                self.story()
            );
            if location == "repository" {
                let newest = list.iter().filter_map(newest_log).max();
                assert!(
                    newest >= Some(self.stored),
                    "{newest:?} is stored, not {:#x}: {}",
                    self.stored,
                    self.story()
                );
            }
            if let Some(index) = (self.random.below(3) == 0 && !list.is_empty())
                .then(|| self.random.below(list.len() as u64) as usize)
            {
                self.restore(location, &list[index]);
            }
        }
    }

    /// A snapshot leads to what the engine says of its last log, where the engine says anything.
    fn restore(&self, location: &str, snapshot: &Value) {
        let newest = newest_log(snapshot).expect("logs");
        let Some(point) = self
            .chain
            .points()
            .find(|point| self.chain.end(*point) == newest)
        else {
            return;
        };
        let folder = self.lab.path("restored");
        let target = folder.display().to_string();
        let id = snapshot["snapshot"].as_str().expect("an id");
        let place = self.lab.path(location).display().to_string();
        let until = format!("{newest:#x}");
        let run = self.lab.run(&[
            "restore", id, "--target", &target, "--until", &until, "-r", &place,
        ]);
        assert_eq!(run.code, Some(0), "{location}: {run}: {}", self.story());
        self.chain.assert_is(point, &folder);
        std::fs::remove_dir_all(folder).expect("remove it");
    }
}

/// The newest generation of a listed snapshot.
fn newest_log(snapshot: &Value) -> Option<u32> {
    let newest = snapshot["logs"]["highest"].as_u64()?;
    u32::try_from(newest).ok()
}

#[test]
fn nothing_is_lost_while_several_write_and_are_killed() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let (first, count) = (
        number("DSBACKUP_TEST_SEED").unwrap_or(1),
        number("DSBACKUP_WRITERS").unwrap_or(1),
    );
    for seed in first..first + count {
        let mut history = History::new(seed);
        let rounds = match count {
            1 => 2,
            _ => 12,
        };
        for _ in 0..rounds {
            history.round();
            history.check();
        }
        if count > 1 {
            let _ = writeln!(std::io::stderr(), "{}", history.story());
        }
    }
}
