//! All runs.

use askama::Template;
use autodidact_core::BaselineMeasurement;
use autodidact_report::{Share, points};
use autodidact_star::status;
use axum::extract::State;

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::catalog::Found;
use crate::error::PageError;
use crate::live::Doing;
use crate::routes::App;
use crate::words::{number, text};

/// Runs shown; a directory with more has older ones nobody looks for here.
const SHOWN: usize = 200;

#[derive(Debug, Template)]
#[template(path = "runs.html")]
struct Runs {
    frame: Frame,
    rows: Vec<Row>,
    more: usize,
}

#[derive(Debug)]
struct Row {
    name: String,
    doing: Doing,
    loops: String,
    samples: String,
    base: String,
    best: String,
    gain: String,
    problem: String,
}

pub(crate) async fn show(State(app): State<App>) -> Page {
    let found = app.catalog().list()?;
    let more = found.len().saturating_sub(SHOWN);
    let mut rows = Vec::new();
    for run in found.iter().take(SHOWN) {
        rows.push(match row(&app, run).await {
            Ok(row) => row,
            // One journal that cannot be read does not hide the others.
            Err(error) => unreadable(run, &error),
        });
    }
    page(&Runs {
        frame: Frame {
            title: "Runs".to_owned(),
            run: None,
            tab: "runs",
        },
        rows,
        more,
    })
}

fn unreadable(run: &Found, error: &PageError) -> Row {
    Row {
        name: run.name.clone(),
        doing: Doing::Parked,
        loops: String::new(),
        samples: String::new(),
        base: String::new(),
        best: String::new(),
        gain: String::new(),
        problem: text(&error.to_string()),
    }
}

async fn row(app: &App, run: &Found) -> Result<Row, PageError> {
    let store = app.catalog().read(&run.name).await?;
    let status = status(&store, &run.name).await?;
    let progress = store.progress().await?;
    let tallies = store.sampler_tallies().await?;
    let base: Option<BaselineMeasurement> = store.stage(0, "baseline").await.ok().flatten();
    let base = base.and_then(|base| Share::new(base.right, base.total));
    let best = status
        .iterations
        .iter()
        .max_by_key(|done| done.evaluation.right);
    let best = best.and_then(|done| Share::new(done.evaluation.right, done.evaluation.total));
    let dash = || "–".to_owned();
    let percent = |share: Option<Share>| share.map_or_else(dash, |share| share.percent());
    let gain = best
        .zip(base)
        .map(|(best, base)| points(best.value - base.value));
    Ok(Row {
        name: run.name.clone(),
        doing: Doing::of(&status, progress.as_ref()),
        loops: status.iterations.len().to_string(),
        samples: number(tallies.iter().map(|tally| tally.samples).sum()),
        base: percent(base),
        best: percent(best),
        gain: gain.unwrap_or_else(dash),
        problem: String::new(),
    })
}
