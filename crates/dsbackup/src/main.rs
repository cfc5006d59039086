//! The `dsbackup` command: backs up and restores Active Directory servers.
#![deny(unsafe_code)]

mod allocator;
mod arguments;
mod authoritative;
mod backup;
mod check;
mod cli;
#[cfg(unix)]
mod console;
mod copy;
mod database;
mod dump;
#[cfg(windows)]
mod event_log;
mod facts;
mod failure;
mod forget;
mod inspect;
mod interrupt;
#[cfg(unix)]
mod jobs;
mod lock;
mod manual;
#[cfg(unix)]
mod metrics_endpoint;
mod objects;
mod password;
mod prune;
mod recover;
#[cfg(unix)]
mod recovery_plan;
mod repair;
mod report;
mod restore;
mod samba_file;
#[cfg(unix)]
mod serve;
#[cfg_attr(unix, path = "signals/unix.rs")]
#[cfg_attr(windows, path = "signals/windows.rs")]
mod signals;
mod snapshots;
mod source;
mod space;
mod tables;
#[cfg(unix)]
mod unattended;
mod verify_db;
#[cfg(windows)]
mod windows_service;

use std::process::ExitCode;

use clap::Parser;
use ntdsbcli::{Server, TlsOptions};
use repository::{Location, Repository};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, Command, InitOptions, RepairCommand, RepositoryOptions, ServerOptions};
use crate::failure::{Failure, Outcome, Result};
use crate::report::Report;

fn main() -> ExitCode {
    allocator::keep_freed_memory();
    let cli = match Cli::try_parse_from(arguments::repository_options_behind(std::env::args_os())) {
        Ok(cli) => cli,
        Err(help_or_mistake) => return explain(&help_or_mistake),
    };
    start_log(&cli);
    // Nothing that this process creates is anybody else's business.
    platform::private::by_default();
    let report = Report::new(cli.output);
    let result = match &cli.command {
        #[cfg(unix)]
        Command::Unattended(command) => unattended::run(command, report),
        Command::Init(options) => init(options, report),
        Command::Backup(options) => backup::run(options, report),
        Command::Snapshots(options) => snapshots::run(options, report),
        Command::Check(options) => check::run(options, report),
        Command::Forget(options) => forget::run(options, report),
        Command::Prune(options) => prune::run(options, report),
        Command::Copy(options) => copy::run(options, report),
        Command::Repair(RepairCommand::Index(options)) => repair::index(options, report),
        Command::Unlock(options) => repair::unlock(options, report),
        Command::Restore(options) => restore::run(options, report),
        Command::RestoreObjects(options) => objects::restore::run(options, report),
        Command::Undo(options) => objects::restore::undo::run(options, report),
        Command::Recover(options) => recover::run(options, report),
        Command::Inspect(options) => inspect::run(options, report),
        Command::Tables(options) => tables::run(options, report),
        Command::Dump(options) => dump::run(options, report),
        Command::Space(options) => space::run(options, report),
        Command::Facts(options) => facts::run(options, report),
        Command::Ls(options) => objects::ls::run(options, report),
        Command::Search(options) => objects::search::run(options, report),
        Command::Show(options) => objects::show::run(options, report),
        Command::Export(options) => objects::export::run(options, report),
        Command::Files(options) => objects::file::list(options, report),
        Command::Cat(options) => objects::file::cat(options, report),
        #[cfg(windows)]
        Command::Service(command) => windows_service::run(command),
        Command::Browse(options) => objects::browse::run(options, report),
        Command::Diff(options) => objects::diff::run(options, report),
        Command::VerifyDb(options) => verify_db::run(options, report),
        Command::Manual(options) => manual::run(options, report),
    };
    // A signal's own end of the process goes before what it made fail.
    ::backup::leftover::wait_if_stopping();
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::DamageFound | Outcome::NoBackup | Outcome::Incomplete) => ExitCode::from(3),
        Ok(Outcome::DatabaseDamaged | Outcome::JobFailed) => ExitCode::from(1),
        Ok(Outcome::Monitored(code)) => ExitCode::from(code),
        Ok(Outcome::NotProven) => ExitCode::from(5),
        Ok(Outcome::Different) => ExitCode::from(6),
        Err(failure) => {
            report::say(&format!("error: {failure}"));
            ExitCode::from(match &cli.command {
                #[cfg(unix)]
                Command::Unattended(command) => unattended::exit_code(command, &failure),
                _ => failure.exit_code(),
            })
        }
    }
}

/// Prints the help that was asked for, or what is wrong with the command line.
fn explain(error: &clap::Error) -> ExitCode {
    let mistake = error.use_stderr();
    match error.print() {
        // That of a mistake goes to standard error: its exit code is all that can be said.
        Err(error) if !mistake && error.kind() != std::io::ErrorKind::BrokenPipe => {
            let failure = Failure::Output(error);
            report::say(&format!("error: {failure}"));
            ExitCode::from(failure.exit_code())
        }
        _ => ExitCode::from(error.exit_code() as u8),
    }
}

/// The service tells what it does; the other commands only what is odd, unless asked for more.
fn start_log(cli: &Cli) {
    let level = match (&cli.command, cli.output.quiet, cli.output.verbose) {
        (_, true, _) => "error",
        #[cfg(unix)]
        (Command::Unattended(cli::UnattendedCommand::Serve(_)), _, 0) => "info",
        (_, _, 0) => "warn",
        (_, _, 1) => "info,service=debug,ntdsbcli=debug",
        _ => "debug",
    };
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // It would panic where standard error takes no more.
        .log_internal_errors(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false);
    let log = match service::journal::has_standard_error() {
        // The journal stamps the time on every line itself.
        true => log.without_time().boxed(),
        false => log.boxed(),
    };
    let registry = tracing_subscriber::registry();
    #[cfg(windows)]
    let registry = registry.with(match cli.command {
        Command::Service(cli::ServiceCommand::Run(_)) => event_log::layer(windows_service::NAME),
        _ => None,
    });
    registry
        .with(log.with_filter(level.parse::<Targets>().unwrap_or_default()))
        .init();
}

fn init(options: &InitOptions, report: Report) -> Result<Outcome> {
    let repository = &options.repository;
    let defaults = repository::InitOptions::default();
    let new = repository::InitOptions {
        chunk_size: options
            .chunk_size
            .map_or(defaults.chunk_size, |kib| u32::from(kib) << 10),
        level: options.compression.unwrap_or(defaults.level),
        verify: options.verify_chunks,
    };
    let repository = Repository::init(
        &Location::parse(&repository.repository)?,
        &password::find(repository, password::VARIABLE)?,
        &new,
        &repository.access.store_options.iter().cloned().collect(),
    )?;
    let result = serde_json::json!({ "repository": options.repository.repository });
    report.result(&result, || {
        format!(
            "created the repository {}, encrypted with its password: without that nobody can read \
             it, dsbackup included",
            repository.location()
        )
    })?;
    Ok(Outcome::Done)
}

/// Opens the repository that the options name.
fn open_repository(options: &RepositoryOptions) -> Result<Repository> {
    open_with(options, password::VARIABLE)
}

/// Opens a repository whose password may be in the environment variable `variable`.
fn open_with(options: &RepositoryOptions, variable: &str) -> Result<Repository> {
    Ok(Repository::open(
        &Location::parse(&options.repository)?,
        &password::find(options, variable)?,
        &options.access.store_options.iter().cloned().collect(),
    )?)
}

/// How a command ends that did its work: it names what of the repository it could not read, and
/// says so if the repository holds no backup.
fn outcome_of(repository: &Repository, holds_backups: bool, report: Report) -> Outcome {
    let unreadable = repository.unreadable();
    for file in &unreadable {
        report.warn(file.to_string());
    }
    if !holds_backups {
        report.warn(format!(
            "the repository {} holds no backup: nothing can be restored from it",
            repository.location()
        ));
        return Outcome::NoBackup;
    }
    match unreadable.is_empty() {
        true => Outcome::Done,
        false => Outcome::DamageFound,
    }
}

/// The service that the options name.
fn server_of(options: &ServerOptions) -> Result<Server> {
    match (&options.server, &options.socket) {
        (Some(name), _) => Server::named_with(
            name,
            TlsOptions {
                ca_file: options.ca_file.clone(),
                pin: options.pin,
                client_certificate: options.client_certificate.clone(),
                client_key: options.client_key.clone(),
            },
        )
        .map_err(Failure::at("--server")),
        (None, Some(socket)) => Ok(Server::at_socket(socket)),
        (None, None) => Ok(Server::local()),
    }
}
