//! From a spec's `[track]` section to a tracker, and several observers behind one.

use std::path::Path;
use std::sync::Arc;

use autodidact_core::{RunSpec, TrackTo};
use autodidact_star::{Event, Faculty, Observer};
use autodidact_store::RunStore;
use autodidact_track::{
    Csv, JsonLines, Mlflow, MlflowSettings, Sink, TensorBoard, Tracker, TrackerParts, history,
};

use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;

/// Tells several.
pub(crate) struct Observers(pub(crate) Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn on(&self, event: &Event<'_>) {
        for observer in &self.0 {
            observer.on(event);
        }
    }
}

/// The tracker of a run; `None` if nothing is tracked.
pub(crate) async fn start(
    spec: &RunSpec,
    store: &RunStore,
    faculty: &Faculty,
    settings: &Settings,
    printer: &Printer,
) -> Result<Option<Arc<Tracker>>, Failure> {
    if spec.track.to.is_empty() {
        return Ok(None);
    }
    let directory = store.directory().join("tracking");
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    for to in &spec.track.to {
        if sinks.iter().any(|sink| sink.name() == name(*to)) {
            continue;
        }
        match sink(*to, spec, &directory, settings) {
            Ok(sink) => sinks.push(sink),
            Err(missing) => printer.note(&missing),
        }
    }
    let (note, purse) = (printer.clone(), faculty.purse());
    let parts = TrackerParts {
        sinks,
        history: history(store, spec).await?,
        warn: Arc::new(move |text| note.note(text)),
        spent: Box::new(move || purse.committed()),
    };
    Ok(Some(Arc::new(Tracker::start(spec, parts))))
}

fn name(to: TrackTo) -> &'static str {
    match to {
        TrackTo::Tensorboard => "tensorboard",
        TrackTo::Mlflow => "mlflow",
        TrackTo::Csv => "csv",
        TrackTo::Jsonl => "jsonl",
    }
}

/// One sink, or what is missing for it.
fn sink(
    to: TrackTo,
    spec: &RunSpec,
    directory: &Path,
    settings: &Settings,
) -> Result<Box<dyn Sink>, String> {
    Ok(match to {
        TrackTo::Tensorboard => Box::new(TensorBoard::new(&directory.join("tensorboard"))),
        TrackTo::Csv => Box::new(Csv::new(&directory.join("metrics.csv"))),
        TrackTo::Jsonl => Box::new(JsonLines::new(&directory.join("metrics.jsonl"))),
        TrackTo::Mlflow => {
            let track = &spec.track;
            let url = track.mlflow_url.clone();
            let url = url.or_else(|| settings.mlflow_url.clone()).ok_or_else(|| {
                "nothing is tracked by `mlflow`: name its server in `track.mlflow_url` or in the environment's MLFLOW_TRACKING_URI".to_owned()
            })?;
            let experiment = track.mlflow_experiment.clone();
            let remote = MlflowSettings {
                url,
                experiment: experiment.unwrap_or_else(|| "autodidact".to_owned()),
                run: spec.run.name.as_str().to_owned(),
                token: settings.key("MLFLOW_TRACKING_TOKEN"),
                parameters: parameters(spec),
            };
            Box::new(Mlflow::new(remote, &directory.join("mlflow.json")))
        }
    })
}

/// What of a spec is worth comparing runs by.
fn parameters(spec: &RunSpec) -> Vec<(String, String)> {
    let (sample, train) = (&spec.sample, &spec.train);
    let model = spec.student.model.first().map(|source| source.0.clone());
    let task = spec.task.builtin.clone().or_else(|| {
        let train = spec.task.train.as_ref()?;
        Some(train.display().to_string())
    });
    let values = [
        ("model", model.unwrap_or_default()),
        ("task", task.unwrap_or_default()),
        ("seed", spec.run.seed.to_string()),
        ("iterations", spec.run.iterations.to_string()),
        ("sample.per_problem", sample.per_problem.to_string()),
        ("sample.temperature", sample.temperature.to_string()),
        ("rationalize.enabled", spec.rationalize.enabled.to_string()),
        ("select.per_problem", spec.select.per_problem.to_string()),
        ("train.rank", train.rank.to_string()),
        ("train.alpha", train.alpha.to_string()),
        ("train.learning_rate", train.learning_rate.to_string()),
        ("train.batch", train.batch.to_string()),
    ];
    let named = |(key, value): (&str, String)| (key.to_owned(), value);
    values.into_iter().map(named).collect()
}
