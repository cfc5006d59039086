//! Snapshots on a line of time, one line for each server.

use std::collections::BTreeMap;

use backup::list::Listed;
use backup::words::short_id;
use jiff::Timestamp;
use maud::{Markup, html};

use super::address;

/// The width of the drawing, and the height of a line, in its own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 28.0;

/// The room left and right.
const MARGIN: f64 = 10.0;

/// The most snapshots that are drawn: a page stays small.
const MOST: usize = 500;

/// Draws the newest snapshots; nothing where there is none.
pub fn timeline(snapshots: &[(&str, &Listed)]) -> Markup {
    let newest = &snapshots[snapshots.len().saturating_sub(MOST)..];
    let mut servers: BTreeMap<&str, Vec<(i64, &str, &Listed)>> = BTreeMap::new();
    for (repository, listed) in newest {
        if let Ok(time) = listed.time.parse::<Timestamp>() {
            let line = servers.entry(&listed.server).or_default();
            line.push((time.as_second(), repository, listed));
        }
    }
    let times = servers.values().flatten().map(|(time, _, _)| *time);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else {
        return html! {};
    };
    let at = |time: i64| {
        let span = (last - first).max(1) as f64;
        MARGIN + (WIDTH - 2.0 * MARGIN) * (time - first) as f64 / span
    };
    html! {
        figure.timeline {
            @for (server, line) in &servers {
                div.line {
                    span.name { (server) }
                    svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none"
                        role="group" aria-label=(format!("Snapshots of {server}")) {
                        line x1="0" x2=(WIDTH) y1=(HEIGHT / 2.0) y2=(HEIGHT / 2.0) {}
                        @for (time, repository, listed) in line {
                            a href=(address(repository, &listed.snapshot))
                                aria-label=(format!("{} of {}", short_id(&listed.snapshot), listed.time)) {
                                rect.(kind(listed)) x=(format!("{:.1}", at(*time) - 3.0)) y="4"
                                    width="6" height=(HEIGHT - 8.0) {
                                    title { (listed.time) }
                                }
                            }
                        }
                    }
                }
            }
            figcaption {
                (day(first)) " to " (day(last)) ". Filled: proven by a drill; hollow: not drilled; red: "
                "damaged or unusable."
            }
        }
    }
}

fn kind(listed: &Listed) -> &'static str {
    let failed = |drill: &backup::Verdict| !drill.proven && drill.not_proven.is_none();
    match &listed.drill {
        _ if listed.unusable.is_some() || listed.damaged == Some(true) => "is-bad",
        Some(drill) if failed(drill) => "is-bad",
        Some(drill) if drill.proven => "is-proven",
        _ => "is-open",
    }
}

fn day(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}
