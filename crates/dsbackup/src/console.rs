//! `dsbackup console`: the state of all backups in a browser.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jobs::record::StateFolder;
use tokio::signal::unix::{SignalKind, signal};
use web_console::{Console, Server, Settings, Users, users};

use crate::cli::ConsoleOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::Report;
use crate::{password, signals};

/// How long what goes on at the end may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves the console until SIGTERM or SIGINT, or adds a user.
///
/// # Errors
/// If the configuration or the users cannot be used, or the place to listen on is not safe.
pub fn run(options: &ConsoleOptions, report: Report) -> Result<Outcome> {
    let path = &options.jobs.config.config;
    let mut settings = Settings::read(path).map_err(failed)?;
    if let Some(name) = &options.add_user {
        return add_user(options, &settings, name, report);
    }
    if let Some(address) = options.listen {
        (settings.listen, settings.socket) = (Some(address), None);
    }
    if let Some(socket) = &options.socket {
        (settings.listen, settings.socket) = (None, Some(socket.clone()));
        (settings.certificate, settings.key) = (None, None);
    }
    settings.place().map_err(failed)?;
    let (users, new_password) = match &settings.users {
        Some(file) => (Users::read(file).map_err(failed)?, None),
        None => {
            let (users, password) = Users::with_new_password().map_err(failed)?;
            (users, Some(password))
        }
    };
    signals::survive_questions();
    let state = StateFolder::at(&options.jobs.state_folder);
    let console = Console::new(path, settings, state, users).map_err(failed)?;
    let console = Arc::new(console);
    let system = |doing| Failure::io(doing, "this process");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(system("start threads in"))?;
    runtime.block_on(async {
        let mut terminate =
            signal(SignalKind::terminate()).map_err(system("wait for signals in"))?;
        let mut interrupt =
            signal(SignalKind::interrupt()).map_err(system("wait for signals in"))?;
        let server = Server::listen(&console.settings).await.map_err(failed)?;
        let user = new_password.as_ref().map(|_| users::ONLY_USER);
        let result = serde_json::json!({
            "address": server.address(),
            "user": user,
            "password": new_password.as_deref(),
        });
        report.result(&result, || {
            let login = match &new_password {
                Some(password) => format!(
                    "user: {}\npassword, for this run: {}",
                    users::ONLY_USER,
                    **password
                ),
                None => format!("{} may log in", console.users.count()),
            };
            format!(
                "the console is at {}, until interrupted\n{login}",
                server.address()
            )
        })?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
        };
        server.run(Arc::clone(&console), shutdown).await;
        Ok::<(), Failure>(())
    })?;
    runtime.shutdown_timeout(PATIENCE);
    // What goes on still ends here, and leaves no copy of a directory behind.
    for problem in backup::leftover::remove_all().unwrap_or_default() {
        report.warn(problem);
    }
    std::process::exit(0)
}

fn add_user(
    options: &ConsoleOptions,
    settings: &Settings,
    name: &str,
    report: Report,
) -> Result<Outcome> {
    let default = || options.jobs.config.config.with_file_name("console.users");
    let file: PathBuf = settings.users.clone().unwrap_or_else(default);
    let password = match &options.new_password_file {
        Some(path) => backup::password::line_of(path)?,
        None => password::from_terminal(name).map_err(|error| {
            Failure::refused(format!(
                "the new password of {name} is not known ({error}): name --new-password-file, or \
                 use a terminal"
            ))
        })?,
    };
    let role = match options.view {
        true => users::Role::View,
        false => users::Role::Operate,
    };
    users::add(&file, name, &password, role).map_err(failed)?;
    let is_named = settings.users.is_some();
    let result = serde_json::json!({ "file": &file, "user": name, "role": role.to_string() });
    report.result(&result, || {
        let place = file.display();
        match is_named {
            true => format!("{place}: {name} may log in"),
            false => format!(
                "{place}: {name} is in the file; name it in the configuration:\n\
                 [console]\nusers = \"{place}\""
            ),
        }
    })?;
    Ok(Outcome::Done)
}

fn failed(error: web_console::Error) -> Failure {
    match error {
        web_console::Error::Io {
            doing,
            place,
            error,
        } => Failure::io(doing, place)(error),
        web_console::Error::Jobs(error) => (*error).into(),
        other => Failure::refused(other.to_string()),
    }
}
