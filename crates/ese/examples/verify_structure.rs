//! Verifies the structure of databases, and prints the speed.
//!
//! `cargo run --release -p ese --example verify_structure -- [OPTION]... DATABASE...`; the options
//! are `--threads N` and `--repeat N`.

use std::time::Instant;

use ese::Database;
use ese::structure::verify_structure;

fn main() -> ese::Result<()> {
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
            "--threads" => rayon::ThreadPoolBuilder::new()
                .num_threads(number())
                .build_global()
                .expect("threads"),
            "--repeat" => repeat = number(),
            _ => paths.push(argument),
        }
    }
    for path in paths {
        for round in 0..repeat {
            let start = Instant::now();
            let database = Database::open(&path)?;
            let mut shown = 0;
            let summary = verify_structure(&database, &mut |finding| {
                shown += 1;
                if round == 0 && shown <= 20 {
                    println!("  {:?}: {finding}", finding.severity);
                }
            })?;
            let seconds = start.elapsed().as_secs_f64();
            let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
            println!(
                "{path}: {:.0} MiB/s, {summary:?}",
                bytes as f64 / seconds / f64::from(1 << 20)
            );
        }
    }
    Ok(())
}
