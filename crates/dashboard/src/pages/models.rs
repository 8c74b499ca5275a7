//! Who wrote how much of what is learned, and what it cost.

use std::collections::BTreeMap;

use askama::Template;
use autodidact_core::{Mode, Usd};
use autodidact_report::plots;
use autodidact_star::overview;
use autodidact_store::{SamplerTally, Spent};
use axum::extract::{Path, State};

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::routes::App;
use crate::words::{mode, number, share, text};

#[derive(Debug, Template)]
#[template(path = "models.html")]
struct Models {
    frame: Frame,
    authors: Vec<Row>,
    samplers: Vec<Tally>,
    rewards: Option<String>,
}

#[derive(Debug)]
struct Row {
    name: String,
    answers: String,
    yields: String,
    solved: String,
    alone: String,
    kept: String,
    tokens: String,
    cost: String,
    per_kept: String,
}

#[derive(Debug)]
struct Tally {
    iteration: u32,
    sampler: String,
    mode: &'static str,
    samples: String,
    right: String,
    solved: String,
    kept: String,
}

/// Counts of one author.
#[derive(Debug, Default)]
struct Author {
    samples: u64,
    right: u64,
    kept: u64,
    tokens: u64,
}

/// Whose a sampler is; nobody's where it only measures.
fn author(tally: &SamplerTally) -> Option<&str> {
    let sampler = tally.sampler.0.as_str();
    if let Some(teacher) = sampler.strip_prefix("teacher/") {
        return Some(teacher);
    }
    if sampler.starts_with("control/") {
        return None;
    }
    let own = ["student/", "base/", "warm-start"];
    if !own.iter().any(|prefix| sampler.starts_with(prefix)) {
        return Some(sampler);
    }
    let measures = sampler == format!("student/{}", tally.iteration);
    let trains = tally.iteration > 0 && (!measures || tally.mode == Mode::Rationalization);
    trains.then_some("student")
}

pub(crate) async fn show(State(app): State<App>, Path(run): Path<String>) -> Page {
    let store = app.catalog().read(&run).await?;
    let data = overview(&store, &run).await?;
    let tallies = store.sampler_tallies().await?;
    let mut authors: BTreeMap<&str, Author> = BTreeMap::new();
    for tally in &tallies {
        if let Some(name) = author(tally) {
            let sum = authors.entry(name).or_default();
            sum.samples += tally.samples;
            sum.right += tally.right;
            sum.kept += tally.kept;
            sum.tokens += tally.tokens;
        }
    }
    let solves: BTreeMap<String, (u64, u64)> = store
        .author_solves()
        .await?
        .into_iter()
        .map(|(name, solved, alone)| (name, (solved, alone)))
        .collect();
    let rows = authors.iter().map(|(name, sum)| {
        let solved = solves.get(*name).copied().unwrap_or_default();
        row(name, sum, solved, data.spending.get(*name))
    });
    page(&Models {
        frame: Frame::of_run(&run, "models", "Models"),
        authors: rows.collect(),
        samplers: tallies.iter().map(shown).collect(),
        rewards: plots::rewards(&data),
    })
}

fn row(name: &str, sum: &Author, (solved, alone): (u64, u64), spent: Option<&Spent>) -> Row {
    let cost = spent.map(|spent| {
        let mut cost = spent.amount;
        cost += spent.unsettled;
        cost
    });
    let per_kept = cost.filter(|_| sum.kept > 0);
    let per_kept = per_kept.map(|cost| Usd::from_nano(cost.nano() / sum.kept));
    let money = |usd: Option<Usd>| usd.map_or_else(|| "–".to_owned(), |usd| usd.to_string());
    Row {
        name: text(name),
        answers: number(sum.samples),
        yields: share(sum.right, sum.samples),
        solved: number(solved),
        alone: number(alone),
        kept: number(sum.kept),
        tokens: number(sum.tokens),
        cost: money(cost),
        per_kept: money(per_kept),
    }
}

fn shown(tally: &SamplerTally) -> Tally {
    Tally {
        iteration: tally.iteration,
        sampler: text(&tally.sampler.0),
        mode: mode(tally.mode),
        samples: number(tally.samples),
        right: share(tally.right, tally.samples),
        solved: format!(
            "{} of {}",
            number(tally.problems_right),
            number(tally.problems)
        ),
        kept: number(tally.kept),
    }
}
