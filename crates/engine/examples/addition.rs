//! A model of three million parameters is taught to add, from nothing: its vocabulary is the
//! characters of the problems, its weights begin random, and all of them are trained. What comes
//! of it is in `docs/objectives.md`.
//!
//! `cargo run --release -p autodidact-engine --example addition -- [MODEL.gguf] [STEPS]`
//!
//! Problems are sums of two numbers of two or three digits, written with three. The answer has four
//! digits and is written from its last to its first, the order in which it is added (Lee et al.
//! 2023): `358+067=5240` says 425.
//! Held-out sums are never trained on; their accuracy, in which every digit must be right, is
//! printed as training goes on. The model is written to MODEL.gguf at the end, if asked for.
#![expect(
    clippy::print_stdout,
    reason = "a measuring program reports on standard output"
)]

use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use autodidact_engine::gguf::{GgufFile, TensorType};
use autodidact_engine::{
    EngineError, Finished, Model, ModelShape, Request, Sampler, SamplingOptions, Schedule, Trained,
    Trainer, TrainerOptions, TrainingExample, Vocabulary,
};

/// Sums that are held out.
const HELD_OUT: usize = 1000;
/// Sums to learn from: about one in twelve of all there are.
const EXAMPLES: usize = 60_000;
/// Sums in each step.
const BATCH: usize = 256;
/// Steps, unless given.
const STEPS: u32 = 400;
/// Steps between measurements.
const EVERY: u32 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next();
    let steps = arguments.next().map_or(Ok(STEPS), |n| n.parse())?;
    let threads = std::thread::available_parallelism()?.get();
    let mut sums = Sums::new(1);
    let held_out = sums.take(HELD_OUT);
    let learned = sums.take(EXAMPLES);

    let vocabulary = Vocabulary::characters(["0123456789+="])?;
    let shape = ModelShape {
        context: 16,
        ..ModelShape::default()
    };
    let parameters = shape.parameters(vocabulary.len()).unwrap_or_default();
    println!(
        "{parameters} parameters, {} tokens, {EXAMPLES} sums",
        vocabulary.len()
    );
    let bytes = shape.create("addition", &vocabulary, 1)?;
    let model = Arc::new(Model::new(GgufFile::from_bytes(bytes)?)?);
    let examples: Result<Vec<_>, EngineError> =
        learned.iter().map(|sum| example(&model, *sum)).collect();
    let options = TrainerOptions {
        trained: Trained::Everything,
        steps,
        learning_rate: 2e-3,
        warm_up: 50,
        schedule: Schedule::Linear,
        batch: BATCH,
        betas: (0.9, 0.98),
        weight_decay: 0.01,
        threads,
        seed: 1,
        ..TrainerOptions::default()
    };
    let mut trainer = Trainer::new(model, examples?, options)?;
    let directory = tempfile::tempdir()?;
    let path = out.map_or_else(|| directory.path().join("model.gguf"), Into::into);
    let start = Instant::now();
    while trainer.steps_done() < steps {
        let report = trainer.step()?;
        if report.step.is_multiple_of(EVERY) || report.step == steps {
            trainer.write_model(TensorType::F32, &path)?;
            let right = right(&path, &held_out, threads)?;
            println!(
                "step {:>5}   loss {:.4}   held out {:>5.1} %   {:>4} s",
                report.step,
                report.loss,
                100.0 * right as f64 / held_out.len() as f64,
                start.elapsed().as_secs()
            );
        }
    }
    Ok(())
}

/// Pairs of numbers of two or three digits, each pair once.
struct Sums {
    state: u64,
    seen: HashSet<(u64, u64)>,
}

impl Sums {
    fn new(seed: u64) -> Self {
        Self {
            state: seed,
            seen: HashSet::new(),
        }
    }

    /// Uniform below a bound (Knuth's constants; the high bits are the random ones).
    fn below(&mut self, bound: u64) -> u64 {
        let (factor, add) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.state = self.state.wrapping_mul(factor).wrapping_add(add);
        (self.state >> 33) % bound
    }

    fn number(&mut self) -> u64 {
        if self.below(2) == 0 {
            10 + self.below(90)
        } else {
            100 + self.below(900)
        }
    }

    /// So many pairs that were never given before.
    fn take(&mut self, count: usize) -> Vec<(u64, u64)> {
        let mut pairs = Vec::new();
        while pairs.len() < count {
            let pair = (self.number(), self.number());
            if self.seen.insert(pair) {
                pairs.push(pair);
            }
        }
        pairs
    }
}

/// `358+067=` and `5240`.
fn texts((a, b): (u64, u64)) -> (String, String) {
    let answer = format!("{:04}", a + b).chars().rev().collect();
    (format!("{a:03}+{b:03}="), answer)
}

fn example(model: &Model, sum: (u64, u64)) -> Result<TrainingExample, EngineError> {
    let (problem, answer) = texts(sum);
    let mut tokens = model.tokenizer().encode(&problem)?;
    let prompt_tokens = tokens.len();
    tokens.extend(model.tokenizer().encode_continuation(&answer)?);
    tokens.push(model.tokenizer().end_of_text());
    Ok(TrainingExample {
        tokens,
        prompt_tokens,
    })
}

/// How many sums a model gets right, asked greedily.
fn right(path: &Path, sums: &[(u64, u64)], threads: usize) -> Result<usize, Box<dyn Error>> {
    let model = Arc::new(Model::open(path)?);
    let request = |sum: &(u64, u64)| {
        let prompt = model.tokenizer().encode(&texts(*sum).0)?;
        Ok(Request {
            prompt,
            seeds: vec![0],
        })
    };
    let requests: Result<Vec<Request>, EngineError> = sums.iter().map(request).collect();
    let sampler = Sampler::new(model.clone(), None, threads)?;
    let options = SamplingOptions {
        max_tokens: 6,
        temperature: 0.0,
        ..SamplingOptions::default()
    };
    let right = Mutex::new(0);
    let on_sample = |sample: Finished| {
        if sample.completion.text == texts(sums[sample.request]).1
            && let Ok(mut right) = right.lock()
        {
            *right += 1;
        }
    };
    sampler.generate(&requests?, &options, &on_sample, &AtomicBool::new(false))?;
    Ok(right.into_inner().unwrap_or_default())
}
