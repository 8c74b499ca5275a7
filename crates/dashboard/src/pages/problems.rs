//! Problems, filtered by what became of them.

use askama::Template;
use autodidact_core::{Mode, ProblemId, Split};
use autodidact_store::{ProblemAsking, ProblemFilter, ProblemRow};
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::error::PageError;
use crate::routes::App;
use crate::words::{number, short};

/// Problems on one page.
const ROWS: u32 = 50;

/// What an address asks for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    filter: String,
    #[serde(default)]
    split: String,
    #[serde(default)]
    after: i64,
}

#[derive(Debug, Template)]
#[template(path = "problems.html")]
struct Problems {
    frame: Frame,
    run: String,
    split: &'static str,
    filter: &'static str,
    filters: Vec<Filter>,
    rows: Vec<Row>,
    next: Option<i64>,
    first: bool,
}

#[derive(Debug)]
struct Filter {
    key: &'static str,
    name: &'static str,
    count: String,
}

#[derive(Debug)]
struct Row {
    number: i64,
    id: String,
    question: String,
    gold: String,
    marks: Vec<Mark>,
}

/// How a problem went in one loop.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) title: String,
}

fn name(filter: ProblemFilter) -> &'static str {
    match filter {
        ProblemFilter::All => "All",
        ProblemFilter::NeverSolved => "Never solved",
        ProblemFilter::OnlyWithHint => "Only with the hint",
        ProblemFilter::Flipped => "Flipped",
        ProblemFilter::Forgotten => "Forgotten",
    }
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Page {
    let filter = ProblemFilter::ALL
        .into_iter()
        .find(|filter| filter.as_str() == wanted.filter);
    let (split, split_key) = match wanted.split.as_str() {
        "evaluate" => (Split::Evaluate, "evaluate"),
        _ => (Split::Train, "train"),
    };
    let filter = filter.unwrap_or_default();
    let store = app.catalog().read(&run).await?;
    let counts = store.filter_counts(split).await?;
    let mut found = store
        .problem_rows(split, filter, wanted.after, ROWS + 1)
        .await?;
    let more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let ids: Vec<&ProblemId> = found.iter().map(|row| &row.problem.id).collect();
    let askings = store.problem_askings(&ids).await?;
    let filters = ProblemFilter::ALL.into_iter().zip(counts.0);
    page(&Problems {
        frame: Frame::of_run(&run, "problems", "Problems"),
        split: split_key,
        filter: filter.as_str(),
        filters: filters
            .map(|(filter, count)| Filter {
                key: filter.as_str(),
                name: name(filter),
                count: number(count),
            })
            .collect(),
        next: found.last().map(|row| row.number).filter(|_| more),
        rows: found.iter().map(|found| row(found, &askings)).collect(),
        first: wanted.after == 0,
        run,
    })
}

fn row(found: &ProblemRow, askings: &[ProblemAsking]) -> Row {
    let problem = &found.problem;
    let own = askings.iter().filter(|asking| asking.problem == problem.id);
    Row {
        number: found.number,
        id: short(&problem.id.0, 40),
        question: short(&problem.question, 180),
        gold: problem
            .gold
            .as_ref()
            .map_or_else(String::new, |gold| short(&gold.0, 40)),
        marks: own.map(mark).collect(),
    }
}

/// Colour is not all that tells them apart.
pub(super) fn mark(asking: &ProblemAsking) -> Mark {
    let hinted = asking.mode == Mode::Rationalization;
    let (class, sign) = match (asking.right > 0, hinted) {
        (true, false) => ("solved", "✓"),
        (true, true) => ("hinted", "h"),
        (false, false) => ("unsolved", "·"),
        (false, true) => ("unsolved", "×"),
    };
    Mark {
        class,
        sign,
        title: format!(
            "loop {}, {}{}: {} of {} right",
            asking.iteration,
            short(&asking.sampler.0, 40),
            if hinted { ", with the hint" } else { "" },
            asking.right,
            asking.samples
        ),
    }
}

/// A number in an address that is none is a page that is not there.
pub(super) fn parse(number: &str) -> Result<i64, PageError> {
    number.parse().map_err(|_| PageError::NotFound("page"))
}
