//! What pages load: embedded, so that a browser without a network shows everything.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::error::PageError;

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// One of the embedded files.
pub(crate) async fn asset(Path(name): Path<String>) -> Result<Response, PageError> {
    let (kind, body) = match name.as_str() {
        "htmx.js" => (
            SCRIPT,
            include_str!("../assets/vendor/htmx.min.js").to_owned(),
        ),
        "htmx-sse.js" => (
            SCRIPT,
            include_str!("../assets/vendor/htmx-sse.min.js").to_owned(),
        ),
        "style.css" => (STYLE, style()),
        "icon.svg" => (
            "image/svg+xml",
            include_str!("../assets/icon.svg").to_owned(),
        ),
        _ => return Err(PageError::NotFound("file")),
    };
    // Files change with the program only, which may be another one at the same address tomorrow.
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=3600")];
    Ok((headers, body).into_response())
}

/// The plots' style first, so that the page can be stricter.
fn style() -> String {
    let plots = autodidact_report::PLOT_STYLE;
    format!("{plots}{}", include_str!("../assets/style.css"))
}
