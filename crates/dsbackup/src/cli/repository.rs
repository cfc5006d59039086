//! Which repository, what opens it, and how to wait while others use it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// Where the repository is and what opens it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Repository")]
pub struct RepositoryOptions {
    /// Repository: a folder, s3:https://HOST/BUCKET/PREFIX, sftp:USER@HOST:/PATH or
    /// rest:https://HOST/
    #[arg(long, short, value_name = "LOCATION", env = "DSBACKUP_REPOSITORY")]
    pub repository: String,
    #[command(flatten)]
    pub access: AccessOptions,
}

/// Where the repository is, for commands that can do without.
#[derive(Debug, Args)]
#[command(next_help_heading = "Repository")]
pub struct MaybeRepositoryOptions {
    /// Repository of the snapshots that SOURCE may name: a folder, s3:https://HOST/BUCKET/PREFIX,
    /// sftp:USER@HOST:/PATH or rest:https://HOST/
    #[arg(long, short, value_name = "LOCATION", env = "DSBACKUP_REPOSITORY")]
    pub repository: Option<String>,
    #[command(flatten)]
    pub access: AccessOptions,
}

impl MaybeRepositoryOptions {
    /// As the options of a repository; `None` if none is named.
    pub fn as_repository(&self) -> Option<RepositoryOptions> {
        Some(RepositoryOptions {
            repository: self.repository.clone()?,
            access: self.access.clone(),
        })
    }
}

/// What opens a repository.
#[derive(Debug, Args, Clone)]
#[command(next_help_heading = "Repository")]
pub struct AccessOptions {
    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE", env = "DSBACKUP_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// Read the password from the first line that this command prints [default: the environment
    /// variable DSBACKUP_PASSWORD]
    #[arg(
        long,
        value_name = "COMMAND",
        env = "DSBACKUP_PASSWORD_COMMAND",
        conflicts_with = "password_file"
    )]
    pub password_command: Option<String>,
    /// Setting of a remote store (may be repeated). S3: OpenDAL's names, such as
    /// region=eu-central-1; keys belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. SFTP:
    /// key, command, retry. REST: cacert, tls-client-cert, retry, timeout
    #[arg(long = "store-option", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub store_options: Vec<(String, String)>,
}

/// A second repository, and what opens it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Other repository")]
pub struct OtherRepositoryOptions {
    /// Repository to copy to, as for --repository
    #[arg(long, value_name = "LOCATION", env = "DSBACKUP_TO_REPOSITORY")]
    pub to: String,
    /// Read its password from the first line of this file
    #[arg(long, value_name = "FILE", env = "DSBACKUP_TO_PASSWORD_FILE")]
    pub to_password_file: Option<PathBuf>,
    /// Read its password from the first line that this command prints [default: the environment
    /// variable DSBACKUP_TO_PASSWORD]
    #[arg(
        long,
        value_name = "COMMAND",
        env = "DSBACKUP_TO_PASSWORD_COMMAND",
        conflicts_with = "to_password_file"
    )]
    pub to_password_command: Option<String>,
    /// Setting of its store, as for --store-option (may be repeated)
    #[arg(long = "to-store-option", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub to_store_options: Vec<(String, String)>,
}

impl OtherRepositoryOptions {
    /// As the options of a repository.
    pub fn as_repository(&self) -> RepositoryOptions {
        RepositoryOptions {
            repository: self.to.clone(),
            access: AccessOptions {
                password_file: self.to_password_file.clone(),
                password_command: self.to_password_command.clone(),
                store_options: self.to_store_options.clone(),
            },
        }
    }
}

/// How a command that writes to a repository waits for others.
#[derive(Debug, Args, Clone, Copy)]
#[command(next_help_heading = "Repository")]
pub struct RetryOptions {
    /// Wait this long for a locked repository, such as 90s, 10m or 1h [default: do not wait]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = crate::arguments::duration,
        default_value = "0s",
        hide_default_value = true
    )]
    pub retry_lock: Duration,
}

/// How a command that reads a repository keeps others from removing what it reads.
#[derive(Debug, Args, Clone, Copy)]
#[command(next_help_heading = "Repository")]
pub struct LockOptions {
    #[command(flatten)]
    pub retry: RetryOptions,
    /// Take no lock and ignore those of others: for a read-only repository that nobody prunes
    #[arg(long, conflicts_with = "retry_lock")]
    pub no_lock: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("expected KEY=VALUE".into()),
    }
}
