//! Tables for people.

/// Columns wider than this do not widen the table: what is in them stands out.
const WIDEST: usize = 48;

/// Lines with columns as wide as what is in them; the last one is not filled up.
pub fn lines(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells
            .map(|cell| cell.chars().count())
            .filter(|width| *width <= WIDEST);
        let heading = heading.get(column).map_or(0, |heading| heading.len());
        widths.max().unwrap_or(0).max(heading)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.trim_end().to_owned()
    };
    let mut text = vec![line(&mut heading.iter().copied())];
    text.extend(
        rows.iter()
            .map(|row| line(&mut row.iter().map(String::as_str))),
    );
    text.join("\n")
}
