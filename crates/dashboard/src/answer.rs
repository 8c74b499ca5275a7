//! From a template to an answer.

use askama::Template;
use axum::response::Html;

use crate::error::PageError;

/// What a page function returns.
pub(crate) type Page = Result<Html<String>, PageError>;

/// Fills in a template.
pub(crate) fn page(template: &impl Template) -> Page {
    Ok(Html(template.render()?))
}
