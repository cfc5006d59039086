//! The progress of a run of histories, on standard error even if the test's output is captured.

use std::io::Write;
use std::time::Instant;

/// The number of histories per line.
const OFTEN: usize = 10;

pub struct Tally {
    planned: usize,
    begun: Instant,
    seeds: Vec<u64>,
    steps: u64,
    harmed: u32,
    killed: u32,
    killed_in_time: u32,
}

impl Tally {
    pub fn of(planned: usize) -> Self {
        Self {
            planned,
            begun: Instant::now(),
            seeds: Vec::new(),
            steps: 0,
            harmed: 0,
            killed: 0,
            killed_in_time: 0,
        }
    }

    /// Counts a killed command: before its end, or too late.
    pub fn killed(&mut self, in_time: bool) {
        self.killed += 1;
        self.killed_in_time += u32::from(in_time);
    }

    /// Counts a history without a difference.
    pub fn history(&mut self, seed: u64, steps: u64, harmed: bool) {
        self.seeds.push(seed);
        self.steps += steps;
        self.harmed += u32::from(harmed);
        if self.planned > OFTEN && self.seeds.len().is_multiple_of(OFTEN) {
            self.say("so far");
        }
    }

    pub fn conclude(&self) {
        self.say("no difference");
    }

    fn say(&self, how: &str) {
        let (first, last) = (self.seeds.first(), self.seeds.last());
        let _ = writeln!(
            std::io::stderr(),
            "{} of {} histories (seeds {} to {}), {} steps, {} commands killed ({} before their \
             end), {} harmed, {} s: {how}",
            self.seeds.len(),
            self.planned,
            first.unwrap_or(&0),
            last.unwrap_or(&0),
            self.steps,
            self.killed,
            self.killed_in_time,
            self.harmed,
            self.begun.elapsed().as_secs()
        );
    }
}
