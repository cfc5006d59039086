//! The pages of the console, by their addresses.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

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
use crate::snapshots::detail::{detail, drill_now};
use crate::snapshots::forget::{confirmed, preview};
use crate::snapshots::list::list;
use crate::whole::page::whole;
use crate::whole::run::run as restore_whole;
use crate::work_page::{events, run_now, work, works};

/// All pages, behind the guard.
pub fn site(console: Arc<Console>) -> Router {
    Router::new()
        .route("/", get(overview))
        .route("/login", get(form).post(log_in))
        .route("/login/certificate", post(by_certificate))
        .route("/login/kerberos", get(by_ticket))
        .route("/logout", post(log_out))
        .route("/snapshots", get(list))
        .route("/snapshots/{repository}/{id}", get(detail))
        .route("/snapshots/{repository}/{id}/drill", post(drill_now))
        .route(
            "/snapshots/{repository}/{id}/forget",
            get(preview).post(confirmed),
        )
        .route(
            "/snapshots/{repository}/{id}/whole",
            get(whole).post(restore_whole),
        )
        .route("/directory/{repository}/{id}", get(browse))
        .route("/directory/{repository}/{id}/search", get(search))
        .route("/directory/{repository}/{id}/deleted", get(deleted))
        .route(
            "/directory/{repository}/{id}/object/{object}/members",
            get(members),
        )
        .route("/directory/{repository}/{id}/object/{object}/acl", get(acl))
        .route(
            "/directory/{repository}/{id}/object/{object}/history",
            get(history),
        )
        .route(
            "/directory/{repository}/{id}/object/{object}/files",
            get(files),
        )
        .route("/directory/{repository}/{id}/ldif", get(ldif))
        .route("/compare", get(compare))
        .route("/compare/html", get(html))
        .route("/compare/csv", get(csv))
        .route("/compare/ldif", get(change_records))
        .route("/compare/object/{guid}", get(difference))
        .route("/restore", get(restore))
        .route("/restore/add", post(add))
        .route("/restore/remove", post(remove))
        .route("/restore/plan", post(make))
        .route("/restore/run", post(run))
        .route("/restores/{name}", get(journal))
        .route("/restores/{name}/plan", post(make_rest))
        .route("/restores/{name}/resume", post(resume))
        .route("/restores/{name}/undo", post(undo))
        .route("/jobs/{job}/run", post(run_now))
        .route("/work", get(works))
        .route("/work/{id}", get(work))
        .route("/work/{id}/events", get(events))
        .route("/assets/{name}", get(asset))
        .fallback(async || Problem::not_found("there is no such page"))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(from_fn_with_state(Arc::clone(&console), guard))
        .with_state(console)
}
