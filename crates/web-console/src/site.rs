//! The pages of the console, by their addresses.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use crate::assets::asset;
use crate::compare::detail::detail as difference;
use crate::compare::download::csv;
use crate::compare::ldif::ldif as change_records;
use crate::compare::list::compare;
use crate::compare::page::html;
use crate::console::Console;
use crate::directory::acl::acl;
use crate::directory::browse::browse;
use crate::directory::deleted::deleted;
use crate::directory::export::ldif;
use crate::directory::files::files;
use crate::directory::history::history;
use crate::directory::members::members;
use crate::directory::search::search;
use crate::elsewhere::events as elsewhere;
use crate::guard::{LONGEST_FORM, guard};
use crate::login::{by_certificate, form, log_in, log_out};
use crate::login_ticket::by_ticket;
use crate::overview::overview;
use crate::problem::Problem;
use crate::restore::choose::{add, remove};
use crate::restore::journals::detail as journal;
use crate::restore::overview::overview as restore;
use crate::restore::plan::make;
use crate::restore::resume::{make as make_rest, resume};
use crate::restore::run::run;
use crate::restore::undo::undo;
use crate::snapshots::detail::{detail, drill_now, manifest};
use crate::snapshots::forget::{confirmed, preview};
use crate::snapshots::list::list;
use crate::whole::page::whole;
use crate::whole::run::run as restore_whole;
use crate::work_page::{events, run_now, work, works};

/// Addresses with what answers there.
type Routes = Vec<(&'static str, MethodRouter<Arc<Console>>)>;

/// What is shown. Parts in braces differ.
fn pages() -> Routes {
    vec![
        ("/", get(overview)),
        ("/login", get(form)),
        ("/login/kerberos", get(by_ticket)),
        ("/snapshots", get(list)),
        ("/snapshots/{repository}/{id}", get(detail)),
        ("/snapshots/{repository}/{id}/manifest", get(manifest)),
        ("/snapshots/{repository}/{id}/forget", get(preview)),
        ("/snapshots/{repository}/{id}/whole", get(whole)),
        ("/directory/{repository}/{id}", get(browse)),
        ("/directory/{repository}/{id}/search", get(search)),
        ("/directory/{repository}/{id}/deleted", get(deleted)),
        ("/directory/{repository}/{id}/ldif", get(ldif)),
        (
            "/directory/{repository}/{id}/object/{object}/members",
            get(members),
        ),
        ("/directory/{repository}/{id}/object/{object}/acl", get(acl)),
        (
            "/directory/{repository}/{id}/object/{object}/history",
            get(history),
        ),
        (
            "/directory/{repository}/{id}/object/{object}/files",
            get(files),
        ),
        ("/compare", get(compare)),
        ("/compare/html", get(html)),
        ("/compare/csv", get(csv)),
        ("/compare/ldif", get(change_records)),
        ("/compare/object/{object}", get(difference)),
        ("/restore", get(restore)),
        ("/restores/{name}", get(journal)),
        ("/jobs/{job}/events", get(elsewhere)),
        ("/work", get(works)),
        ("/work/{work}", get(work)),
        ("/work/{work}/events", get(events)),
        ("/assets/{asset}", get(asset)),
    ]
}

/// What is done.
fn actions() -> Routes {
    vec![
        ("/login", post(log_in)),
        ("/login/certificate", post(by_certificate)),
        ("/logout", post(log_out)),
        ("/snapshots/{repository}/{id}/drill", post(drill_now)),
        ("/snapshots/{repository}/{id}/forget", post(confirmed)),
        ("/snapshots/{repository}/{id}/whole", post(restore_whole)),
        ("/restore/add", post(add)),
        ("/restore/remove", post(remove)),
        ("/restore/plan", post(make)),
        ("/restore/run", post(run)),
        ("/restores/{name}/plan", post(make_rest)),
        ("/restores/{name}/resume", post(resume)),
        ("/restores/{name}/undo", post(undo)),
        ("/jobs/{job}/run", post(run_now)),
    ]
}

/// The addresses of all pages and of all actions, so that tests miss none.
pub struct Addresses {
    /// Of what is shown.
    pub pages: Vec<&'static str>,
    /// Of what is done.
    pub actions: Vec<&'static str>,
}

impl Addresses {
    /// Those of the console.
    pub fn all() -> Self {
        let of = |routes: Routes| routes.into_iter().map(|(address, _)| address).collect();
        Self {
            pages: of(pages()),
            actions: of(actions()),
        }
    }
}

/// All pages and actions, behind the guard.
pub fn site(console: Arc<Console>) -> Router {
    let routes = pages().into_iter().chain(actions());
    routes
        .fold(Router::new(), |site, (address, answer)| {
            site.route(address, answer)
        })
        .fallback(async || Problem::not_found("there is no such page"))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(from_fn_with_state(Arc::clone(&console), guard))
        .with_state(console)
}
