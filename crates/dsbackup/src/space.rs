//! `dsbackup space`: how much space the tables of a database take.

use ese::Database;
use ese::catalog::TableEntry;
use ese::space::{DATABASE_ROOT, TreeSpace};
use ese::tree::TreeId;
use serde::Serialize;

use crate::cli::DatabaseOptions;
use crate::database;
use crate::failure::{Outcome, Result};
use crate::report::{Report, bytes};

/// What `--json` prints; all sizes in bytes.
#[derive(Serialize)]
struct Summary {
    file: String,
    page_size: u64,
    /// Of the file, headers included.
    size: u64,
    /// Owned by no table.
    available: u64,
    tables: Vec<TableSpace>,
}

/// The space of a table. `available` is part of none of the other figures but `total`.
#[derive(Serialize)]
struct TableSpace {
    name: String,
    total: u64,
    rows: u64,
    long_values: u64,
    indexes: u64,
    available: u64,
}

/// Lists the tables, the largest first.
///
/// # Errors
/// Where catalog or space trees cannot be read.
pub fn run(options: &DatabaseOptions, report: Report) -> Result<Outcome> {
    let database = database::open(&options.database)?;
    let page_size = database.page_size().bytes() as u64;
    let mut tables = (database.tables()?.iter())
        .map(|entry| table_space(&database, entry))
        .collect::<Result<Vec<_>>>()?;
    tables.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.name.cmp(&b.name)));
    let summary = Summary {
        file: options.database.display().to_string(),
        page_size,
        size: database.source().size().unwrap_or_default(),
        available: database.space(DATABASE_ROOT)?.available * page_size,
        tables,
    };
    report.result(&summary, || in_words(&summary))?;
    Ok(Outcome::Done)
}

fn table_space(database: &Database, entry: &TableEntry) -> Result<TableSpace> {
    let page_size = database.page_size().bytes() as u64;
    let space = |tree: TreeId| -> Result<TreeSpace> { Ok(database.space(tree)?) };
    let all = space(entry.tree)?;
    let long_values = entry
        .long_values
        .map(space)
        .transpose()?
        .unwrap_or_default();
    let mut indexes = TreeSpace::default();
    if let Some(table) = database.table(&entry.name)? {
        let secondary = table.indexes().iter();
        for index in secondary.filter(|index| !index.flags.is_primary()) {
            let space = space(index.tree)?;
            indexes.owned += space.owned;
            indexes.available += space.available;
        }
    }
    let in_use = |space: TreeSpace| space.owned.saturating_sub(space.available);
    let parts = long_values.owned + indexes.owned;
    Ok(TableSpace {
        name: entry.name.clone(),
        total: all.owned * page_size,
        rows: in_use(all).saturating_sub(parts) * page_size,
        long_values: in_use(long_values) * page_size,
        indexes: in_use(indexes) * page_size,
        available: (all.available + long_values.available + indexes.available) * page_size,
    })
}

fn in_words(summary: &Summary) -> String {
    let names = summary
        .tables
        .iter()
        .map(|table| table.name.chars().count());
    let width = names.max().unwrap_or(0).max("of no table".len());
    let mut text = format!(
        "{:width$}  {:>11}  {:>11}  {:>11}  {:>11}  {:>11}",
        "table", "total", "rows", "long values", "indices", "available"
    );
    for table in &summary.tables {
        text += &format!(
            "\n{:width$}  {:>11}  {:>11}  {:>11}  {:>11}  {:>11}",
            table.name,
            bytes(table.total),
            bytes(table.rows),
            bytes(table.long_values),
            bytes(table.indexes),
            bytes(table.available)
        );
    }
    text += &format!(
        "\n{:width$}  {:>11}  {:>11}  {:>11}  {:>11}  {:>11}",
        "of no table",
        "",
        "",
        "",
        "",
        bytes(summary.available)
    );
    text + &format!("\n{:width$}  {:>11}", "file", bytes(summary.size))
}
