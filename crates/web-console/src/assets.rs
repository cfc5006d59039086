//! Style, scripts and icon, which are part of the program.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// A file that browsers may keep as long as the program stays the same.
pub struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
}

/// The style of all pages.
pub const STYLE: Asset = Asset {
    name: "style.css",
    kind: "text/css; charset=utf-8",
    content: include_bytes!("../assets/style.css"),
};

/// Our own script: live progress, keys.
pub const SCRIPT: Asset = Asset {
    name: "console.js",
    kind: "text/javascript; charset=utf-8",
    content: include_bytes!("../assets/console.js"),
};

/// htmx 2.0.11, unchanged (<https://htmx.org>, Zero-Clause BSD, `assets/htmx.LICENSE`).
pub const HTMX: Asset = Asset {
    name: "htmx-2.0.11.min.js",
    kind: "text/javascript; charset=utf-8",
    content: include_bytes!("../assets/htmx.min.js"),
};

/// The icon.
pub const ICON: Asset = Asset {
    name: "icon.svg",
    kind: "image/svg+xml",
    content: include_bytes!("../assets/icon.svg"),
};

impl Asset {
    /// Its address, which changes with the program.
    pub fn address(&self) -> String {
        format!("/assets/{}?{}", self.name, env!("CARGO_PKG_VERSION"))
    }
}

/// A file by its name.
///
/// # Errors
/// If there is none.
pub async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = [STYLE, SCRIPT, HTMX, ICON]
        .into_iter()
        .find(|asset| asset.name == name)
        .ok_or_else(|| Problem::not_found("there is no such file"))?;
    let headers = [(CONTENT_TYPE, found.kind), (CACHE_CONTROL, "max-age=3600")];
    Ok((headers, found.content).into_response())
}
