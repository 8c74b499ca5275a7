//! Two runs side by side, and problem by problem where they were asked the same.

use std::collections::HashMap;

use askama::Template;
use autodidact_core::{Problem, ProblemId, SamplerId, Split};
use autodidact_report::{Share, p_value, plots, points, verdict};
use autodidact_star::{Paired, ReportData, overview};
use autodidact_store::RunStore;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::error::PageError;
use crate::routes::App;
use crate::words::{number, short, text};

/// Problems listed on each side.
const LISTED: usize = 20;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    a: String,
    #[serde(default)]
    b: String,
}

#[derive(Debug, Template)]
#[template(path = "compare.html")]
struct Compare {
    frame: Frame,
    names: Vec<String>,
    a: String,
    b: String,
    found: Option<Both>,
}

#[derive(Debug)]
struct Both {
    sides: [Side; 2],
    summary: String,
    gained: Vec<Listed>,
    lost: Vec<Listed>,
}

#[derive(Debug)]
struct Side {
    name: String,
    verdict: String,
    model: String,
    accuracy: String,
    interval: String,
    plot: String,
}

#[derive(Debug)]
struct Listed {
    number: i64,
    question: String,
}

pub(crate) async fn show(State(app): State<App>, Query(wanted): Query<Wanted>) -> Page {
    let names: Vec<String> = app
        .catalog()
        .list()?
        .into_iter()
        .map(|run| run.name)
        .collect();
    let found = if wanted.a.is_empty() || wanted.b.is_empty() {
        None
    } else {
        Some(both(&app, &wanted.a, &wanted.b).await?)
    };
    page(&Compare {
        frame: Frame {
            title: "Compare".to_owned(),
            run: None,
            tab: "compare",
        },
        names,
        a: text(&wanted.a),
        b: text(&wanted.b),
        found,
    })
}

/// The model of a run that is compared: its best student, or else its last, or else its baseline.
struct Shown {
    iteration: u32,
    sampler: SamplerId,
    name: String,
}

fn shown(data: &ReportData) -> Option<Shown> {
    let best = data.status.best.as_ref().map(|best| best.iteration);
    let last = data.status.iterations.last().map(|last| last.n);
    if let Some(n) = best.or(last) {
        return Some(Shown {
            iteration: n,
            sampler: SamplerId(format!("student/{n}")),
            name: format!("the student after loop {n}"),
        });
    }
    let baseline = data.baseline.as_ref()?;
    Some(Shown {
        iteration: 0,
        sampler: SamplerId(baseline.clone()),
        name: format!("the baseline {}", text(baseline)),
    })
}

async fn both(app: &App, a: &str, b: &str) -> Result<Both, PageError> {
    let (first, second) = (app.catalog().read(a).await?, app.catalog().read(b).await?);
    let data = (overview(&first, a).await?, overview(&second, b).await?);
    let models = (shown(&data.0), shown(&data.1));
    let sides = [
        side(a, &data.0, models.0.as_ref(), &first).await?,
        side(b, &data.1, models.1.as_ref(), &second).await?,
    ];
    let mut both = Both {
        sides,
        summary: "There is nothing to compare yet: one of the runs has measured nothing."
            .to_owned(),
        gained: Vec::new(),
        lost: Vec::new(),
    };
    let (Some(one), Some(other)) = models else {
        return Ok(both);
    };
    let marks_a = marks(&first, &one).await?;
    let marks_b = marks(&second, &other).await?;
    let asked: HashMap<ProblemId, Problem> = first
        .problems(Split::Evaluate)
        .await?
        .into_iter()
        .map(|problem| (problem.id.clone(), problem))
        .collect();
    let mut pairs = Vec::new();
    for problem in second.problems(Split::Evaluate).await? {
        let same = asked.get(&problem.id) == Some(&problem);
        let marks = (marks_a.get(&problem.id), marks_b.get(&problem.id));
        let (true, (Some(a), Some(b))) = (same, marks) else {
            continue;
        };
        pairs.push((*a, *b));
        let list = match (*a, *b) {
            (false, true) => &mut both.gained,
            (true, false) => &mut both.lost,
            _ => continue,
        };
        if list.len() < LISTED
            && let Some(number) = second.problem_number(&problem.id).await?
        {
            let question = short(&problem.question, 120);
            list.push(Listed { number, question });
        }
    }
    both.summary = summary(&Paired::of(pairs), a, b);
    Ok(both)
}

async fn marks(store: &RunStore, shown: &Shown) -> Result<HashMap<ProblemId, bool>, PageError> {
    let marks = store
        .solved_problems(shown.iteration, &shown.sampler)
        .await?;
    Ok(marks.into_iter().collect())
}

async fn side(
    name: &str,
    data: &ReportData,
    shown: Option<&Shown>,
    store: &RunStore,
) -> Result<Side, PageError> {
    let share = match shown {
        Some(shown) => {
            let marks = marks(store, shown).await?;
            let right = marks.values().filter(|right| **right).count() as u32;
            Share::new(right, marks.len() as u32)
        }
        None => None,
    };
    let dash = || "–".to_owned();
    Ok(Side {
        name: name.to_owned(),
        verdict: text(&verdict(data)),
        model: shown.map_or_else(dash, |shown| shown.name.clone()),
        accuracy: share.map_or_else(dash, |share| share.percent()),
        interval: share.map_or_else(dash, |share| share.interval()),
        plot: plots::accuracy(data),
    })
}

/// The paired difference in words.
fn summary(paired: &Paired, a: &str, b: &str) -> String {
    if paired.total == 0 {
        return "The runs were measured on different problems, so nothing can be compared one by one.".to_owned();
    }
    let (low, high) = paired.interval();
    format!(
        "On {} held-out problems that both runs were asked, the accuracy of {b} minus that of {a} is {} points (95% interval {} to {}): {} problems are solved by {b} only, and {} by {a} only. Exact McNemar test: {}.",
        number(paired.total.into()),
        points(paired.difference()),
        points(low),
        points(high),
        number(paired.gained.into()),
        number(paired.lost.into()),
        p_value(paired.p_value())
    )
}
