//! `train`: JSON lines into an adapter.

use std::path::Path;

use autodidact_core::{Prompt, StepSchedule, TrainSpec};
use autodidact_star::{StarError, Trainer, TrainingJob, TrainingPair};
use serde::Deserialize;

use crate::arguments::TrainArguments;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::watcher::StepBar;
use crate::{interrupt, open};

#[derive(Debug, Deserialize)]
struct Line {
    prompt: Prompt,
    completion: String,
    /// Who wrote it, where the line says so, as those of `sample` and of a run's training sets do.
    #[serde(default)]
    model: String,
    /// Whether the provider's terms let it train other models.
    #[serde(default)]
    terms: String,
}

pub(crate) async fn execute(
    arguments: &TrainArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let pairs = read_pairs(&arguments.data)?;
    let restricted = pairs
        .iter()
        .filter(|pair| pair.terms == "restricted")
        .count();
    if restricted > 0 {
        printer.note(&format!(
            "{restricted} of {} lines were written by models whose providers' terms restrict training other models on them",
            pairs.len()
        ));
    }
    if arguments.steps == 0 || arguments.rank == 0 || arguments.batch == 0 {
        return Err(Failure::Usage(
            "`--steps`, `--rank` and `--batch` must be at least 1".into(),
        ));
    }
    let fetcher = open::fetcher(settings, arguments.machine.offline);
    let sources = open::sources(&arguments.model);
    let fetched = fetcher.fetch(&sources, None, Path::new(""), &printer.download())?;
    let student = open::student(&fetched, &arguments.machine)?;
    let steps = StepSchedule {
        first: arguments.steps,
        growth: 1.0,
    };
    let job = TrainingJob {
        spec: TrainSpec {
            rank: arguments.rank,
            alpha: arguments.alpha,
            steps,
            learning_rate: arguments.learning_rate,
            batch: arguments.batch,
            ..TrainSpec::default()
        },
        pairs,
        steps: arguments.steps,
        seed: arguments.seed,
        adapter: arguments.out.clone(),
        checkpoint: arguments.out.join("checkpoint.safetensors"),
    };
    let stop = interrupt::watch(printer);
    let bar = StepBar::new(printer, job.steps);
    let training = tokio::task::spawn_blocking(move || {
        let outcome = student.train(&job, &|report| bar.step(&report), &stop);
        bar.finish();
        if outcome.is_ok()
            && let Err(error) = std::fs::remove_file(&job.checkpoint)
        {
            tracing::debug!(%error, "no checkpoint to remove");
        }
        outcome
    });
    training.await.map_err(|_| StarError::Worker)??;
    printer.path("adapter", &arguments.out)
}

fn read_pairs(path: &Path) -> Result<Vec<TrainingPair>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::Read {
        path: path.to_owned(),
        source,
    })?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let mut pairs = Vec::new();
    for (i, line) in lines {
        let parsed: Line = serde_json::from_str(line).map_err(|e| {
            Failure::Usage(format!(
                "{} line {}: {}; each line is a JSON object with `prompt` and `completion`",
                path.display(),
                i + 1,
                without_position(&e)
            ))
        })?;
        if parsed.completion.is_empty() {
            return Err(Failure::Usage(format!(
                "{} line {}: `completion` is empty, so there is nothing to learn",
                path.display(),
                i + 1
            )));
        }
        pairs.push(TrainingPair {
            prompt: parsed.prompt,
            completion: parsed.completion,
            model: parsed.model,
            terms: parsed.terms,
        });
    }
    if pairs.is_empty() {
        return Err(Failure::Usage(format!(
            "{} holds no lines to train on",
            path.display()
        )));
    }
    Ok(pairs)
}

/// What JSON complains of, without its own count of lines, which starts anew in every line.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("{what} (column {})", error.column())
}
