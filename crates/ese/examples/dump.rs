//! Writes the contents of a database as JSON lines.
//!
//! `cargo run --release -p ese --example dump -- DATABASE`

use std::io::{BufWriter, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("dump DATABASE")?;
    let database = ese::Database::open(&path)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let dump = ese::dump::Dump::new().with_indexes(true);
    dump.write(&database, &mut out)?;
    Ok(out.flush()?)
}
