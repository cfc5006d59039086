//! docs/conformance.md, as tests: function by parameter by condition. Each row of the document is
//! one test of the shared library, for each form (A, W) of the function; the document is written
//! from the rows.
//!
//! `cargo test -p ntdsbcli-c --test conformance -- DsBackupRead` runs a part;
//! `UPDATE_DOCS=1 cargo test -p ntdsbcli-c --test conformance` writes the document anew.

#[path = "../lab/mod.rs"]
mod lab;

mod calls;
mod document;
mod library;
mod remote;
mod table;
mod world;

mod backup;
mod common;
mod complete;
mod files;
mod process_wide;
mod read;
mod register;
mod restore;

use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    let mut arguments = libtest_mimic::Arguments::from_args();
    // Rows point the library to the service that they need: one after the other.
    arguments.test_threads = Some(1);
    // SAFETY: this is the first thing that the program does.
    unsafe { world::prepare_environment() };
    let mut table = Table::default();
    process_wide::is_online(&mut table);
    backup::rows(&mut table);
    files::rows(&mut table);
    read::read_rows(&mut table.single("DsBackupRead"));
    read::close_rows(&mut table.single("DsBackupClose"));
    backup::end_rows(&mut table);
    restore::prepare_rows(&mut table.both_forms("DsRestorePrepare"));
    restore::location_rows(&mut table.both_forms("DsRestoreGetDatabaseLocations"));
    register::rows(&mut table.both_forms("DsRestoreRegister"));
    complete::complete_rows(&mut table.single("DsRestoreRegisterComplete"));
    complete::end_rows(&mut table.single("DsRestoreEnd"));
    process_wide::rows(&mut table);
    let mut trials = table.trials();
    trials.push(document::trial(&table));
    let conclusion = libtest_mimic::run(&arguments, trials);
    world::clean_up();
    conclusion.exit_code()
}
