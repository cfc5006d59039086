//! The frame of all pages.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use crate::assets;
use crate::guard::Visitor;
use crate::problem::Problem;
use crate::text::{Shown, label};

/// The sections of the console: address and title.
const SECTIONS: &[(&str, &str)] = &[
    ("/", "Overview"),
    ("/snapshots", "Snapshots"),
    ("/compare", "Compare"),
    ("/restore", "Restore"),
    ("/work", "Work"),
];

/// A page for somebody who is logged in. `section` is its address in the navigation.
pub fn page(visitor: &Visitor, section: &str, title: &str, content: Markup) -> Response {
    let session = &visitor.session;
    let body = html! {
        header {
            a.brand href="/" { "dsbackup" }
            nav aria-label="Sections" {
                @for (address, name) in SECTIONS {
                    @let current = (*address == section).then_some("page");
                    a href=(address) aria-current=[current] { (name) }
                }
            }
            form.who method="post" action="/logout" {
                input type="hidden" name="csrf" value=(session.csrf);
                span { (Shown(&session.user)) }
                button { "Log out" }
            }
        }
        main #main { (content) }
    };
    Html(whole(title, Some(&session.csrf), &body).into_string()).into_response()
}

/// Links to the pages before and after, for a list of `total` of which `page` from `from` on are
/// shown.
pub fn pager(from: usize, page: usize, total: usize, address: &dyn Fn(usize) -> String) -> Markup {
    html! {
        @if total > page || from > 0 {
            nav.pager aria-label="Pages" {
                @if from > 0 {
                    a rel="prev" href=(address(from.saturating_sub(page))) { "Before" }
                }
                span {
                    (from.saturating_add(1).min(total)) "–" (from.saturating_add(page).min(total))
                    " of " (total)
                }
                @if from.saturating_add(page) < total {
                    a rel="next" href=(address(from + page)) { "Next" }
                }
            }
        }
    }
}

/// A page for anybody.
pub fn plain(status: StatusCode, title: &str, content: Markup) -> Response {
    let body = html! {
        header { span.brand { "dsbackup" } }
        main.narrow #main { (content) }
    };
    (status, Html(whole(title, None, &body).into_string())).into_response()
}

fn whole(title: &str, csrf: Option<&str>, body: &Markup) -> Markup {
    // htmx adds no style of its own, and evaluates nothing: the policy forbids both.
    let htmx = r#"{"includeIndicatorStyles":false,"allowEval":false,"historyCacheSize":0,"selfRequestsOnly":true}"#;
    let headers = csrf.map(|csrf| format!(r#"{{"x-csrf-token":"{csrf}"}}"#));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(htmx);
                title { (label(title)) " – dsbackup" }
                link rel="stylesheet" href=(assets::STYLE.address());
                link rel="icon" href=(assets::ICON.address()) type="image/svg+xml";
                script src=(assets::HTMX.address()) defer {}
                script src=(assets::SCRIPT.address()) defer {}
            }
            body hx-headers=[headers] {
                a.skip href="#main" { "Skip to content" }
                (body)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = match self.status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Refused",
            StatusCode::BAD_REQUEST => "Not understood",
            StatusCode::CONFLICT => "Not now",
            _ => "Failed",
        };
        plain(
            self.status,
            title,
            html! {
                h1 { (title) }
                p.problem role="alert" { (Shown(&self.text)) }
                p { a href="/" { "Back to the overview" } }
            },
        )
    }
}
