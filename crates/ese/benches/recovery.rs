//! The speed of replay: megabytes and records per second for one, two and four parts of the same
//! logs, to show that time grows only with the logs.
//!
//! The database is emptied first, so that every change since its creation is redone: each record
//! causes page work, and the result is written as a new file. Uses the largest set of the full
//! fixtures if present, else a small one of the project. Prints a table; the best of several runs
//! counts.

use ese::header::{DatabaseHeaders, DbTime, Lgpos};
use ese::recovery::{Options, Stop, Summary, recover};
use std::path::{Path, PathBuf};
use std::time::Duration;

const RUNS: u32 = 7;

fn main() {
    let fixture = ["ntds/contoso", "sample-forest/dirty"]
        .into_iter()
        .find_map(testkit::find)
        .expect("a fixture ships with the project");
    let folder = fixture.unpack();
    let last = empty_database(folder.path());
    let unit = (last / 4).max(1);

    println!("{}: best of {RUNS} runs", fixture.name);
    println!(
        "| logs | MB | records | pages written | seconds | CPU seconds | MB/s | records/s | peak \
         memory |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    // From few to many, since the peak is that of the process so far.
    for parts in [1, 2, 4] {
        let generations = unit * parts;
        let (summary, seconds, cpu) = best(folder.path(), generations);
        let megabytes = summary.log_bytes as f64 / 1e6;
        println!(
            "| {parts}x | {megabytes:.1} | {} | {} | {seconds:.3} | {cpu:.2} | {:.0} | {:.0} | {} \
             |",
            summary.counts.records,
            summary.pages_written,
            megabytes / seconds,
            summary.counts.records as f64 / seconds,
            peak_memory().map_or("?".into(), |bytes| format!("{} MiB", bytes >> 20)),
        );
    }
}

/// The fastest of the runs: the summary, seconds, and seconds of processor time.
fn best(folder: &Path, generations: u32) -> (Summary, f64, f64) {
    let runs = (0..RUNS).map(|_| {
        let out = tempfile::tempdir().expect("a temporary folder");
        let options = Options::new(folder)
            .into_folder(out.path())
            .until(Stop::Generation(generations));
        let before = processor_time();
        let summary = recover(options).expect("recover");
        let cpu = processor_time().saturating_sub(before).as_secs_f64();
        let seconds = summary.elapsed.as_secs_f64();
        (summary, seconds, cpu)
    });
    runs.min_by(|(_, a, _), (_, b, _)| a.total_cmp(b))
        .expect("there is a run")
}

/// User and system time of this process with all its threads, if the system reports it (`/proc`).
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = (after_name.split(' ').skip(11).take(2))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// The peak memory of this process, if the system reports it.
fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// Reduces the database to a header that requires all logs. Returns the last generation.
fn empty_database(folder: &Path) -> u32 {
    let files = std::fs::read_dir(folder).expect("list the folder");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "dit"));
    let mut header = DatabaseHeaders::read(&paths[0]).expect("a header").header;
    header.state = 2.into();
    header.dbtime = DbTime::new(0);
    // The creation is the first record; the rest of its segment is padding.
    header.last_attach = Lgpos::new(1, 1, 4000);
    header.last_resize = Lgpos::MIN;
    header.min_required = 1.into();
    header.max_required = 0.into();
    header.max_committed = 0.into();
    header.database_id = 1.into();
    let page = header.to_page();
    std::fs::write(&paths[0], [&page[..], &page[..]].concat()).expect("write the database");
    let logs = ese::log_set::LogSet::in_folder(folder, "edb").expect("the logs");
    logs.logs.last().expect("logs").generation()
}
