//! docs/conformance.md: written from the table, and compared with it by every run.

use libtest_mimic::{Failed, Trial};

use crate::table::Table;

const INTRODUCTION: &str = "\
# Results of the functions

The documented result of each function by parameter and condition. This file is generated from the
tests (`crates/ntdsbcli-c/tests/conformance`): each row is one test of the shared library for each
form of the function, run against `dsbackup serve`.
`UPDATE_DOCS=1 cargo test --release -p ntdsbcli-c --test conformance` regenerates it; otherwise, a
run fails if file and tests differ.

The last column gives the source of the result:

- **page**: Microsoft's page of the function;
- **pages**: Microsoft's pages of the walk-throughs, of sibling functions or of the error codes;
- **header**: the code's name and meaning in the published headers;
- **ours**: our choice, since the published documentation does not specify it;
- **beyond**: an extension of the original.

Rules for every function:

- A function that fails sets its results to `NULL`, 0 or `FALSE`, if their pointers are valid.
- A handle that was never issued, that was ended, or that is of the other kind gives
  `ERROR_INVALID_PARAMETER`, whatever its value: handles are looked up, never dereferenced. A handle
  whose context was released by the *service*, for instance at a restart, gives `hrInvalidHandle` or
  `hrCommunicationError`.
- Calls on one handle from several threads wait for one another. If another thread ends the handle
  during the wait, the call returns `ERROR_INVALID_PARAMETER`.
- As in every C library, the memory behind a pointer cannot be validated: a pointer that is neither
  `NULL` nor misaligned is dereferenced. Strings are read up to 32767 characters, tokens up to
  64 KiB.
- CHAR strings are UTF-8 on Linux and in the ANSI code page on Windows, WCHAR strings UTF-16.
- `DsBackupGetLastReason` (ours) returns the reason of the thread's last failure as text. With the
  environment variable `NTDSBCLI_LOG=warn` every failure is written to standard error.

Further extensions without rows: the types `NTDSBCLI_BFT_CHECKPOINT` (0x26) and
`NTDSBCLI_BFT_FLUSH_MAP` (0x47) in lists of a directory at rest, and for Samba the types of its
other state (`NTDSBCLI_BFT_STATE` and others in `ntdsbcli.h`). With rows: servers other than this
computer, and `BACKUP_TYPE_LOGS_ONLY`, whose lists hold no database, only the logs since the last
backup that truncated them.
";

pub fn trial(table: &Table) -> Trial {
    let (rows, tests) = table.counts();
    let text = format!(
        "{INTRODUCTION}\n{rows} rows, {tests} tests.\n{}",
        table.to_markdown()
    );
    Trial::test("docs/conformance.md shows these rows", move || {
        let file = testkit::workspace().join("docs/conformance.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&file, &text)
                .map_err(|error| Failed::from(format!("{}: {error}", file.display())))?;
        }
        if std::fs::read_to_string(&file).is_ok_and(|found| found == text) {
            return Ok(());
        }
        Err("docs/conformance.md differs: write it anew with UPDATE_DOCS=1".into())
    })
}
