//! Fine-tuning: line 7 of the algorithm, the warm start, and the adapters on disk.

use std::sync::atomic::Ordering;

use autodidact_core::{IterationResult, KeptRationale, SamplerId, TrainMethod};
use autodidact_engine::StepReport;
use autodidact_store::atomic_write;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::StarError;
use crate::baseline::Baseline;
use crate::progress::Event;
use crate::run::{Run, Version};
use crate::seams::{TrainingJob, TrainingPair, TrainingSet};

/// The files of an adapter's directory; a GGUF adapter has no place for DoRA's magnitudes.
fn adapter_files(method: TrainMethod) -> &'static [&'static str] {
    let files = &[
        "adapter_config.json",
        "adapter_model.safetensors",
        "adapter.gguf",
    ];
    match method {
        TrainMethod::Dora => &files[..2],
        TrainMethod::Lora | TrainMethod::Rslora | TrainMethod::Full => files,
    }
}

/// A line of `training/<n>.jsonl`.
#[derive(Debug, Serialize)]
struct TrainingLine<'a> {
    prompt: &'a autodidact_core::Prompt,
    completion: &'a str,
    model: &'a str,
    terms: &'a str,
}

impl Run {
    /// M_0: the base with its few-shot prompt, or the warm-started model.
    pub(crate) fn first_student(&self) -> Version {
        if self.spec.student.warm_start {
            Self::warm_started(self.spec.student.keep_few_shot)
        } else {
            Version::base(true)
        }
    }

    pub(crate) fn warm_started(few_shot: bool) -> Version {
        let name = if few_shot {
            "warm-start/few-shot"
        } else {
            "warm-start"
        };
        Version {
            sampler: SamplerId(name.into()),
            adapter: Some("adapters/warm-start".into()),
            few_shot,
        }
    }

    /// M_n.
    pub(crate) fn student_after(&self, n: u32) -> Version {
        Version {
            sampler: SamplerId(format!("student/{n}")),
            adapter: Some(format!("adapters/{n}")),
            few_shot: self.spec.student.keep_few_shot,
        }
    }

    /// Line 7: train(M, D_n ∪ D_n_rat), from the base, with more steps in every loop. A warm start
    /// keeps its examples in the set, as V-STaR does (Hosseini et al. 2024, algorithm 1).
    pub(crate) async fn fine_tune(
        &self,
        n: u32,
        kept: &[KeptRationale],
    ) -> Result<Version, StarError> {
        let mut pairs = self.warm_start_pairs();
        pairs.extend(kept.iter().map(|k| TrainingPair {
            prompt: k.prompt.clone(),
            completion: k.completion.clone(),
            model: k.model.clone(),
            terms: k.terms.clone(),
        }));
        let steps = self.spec.train.steps.steps(n);
        self.train(n, "student", &n.to_string(), pairs, steps)
            .await?;
        Ok(self.student_after(n))
    }

    /// Fine-tunes the base on the examples, for students that solve too little to begin with.
    pub(crate) async fn warm_start(&self) -> Result<(), StarError> {
        let steps = self.spec.student.warm_start_steps;
        self.train(
            0,
            "warm-start",
            "warm-start",
            self.warm_start_pairs(),
            steps,
        )
        .await
    }

    /// The examples as training text, if there is a warm start.
    pub(crate) fn warm_start_pairs(&self) -> Vec<TrainingPair> {
        if !self.spec.student.warm_start {
            return Vec::new();
        }
        let examples = self
            .task
            .examples
            .iter()
            .take(self.spec.student.warm_start_examples as usize);
        examples
            .map(|example| self.prompter.example_pair(example))
            .collect()
    }

    /// Trains an adapter unless the journal says that it is there. `trained` names it among the
    /// losses, `name` on the disk.
    pub(crate) async fn train(
        &self,
        iteration: u32,
        trained: &str,
        name: &str,
        pairs: Vec<TrainingPair>,
        steps: u32,
    ) -> Result<(), StarError> {
        let stage = format!("train {trained}");
        let directory = self.store.directory();
        let adapter = directory.join(format!("adapters/{name}"));
        let done = self.store.stage::<u32>(iteration, &stage).await?.is_some();
        // An adapter that was lost although its row is there is made again, with the same bytes.
        if done
            && adapter_files(self.spec.train.method)
                .iter()
                .all(|file| adapter.join(file).is_file())
        {
            return Ok(());
        }
        atomic_write(
            &directory.join(format!("training/{name}.jsonl")),
            &jsonl(&pairs)?,
        )?;
        let shown = spread(&pairs, SHOWN);
        let shown = self.student.seen(&TrainingSet::Completions(shown))?;
        let seen = format!("seen {trained}");
        self.store.finish_stage(iteration, &seen, &shown).await?;
        let job = TrainingJob {
            set: TrainingSet::Completions(pairs),
            spec: self.spec.train.clone(),
            steps,
            seed: self.spec.run.seed,
            adapter,
            checkpoint: directory.join(format!("checkpoints/{name}.safetensors")),
        };
        let checkpoint = job.checkpoint.clone();
        let clock = if matches!(trained, "student" | "warm-start") {
            "train"
        } else {
            "controls"
        };
        self.timed(iteration, clock, self.run_training(iteration, trained, job))
            .await?;
        self.store.finish_stage(iteration, &stage, &steps).await?;
        // Only now nobody needs it; one that stays behind would cost space and nothing else.
        if let Err(error) = std::fs::remove_file(&checkpoint) {
            tracing::debug!(%error, path = %checkpoint.display(), "no checkpoint to remove");
        }
        Ok(())
    }

    async fn run_training(
        &self,
        iteration: u32,
        trained: &str,
        job: TrainingJob,
    ) -> Result<(), StarError> {
        let title = format!("fine-tuning on {} rationales", job.set.len());
        let done = self.store.losses(iteration, trained).await?.len() as u64;
        let total = u64::from(job.steps);
        self.observer.on(&Event::StageStarted {
            iteration,
            title: &title,
            done,
            total,
        });
        let (sender, receiver) = mpsc::unbounded_channel();
        let (student, stop) = (self.student.clone(), self.stop.clone());
        let gate = self.gate.clone();
        let worker = tokio::task::spawn_blocking(move || {
            let on_step = move |report| {
                let (done, journaled) = std::sync::mpsc::channel();
                // Waits until the loss is on the disk, so that no checkpoint is ahead of the
                // journal. Nobody listens any more only if the journal failed, and that error is
                // the one to report.
                if sender.send((report, done)).is_ok() {
                    let _ = journaled.recv();
                }
                gate.pass();
            };
            student.train(&job, &on_step, &stop)
        });
        let journaled = self.journal_losses(iteration, trained, receiver).await;
        if journaled.is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        let trained = worker.await.map_err(|_| StarError::Worker)?;
        journaled.and(trained)?;
        self.observer.on(&Event::StageFinished);
        Ok(())
    }

    async fn journal_losses(
        &self,
        iteration: u32,
        trained: &str,
        mut receiver: mpsc::UnboundedReceiver<(StepReport, std::sync::mpsc::Sender<()>)>,
    ) -> Result<(), StarError> {
        while let Some((report, done)) = receiver.recv().await {
            let loss = [report.loss as f32];
            self.store
                .record_losses(iteration, trained, report.step, &loss)
                .await?;
            // The trainer waits for this; it is gone only if it failed.
            let _ = done.send(());
            self.observer.on(&Event::Step {
                iteration,
                trained,
                report,
            });
        }
        Ok(())
    }

    /// Copies the best adapter to `adapters/best`, if it beats the baseline; a worse one is never
    /// published.
    pub(crate) async fn publish_best(
        &self,
        baseline: &Baseline,
        results: &[IterationResult],
    ) -> Result<(), StarError> {
        let Some(best) = crate::status::best(baseline.measurement.right, results) else {
            return Ok(());
        };
        let directory = self.store.directory();
        for name in adapter_files(self.spec.train.method) {
            let path = directory.join(&best.adapter).join(name);
            let bytes = std::fs::read(&path).map_err(|source| StarError::Read { path, source })?;
            atomic_write(&directory.join("adapters/best").join(name), &bytes)?;
        }
        self.store.finish_stage(0, "best", &best).await?;
        Ok(())
    }
}

/// Training texts shown of one training at most.
const SHOWN: usize = 24;

/// So many of the pairs, from the first to the last.
fn spread(pairs: &[TrainingPair], most: usize) -> Vec<TrainingPair> {
    let step = pairs.len().div_ceil(most).max(1);
    pairs.iter().step_by(step).cloned().collect()
}

fn jsonl(pairs: &[TrainingPair]) -> Result<Vec<u8>, StarError> {
    let mut out = Vec::new();
    for pair in pairs {
        let line = TrainingLine {
            prompt: &pair.prompt,
            completion: &pair.completion,
            model: &pair.model,
            terms: &pair.terms,
        };
        serde_json::to_writer(&mut out, &line)
            .map_err(|e| StarError::Spec(format!("writing the training set: {e}")))?;
        out.push(b'\n');
    }
    Ok(out)
}
