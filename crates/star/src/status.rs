//! A run as its journal tells it.

use autodidact_core::{
    BaselineAccuracy, BaselineMeasurement, BestIteration, IterationResult, RunState, RunStatus,
    StageSeconds,
};
use autodidact_store::RunStore;

use crate::StarError;

/// Reads where a run stands.
pub async fn status(store: &RunStore, run: &str) -> Result<RunStatus, StarError> {
    let base: Option<BaselineMeasurement> = store.stage(0, "baseline").await?;
    let mut iterations: Vec<IterationResult> = Vec::new();
    for n in 1.. {
        let Some(mut result) = store.stage::<IterationResult>(n, "finished").await? else {
            break;
        };
        result.seconds = seconds(store, n).await?;
        iterations.push(result);
    }
    let state = store.stage(0, "run").await?.unwrap_or(RunState::Unfinished);
    let best = base.as_ref().and_then(|base| best(base.right, &iterations));
    let base = base.map(|b| BaselineAccuracy {
        right: b.right,
        total: b.total,
        accuracy: b.accuracy,
    });
    Ok(RunStatus {
        run: run.to_owned(),
        state,
        base,
        iterations,
        best,
    })
}

/// Time spent in the stages of a loop so far.
pub(crate) async fn seconds(store: &RunStore, n: u32) -> Result<StageSeconds, StarError> {
    Ok(StageSeconds {
        sample: store.stage_seconds(n, "sample").await?,
        rationalize: store.stage_seconds(n, "rationalize").await?,
        train: store.stage_seconds(n, "train").await?,
        evaluate: store.stage_seconds(n, "evaluate").await?,
    })
}

/// The iteration with the most right answers, the first among equals, if it beats the baseline.
pub(crate) fn best(baseline_right: u32, iterations: &[IterationResult]) -> Option<BestIteration> {
    let better = iterations
        .iter()
        .filter(|i| i.evaluation.right > baseline_right);
    let best = better.reduce(|best, next| {
        if next.evaluation.right > best.evaluation.right {
            next
        } else {
            best
        }
    })?;
    Some(BestIteration {
        iteration: best.n,
        accuracy: best.evaluation.accuracy,
        adapter: best.adapter.clone(),
    })
}
