//! Everything a report shows, gathered from the journal.

use std::collections::{BTreeMap, HashMap};

use autodidact_core::{
    BaselineMeasurement, Mode, Problem, ProblemId, RunSpec, RunStatus, SamplerId, Split, Usd,
};
use autodidact_store::{RunStore, Spent};
use autodidact_tasks::Overlap;

use crate::StarError;
use crate::environment::{self, Environment};
use crate::iteration::IterationDetail;
use crate::sampled::{self, Levels, Sampled};
use crate::statistics::Paired;

/// Examples shown at most.
const EXAMPLES: usize = 6;

/// The loss of one training.
#[derive(Debug, Clone, PartialEq)]
pub struct LossCurve {
    /// What was trained: `warm start`, `loop 2`, or a control.
    pub name: String,
    /// Nats per token, step by step.
    pub losses: Vec<f32>,
}

/// A model's answer to an evaluation problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownAnswer {
    /// What it wrote.
    pub text: String,
    /// Whether the final answer is right.
    pub right: bool,
    /// A false step found in it, in words.
    pub false_step: Option<String>,
}

/// An evaluation problem with answers before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct BeforeAndAfter {
    /// The problem.
    pub problem: Problem,
    /// The baseline's answer.
    pub before: ShownAnswer,
    /// The best, or else the last, student's answer.
    pub after: ShownAnswer,
}

/// A run as its report shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportData {
    /// As `status` prints it.
    pub status: RunStatus,
    /// The spec the run was started with.
    pub spec: String,
    /// Every baseline that was measured.
    pub baselines: Vec<BaselineMeasurement>,
    /// The name of the one that counts.
    pub baseline: Option<String>,
    /// The shown student beside it, problem by problem.
    pub paired: Option<Paired>,
    /// The controls.
    pub controls: Vec<BaselineMeasurement>,
    /// Counts of each loop, in order.
    pub details: Vec<IterationDetail>,
    /// What the student wrote for training problems, loop by loop.
    pub sampled: Vec<Sampled>,
    /// Problems solved by what they can be grouped by.
    pub levels: Vec<Levels>,
    /// Losses of each training, in order.
    pub losses: Vec<LossCurve>,
    /// Training problems that are also evaluated on, or nearly, dropped or not.
    pub overlaps: Vec<Overlap>,
    /// A few problems before and after.
    pub examples: Vec<BeforeAndAfter>,
    /// The program and the machine it was started with; absent for runs of earlier versions.
    pub environment: Option<Environment>,
    /// What each model and judge cost.
    pub spending: BTreeMap<String, Spent>,
    /// What the run may cost.
    pub budget: Option<Usd>,
}

/// Gathers a report.
pub async fn report_data(store: &RunStore, run: &str) -> Result<ReportData, StarError> {
    let mut data = overview(store, run).await?;
    if let Some(baseline) = &data.baseline {
        data.examples = examples(store, baseline, shown_iteration(&data.status)).await?;
    }
    Ok(data)
}

/// The same without examples: what it takes does not grow with the run's answers.
pub async fn overview(store: &RunStore, run: &str) -> Result<ReportData, StarError> {
    let status = crate::status(store, run).await?;
    let baseline: Option<BaselineMeasurement> = store.stage(0, "baseline").await?;
    let controls: Vec<BaselineMeasurement> = store.stage(0, "controls").await?.unwrap_or_default();
    let mut losses = vec![curve(store, 0, "warm-start", "warm start").await?];
    let mut details = Vec::new();
    for iteration in &status.iterations {
        let n = iteration.n;
        losses.push(curve(store, n, "student", &format!("loop {n}")).await?);
        let (_, mut detail): (autodidact_core::TrainCounts, IterationDetail) =
            store.stage(n, "select").await?.ok_or(StarError::Worker)?;
        detail.final_loss = losses
            .last()
            .and_then(|c| c.losses.last())
            .map_or(0.0, |l| f64::from(*l));
        details.push(detail);
    }
    let last = status.iterations.len() as u32;
    for control in &controls {
        let name = control.name.trim_start_matches("control/");
        losses.push(curve(store, last, name, name).await?);
    }
    losses.retain(|curve| !curve.losses.is_empty());
    let spec = store.spec().await?;
    let budget = RunSpec::parse(&spec).ok().and_then(|s| s.run.budget_usd);
    let (sampled, levels) = sampled::gather(store, &details).await?;
    let paired = match &baseline {
        Some(baseline) => paired(store, &baseline.name, shown_iteration(&status)).await?,
        None => None,
    };
    Ok(ReportData {
        spec,
        baselines: store.stage(0, "baselines").await?.unwrap_or_default(),
        baseline: baseline.map(|b| b.name),
        paired,
        controls,
        details,
        sampled,
        levels,
        losses,
        overlaps: crate::overlaps::recorded(store).await?,
        examples: Vec::new(),
        environment: store.stage(0, environment::STAGE).await?,
        spending: store.spending().await?,
        budget,
        status,
    })
}

/// The loop whose student is shown: the best, or else the last.
fn shown_iteration(status: &RunStatus) -> u32 {
    status
        .best
        .as_ref()
        .map_or(status.iterations.len() as u32, |best| best.iteration)
}

async fn curve(
    store: &RunStore,
    n: u32,
    trained: &str,
    name: &str,
) -> Result<LossCurve, StarError> {
    Ok(LossCurve {
        name: name.to_owned(),
        losses: store.losses(n, trained).await?,
    })
}

/// The held-out problems that a baseline and the student after loop `n` answered, with both marks.
async fn both_marks(
    store: &RunStore,
    baseline: &str,
    n: u32,
) -> Result<HashMap<ProblemId, (bool, bool)>, StarError> {
    let before = SamplerId(baseline.to_owned());
    let after = SamplerId(format!("student/{n}"));
    let before: HashMap<ProblemId, bool> = store
        .solved_problems(0, &before)
        .await?
        .into_iter()
        .collect();
    let after = store.solved_problems(n, &after).await?.into_iter();
    let both = after.filter_map(|(id, right)| {
        let before = *before.get(&id)?;
        Some((id, (before, right)))
    });
    Ok(both.collect())
}

async fn paired(store: &RunStore, baseline: &str, n: u32) -> Result<Option<Paired>, StarError> {
    if n == 0 {
        return Ok(None);
    }
    let marks = both_marks(store, baseline, n).await?;
    let paired = Paired::of(marks.into_values());
    Ok((paired.total > 0).then_some(paired))
}

/// Problems that were wrong and are right first, then others, so that both sides are seen.
async fn examples(
    store: &RunStore,
    baseline: &str,
    n: u32,
) -> Result<Vec<BeforeAndAfter>, StarError> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let marks = both_marks(store, baseline, n).await?;
    let mut gained = Vec::new();
    let mut other = Vec::new();
    for problem in store.problems(Split::Evaluate).await? {
        match marks.get(&problem.id) {
            Some((false, true)) => gained.push(problem),
            Some((_, after)) => other.push((*after, problem)),
            None => continue,
        }
        if gained.len() >= EXAMPLES {
            break;
        }
    }
    gained.truncate(EXAMPLES - 2);
    let room = EXAMPLES - gained.len();
    other.sort_by_key(|(after, _)| *after);
    gained.extend(other.into_iter().take(room).map(|(_, problem)| problem));
    let mut examples = Vec::new();
    for problem in gained {
        let before = answer(store, 0, baseline, &problem).await?;
        let after = answer(store, n, &format!("student/{n}"), &problem).await?;
        if let (Some(before), Some(after)) = (before, after) {
            examples.push(BeforeAndAfter {
                problem,
                before,
                after,
            });
        }
    }
    Ok(examples)
}

async fn answer(
    store: &RunStore,
    iteration: u32,
    sampler: &str,
    problem: &Problem,
) -> Result<Option<ShownAnswer>, StarError> {
    let key = autodidact_core::SampleKey {
        iteration,
        problem: problem.id.clone(),
        sampler: autodidact_core::SamplerId(sampler.to_owned()),
        mode: Mode::Rationale,
        index: 0,
    };
    let verified = store.verification(&key).await?;
    let sample = store.sample(&key).await?;
    Ok(sample.zip(verified).map(|(sample, verified)| ShownAnswer {
        text: sample.completion.text,
        right: verified.verification.verdict.is_right(),
        false_step: verified.false_step,
    }))
}
