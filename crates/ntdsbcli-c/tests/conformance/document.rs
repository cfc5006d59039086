//! docs/conformance.md: written from the table, and compared with it by every run.

use libtest_mimic::{Failed, Trial};

use crate::table::Table;

const INTRODUCTION: &str = "\
# What the functions return

Function by parameter by condition, and the documented result. This file is written from the tests
(`crates/ntdsbcli-c/tests/conformance`): each row is one test of the shared library for each form of the function, run
against `dsbackup serve`. `UPDATE_DOCS=1 cargo test --release -p ntdsbcli-c --test conformance` writes it anew; without
that, a run fails when file and tests differ.

The last column says who demands the result:

- **page**: Microsoft's page of the function;
- **pages**: Microsoft's pages of the walk-throughs, of sibling functions or of the error codes;
- **header**: the code's name and meaning in the published headers;
- **ours**: the published documentation does not say, this is our choice;
- **beyond**: the original has no such thing.

Rules that hold for every function:

- A function that fails sets its results to `NULL`, 0 or `FALSE`, if their pointers are good.
- A handle that was never given, that was ended, or that is of the other kind is `ERROR_INVALID_PARAMETER`, whatever its
  value: handles are looked up, never followed. A handle of a context that the *service* has released, such as after it
  was restarted, is `hrInvalidHandle` or `hrCommunicationError`.
- Calls on one handle from several threads wait for one another. A call that waits while another thread ends the handle
  returns `ERROR_INVALID_PARAMETER`.
- Nobody can check that the memory behind a pointer is the caller's to give: a pointer that is neither `NULL` nor
  misaligned is followed, as by every function of C. Strings are read up to 32767 characters, tokens up to 64 KiB.
- CHAR strings are UTF-8 on Linux and of the ANSI code page on Windows, WCHAR strings UTF-16.
- `DsBackupGetLastReason` (ours) tells the reason of the thread's last failure in words, and with the environment
  variable `NTDSBCLI_LOG=warn` every failure is written to standard error.

Beyond the original are also, without rows of their own: the types `NTDSBCLI_BFT_CHECKPOINT` (0x26) and
`NTDSBCLI_BFT_FLUSH_MAP` (0x47) in lists of a directory that stands still, and for Samba the types of its other
state (`NTDSBCLI_BFT_STATE` and others in `ntdsbcli.h`). With rows: servers other than this computer, and
`BACKUP_TYPE_LOGS_ONLY`, whose lists hold no database but the logs since the last backup that truncated them.
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
