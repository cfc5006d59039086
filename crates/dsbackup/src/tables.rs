//! `dsbackup tables`: the tables of a database, and the partitions of a Samba directory.

use std::collections::BTreeSet;

use ese::Database;
use ese::catalog::{Column, Index, Table, TableEntry, TableFlags};
use objects::Stored;
use objects::samba::Partition;
use samba::DatabaseKind;
use serde::Serialize;

use crate::cli::StoredOptions;
use crate::database;
use crate::failure::{Outcome, Result};
use crate::objects::source::Sources;
use crate::objects::table;
use crate::report::Report;

/// A table, as `--json` prints it.
#[derive(Serialize)]
struct TableLine {
    name: String,
    kind: &'static str,
    object_id: u32,
    root_page: u32,
    template: Option<String>,
    columns: Vec<ColumnLine>,
    indexes: Vec<IndexLine>,
}

#[derive(Serialize)]
struct ColumnLine {
    name: String,
    id: u32,
    #[serde(rename = "type")]
    kind: String,
    multi_valued: bool,
}

#[derive(Serialize)]
struct IndexLine {
    name: String,
    primary: bool,
    unique: bool,
    key: Vec<String>,
}

/// A partition of a Samba directory, as `--json` prints it.
#[derive(Serialize)]
struct PartitionLine {
    partition: String,
    file: String,
    format: &'static str,
    objects: u64,
    index_records: u64,
    indexes: BTreeSet<String>,
}

impl From<Partition> for PartitionLine {
    fn from(table: Partition) -> Self {
        let file = table.file.file_name().unwrap_or_default();
        Self {
            file: file.to_string_lossy().into_owned(),
            format: match table.format {
                DatabaseKind::Tdb => "TDB",
                DatabaseKind::Lmdb => "LMDB",
            },
            partition: table.name,
            objects: table.objects,
            index_records: table.index_records,
            indexes: table.indices,
        }
    }
}

/// Lists the tables by name.
///
/// # Errors
/// Where the catalog cannot be read.
pub fn run(options: &StoredOptions, report: Report) -> Result<Outcome> {
    if let Some(file) = database::at(&options.source) {
        return of_engine(&database::open(&file)?, report);
    }
    let sources = Sources::new(&options.sources, report);
    match sources.open(&options.source)?.stored()? {
        Stored::Ntds(ntds) => of_engine(ntds.database(), report),
        Stored::Samba(samba) => {
            let tables: Vec<PartitionLine> = samba.tables()?.into_iter().map(From::from).collect();
            report.result(&tables, || partitions_in_words(&tables))?;
            Ok(Outcome::Done)
        }
    }
}

fn of_engine(database: &Database, report: Report) -> Result<Outcome> {
    let tables = (database.tables()?.iter())
        .map(|entry| line(database, entry))
        .collect::<Result<Vec<_>>>()?;
    report.result(&tables, || in_words(&tables))?;
    Ok(Outcome::Done)
}

fn line(database: &Database, entry: &TableEntry) -> Result<TableLine> {
    let table = database.table(&entry.name)?;
    let table = table.as_deref();
    let columns = table.map_or(&[][..], Table::columns);
    let indexes = table.map_or(&[][..], Table::indexes);
    Ok(TableLine {
        name: entry.name.clone(),
        kind: kind(entry.flags),
        object_id: entry.tree.objid,
        root_page: entry.tree.root,
        template: table
            .and_then(|table| table.template.as_ref())
            .map(|template| template.name.clone()),
        columns: columns.iter().map(column_line).collect(),
        indexes: (indexes.iter())
            .map(|index| index_line(index, table))
            .collect(),
    })
}

fn kind(flags: TableFlags) -> &'static str {
    match flags {
        flags if flags.is_system() => "system",
        flags if flags.is_template() => "template",
        flags if flags.is_derived() => "derived",
        _ => "table",
    }
}

fn column_line(column: &Column) -> ColumnLine {
    ColumnLine {
        name: column.name.clone(),
        id: column.id.0,
        kind: format!("{:?}", column.kind),
        multi_valued: column.flags.is_multi_valued(),
    }
}

fn index_line(index: &Index, table: Option<&Table>) -> IndexLine {
    let name = |id| table.and_then(|table| table.column_by_id(id));
    IndexLine {
        name: index.name.clone(),
        primary: index.flags.is_primary(),
        unique: index.flags.is_unique(),
        key: (index.key.iter())
            .map(|part| {
                let direction = if part.descending { '-' } else { '+' };
                format!(
                    "{direction}{}",
                    name(part.column).map_or("?", |column| &column.name)
                )
            })
            .collect(),
    }
}

fn in_words(tables: &[TableLine]) -> String {
    let width = tables.iter().map(|table| table.name.chars().count()).max();
    let width = width.unwrap_or(0).max("table".len());
    let mut text = format!(
        "{:width$}  {:8}  {:>9}  {:>9}  {:>7}  {:>7}",
        "table", "kind", "object id", "root page", "columns", "indices"
    );
    for table in tables {
        text += &format!(
            "\n{:width$}  {:8}  {:>9}  {:>9}  {:>7}  {:>7}",
            table.name,
            table.kind,
            table.object_id,
            table.root_page,
            table.columns.len(),
            table.indexes.len()
        );
    }
    text
}

fn partitions_in_words(tables: &[PartitionLine]) -> String {
    let rows: Vec<Vec<String>> = (tables.iter())
        .map(|table| {
            vec![
                table.partition.clone(),
                table.format.to_owned(),
                table.objects.to_string(),
                table.indexes.len().to_string(),
                table.index_records.to_string(),
            ]
        })
        .collect();
    let heading = ["partition", "format", "objects", "indices", "index records"];
    table::lines(&heading, &rows)
}
