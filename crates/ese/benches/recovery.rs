//! How fast logs are replayed: bytes of log a second, for one, two and four parts of the same logs.
//!
//! The database is emptied first, so that every change since its creation is made again. The largest set of the full
//! fixtures is used where it is at hand, else a small one that ships with the project.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ese::header::{DatabaseHeaders, DbTime, Lgpos};
use ese::recovery::{Options, Stop, recover};
use std::path::{Path, PathBuf};

fn replay(criterion: &mut Criterion) {
    let fixture = ["ntds/contoso", "sample-forest/dirty"]
        .into_iter()
        .find_map(testkit::find)
        .expect("a fixture ships with the project");
    let folder = fixture.unpack();
    let last = empty_database(folder.path());

    let mut group = criterion.benchmark_group(format!("replay {}", fixture.name));
    group.sample_size(10);
    for part in [4, 2, 1] {
        let options = |out: &Path| {
            Options::new(folder.path())
                .into_folder(out)
                .until(Stop::Generation((last / part).max(1)))
        };
        let out = tempfile::tempdir().expect("a temporary folder");
        let summary = recover(options(out.path())).expect("recover");
        println!(
            "{} generations, {:.1} MB of log, {} records, {} pages",
            (last / part).max(1),
            summary.log_bytes as f64 / 1e6,
            summary.counts.records,
            summary.pages_written
        );
        group.throughput(Throughput::Bytes(summary.log_bytes));
        group.bench_function(format!("1/{part} of the logs"), |bencher| {
            bencher.iter_batched(
                || tempfile::tempdir().expect("a temporary folder"),
                |out| {
                    recover(options(out.path())).expect("recover");
                    out
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// Leaves nothing of the database but a header that calls for all logs. Returns the last generation.
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

criterion_group!(benches, replay);
criterion_main!(benches);
