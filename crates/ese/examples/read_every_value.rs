//! Reads every value of every row of every table, and prints the speed.
//!
//! `cargo run --release -p ese --example read_every_value -- [--threads N] [--repeat N] DATABASE`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ese::Database;
use ese::catalog::Table;
use ese::compression;
use ese::rows::{KeyRange, Stored};

/// The counts.
#[derive(Default)]
struct Totals {
    rows: AtomicU64,
    values: AtomicU64,
    bytes: AtomicU64,
}

fn main() -> ese::Result<()> {
    let mut threads = 1;
    let mut repeat = 1;
    let mut paths = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            arguments
                .next()
                .and_then(|n| n.parse().ok())
                .expect("a number")
        };
        match argument.as_str() {
            "--threads" => threads = number(),
            "--repeat" => repeat = number(),
            _ => paths.push(argument),
        }
    }
    for path in paths {
        for _ in 0..repeat {
            let start = Instant::now();
            let totals = Totals::default();
            let database = Database::open(&path)?;
            // Large tables are read by several threads at once.
            let mut parts = Vec::new();
            for entry in database.tables()? {
                let Some(table) = database.table(&entry.name)? else {
                    continue;
                };
                for range in database.row_ranges(&table, threads * 8)? {
                    parts.push((Arc::clone(&table), range));
                }
            }
            let next = AtomicU64::new(0);
            std::thread::scope(|scope| {
                let worker = || -> ese::Result<()> {
                    while let Some((table, range)) =
                        parts.get(next.fetch_add(1, Ordering::Relaxed) as usize)
                    {
                        read_rows(&database, table, range, &totals)?;
                    }
                    Ok(())
                };
                let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
                (workers.into_iter())
                    .try_for_each(|worker| worker.join().expect("a worker that does not panic"))
            })?;
            let seconds = start.elapsed().as_secs_f64();
            let [rows, values, bytes] = [&totals.rows, &totals.values, &totals.bytes]
                .map(|total| total.load(Ordering::Relaxed));
            let file = std::fs::metadata(&path).map_or(0, |file| file.len());
            println!(
                "{path}: {rows} rows, {values} values, {bytes} bytes in {seconds:.4} s: {:.0} \
                 values/s, {:.0} MiB/s of the file",
                values as f64 / seconds,
                file as f64 / seconds / f64::from(1 << 20),
            );
        }
    }
    Ok(())
}

fn read_rows(
    database: &Database,
    table: &Arc<Table>,
    range: &KeyRange,
    totals: &Totals,
) -> ese::Result<()> {
    let (mut rows, mut values, mut bytes) = (0, 0, 0);
    let mut decompressed = Vec::new();
    let mut cursor = database.rows(table).within(range.clone());
    while let Some(row) = cursor.next()? {
        rows += 1;
        row.visit(|value| {
            values += 1;
            bytes += match value.stored {
                Stored::Plain(value) | Stored::Encrypted(value) => value.len() as u64,
                Stored::Compressed(value) => {
                    decompressed.clear();
                    match compression::decompress(value, &mut decompressed) {
                        Ok(()) => decompressed.len() as u64,
                        Err(_) => value.len() as u64,
                    }
                }
                Stored::Separated(id) => {
                    let mut len = 0;
                    row.visit_long_value(id, |chunk| {
                        len += chunk.len() as u64;
                        Ok(())
                    })?;
                    len
                }
            };
            Ok(())
        })?;
    }
    totals.rows.fetch_add(rows, Ordering::Relaxed);
    totals.values.fetch_add(values, Ordering::Relaxed);
    totals.bytes.fetch_add(bytes, Ordering::Relaxed);
    Ok(())
}
