//! What a journal knows already: the points of earlier attempts, for sinks that lack them.

use autodidact_core::{BaselineMeasurement, IterationResult, RunSpec, TrainCounts};
use autodidact_star::{IterationDetail, StarError};
use autodidact_store::RunStore;

use crate::points::{Point, StepOffsets, of_baseline, of_iteration, training};

/// The losses, measurements and counts in a journal. Speeds and spending of the past are not in it.
///
/// # Errors
/// Those of the journal.
pub async fn history(store: &RunStore, spec: &RunSpec) -> Result<Vec<Point>, StarError> {
    let offsets = StepOffsets::new(spec);
    let mut points = Vec::new();
    for name in ["baselines", "controls"] {
        let measured: Option<Vec<BaselineMeasurement>> = store.stage(0, name).await?;
        points.extend(measured.iter().flatten().filter_map(of_baseline));
    }
    losses(store, &offsets, 0, "warm-start", &mut points).await?;
    for n in 1..=spec.run.iterations {
        losses(store, &offsets, n, "student", &mut points).await?;
        for control in &spec.run.controls {
            losses(store, &offsets, n, control.as_str(), &mut points).await?;
        }
        let finished: Option<IterationResult> = store.stage(n, "finished").await?;
        let selected: Option<(TrainCounts, IterationDetail)> = store.stage(n, "select").await?;
        if let Some(result) = finished {
            let detail = selected.map(|(_, detail)| detail).unwrap_or_default();
            points.extend(of_iteration(&result, &detail));
        }
    }
    Ok(points)
}

async fn losses(
    store: &RunStore,
    offsets: &StepOffsets,
    iteration: u32,
    trained: &str,
    points: &mut Vec<Point>,
) -> Result<(), StarError> {
    let series = format!("{}/loss", training(trained));
    let losses = store.losses(iteration, trained).await?;
    points.extend((1u32..).zip(losses).filter_map(|(step, loss)| {
        let step = offsets.step(iteration, trained, step);
        Point::new(series.clone(), step, f64::from(loss))
    }));
    Ok(())
}
