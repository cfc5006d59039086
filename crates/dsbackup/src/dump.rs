//! `dsbackup dump`: everything that a database holds.

use std::cell::Cell;

use backup::Progress as _;
use ese::Database;
use ese::catalog::Column;
use ese::dump::{Dump, DumpError, MISSING, UNDECODED, Unread};
use ntds::secrets::{Protection, SecretColumns};

use crate::cli::DumpOptions;
use crate::database;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report};

/// So many values that cannot be read are named one by one.
const MOST_NAMED: u64 = 20;

/// Dumps a database, or one table of it, to standard output.
///
/// # Errors
/// Where the database cannot be read; what was read before is written.
pub fn run(options: &DumpOptions, report: Report) -> Result<Outcome> {
    let database = match options.table {
        // How much of the file is read is not known.
        Some(_) => database::open(&options.database)?,
        None => {
            let bar = report.progress_of_stream(0);
            bar.item("dumping");
            database::open_watched(&options.database, bar)?
        }
    };
    let table = (options.table.as_deref())
        .map(|name| database::table(&database, name))
        .transpose()?;
    let secrets = secret_columns(&database, options)?;
    let is_withheld = |table: &str, column: &Column| match secrets.protection(table, &column.name) {
        Some(Protection::Clear) => true,
        Some(Protection::Encrypted) => options.redact_secrets,
        None => false,
    };
    let unread = Cell::new(0_u64);
    let notice = |value: &Unread<'_>| {
        unread.set(unread.get() + 1);
        if unread.get() <= MOST_NAMED {
            report::warn(format!(
                "table {}, row {} of the dump, {}, value {}: {}",
                value.table,
                value.row + 1,
                value.column,
                value.sequence,
                value.reason
            ));
        }
    };
    let dump = Dump::new()
        .with_indexes(options.indexes)
        .withholding(&is_withheld)
        .noting(&notice);
    report::stream(|out| {
        let dumped = match table {
            Some(table) if options.csv => dump.write_csv(&database, table, out),
            Some(table) => dump.write_table(&database, table, out),
            None => dump.write(&database, out),
        };
        dumped.map_err(|error| match error {
            DumpError::Read(error) => Failure::from(error),
            DumpError::Write(error) => Failure::Output(error),
        })
    })?;
    if unread.get() == 0 {
        return Ok(Outcome::Done);
    }
    report::warn(format!(
        "{}: {} could not be read, and stand in the dump as {MISSING} or with {UNDECODED}",
        options.database.display(),
        report::count(unread.get() as usize, "value")
    ));
    Ok(Outcome::DamageFound)
}

/// The columns of a directory that hold secrets; none where only tables are asked for that hold
/// none.
fn secret_columns(database: &Database, options: &DumpOptions) -> Result<SecretColumns> {
    let is_other = |name: &str| !name.eq_ignore_ascii_case("datatable");
    if options.table.as_deref().is_some_and(is_other) {
        return Ok(SecretColumns::default());
    }
    let secrets = SecretColumns::of(database)?;
    if let Some(reason) = secrets.unread() {
        report::warn(format!(
            "{}: the directory's schema cannot be read ({reason}): attributes that hold passwords \
             or keys are told by the numbers that they have in every forest, and texts and binary \
             values of all attributes that only this forest's schema knows are withheld",
            options.database.display()
        ));
    }
    Ok(secrets)
}
