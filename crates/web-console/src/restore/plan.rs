//! The plan: what would be done, what cannot, and what stands in the way; then the question.

use std::sync::Arc;

use axum::extract::{Extension, Form, State};
use axum::response::{IntoResponse, Response};
use backup::Silent;
use maud::{Markup, html};
use object_restore::plan::Plan;
use object_restore::words;
use serde::Deserialize;

use super::prepare::{Task, with_plan};
use crate::basket::{Choices, Passwords};
use crate::console::Console;
use crate::guard::{Done, Visitor};
use crate::page::page;
use crate::problem::Problem;
use crate::text::Shown;

/// The lines of a plan that are shown; all of them count.
const LINES: usize = 1_000;

/// How it is to be done.
#[derive(Deserialize)]
pub struct Asked {
    server: String,
    subtree: Option<String>,
    #[serde(default)]
    attributes: String,
    replace: Option<String>,
    without_links: Option<String>,
    #[serde(default)]
    passwords: String,
    rename: Option<String>,
    #[serde(default)]
    into: String,
    force: Option<String>,
}

impl Asked {
    fn choices(self) -> Result<Choices, Problem> {
        Ok(Choices {
            server: self.server,
            subtree: self.subtree.is_some(),
            attributes: self.attributes,
            replace: self.replace.is_some(),
            without_links: self.without_links.is_some(),
            passwords: match self.passwords.as_str() {
                "" | "usual" => Passwords::Usual,
                "keep" => Passwords::Keep,
                "set" => Passwords::Set,
                "none" => Passwords::None,
                _ => return Err(Problem::wrong("passwords: usual, keep, set or none")),
            },
            rename: self.rename.is_some(),
            into: self.into,
            force: self.force.is_some(),
        })
    }
}

/// What is shown of a plan.
pub struct Seen {
    server: String,
    lines: Vec<String>,
    /// Why it cannot be carried out.
    obstacles: Vec<String>,
    is_empty: bool,
    /// Whether there is anything to confirm, if nothing is in the way.
    may_run: bool,
    sets_password: bool,
    digest: String,
    address: String,
    is_samba: bool,
}

/// Makes the plan, and shows it.
///
/// # Errors
/// If a directory cannot be read, or what was chosen does not fit.
pub async fn make(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
    Form(asked): Form<Asked>,
) -> Result<Response, Problem> {
    let basket = {
        let mut basket = visitor.session.basket();
        basket.options = asked.choices()?;
        basket.clone()
    };
    let server = basket.options.server.clone();
    let what = format!(
        "{} objects of {} into {server}",
        basket.objects.len(),
        basket.source.as_ref().map_or("", |source| &source.id)
    );
    let seen = console
        .read(move |console| Seen::of(console, &Task::of(&basket)?))
        .await?;
    let content = content(&visitor, &seen, "/restore/run");
    let response = page(&visitor, "/restore", "Plan", content);
    Ok((Extension(Done(what)), response).into_response())
}

impl Seen {
    /// Makes the plan of a task.
    ///
    /// # Errors
    /// As [`with_plan`].
    pub fn of(console: &Console, task: &Task<'_>) -> Result<Self, Problem> {
        with_plan(console, task, &Silent, |prepared| {
            Ok(Self {
                server: task.server.clone(),
                lines: prepared.in_words().lines().map(str::to_owned).collect(),
                obstacles: obstacles(&prepared.plan),
                is_empty: prepared.plan.is_empty(),
                may_run: !prepared.plan.is_empty() || task.is_rest(),
                sets_password: prepared.sets_password(),
                digest: prepared.digest(),
                address: prepared.server.to_owned(),
                is_samba: prepared.pair.live.is_samba(),
            })
        })
    }
}

fn obstacles(plan: &Plan) -> Vec<String> {
    let obstacles = plan.obstacles.iter();
    obstacles
        .map(|obstacle| {
            let force = if obstacle.yields_to_force {
                " (yields to force)"
            } else {
                ""
            };
            let left = object_restore::plan::Left {
                what: obstacle.dn.clone(),
                reason: obstacle.reason.clone(),
            };
            format!("{}{force}", words::left_in_words(&left))
        })
        .collect()
}

/// The plan, and a form that goes to `action` if it can be carried out.
pub fn content(visitor: &Visitor, seen: &Seen, action: &str) -> Markup {
    let server = &seen.server;
    html! {
        h1 { "Plan" }
        p.note { "Into " (Shown(server)) ", " (Shown(&seen.address)) ". Nothing is written yet." }
        @if !seen.is_samba {
            p.problem {
                "This is no Samba server: the rules for others come from Microsoft's specification, \
                 and were not tried on one. Try it in a test domain first."
            }
        }
        section.panel aria-label="What would be done" {
            h2 { "What would be done" }
            @if seen.is_empty && seen.obstacles.is_empty() {
                p { "Nothing: all is as in the backup." }
            }
            div.plan tabindex="0" {
                @for line in seen.lines.iter().take(LINES) { div { (Shown(line)) } }
                @if seen.lines.len() > LINES {
                    div.note { "… " (seen.lines.len()) " lines" }
                }
            }
        }
        @if !seen.obstacles.is_empty() {
            section.panel aria-label="In the way" {
                h2 { "In the way" }
                p.problem role="alert" { "As long as this is so, nothing can be written." }
                ul { @for text in seen.obstacles.iter().take(LINES) { li { (Shown(text)) } } }
            }
        } @else if seen.may_run {
            form.row method="post" action=(action) {
                input type="hidden" name="csrf" value=(visitor.session.csrf);
                input type="hidden" name="plan" value=(seen.digest);
                @if seen.sets_password {
                    label {
                        "New password of the accounts"
                        input type="password" name="new_password" required
                            autocomplete="new-password" maxlength="255";
                    }
                }
                label {
                    "Type " (server) " to confirm"
                    input name="name" required autocomplete="off" pattern=(pattern(server));
                }
                button.danger { "Bring back" }
            }
        }
        p { a href="/restore" { "Back to restores" } }
    }
}

/// A pattern that only this name fits. Of what names hold, the dot alone means something else.
pub fn pattern(name: &str) -> String {
    name.replace('.', "\\.")
}
