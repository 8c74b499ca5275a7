//! `check`: the plan of a run, without doing any of it.

use autodidact_core::{HintStrength, Prompt};
use autodidact_models::NoProgress;
use autodidact_star::{Prompter, validate};

use crate::arguments::CheckArguments;
use crate::failure::Failure;
use crate::open;
use crate::printer::{Plan, PlannedLoop, Printer};
use crate::settings::Settings;

pub(crate) fn execute(
    arguments: &CheckArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let open = open::spec(&arguments.spec, &arguments.overrides)?;
    let task = open.task()?;
    let spec = &open.spec;
    validate(spec, &task)?;
    // Offline, so that checking never downloads anything.
    let cached = open::fetcher(settings, true).fetch(
        &spec.student.model,
        spec.student.sha256.as_deref(),
        &open.directory,
        &NoProgress,
    );
    let asked = spec
        .sample
        .problems
        .map_or(task.train.len(), |n| (n as usize).min(task.train.len()));
    let loops = (1..=spec.run.iterations).map(|n| PlannedLoop {
        n,
        rationales: asked as u64 * u64::from(spec.sample.per_problem),
        rationalizations_at_most: if spec.rationalize.enabled {
            asked as u64 * u64::from(spec.rationalize.per_problem)
        } else {
            0
        },
        steps: spec.train.steps.steps(n),
        sequences: u64::from(spec.train.steps.steps(n)) * u64::from(spec.train.batch),
    });
    let few_shot = spec.student.few_shot as usize;
    let prompter = Prompter::new(&task, spec.student.prompt, few_shot, HintStrength::Answer);
    printer.plan(&Plan {
        run: spec.run.name.as_str().to_owned(),
        task: task.name.clone(),
        train_problems: task.train.len(),
        evaluate_problems: task.evaluate.len(),
        examples: task.examples.len(),
        dropped_overlap: task.dropped_overlap,
        model: spec
            .student
            .model
            .iter()
            .map(|source| source.0.clone())
            .collect(),
        model_cached: cached.is_ok(),
        loops: loops.collect(),
        prompt: task
            .train
            .first()
            .map_or(Prompt::Text(String::new()), |p| prompter.plain(p)),
    })
}
