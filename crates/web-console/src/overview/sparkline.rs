//! The size of backups over time, as a small line.

use backup::words::bytes;
use jobs::record::Run;
use maud::{Markup, html};

/// Width and height of the drawing, in its own units.
const SIZE: (f64, f64) = (240.0, 40.0);

/// The room above and below the line.
const MARGIN: f64 = 4.0;

/// Draws the sizes of the backups of these runs, oldest first; nothing for fewer than two.
pub fn sparkline(runs: &[Run]) -> Markup {
    let backups = runs.iter().filter(|run| run.snapshot.is_some());
    let sizes: Vec<u64> = backups.map(|run| run.bytes).collect();
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else {
        return html! {};
    };
    if sizes.len() < 2 {
        return html! {};
    }
    let label = format!(
        "Size of the last {} backups: from {} to {}",
        sizes.len(),
        bytes(*first),
        bytes(*last)
    );
    html! {
        figure.sparkline {
            svg viewBox=(format!("0 0 {} {}", SIZE.0, SIZE.1)) role="img" aria-label=(label) {
                polyline points=(points(&sizes)) {}
            }
            figcaption { (label) }
        }
    }
}

fn points(sizes: &[u64]) -> String {
    let (least, most) = sizes.iter().fold((u64::MAX, 0), |(least, most), size| {
        (least.min(*size), most.max(*size))
    });
    let range = (most.saturating_sub(least) as f64).max(1.0);
    let step = SIZE.0 / (sizes.len().max(2) - 1) as f64;
    let height = SIZE.1 - 2.0 * MARGIN;
    let point = |(index, size): (usize, &u64)| {
        let part = (size - least) as f64 / range;
        let y = SIZE.1 - MARGIN - part * height;
        format!("{:.1},{y:.1}", index as f64 * step)
    };
    let points: Vec<String> = sizes.iter().enumerate().map(point).collect();
    points.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_from_left_to_right_and_up_with_the_size() {
        assert_eq!(points(&[0, 10]), "0.0,36.0 240.0,4.0");
        assert_eq!(points(&[5, 5, 5]), "0.0,36.0 120.0,36.0 240.0,36.0");
        assert_eq!(points(&[u64::MAX, 0]), "0.0,4.0 240.0,36.0");
    }

    #[test]
    fn one_backup_is_no_line() {
        assert_eq!(sparkline(&[]).into_string(), "");
        let run = Run {
            snapshot: Some("a".into()),
            ..Run::default()
        };
        assert_eq!(sparkline(std::slice::from_ref(&run)).into_string(), "");
        assert!(
            sparkline(&[run.clone(), run])
                .into_string()
                .contains("<polyline")
        );
    }
}
