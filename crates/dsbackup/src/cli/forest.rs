//! Options of `recovery-plan`.

use std::path::PathBuf;

use clap::Args;

use super::jobs::ConfigOption;
use super::objects::CacheOptions;
use super::repository::{AccessOptions, LockOptions};

/// `dsbackup recovery-plan`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  dsbackup recovery-plan                          # the repositories of dsbackup.toml
  dsbackup recovery-plan /srv/backup --password-file FILE --html plan.html

The plan names the newest proven snapshot of each domain and the controller to
recover first, then the steps in the order of Microsoft's guide to forest
recovery, with the commands to type: roles, RID pools, krbtgt, trusts, SYSVOL.
It also says what a recovery would lack today. Steps that dsbackup's authors
have not tried are marked. Print it, and keep it where no controller is needed
to read it.

Exit code: 3 if a domain has no snapshot that can be restored, otherwise 5 if
the snapshot of a domain is not proven.")]
pub struct RecoveryPlanOptions {
    /// Repositories, as for --repository of other commands, opened with the same password
    /// [default: those of the configuration, each with its own]
    #[arg(value_name = "REPOSITORY")]
    pub repositories: Vec<String>,
    /// Also write the plan to this file, as a page that prints well
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub access: AccessOptions,
    #[command(flatten)]
    pub lock: LockOptions,
    #[command(flatten)]
    pub config: ConfigOption,
    #[command(flatten)]
    pub cache: CacheOptions,
}
