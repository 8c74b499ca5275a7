//! Measuring a model on a task outside of a run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};

use autodidact_core::{
    Mode, Problem, ProblemId, RunSpec, Sample, SampleKey, SamplerId, Verification,
};
use autodidact_tasks::Task;
use serde::Serialize;

use crate::StarError;
use crate::checker::{Checker, Item};
use crate::progress::{Event, Observer};
use crate::prompt::Prompter;
use crate::run::{arithmetic, sampling_options};
use crate::seams::{Ask, Student};
use crate::statistics::{accuracy, wilson};

/// Which model is measured and how it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measurement {
    /// The adapter; `None` is the base.
    pub adapter: Option<PathBuf>,
    /// Ask after the few-shot examples.
    pub few_shot: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Problems answered right.
    pub right: u32,
    /// Problems asked.
    pub total: u32,
    /// `right / total`, 0 to 1.
    pub accuracy: f64,
    /// Lower end of the 95% Wilson score interval.
    pub low: f64,
    /// Upper end of the 95% Wilson score interval.
    pub high: f64,
}

/// Asks every evaluation problem once and counts right answers. Blocks; nothing is journaled.
pub fn measure_once(
    spec: &RunSpec,
    task: &Task,
    student: &dyn Student,
    checker: &Checker,
    measurement: &Measurement,
    observer: &dyn Observer,
    stop: &AtomicBool,
) -> Result<Measured, StarError> {
    let few_shot = spec.student.few_shot as usize;
    let prompter = Prompter::new(task, spec.student.prompt, few_shot, spec.rationalize.hint);
    let mut options = sampling_options(spec, &prompter, spec.evaluate.temperature);
    (options.top_k, options.top_p, options.min_p) = (0, 1.0, 0.0);
    options.max_tokens = spec.evaluate.max_tokens.unwrap_or(spec.sample.max_tokens) as usize;
    let asks: Vec<Ask> = task
        .evaluate
        .iter()
        .map(|problem| ask(&prompter, measurement, problem))
        .collect();
    let total = task.evaluate.len() as u32;
    let title = "measuring";
    observer.on(&Event::StageStarted {
        iteration: 0,
        title,
        done: 0,
        total: u64::from(total),
    });
    let right = Mutex::new(0u32);
    let count = |sample: &Sample, verification: &Verification| {
        let is_right = verification.verdict.is_right();
        *right.lock().unwrap_or_else(PoisonError::into_inner) += u32::from(is_right);
        observer.on(&Event::Sampled {
            sample,
            right: is_right,
        });
    };
    let problems: HashMap<&ProblemId, &Problem> =
        task.evaluate.iter().map(|p| (&p.id, p)).collect();
    // Running answers takes the cores that sampling needs, so it comes afterwards.
    let waiting = Mutex::new(Vec::new());
    let deliver = |sample: Sample| {
        if Checker::runs(task.verify) {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(sample);
        } else if let Some(problem) = problems.get(&sample.key.problem) {
            let text = &sample.completion.text;
            count(&sample, &checker.verify(task.verify, problem, text));
        }
    };
    let sampler = student.sampler(measurement.adapter.as_deref(), arithmetic(spec))?;
    sampler.sample(&asks, &options, spec.run.seed, &deliver, stop)?;
    let waiting = waiting.into_inner().unwrap_or_else(PoisonError::into_inner);
    let item = |sample| Item::new(task.verify, &problems, sample);
    let items: Vec<Item<'_>> = waiting.iter().filter_map(item).collect();
    for (sample, verification) in waiting.iter().zip(checker.verify_all(&items)) {
        count(sample, &verification);
    }
    observer.on(&Event::StageFinished);
    let right = *right.lock().unwrap_or_else(PoisonError::into_inner);
    let (low, high) = wilson(right, total);
    Ok(Measured {
        right,
        total,
        accuracy: accuracy(right, total),
        low,
        high,
    })
}

fn ask(prompter: &Prompter, measurement: &Measurement, problem: &Problem) -> Ask {
    let prompt = if measurement.few_shot {
        prompter.few_shot(problem)
    } else {
        prompter.plain(problem)
    };
    let key = SampleKey {
        iteration: 0,
        problem: problem.id.clone(),
        sampler: SamplerId("measured".into()),
        mode: Mode::Rationale,
        index: 0,
    };
    Ask {
        prompt,
        keys: vec![key],
    }
}
