//! The basket, how its objects are to be brought back, and what was brought back before.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use backup::words::{count, short_id};
use maud::{Markup, html};

use super::journals::{self, Known};
use crate::basket::{Basket, Choices, Origin, Passwords};
use crate::console::Console;
use crate::guard::Visitor;
use crate::page::page;
use crate::problem::Problem;
use crate::snapshots;
use crate::text::{Brief, Shown};

/// The page.
///
/// # Errors
/// If the folder of journals cannot be read.
pub async fn overview(
    State(console): State<Arc<Console>>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Problem> {
    let basket = visitor.session.basket().clone();
    let servers: Vec<String> = console.settings.server.keys().cloned().collect();
    let journals = console
        .read(|console| journals::all(&console.state))
        .await?;
    let content = html! {
        h1 { "Restore" }
        (chosen(&visitor, &basket))
        @if !basket.objects.is_empty() && visitor.may_operate() {
            (how(&visitor, &servers, &basket))
        }
        (before(&journals))
    };
    Ok(page(&visitor, "/restore", "Restore", content))
}

fn chosen(visitor: &Visitor, basket: &Basket) -> Markup {
    let csrf = &visitor.session.csrf;
    html! {
        section.panel aria-label="Basket" {
            h2 { "Basket" }
            @match &basket.source {
                None => p {
                    "Nothing is chosen. Tick objects in the directory of a snapshot, among deleted "
                    "objects, or in a comparison."
                },
                Some(source) => {
                    (origin(source))
                    div.scroll tabindex="0" {
                        table {
                            thead { tr { th { "Object" } th { "Class" } th { span.unseen { "Leave out" } } } }
                            tbody {
                                @for item in &basket.objects {
                                    tr {
                                        td { (Brief(&item.dn)) }
                                        td { (Brief(&item.class)) }
                                        td {
                                            form.inline method="post" action="/restore/remove" {
                                                input type="hidden" name="csrf" value=(csrf);
                                                input type="hidden" name="object" value=(item.guid);
                                                button { "Leave out" }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                    form.inline method="post" action="/restore/remove" {
                        input type="hidden" name="csrf" value=(csrf);
                        button { "Empty the basket" }
                    }
                }
            }
        }
    }
}

fn origin(source: &Origin) -> Markup {
    html! {
        p.note {
            "As they were in snapshot "
            a href=(snapshots::address(&source.repository, &source.id)) { (short_id(&source.id)) }
            " of " (Shown(&source.server)) ", " (source.time) "."
        }
    }
}

fn how(visitor: &Visitor, servers: &[String], basket: &Basket) -> Markup {
    let choices = &basket.options;
    if servers.is_empty() {
        return html! {
            section.panel aria-label="How" {
                p.problem {
                    "No running server is named in the configuration, so nothing can be brought "
                    "back: add [console.server.NAME] (docs/console.md)."
                }
            }
        };
    }
    html! {
        section.panel aria-label="How" {
            h2 { "How" }
            form.choices method="post" action="/restore/plan" {
                input type="hidden" name="csrf" value=(visitor.session.csrf);
                label {
                    "Into the running directory"
                    select name="server" {
                        @for name in servers {
                            option value=(name) selected[*name == choices.server] { (name) }
                        }
                    }
                }
                (choice("subtree", "Also all objects beneath them", choices.subtree))
                (choice("replace", "Remove values that living objects got since", choices.replace))
                (choice(
                    "without_links",
                    "Leave links as they are: members, groups, managers",
                    choices.without_links,
                ))
                (choice(
                    "rename",
                    "Where a name is taken, bring the object as \"NAME (restored)\"",
                    choices.rename,
                ))
                (passwords(choices))
                label {
                    "Only these attributes of objects that live (all, if none is named)"
                    input name="attributes" value=(choices.attributes) size="40" maxlength="4000";
                }
                label {
                    "Beneath this object (where they were, if none is named)"
                    input name="into" value=(choices.into) size="40" maxlength="4000";
                }
                (choice("force", "Also what the plan says yields to force", choices.force))
                button.primary { "Make the plan" }
                p.note { "The plan says what would be written. Nothing is written yet." }
            }
        }
    }
}

fn choice(name: &str, text: &str, is_chosen: bool) -> Markup {
    html! {
        label.choice {
            input type="checkbox" name=(name) value="1" checked[is_chosen];
            " " (text)
        }
    }
}

fn passwords(choices: &Choices) -> Markup {
    let all = [
        (
            "usual",
            Passwords::Usual,
            "those of deleted accounts, where the server takes them",
        ),
        (
            "none",
            Passwords::None,
            "none: deleted accounts come back disabled",
        ),
        (
            "set",
            Passwords::Set,
            "a new one for deleted accounts, to be changed at the next logon",
        ),
        (
            "keep",
            Passwords::Keep,
            "those of the snapshot, for living accounts too",
        ),
    ];
    html! {
        label {
            "Passwords"
            select name="passwords" {
                @for (name, kind, text) in all {
                    option value=(name) selected[kind == choices.passwords] { (text) }
                }
            }
        }
    }
}

fn before(journals: &[Known]) -> Markup {
    html! {
        section.panel aria-label="Restores of before" {
            h2 { "Restores of before" }
            @if journals.is_empty() { p { "None was begun from the console." } } @else {
                p.note { (count(journals.len(), "journal")) }
                ul {
                    @for journal in journals {
                        li {
                            a href=(journals::address(&journal.name)) { (journal.began) }
                            @if !journal.has_ended && journal.undone.is_none() {
                                " " span.badge.warning { "not ended" }
                            }
                            @if let Some(undone) = &journal.undone {
                                " " span.badge.unknown { "taken back" } " " (Shown(undone))
                            }
                        }
                    }
                }
            }
        }
    }
}
