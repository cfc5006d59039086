//! The restore of a whole controller through the service, as a work.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Form, Path, State};
use axum::response::Response;
use backup::restore::{Destination, NewInvocationId, RestoreRequest, restore};
use backup::words::{bytes, count, short_id};
use backup::{Snapshot, lock};
use ntdsbcli::Server;
use serde::Deserialize;

use super::readiness::{Readiness, readiness};
use crate::console::Console;
use crate::guard::Visitor;
use crate::library::Shelf;
use crate::problem::Problem;
use crate::work::Teller;
use crate::work_page::begun;

/// How long the work waits for the lock of another program.
const PATIENCE: Duration = Duration::from_secs(60);

/// The answer to the question.
#[derive(Deserialize)]
pub struct Confirmed {
    /// The name of the server, typed.
    name: String,
    /// Of an NTDS.
    #[serde(default)]
    invocation_id: String,
}

/// Restores the controller.
///
/// # Errors
/// If its name was not typed, the service is not in restore mode, or another work goes on.
pub async fn run(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
    Form(form): Form<Confirmed>,
) -> Result<Response, Problem> {
    let how = match form.invocation_id.as_str() {
        "" => None,
        "by-registry" => Some(NewInvocationId::ByRegistry),
        "keep" => Some(NewInvocationId::Keep),
        _ => return Err(Problem::wrong("invocation_id: by-registry or keep")),
    };
    let (name, wanted) = (repository.clone(), id.clone());
    let (shelf, server) = console
        .read(move |console| {
            let shelf = console.library.shelf(&console.configuration()?, &name)?;
            let server = shelf.listed(&wanted)?.server;
            if form.name != server {
                return Err(Problem::wrong(format!(
                    "nothing was restored: {server} was to be typed"
                )));
            }
            check(console, &server)?;
            Ok((shelf, server))
        })
        .await?;
    let title = format!("restore of {server} from snapshot {}", short_id(&id));
    let what = format!("{repository} {id} as {server}");
    let (shared, told) = (Arc::clone(&console), what.clone());
    let user = visitor.session.user.clone();
    let work = (console.works).begin(title, &visitor.session.user, move |work| {
        let report = Teller(Arc::clone(work));
        let done = restored(&shared, &shelf, &id, &server, how, &report);
        shared.audit.ended(&user, "whole restore", &told, &done);
        done
    })?;
    Ok(begun(&work, what))
}

/// Only where a service waits for it.
fn check(console: &Console, server: &str) -> Result<(), Problem> {
    match readiness(console.settings.service.as_deref(), server) {
        Readiness::Waits => Ok(()),
        _ => Err(Problem::busy(format!(
            "nothing was restored: no service waits in restore mode for {server}"
        ))),
    }
}

fn restored(
    console: &Console,
    shelf: &Shelf,
    id: &str,
    server: &str,
    how: Option<NewInvocationId>,
    report: &Teller,
) -> Result<String, String> {
    let failed = |error: backup::Error| error.to_string();
    check(console, server).map_err(|problem| problem.text)?;
    let socket = console.settings.service.clone().unwrap_or_default();
    let _lock = lock::for_reading(&shelf.repository, PATIENCE, report).map_err(failed)?;
    let info = shelf.repository.snapshot(id);
    let info = info.map_err(|error| error.to_string())?;
    let snapshot = Snapshot::open(&shelf.repository, &info).map_err(failed)?;
    let service = Server::at_socket(socket);
    let request = RestoreRequest {
        destination: Destination::Service {
            server: &service,
            directory: None,
        },
        new_invocation_id: how,
    };
    let done = restore(&snapshot, &request, report).map_err(failed)?;
    Ok(format!(
        "{} ({}) restored to {}; every file has the SHA-256 of the backup; next: start the service in \
         its normal mode, and the directory service",
        count(done.files, "file"),
        bytes(done.bytes),
        done.restored_to
    ))
}
