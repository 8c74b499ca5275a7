//! One run: what it does and what it reached.

use askama::Template;
use autodidact_report::{plots, verdict};
use autodidact_star::overview;
use autodidact_store::RunStore;
use axum::extract::{Path, State};

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::error::PageError;
use crate::live::{Controls, Panel, panel};
use crate::routes::App;
use crate::words::text;

#[derive(Debug, Template)]
#[template(path = "run.html")]
#[expect(clippy::struct_field_names, reason = "pages call the run's name so")]
struct Run {
    frame: Frame,
    run: String,
    panel: Panel,
    controls: Controls,
    reached: Reached,
    spec: String,
}

/// What was reached, renewed after each loop. Plots are markup that was made here; everything in
/// them is escaped.
#[derive(Debug, Template)]
#[template(path = "reached.html")]
pub(crate) struct Reached {
    verdict: String,
    accuracy: String,
    problems: String,
}

pub(crate) async fn reached(store: &RunStore, run: &str) -> Result<Reached, PageError> {
    let data = overview(store, run).await?;
    Ok(Reached {
        verdict: text(&verdict(&data)),
        accuracy: plots::accuracy(&data),
        problems: plots::problems(&data),
    })
}

pub(crate) async fn show(State(app): State<App>, Path(run): Path<String>) -> Page {
    let store = app.catalog().read(&run).await?;
    let (panel, doing) = panel(&store, &run).await?;
    page(&Run {
        panel,
        controls: Controls::of(&run, app.access().form_secret(), doing, None),
        reached: reached(&store, &run).await?,
        spec: text(&store.spec().await?),
        frame: Frame::of_run(&run, "run", &run),
        run,
    })
}
