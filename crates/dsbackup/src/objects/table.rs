//! Tables for people.

/// Columns wider than this do not widen the table: what is in them stands out.
const WIDEST: usize = 48;

/// Lines with columns as wide as what is in them; the last one is not filled up.
pub fn lines(heading: &[&str], rows: &[Vec<String>]) -> String {
    lines_up_to(WIDEST, heading, rows)
}

/// The same, with columns of any width.
pub fn whole_lines(heading: &[&str], rows: &[Vec<String>]) -> String {
    lines_up_to(usize::MAX, heading, rows)
}

fn lines_up_to(widest: usize, heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells
            .map(|cell| cell.chars().count())
            .filter(|width| *width <= widest);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_in_line_however_long_names_are() {
        let name = format!("{}.corp.example", "dc".repeat(30));
        let rows = [["short", "1"], [name.as_str(), "2"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        let text = whole_lines(&["server", "count"], &rows);
        let places: Vec<_> = (text.lines().zip(["count", "1", "2"]))
            .map(|(line, last)| line.rfind(last))
            .collect();
        assert!(
            places.iter().all(|place| *place == Some(name.len() + 2)),
            "{text}"
        );

        let text = lines(&["server", "count"], &rows);
        assert!(
            text.lines().next().is_some_and(|line| line.len() < 20),
            "{text}"
        );
    }
}
