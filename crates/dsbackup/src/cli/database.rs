//! Commands on a database or its logs: recover, inspect, tables, dump, space, facts, verify-db.

use std::path::PathBuf;

use clap::Args;
use ese::recovery::Stop;

use super::objects::ImageOptions;

/// `dsbackup recover`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup recover /mnt/evidence/NTDS --to /tmp/recovered    # leaves its input as it is
  dsbackup recover /var/lib/ntds                             # in place
  dsbackup recover /mnt/evidence/NTDS/ntds.dit --to ...      # names the database
  dsbackup recover dc01.vhdx --to /tmp/recovered             # from a disk's image

An image of a domain controller's disk (raw, qcow2, VHD, VHDX, VMDK), or a folder
of images such as WindowsImageBackup, is only read: --to is needed. The registry
in it says where database and logs are.

The result holds every committed change of the logs and no uncommitted one. A
recovery that was interrupted can be run again. Exit code 0 only if the database
is clean.

In place, the replayed logs and the checkpoint move to replayed-logs/: the
directory service refuses to start with them, and begins new logs.")]
pub struct RecoverOptions {
    /// Folder of the database and its logs, the database file, or an image of a disk
    pub directory: PathBuf,
    /// Write the recovered database to this folder, and leave the input as it is
    #[arg(long, value_name = "OUT")]
    pub to: Option<PathBuf>,
    /// File name of the database, if the folder holds several
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Folder of the logs
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// Base name of the logs
    #[arg(long, value_name = "NAME", default_value = "edb")]
    pub base_name: String,
    /// Stop after this generation (7 or 0x7), or at this time (2026-11-22T10:00:00Z)
    #[arg(long, value_name = "GENERATION|TIME", value_parser = crate::arguments::stop)]
    pub until: Option<Stop>,
    /// Stop at a missing or damaged log, and name what is lost. Fails if the database already holds
    /// a change of that log
    #[arg(long)]
    pub allow_loss: bool,
    #[command(flatten)]
    pub image: ImageOptions,
}

/// `dsbackup inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup inspect /var/lib/ntds/ntds.dit
  dsbackup inspect --records /var/lib/ntds/edb00012.log
  dsbackup inspect --json ntds.dit | jq .logs.missing

Fields are named as in esentutl /mh, /ml and /mk. For a database in dirty
shutdown it also lists the log generations that it requires, and which of them
are present.

Logs of a directory hold passwords and keys: --records shows only the length of
keys, bookmarks and data, such as <24 bytes>.")]
pub struct InspectOptions {
    /// Database (of Samba, too), log, checkpoint, flush map, patch file, reserved or temporary log
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// List every record of a log
    #[arg(long)]
    pub records: bool,
    /// Folder of the database's logs [default: the database's folder]
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
}

/// A command that needs a database and nothing else.
#[derive(Debug, Args)]
pub struct DatabaseOptions {
    /// Database file, such as ntds.dit
    #[arg(value_name = "DATABASE")]
    pub database: PathBuf,
}

/// `dsbackup dump`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup dump ntds.dit | head
  dsbackup dump --indexes --table link_table ntds.dit
  dsbackup dump --csv --table hiddentable ntds.dit > hiddentable.csv

Writes one JSON object a line: tables by name; of each its columns, its indices,
its rows in the order of the primary index with every value in hexadecimal, and
their number; with --indexes the entries of the secondary indices. Two databases
with the same content give the same lines.

In a directory's database, clear-text values of attributes that hold passwords
or keys are replaced by (withheld). Values that the directory encrypts are
written as stored: dsbackup never decrypts them; --redact-secrets replaces them
too. If the directory's schema cannot be read, the command says so and also
withholds texts and binary values of attributes that only this schema defines.

A long value that cannot be read is written as (missing). One that cannot be
decompressed is written as stored, followed by (undecoded). Both are named on
standard error, and the exit code is 3.")]
pub struct DumpOptions {
    /// Database file, such as ntds.dit
    #[arg(value_name = "DATABASE")]
    pub database: PathBuf,
    /// Only this table
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// Also the entries of the secondary indices
    #[arg(long)]
    pub indexes: bool,
    /// Write the rows of one table as CSV
    #[arg(long, requires = "table", conflicts_with = "indexes")]
    pub csv: bool,
    /// Replace every value of an attribute that holds a password or key, encrypted ones too
    #[arg(long)]
    pub redact_secrets: bool,
}

/// `dsbackup verify-db`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes of this command: 0 sound, 1 damaged, 2 not verified.

Damage is what the engine's own integrity check rejects. What that check accepts
is listed as a leak (lost space or a lost value that nothing needs) or as a
note, and leaves the exit code 0.

Checks the checksum of every page and, if a flush map (.jfm) is present, whether
the disk lost a write. In a database that is clean it also checks that pages,
trees, space, catalog, records, long values and indices agree. Damage never
stops the check.

Checks every record or page of a Samba database (sam.ldb, its partitions,
*.tdb).")]
pub struct VerifyDbOptions {
    /// Database file, such as ntds.dit
    #[arg(value_name = "DATABASE")]
    pub database: PathBuf,
    /// Check each page by itself, not whether pages agree
    #[arg(long)]
    pub checksums_only: bool,
}
