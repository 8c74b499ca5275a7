//! Two small tasks that are like real ones, timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{sampling_operations, training_operations};
use crate::random::Random;
use crate::{
    Arithmetic, EngineError, Model, Profile, Request, Sampler, SamplingOptions, Trainer,
    TrainerOptions, TrainingExample,
};

/// Sequences that each thread decodes together, as samples of a quarter as many questions.
const SEQUENCES: usize = 64;
const SAMPLES: usize = 4;
/// Tokens that all prompts share, tokens of each question, tokens of each sample; less where the
/// model's context is short.
const PREFIX: usize = 200;
const QUESTION: usize = 24;
const NEW: usize = 32;
/// A training step: sequences, their tokens, and how many of those are completion.
const BATCH: usize = 8;
const LENGTH: usize = 160;
const COMPLETION: usize = 64;
const RANK: usize = 16;
/// Steps that are timed, after one that is not: as many as keep the whole under a minute.
const STEPS: u32 = 1;

/// What a task took.
#[derive(Debug, Clone, Copy)]
pub struct BenchTask {
    /// Tokens that count: generated ones, or those of a training step, prompts included.
    pub tokens: u64,
    /// From the first to the last token; weights are made ready before.
    pub time: Duration,
    /// The matrix-multiply work, as [`sampling_operations`] and [`training_operations`] define it.
    pub operations: f64,
    /// Where the time of the threads went.
    pub profile: Profile,
}

impl BenchTask {
    /// Tokens a second.
    pub fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.time.as_secs_f64()
    }

    /// Tokens a second if nothing but the task's matrix products took time, at `rate` operations a
    /// second.
    pub fn limit_tokens_per_second(&self, rate: f64) -> f64 {
        self.tokens as f64 * rate / self.operations
    }
}

fn text(random: &mut Random, model: &Model, length: usize) -> Vec<u32> {
    let vocabulary = model.config().vocabulary;
    (0..length)
        .map(|_| random.below(vocabulary) as u32)
        .collect()
}

/// Decodes 64 sequences on each thread: prompts of random tokens that share a prefix of 200, 24 of
/// their own, four samples of 32 tokens of each at temperature 0.8. Prefix and prompts are part of
/// the time.
pub fn bench_sampling(
    model: &Arc<Model>,
    threads: usize,
    stop: &AtomicBool,
) -> Result<BenchTask, EngineError> {
    let config = model.config();
    let quarter = (config.context / 4).max(1);
    let (prefix, own, new) = (PREFIX.min(quarter), QUESTION.min(quarter), NEW.min(quarter));
    let mut random = Random::new(1);
    let shared = text(&mut random, model, prefix);
    let count = threads.max(1) * SEQUENCES / SAMPLES;
    let request = |i: usize| Request {
        prompt: [shared.clone(), text(&mut random, model, own)].concat(),
        seeds: (0..SAMPLES).map(|j| (i * SAMPLES + j) as u64).collect(),
    };
    let requests: Vec<Request> = (0..count).map(request).collect();
    let options = SamplingOptions {
        temperature: 0.8,
        max_tokens: new,
        batch: SEQUENCES,
        ignore_end_of_text: true,
        ..SamplingOptions::default()
    };
    let sampler = Sampler::new(model.clone(), None, threads)?;
    let started = Instant::now();
    let stats = sampler.generate(&requests, &options, &|_| {}, stop)?;
    let fed_back = (count * SAMPLES * (new - 1)) as u64;
    let computed = (prefix + count * own) as u64 + fed_back;
    Ok(BenchTask {
        tokens: stats.generated_tokens,
        time: started.elapsed(),
        operations: sampling_operations(config, computed, count as u64 + fed_back),
        profile: sampler.profile(),
    })
}

/// Trains an adapter of rank 16 on every linear layer: steps of eight sequences of 160 random
/// tokens, 64 of them completion, no two with a common prompt; quantized weights in eight bits. One step warms up, one is timed.
pub fn bench_training(
    model: &Arc<Model>,
    threads: usize,
    stop: &AtomicBool,
) -> Result<BenchTask, EngineError> {
    let config = model.config();
    let length = LENGTH.min(config.context).max(2);
    let completion = COMPLETION.min(length / 2);
    let mut random = Random::new(2);
    let example = |_| TrainingExample {
        tokens: text(&mut random, model, length),
        prompt_tokens: length - completion,
    };
    let options = TrainerOptions {
        rank: RANK,
        steps: STEPS + 1,
        batch: BATCH,
        threads,
        arithmetic: Arithmetic::EightBit,
        ..TrainerOptions::default()
    };
    let examples = (0..BATCH * (STEPS as usize + 1)).map(example).collect();
    let mut trainer = Trainer::new(model.clone(), examples, options)?;
    trainer.step()?;
    let before = trainer.profile();
    let started = Instant::now();
    for _ in 0..STEPS {
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Interrupted);
        }
        trainer.step()?;
    }
    let step = |tokens: usize| (BATCH * tokens) as u64;
    let operations = training_operations(config, RANK, step(length), step(completion));
    Ok(BenchTask {
        tokens: u64::from(STEPS) * step(length),
        time: started.elapsed(),
        operations: f64::from(STEPS) * operations,
        profile: trainer.profile().since(&before),
    })
}
