//! The steps of a whole restore, and the question whether the service shall do it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use backup::Part;
use backup::list::Listed;
use backup::words::short_id;
use jobs::Configuration;
use maud::{Markup, html};

use super::readiness::{Readiness, readiness};
use super::steps::{Facts, Way, kept_back, ways};
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::restore::plan::pattern;
use crate::snapshots;
use crate::text::{Shown, label};

/// Samba's configuration if no job names another.
const SMB_CONF: &str = "/etc/samba/smb.conf";

struct Found {
    listed: Listed,
    ways: Vec<Way>,
    kept_back: Vec<String>,
    is_samba: bool,
    readiness: Readiness,
}

/// The page.
///
/// # Errors
/// If there is no such snapshot, or it cannot be read.
pub async fn whole(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Path((repository, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let name = repository.clone();
    let found = console
        .read(move |console| find(console, &name, &id))
        .await?;
    let what = format!(
        "steps of a restore of {repository} {}",
        found.listed.snapshot
    );
    let title = format!("Restore of {}", found.listed.server);
    let socket = console.settings.service.as_deref();
    let socket = socket.map_or_else(String::new, |socket| socket.display().to_string());
    let content = content(&visitor, &repository, &found, &socket);
    let response = page(&visitor, "/snapshots", &title, content);
    Ok((Extension(Done(what)), response).into_response())
}

fn find(console: &Console, repository: &str, id: &str) -> Result<Found, Problem> {
    let configuration = console.configuration()?;
    let shelf = console.library.shelf(&configuration, repository)?;
    let listed = shelf.listed(id)?;
    let part = (shelf.repository.snapshot(id).map_err(backup::Error::from))
        .and_then(|info| Part::open(&shelf.repository, &info))
        .map_err(Problem::failed)?;
    let settings = (configuration.repositories.get(repository))
        .ok_or_else(|| Problem::not_found(format!("there is no repository {repository}")))?;
    let smb_conf = smb_conf(&configuration, repository);
    let facts = Facts {
        snapshot: id,
        server: &listed.server,
        manifest: &part.manifest,
        repository: settings,
        smb_conf: &smb_conf,
    };
    Ok(Found {
        ways: ways(&facts),
        kept_back: kept_back(settings),
        is_samba: part.manifest.is_tree(),
        readiness: readiness(console.settings.service.as_deref(), &listed.server),
        listed,
    })
}

/// The smb.conf of the job that fills this repository.
fn smb_conf(configuration: &Configuration, repository: &str) -> PathBuf {
    let mut jobs = configuration.jobs.values();
    let fills = |job: &&jobs::configuration::JobConfiguration| {
        job.repositories.iter().any(|name| name == repository) && job.source.samba.is_some()
    };
    let named = jobs.find(fills).and_then(|job| job.source.samba.clone());
    named.unwrap_or_else(|| SMB_CONF.into())
}

fn content(visitor: &Visitor, repository: &str, found: &Found, socket: &str) -> Markup {
    let listed = &found.listed;
    let here = snapshots::address(repository, &listed.snapshot);
    html! {
        h1 { "Restore of " (Shown(&listed.server)) }
        p.note {
            "The whole controller, as it was in snapshot " code { (short_id(&listed.snapshot)) } ", "
            (listed.time) "."
            @if let Some(expires) = &listed.expires { " It may be restored until " (expires) "." }
        }
        @if let Some(reason) = &listed.unusable {
            p.problem role="alert" { "It cannot be restored: " (Shown(reason)) }
        } @else {
            @if !found.kept_back.is_empty() {
                p.note {
                    "The commands also need, as [repository." (Shown(repository)) "] of the "
                    "configuration has it: " (Shown(&found.kept_back.join(" ")))
                }
            }
            @for way in &found.ways { (shown(way)) }
            (service(visitor, &here, found, socket))
        }
        p { a href=(here) { "Back to the snapshot" } }
    }
}

fn shown(way: &Way) -> Markup {
    html! {
        section.panel aria-label=(label(&way.title)) {
            h2 { (Shown(&way.title)) }
            ol {
                @for step in &way.steps {
                    li {
                        p { (Shown(&step.text)) }
                        @for command in &step.commands {
                            pre.command tabindex="0" { code { (Shown(command)) } }
                        }
                    }
                }
            }
        }
    }
}

fn service(visitor: &Visitor, here: &str, found: &Found, socket: &str) -> Markup {
    html! {
        section.panel aria-label="From here" {
            h2 { "From here" }
            @match &found.readiness {
                Readiness::NotNamed => p {
                    "The console restores a controller only through a service in restore mode on its "
                    "own computer, and the configuration names none ([console] service)."
                },
                Readiness::Silent(reason) => p { "The service at " (Shown(socket)) " does not answer: " (Shown(reason)) },
                Readiness::Online => p {
                    "The directory of the service at " (Shown(socket)) " is online. Stop the directory "
                    "service, and start dsbackup's service in restore mode."
                },
                Readiness::Other(name) => p {
                    "The service at " (Shown(socket)) " is in restore mode, but hosts the directory of "
                    (Shown(name)) "."
                },
                Readiness::Waits if !visitor.may_operate() => p {
                    "The service at " (Shown(socket)) " is in restore mode, and waits."
                },
                Readiness::Waits => (question(visitor, here, found, socket)),
            }
        }
    }
}

fn question(visitor: &Visitor, here: &str, found: &Found, socket: &str) -> Markup {
    let server = &found.listed.server;
    html! {
        p.problem {
            "The service at " (Shown(socket)) " is in restore mode. The directory that it hosts is "
            "replaced by the one of the snapshot; what is there now is lost."
        }
        form.row method="post" action=(format!("{here}/whole")) {
            input type="hidden" name="csrf" value=(visitor.session.csrf);
            @if !found.is_samba {
                label {
                    "New invocation id"
                    select name="invocation_id" {
                        option value="by-registry" { "by the registry, before it starts" }
                        option value="keep" { "none: it never replicates again" }
                    }
                }
            }
            label {
                "Type " (Shown(server)) " to confirm"
                input name="name" required autocomplete="off" pattern=(pattern(server));
            }
            button.danger { "Restore the controller" }
        }
    }
}
