//! Snapshots: the list with its timeline, one snapshot, its drill and its removal.

pub mod detail;
pub mod forget;
pub mod list;
mod timeline;

use backup::list::Listed;
use maud::{Markup, html};

use crate::text::in_address;

/// The address of a snapshot's page.
pub fn address(repository: &str, id: &str) -> String {
    format!("/snapshots/{}/{}", in_address(repository), in_address(id))
}

/// What is known of a snapshot's worth, as a word and a colour.
pub fn worth(listed: &Listed) -> Markup {
    let drill = listed.drill.as_ref();
    html! {
        @if listed.unusable.is_some() {
            span.badge.damaged { "unusable" }
        } @else if listed.damaged == Some(true) {
            span.badge.damaged { "damaged" }
        } @else if let Some(drill) = drill {
            @if drill.proven {
                span.badge.proven { "proven" }
            } @else if drill.not_proven.is_some() {
                span.badge.warning { "not proven" }
            } @else {
                span.badge.damaged { "failed its drill" }
            }
        } @else {
            span.badge.unknown { "not drilled" }
        }
        @if listed.expired == Some(true) { " " span.badge.damaged { "expired" } }
    }
}
