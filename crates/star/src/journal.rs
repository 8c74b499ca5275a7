//! Sampling through the journal: what is there is not drawn again, and what arrives is written
//! down before anything else is done with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use autodidact_core::{
    Mode, Problem, Prompt, Sample, SampleKey, SamplerId, Verification, VerifyKind,
};
use autodidact_engine::SamplingOptions;
use autodidact_store::Verified;
use autodidact_tasks::{StepCheck, StepChecker};
use tokio::sync::mpsc;

use crate::StarError;
use crate::checker::Item;
use crate::flags::{ShownHint, inspect};
use crate::progress::Event;
use crate::run::{Run, arithmetic};
use crate::seams::Ask;
use crate::select::Judged;

/// Samples written in one transaction at most.
const BATCH: usize = 64;
/// How long a sample waits for others to share its transaction.
const PATIENCE: Duration = Duration::from_millis(200);

/// What to sample, and how it is called.
pub(crate) struct Sampling<'a> {
    /// The outer loop; 0 measures the base.
    pub(crate) iteration: u32,
    /// Names model and prompt.
    pub(crate) sampler: SamplerId,
    /// With or without the hint.
    pub(crate) mode: Mode,
    /// In words, for people.
    pub(crate) title: &'a str,
    /// The adapter, relative to the run's directory; `None` is the base.
    pub(crate) adapter: Option<String>,
    /// Problems and their prompts.
    pub(crate) prompts: Vec<(&'a Problem, Prompt)>,
    /// Samples for each.
    pub(crate) per_problem: u32,
    /// How tokens are chosen.
    pub(crate) options: SamplingOptions,
}

impl Sampling<'_> {
    fn key(&self, problem: &Problem, index: u32) -> SampleKey {
        SampleKey {
            iteration: self.iteration,
            problem: problem.id.clone(),
            sampler: self.sampler.clone(),
            mode: self.mode,
            index,
        }
    }

    /// What is not in the journal yet.
    fn missing(&self, recorded: &HashSet<SampleKey>) -> Vec<Ask> {
        let ask = |(problem, prompt): &(&Problem, Prompt)| {
            let keys = (0..self.per_problem).map(|index| self.key(problem, index));
            Ask {
                prompt: prompt.clone(),
                keys: keys.filter(|k| !recorded.contains(k)).collect(),
            }
        };
        self.prompts
            .iter()
            .map(ask)
            .filter(|ask| !ask.keys.is_empty())
            .collect()
    }
}

/// A sample with its verdict and what the step checker says.
fn judged(
    kind: VerifyKind,
    mut verification: Verification,
    checker: Option<&StepChecker>,
    (problem, sample, hint): (&Problem, &Sample, Option<&ShownHint>),
) -> Verified {
    let text = &sample.completion.text;
    let check = checker.map(|checker| checker.check(problem, text));
    let false_step = match check {
        Some(StepCheck::FalseStep(step)) => Some(step),
        _ => None,
    };
    if verification.verdict.is_right() {
        verification
            .flags
            .extend(inspect(kind, problem, text, hint));
    }
    Verified {
        key: sample.key.clone(),
        verification,
        false_step,
    }
}

impl Run {
    /// Draws what the journal lacks, and returns all samples of this sampling with their verdicts,
    /// ordered by problem and index.
    pub(crate) async fn sample(&self, sampling: Sampling<'_>) -> Result<Vec<Judged>, StarError> {
        let Sampling {
            iteration, mode, ..
        } = sampling;
        let recorded = self
            .store
            .samples(iteration, &sampling.sampler, mode)
            .await?;
        self.judge_unjudged(&sampling, &recorded).await?;
        let keys: HashSet<SampleKey> = recorded.into_iter().map(|s| s.key).collect();
        let total = sampling.prompts.len() as u64 * u64::from(sampling.per_problem);
        self.observer.on(&Event::StageStarted {
            iteration,
            title: sampling.title,
            done: keys.len() as u64,
            total,
        });
        let asks = sampling.missing(&keys);
        if !asks.is_empty() {
            self.draw(&sampling, asks).await?;
        }
        self.observer.on(&Event::StageFinished);
        self.judged(&sampling).await
    }

    /// Runs the sampler on a thread of its own and journals what it delivers.
    async fn draw(&self, sampling: &Sampling<'_>, asks: Vec<Ask>) -> Result<(), StarError> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let adapter = sampling
            .adapter
            .as_ref()
            .map(|path| self.store.directory().join(path));
        let (student, stop) = (self.student.clone(), self.stop.clone());
        let gate = self.gate.clone();
        let (options, seed) = (sampling.options.clone(), self.spec.run.seed);
        let arithmetic = arithmetic(&self.spec);
        let worker = tokio::task::spawn_blocking(move || {
            let sampler = student.sampler(adapter.as_deref(), arithmetic)?;
            // Nobody listens any more only if journaling failed; that error is the one to report.
            let deliver = move |sample| {
                drop(sender.send(sample));
                gate.pass();
            };
            sampler.sample(&asks, &options, seed, &deliver, &stop)
        });
        let journaled = self.journal(&mut receiver).await;
        if journaled.is_err() {
            self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let sampled = worker.await.map_err(|_| StarError::Worker)?;
        journaled.and(sampled)
    }

    /// Writes down what arrives, in batches, until the sampler is done.
    async fn journal(
        &self,
        receiver: &mut mpsc::UnboundedReceiver<Sample>,
    ) -> Result<(), StarError> {
        let mut batch: Vec<Sample> = Vec::with_capacity(BATCH);
        while let Some(first) = receiver.recv().await {
            batch.push(first);
            let deadline = Instant::now() + PATIENCE;
            while batch.len() < BATCH {
                let wait = deadline.saturating_duration_since(Instant::now());
                match tokio::time::timeout(wait, receiver.recv()).await {
                    Ok(Some(sample)) => batch.push(sample),
                    Ok(None) | Err(_) => break,
                }
            }
            self.store.record_samples(&batch).await?;
            self.judge_and_record(&batch).await?;
            batch.clear();
        }
        Ok(())
    }

    pub(crate) async fn judge_and_record(&self, batch: &[Sample]) -> Result<(), StarError> {
        let known: Vec<(&Sample, &Problem)> = batch
            .iter()
            .filter_map(|sample| Some((sample, self.problem(&sample.key.problem)?)))
            .collect();
        let items: Vec<Item<'_>> = known
            .iter()
            .map(|(sample, problem)| Item {
                kind: self.task.verify,
                problem,
                text: &sample.completion.text,
            })
            .collect();
        let verifications = self.checker.verify_many(&items).await?;
        let mut verified = Vec::with_capacity(batch.len());
        for ((sample, problem), verification) in known.into_iter().zip(verifications) {
            let hint = self.shown_hint(problem, sample);
            let checker = self.task.step_checker.as_ref();
            let item = (problem, sample, hint.as_ref());
            let judged = judged(self.task.verify, verification, checker, item);
            let right = judged.verification.verdict.is_right();
            self.observer.on(&Event::Sampled { sample, right });
            verified.push(judged);
        }
        self.store.record_verifications(&verified).await?;
        Ok(())
    }

    /// A process killed between writing answers and judging them leaves some unjudged.
    async fn judge_unjudged(
        &self,
        sampling: &Sampling<'_>,
        recorded: &[Sample],
    ) -> Result<(), StarError> {
        let done = self
            .store
            .verifications(sampling.iteration, &sampling.sampler, sampling.mode)
            .await?;
        let done: HashSet<SampleKey> = done.into_iter().map(|v| v.key).collect();
        let unjudged: Vec<Sample> = recorded
            .iter()
            .filter(|s| !done.contains(&s.key))
            .cloned()
            .collect();
        self.judge_and_record(&unjudged).await
    }

    async fn judged(&self, sampling: &Sampling<'_>) -> Result<Vec<Judged>, StarError> {
        let Sampling {
            iteration,
            mode,
            sampler,
            ..
        } = sampling;
        let wanted: HashSet<&autodidact_core::ProblemId> =
            sampling.prompts.iter().map(|(p, _)| &p.id).collect();
        let samples = self.store.samples(*iteration, sampler, *mode).await?;
        let verified = self.store.verifications(*iteration, sampler, *mode).await?;
        let mut verified: HashMap<SampleKey, Verified> =
            verified.into_iter().map(|v| (v.key.clone(), v)).collect();
        let judged = samples
            .into_iter()
            .filter(|s| wanted.contains(&s.key.problem))
            .filter_map(|sample| {
                let verified = verified.remove(&sample.key)?;
                Some(self.flagged(sample, verified))
            });
        Ok(judged.collect())
    }

    /// What the prompt of a rationalization showed.
    fn shown_hint(&self, problem: &Problem, sample: &Sample) -> Option<ShownHint> {
        let hinted = sample.key.mode == Mode::Rationalization;
        hinted.then(|| self.prompter.shown_hint(problem))
    }

    /// A sample from the journal. Verdicts from before there were flags have none; looking for them
    /// again where there are none finds the same as it would have then.
    pub(crate) fn flagged(&self, sample: Sample, mut verified: Verified) -> Judged {
        let verification = &mut verified.verification;
        if verification.flags.is_empty()
            && verification.verdict.is_right()
            && let Some(problem) = self.problem(&sample.key.problem)
        {
            let hint = self.shown_hint(problem, &sample);
            let text = &sample.completion.text;
            verification.flags = inspect(self.task.verify, problem, text, hint.as_ref());
        }
        Judged::new(sample, verified)
    }
}

/// Keeps the compiler honest about what a run shares between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<Run>>();
};
