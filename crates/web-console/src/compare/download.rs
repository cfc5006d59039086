//! The differences as a file of comma-separated values.

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::{Wanted, differences};
use crate::console::Console;
use crate::differences::Differences;
use crate::guard::Done;
use crate::problem::Problem;

/// The file.
///
/// # Errors
/// If a snapshot cannot be read.
pub async fn csv(
    State(console): State<Arc<Console>>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let what = format!("compare {} {} as CSV", wanted.before, wanted.after);
    let text = console
        .read(move |console| {
            let found = differences(console, &wanted)?;
            Ok(lines(&found))
        })
        .await?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"differences.csv\"",
        ),
    ];
    Ok((Extension(Done(what)), headers, text).into_response())
}

fn lines(found: &Differences) -> String {
    let mut text = "what,class,object,objectGUID,attributes\r\n".to_owned();
    for row in &found.rows {
        let fields = [
            row.what(),
            &row.class,
            &row.dn,
            &row.guid,
            &row.attributes.join(" "),
        ];
        let fields: Vec<String> = fields.into_iter().map(field).collect();
        text += &fields.join(",");
        text += "\r\n";
    }
    text
}

/// A field in quotes. A spreadsheet takes one that begins with certain characters for a formula.
fn field(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_spreadsheet_runs_no_formula() {
        assert_eq!(field("CN=a,DC=b"), "\"CN=a,DC=b\"");
        assert_eq!(field("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(field("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
    }
}
