//! A run: its spec, its task, its journal and its student.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use autodidact_core::{Problem, ProblemId, PromptFormat, RunSpec, SamplerId};
use autodidact_engine::{Arithmetic, SamplingOptions};
use autodidact_store::RunStore;
use autodidact_tasks::Task;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::faculty::Faculty;
use crate::gate::Gate;
use crate::progress::Observer;
use crate::prompt::Prompter;
use crate::pulse::Pulse;
use crate::seams::Student;
use crate::{StarError, overlaps};

/// A run that can be started or resumed with [`Run::star`].
pub struct Run {
    pub(crate) spec: RunSpec,
    pub(crate) task: Task,
    pub(crate) checker: Checker,
    pub(crate) store: Arc<RunStore>,
    pub(crate) faculty: Faculty,
    pub(crate) student: Arc<dyn Student>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) prompter: Prompter,
    inputs: Inputs,
    problems: HashMap<ProblemId, Problem>,
}

/// What a run works with.
pub struct Parts {
    /// The journal.
    pub store: Arc<RunStore>,
    /// Teachers and judges.
    pub faculty: Faculty,
    /// Identifies the student's model file, by its SHA-256 sum.
    pub model: String,
    /// Verifies answers.
    pub checker: Checker,
    /// The model that learns.
    pub student: Arc<dyn Student>,
    /// Whoever watches.
    pub observer: Arc<dyn Observer>,
    /// Ends the run early when it becomes true.
    pub stop: Arc<AtomicBool>,
}

/// The student as it was after some loop: which adapter, and which prompt it is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// Names model and prompt in the journal.
    pub(crate) sampler: SamplerId,
    /// Relative to the run's directory; `None` is the base.
    pub(crate) adapter: Option<String>,
    /// Asked after the few-shot examples.
    pub(crate) few_shot: bool,
}

impl Version {
    pub(crate) fn base(few_shot: bool) -> Self {
        let name = if few_shot {
            "base/few-shot"
        } else {
            "base/zero-shot"
        };
        Self {
            sampler: SamplerId(name.into()),
            adapter: None,
            few_shot,
        }
    }
}

impl Run {
    /// Puts a run together and checks that spec, task and model fit.
    pub fn new(spec: RunSpec, task: Task, parts: Parts) -> Result<Self, StarError> {
        let Parts {
            store,
            faculty,
            model,
            checker,
            student,
            observer,
            stop,
        } = parts;
        validate(&spec, &task)?;
        let few_shot = spec.student.few_shot as usize;
        let prompter = Prompter::new(&task, spec.student.prompt, few_shot, spec.rationalize.hint);
        let both = task.train.iter().chain(&task.evaluate);
        let problems: HashMap<_, _> = both.map(|p| (p.id.clone(), p.clone())).collect();
        let inputs = Inputs::new(&task, model)?;
        let gate = Arc::new(Gate::new(stop.clone()));
        let pulse = Arc::new(Pulse::new(observer, gate.clone()));
        Ok(Self {
            spec,
            task,
            checker,
            store,
            faculty,
            student,
            observer: pulse.clone(),
            pulse,
            gate,
            stop,
            prompter,
            inputs,
            problems,
        })
    }

    /// The journal.
    pub fn store(&self) -> &RunStore {
        &self.store
    }

    /// The task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    pub(crate) fn problem(&self, id: &ProblemId) -> Option<&Problem> {
        self.problems.get(id)
    }

    pub(crate) fn check_interrupted(&self) -> Result<(), StarError> {
        if self.stop.load(Ordering::Relaxed) {
            Err(StarError::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Runs a stage and adds the time it took, pauses aside, whether it succeeds or not.
    pub(crate) async fn timed<T>(
        &self,
        iteration: u32,
        stage: &str,
        work: impl Future<Output = Result<T, StarError>>,
    ) -> Result<T, StarError> {
        self.gate.passed().await;
        self.check_interrupted()?;
        let (started, paused) = (Instant::now(), self.gate.closed_for());
        let outcome = work.await;
        let paused = self.gate.closed_for().saturating_sub(paused);
        let spent = started.elapsed().saturating_sub(paused);
        let recorded = self
            .store
            .add_seconds(iteration, stage, spent.as_secs_f64())
            .await;
        let value = outcome?;
        recorded?;
        Ok(value)
    }

    /// The training problems of a loop: all, or the next window of a fixed random order.
    pub(crate) fn problems_of(&self, iteration: u32) -> Vec<&Problem> {
        let all = self.task.train.len();
        let Some(window) = self
            .spec
            .sample
            .problems
            .map(|n| n as usize)
            .filter(|n| *n < all)
        else {
            return self.task.train.iter().collect();
        };
        let mut order: Vec<usize> = (0..all).collect();
        let rank = |i: usize| {
            let key = autodidact_core::SampleKey {
                iteration: 0,
                problem: self.task.train[i].id.clone(),
                sampler: SamplerId("order".into()),
                mode: autodidact_core::Mode::Rationale,
                index: 0,
            };
            key.seed(self.spec.run.seed)
        };
        order.sort_by_cached_key(|i| rank(*i));
        let start = (iteration as usize - 1) * window;
        let chosen: HashSet<usize> = (start..start + window).map(|at| order[at % all]).collect();
        (0..all)
            .filter(|i| chosen.contains(i))
            .map(|i| &self.task.train[i])
            .collect()
    }

    /// Sampling options at a temperature.
    pub(crate) fn sampling_options(&self, temperature: f32) -> SamplingOptions {
        sampling_options(&self.spec, &self.prompter, temperature)
    }

    /// Refuses to go on with other problems or another model than the run was started with.
    pub(crate) async fn check_inputs(&self) -> Result<(), StarError> {
        let recorded: Option<Inputs> = self.store.stage(0, "inputs").await?;
        let Some(recorded) = recorded else {
            let overlaps = &self.task.overlaps;
            self.store
                .finish_stage(0, overlaps::STAGE, overlaps)
                .await?;
            self.store
                .finish_stage(0, PROMPT_FORMAT, &self.task.format)
                .await?;
            self.store.finish_stage(0, "inputs", &self.inputs).await?;
            return Ok(());
        };
        let what = match (
            recorded.task == self.inputs.task,
            recorded.model == self.inputs.model,
        ) {
            (true, true) => return Ok(()),
            (false, _) => "problems or examples",
            (true, false) => "model file",
        };
        Err(StarError::Spec(format!(
            "the {what} changed since the run was started; restore them, give `--new` to put the run aside and start afresh, or `--name` to start another beside it"
        )))
    }
}

/// The stage that holds how a run's questions are written down.
const PROMPT_FORMAT: &str = "prompt format";

/// How a run's questions are written down; `None` in journals from before it was recorded.
pub async fn prompt_format(store: &RunStore) -> Result<Option<PromptFormat>, StarError> {
    Ok(store.stage(0, PROMPT_FORMAT).await?)
}

/// Checks that a task has what a spec asks for, before anything is made or sampled.
pub fn validate(spec: &RunSpec, task: &Task) -> Result<(), StarError> {
    let problem = |text: &str| Err(StarError::Spec(text.to_owned()));
    if spec.student.warm_start && task.examples.is_empty() {
        return problem(
            "`student.warm_start` learns from examples with rationales, and the task has none; name a file in `student.examples`",
        );
    }
    if !spec.student.warm_start && (task.examples.is_empty() || spec.student.few_shot == 0) {
        return problem(
            "the student needs examples with rationales to begin with; name a file in `student.examples` and set `student.few_shot` to at least 1",
        );
    }
    if task.train.is_empty() || task.evaluate.is_empty() {
        return problem("the task has no problems to train or to evaluate on");
    }
    let mut ids = HashSet::new();
    for one in task.train.iter().chain(&task.evaluate) {
        if !ids.insert(&one.id) {
            return problem(&format!(
                "two problems of the task have the id `{}`",
                one.id
            ));
        }
    }
    Ok(())
}

/// Fingerprints of what a run learns from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    task: String,
    model: String,
}

impl Inputs {
    fn new(task: &Task, model: String) -> Result<Self, StarError> {
        let content = (
            &task.train,
            &task.evaluate,
            &task.examples,
            &task.format,
            task.verify,
        );
        let json = serde_json::to_vec(&content)
            .map_err(|e| StarError::Spec(format!("the task cannot be written down: {e}")))?;
        Ok(Self {
            task: blake3::hash(&json).to_hex().to_string(),
            model,
        })
    }
}

/// Sampling options of a spec at a temperature.
pub(crate) fn sampling_options(
    spec: &RunSpec,
    prompter: &Prompter,
    temperature: f32,
) -> SamplingOptions {
    let sample = &spec.sample;
    SamplingOptions {
        temperature,
        top_k: sample.top_k as usize,
        top_p: sample.top_p,
        min_p: sample.min_p,
        max_tokens: sample.max_tokens as usize,
        stop: prompter.stops(),
        batch: sample.batch as usize,
        ..SamplingOptions::default()
    }
}

/// How the engine multiplies when it samples for a spec.
pub(crate) fn arithmetic(spec: &RunSpec) -> Arithmetic {
    of_engine(spec.sample.arithmetic)
}

/// The engine's word for it.
pub(crate) fn of_engine(arithmetic: autodidact_core::Arithmetic) -> Arithmetic {
    match arithmetic {
        autodidact_core::Arithmetic::EightBit => Arithmetic::EightBit,
        autodidact_core::Arithmetic::Full => Arithmetic::Full,
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
