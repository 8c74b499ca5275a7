//! What a page may write: requests to a run, and marks on rationales.

use autodidact_core::HandMark;
use autodidact_store::{Request, SampleNumber};
use axum::Form;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::answer::page;
use crate::error::PageError;
use crate::live;
use crate::pages::problem;
use crate::routes::App;

/// A form of the page of a run.
#[derive(Debug, Deserialize)]
pub(crate) struct AskForm {
    secret: String,
    request: Request,
}

/// Asks a run to pause, go on or stop.
pub(crate) async fn ask(
    State(app): State<App>,
    Path(run): Path<String>,
    headers: HeaderMap,
    Form(form): Form<AskForm>,
) -> Result<Response, PageError> {
    app.access().check_form(&form.secret)?;
    let desk = app.catalog().desk(&run).await?;
    desk.ask(form.request).await?;
    desk.close().await;
    if by_htmx(&headers) {
        let store = app.catalog().read(&run).await?;
        let (_, doing) = live::panel(&store, &run).await?;
        let secret = app.access().form_secret();
        let controls = live::Controls::of(&run, secret, doing, Some(form.request));
        return Ok(page(&controls)?.into_response());
    }
    Ok(Redirect::to(&format!("/runs/{run}")).into_response())
}

/// What a person says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Said {
    /// Worth learning from.
    Good,
    /// Not to be learned from.
    Bad,
    /// Nothing.
    None,
}

/// A form of the page of a problem.
#[derive(Debug, Deserialize)]
pub(crate) struct MarkForm {
    secret: String,
    mark: Said,
}

/// Marks a rationale.
pub(crate) async fn mark(
    State(app): State<App>,
    Path((run, number)): Path<(String, i64)>,
    headers: HeaderMap,
    Form(form): Form<MarkForm>,
) -> Result<Response, PageError> {
    app.access().check_form(&form.secret)?;
    let mark = match form.mark {
        Said::Good => Some(HandMark::Good),
        Said::Bad => Some(HandMark::Bad),
        Said::None => None,
    };
    let sample = SampleNumber(number);
    let desk = app.catalog().desk(&run).await?;
    let done = desk.mark(sample, mark).await?;
    desk.close().await;
    if !done && mark.is_some() {
        return Err(PageError::NotFound("rationale"));
    }
    let store = app.catalog().read(&run).await?;
    let missing = || PageError::NotFound("rationale");
    if by_htmx(&headers) {
        let entry = store.answer_entry(sample).await?.ok_or_else(missing)?;
        let shown = problem::entry(&run, app.access().form_secret(), &entry);
        return Ok(page(&shown)?.into_response());
    }
    let problem = store.problem_of_sample(sample).await?.ok_or_else(missing)?;
    Ok(Redirect::to(&format!("/runs/{run}/problems/{problem}#s{number}")).into_response())
}

fn by_htmx(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}
