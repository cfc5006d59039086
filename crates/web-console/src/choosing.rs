//! Ticks beside objects, and the button that puts what is ticked into the basket.

use maud::{Markup, html};

use crate::directories::{Directory, NOW};
use crate::guard::Visitor;
use crate::text::label;

/// Where objects are chosen from, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Choosing<'c> {
    csrf: &'c str,
    repository: &'c str,
    id: &'c str,
    is_deleted: bool,
}

impl<'c> Choosing<'c> {
    /// From a directory; `None` where the visitor may not act, and for living objects of a running
    /// server.
    pub fn of(visitor: &'c Visitor, directory: &'c Directory) -> Option<Self> {
        Self::from(visitor, &directory.repository, &directory.id)
            .filter(|_| !directory.is_running())
    }

    /// Objects that are deleted in the directory: they come from a snapshot of before.
    pub fn deleted(visitor: &'c Visitor, directory: &'c Directory) -> Option<Self> {
        let found = Self::from(visitor, &directory.repository, &directory.id)?;
        Some(Self {
            is_deleted: true,
            ..found
        })
    }

    /// From the directory of this repository and snapshot.
    pub fn named(visitor: &'c Visitor, repository: &'c str, id: &'c str) -> Option<Self> {
        Self::from(visitor, repository, id).filter(|_| repository != NOW)
    }

    fn from(visitor: &'c Visitor, repository: &'c str, id: &'c str) -> Option<Self> {
        visitor.may_operate().then_some(Self {
            csrf: &visitor.session.csrf,
            repository,
            id,
            is_deleted: false,
        })
    }

    /// The fields that every form of this kind has.
    fn fields(self) -> Markup {
        html! {
            input type="hidden" name="csrf" value=(self.csrf);
            input type="hidden" name="repository" value=(self.repository);
            input type="hidden" name="id" value=(self.id);
            @if self.is_deleted { input type="hidden" name="deleted" value="1"; }
        }
    }
}

/// A list with ticks in a form; the list alone where nothing can be chosen.
pub fn form(choosing: Option<Choosing<'_>>, list: &Markup) -> Markup {
    html! {
        @match choosing {
            None => (list),
            Some(choosing) => {
                form method="post" action="/restore/add" {
                    (choosing.fields())
                    (list)
                    button { "Put the ticked into the basket" }
                }
            }
        }
    }
}

/// The heading of the column of ticks.
pub fn heading(choosing: Option<Choosing<'_>>) -> Markup {
    html! { @if choosing.is_some() { th { span.unseen { "Chosen" } } } }
}

/// The tick of an object; an empty place for one that cannot be chosen.
pub fn tick(choosing: Option<Choosing<'_>>, guid: Option<&str>, name: &str) -> Markup {
    html! {
        @if choosing.is_some() {
            td {
                @if let Some(guid) = guid {
                    input type="checkbox" name="object" value=(guid)
                        aria-label=(format!("Choose {}", label(name)));
                }
            }
        }
    }
}

/// The button for one object.
pub fn button(choosing: Option<Choosing<'_>>, guid: &str) -> Markup {
    html! {
        @if let Some(choosing) = choosing {
            form.inline method="post" action="/restore/add" {
                (choosing.fields())
                input type="hidden" name="object" value=(guid);
                button { "Into the basket" }
            }
        }
    }
}
