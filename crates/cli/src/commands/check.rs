//! `check`: the plan of a run, without doing any of it.

use autodidact_core::{HintStrength, Prompt, RunSpec};
use autodidact_models::NoProgress;
use autodidact_providers::PriceTable;
use autodidact_star::{Estimate, Estimator, Prompter, teacher_prompt, validate};
use autodidact_tasks::Task;

use crate::arguments::CheckArguments;
use crate::failure::Failure;
use crate::overlap_tables::Overlaps;
use crate::printer::{Plan, PlannedLoop, Printer};
use crate::settings::Settings;
use crate::{fleet, open};

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
        overlaps: Overlaps::first(&task.overlaps),
        model: spec
            .student
            .model
            .iter()
            .map(|source| source.0.clone())
            .collect(),
        model_cached: cached.is_ok(),
        loops: loops.collect(),
        estimates: estimates(spec, &task, &prompter, asked, &fleet::prices(settings)?),
        budget_usd: spec.run.budget_usd,
        prompt: task
            .train
            .first()
            .map_or(Prompt::Text(String::new()), |p| prompter.plain(p)),
    })
}

/// What teachers and judges will be asked in the whole run, at most.
fn estimates(
    spec: &RunSpec,
    task: &Task,
    prompter: &Prompter,
    asked: usize,
    prices: &PriceTable,
) -> Vec<Estimate> {
    let loops = spec.run.iterations;
    let mut estimates = Vec::new();
    let mut rationales = loops * spec.sample.per_problem;
    for teacher in &spec.teachers {
        // Without `every_loop` a problem is asked about once, however many loops meet it.
        let times = if spec.teach.every_loop { loops } else { 1 };
        let samples = teacher.samples * times;
        rationales += samples;
        let read = prices.read_on(teacher).map(str::to_owned);
        let price = prices.price(teacher);
        let mut estimator = Estimator::new(teacher, samples, spec.sample.max_tokens, price, read);
        let windows = if spec.teach.every_loop {
            1
        } else {
            loops as usize
        };
        let problems = task.train.len().min(asked.saturating_mul(windows));
        for problem in task.train.iter().take(problems) {
            estimator.add(&teacher_prompt(spec, prompter, problem));
        }
        estimates.push(estimator.finish());
    }
    for judge in &spec.judges {
        let model = judge.as_model();
        let read = prices.read_on(&model).map(str::to_owned);
        let price = prices.price(&model);
        let mut estimator = Estimator::for_judge(judge, rationales, price, read);
        for problem in task.train.iter().take(asked) {
            // A judge reads the question and an answer, which is as long as one may be.
            let answer = "x".repeat(4 * spec.sample.max_tokens as usize);
            estimator.add(&Prompt::Text(format!("{}{answer}", problem.question)));
        }
        estimates.push(estimator.finish());
    }
    estimates
}
