//! `train`: JSON lines into an adapter.

use std::path::Path;

use autodidact_core::{Arithmetic, StepSchedule, TrainMethod, TrainSpec};
use autodidact_star::{StarError, Trainer, TrainingJob, TrainingSet};

use crate::arguments::{Method, TrainArguments, TrainArithmetic, TrainObjective};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::training_lines::read_set;
use crate::watcher::StepBar;
use crate::{interrupt, open};

pub(crate) async fn execute(
    arguments: &TrainArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    check(arguments)?;
    let set = read_set(arguments)?;
    warn_of_terms(&set, printer);
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
            method: match arguments.method {
                Method::Lora => TrainMethod::Lora,
                Method::Rslora => TrainMethod::Rslora,
                Method::Dora => TrainMethod::Dora,
                Method::Full => TrainMethod::Full,
            },
            rank: arguments.rank,
            alpha: arguments.alpha,
            steps,
            learning_rate: arguments.learning_rate,
            batch: arguments.batch,
            arithmetic: match arguments.arithmetic {
                TrainArithmetic::EightBit => Arithmetic::EightBit,
                TrainArithmetic::Full => Arithmetic::Full,
            },
            ..TrainSpec::default()
        },
        set,
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
    let name = match arguments.method {
        Method::Full => "model",
        Method::Lora | Method::Rslora | Method::Dora => "adapter",
    };
    printer.path(name, &arguments.out)
}

fn check(arguments: &TrainArguments) -> Result<(), Failure> {
    let wrong = |what: &str| Err(Failure::Usage(what.into()));
    let positive = |x: f32| x.is_finite() && x > 0.0;
    if arguments.steps == 0 || arguments.rank == 0 || arguments.batch == 0 {
        return wrong("`--steps`, `--rank` and `--batch` must be at least 1");
    }
    if !positive(arguments.alpha) || !positive(arguments.learning_rate) {
        return wrong("`--alpha` and `--learning-rate` must be finite numbers above 0");
    }
    let weight = arguments.nll.is_finite() && arguments.nll >= 0.0;
    if !positive(arguments.beta) || !weight {
        return wrong("`--beta` must be a finite number above 0, and `--nll` one of at least 0");
    }
    let scores = matches!(
        arguments.objective,
        TrainObjective::BradleyTerry | TrainObjective::Score
    );
    if scores && arguments.method == Method::Full {
        return wrong(
            "`--method full` trains no score head; reward models are trained as adapters",
        );
    }
    Ok(())
}

fn warn_of_terms(set: &TrainingSet, printer: &Printer) {
    let TrainingSet::Completions(pairs) = set else {
        return;
    };
    let restricted = pairs.iter().filter(|pair| pair.terms == "restricted");
    let restricted = restricted.count();
    if restricted > 0 {
        printer.note(&format!(
            "{restricted} of {} lines were written by models whose providers' terms restrict training other models on them",
            pairs.len()
        ));
    }
}
