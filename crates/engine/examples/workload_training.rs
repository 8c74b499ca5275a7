//! The training workloads of `benches/training_vs_peft.py`: fixed batches of token ids that any
//! other program can be given too, learned from step by step.
//!
//! `cargo run --release -p autodidact-engine --example workload_training -- fixed MODEL.gguf RATIONALES.jsonl OUT.json`
//! writes one batch of 8 sequences of 160 tokens, the last 64 of which are the completion, cut
//! from the running text of the rationales; `... -- ragged MODEL.gguf RATIONALES.jsonl OUT.json [--problems 4] [--batches 4]`
//! writes batches of so many problems with all their rationales, tokenized as a run does it. A line
//! of the rationales holds `problem`, `prompt` and `completion`.
//!
//! `... -- adapter MODEL.gguf DIR [--rank 16]` writes the untrained adapter that `run` starts from,
//! as PEFT files.
//!
//! `... -- run MODEL.gguf BATCHES.json [--steps 4] [--threads 2] [--rank 16] [--batches N] [--arithmetic full]`
//! starts afresh with every batch, takes so many steps on it, and prints one line of JSON.
#![expect(
    clippy::print_stdout,
    reason = "a measuring program reports on standard output"
)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use autodidact_engine::{Arithmetic, Model, Trainer, TrainerOptions, TrainingExample};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn Error>;

/// Token ids of a workload.
#[derive(Serialize, Deserialize)]
struct Batches {
    batches: Vec<Vec<Sequence>>,
}

/// One sequence to learn from.
#[derive(Clone, Serialize, Deserialize)]
struct Sequence {
    tokens: Vec<u32>,
    prompt_tokens: usize,
}

/// A line of the rationales.
#[derive(Deserialize)]
struct Rationale {
    problem: String,
    prompt: String,
    completion: String,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    /// Seconds until the first step could begin.
    load_seconds: f64,
    batches: Vec<BatchReport>,
    /// `VmHWM` of this process, in bytes; absent where there is no `/proc`.
    peak_bytes: Option<u64>,
}

#[derive(Serialize)]
struct BatchReport {
    /// Tokens of all sequences, prompts included.
    tokens: usize,
    /// Seconds of each step.
    seconds: Vec<f64>,
    /// Seconds of processor of each step, of all threads.
    cpu: Vec<f64>,
    /// Mean loss of each step, before it.
    losses: Vec<f64>,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, model, path, options @ ..] = arguments.as_slice() else {
        return Err("usage: workload_training fixed|ragged|adapter|run MODEL.gguf ...".into());
    };
    let model = Arc::new(Model::open(Path::new(model))?);
    let path = Path::new(path);
    match (command.as_str(), options) {
        ("fixed", [out, ..]) => write(out, fixed(&model, &read_rationales(path)?)?),
        ("ragged", [out, options @ ..]) => {
            write(out, ragged(&model, &read_rationales(path)?, options)?)
        }
        ("adapter", options) => write_adapter(&model, path, options),
        ("run", options) => {
            let report = run(&model, path, options)?;
            println!("{}", serde_json::to_string(&report)?);
            Ok(())
        }
        _ => Err(format!("`{command}` is not a command, or lacks an argument").into()),
    }
}

/// The value after `name`, or the default.
fn option<T: std::str::FromStr>(options: &[String], name: &str, default: T) -> Result<T, Failure> {
    let Some(at) = options.iter().position(|o| o == name) else {
        return Ok(default);
    };
    let value = options.get(at + 1).and_then(|v| v.parse().ok());
    value.ok_or_else(|| format!("`{name}` needs a value").into())
}

fn read_rationales(path: &Path) -> Result<Vec<Rationale>, Failure> {
    let text = std::fs::read_to_string(path)?;
    Ok(text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

fn write(out: &str, batches: Vec<Vec<Sequence>>) -> Result<(), Failure> {
    Ok(std::fs::write(
        out,
        serde_json::to_string(&Batches { batches })?,
    )?)
}

/// A prompt with its completion, as a run trains on it.
fn sequence(model: &Model, rationale: &Rationale) -> Result<Sequence, Failure> {
    let tokenizer = model.tokenizer();
    let mut tokens = tokenizer.encode(&rationale.prompt)?;
    let prompt_tokens = tokens.len();
    tokens.extend(tokenizer.encode_continuation(&rationale.completion)?);
    tokens.push(tokenizer.end_of_text());
    Ok(Sequence {
        tokens,
        prompt_tokens,
    })
}

/// Eight sequences of 160 tokens of which no two begin alike.
fn fixed(model: &Model, rationales: &[Rationale]) -> Result<Vec<Vec<Sequence>>, Failure> {
    let (count, length, completion) = (8, 160, 64);
    let mut text = Vec::new();
    for rationale in rationales {
        text.extend(sequence(model, rationale)?.tokens);
    }
    if text.len() < count * length {
        return Err(format!("the rationales hold only {} tokens", text.len()).into());
    }
    let cut = |tokens: &[u32]| Sequence {
        tokens: tokens.to_vec(),
        prompt_tokens: length - completion,
    };
    Ok(vec![text.chunks(length).take(count).map(cut).collect()])
}

/// Batches of problems with all their rationales, in the order of the file.
fn ragged(
    model: &Model,
    rationales: &[Rationale],
    options: &[String],
) -> Result<Vec<Vec<Sequence>>, Failure> {
    let problems: usize = option(options, "--problems", 4)?;
    let wanted: usize = option(options, "--batches", 4)?;
    let groups: Vec<&[Rationale]> = rationales
        .chunk_by(|one, other| one.problem == other.problem)
        .collect();
    let batches = groups.chunks_exact(problems).take(wanted);
    batches
        .map(|groups| {
            let rationales = groups.iter().copied().flatten();
            rationales.map(|r| sequence(model, r)).collect()
        })
        .collect()
}

fn trainer_options(options: &[String]) -> Result<TrainerOptions, Failure> {
    let arithmetic: String = option(options, "--arithmetic", "full".into())?;
    Ok(TrainerOptions {
        arithmetic: match arithmetic.as_str() {
            "full" => Arithmetic::Full,
            "eight-bit" => Arithmetic::EightBit,
            other => return Err(format!("`{other}` is neither `full` nor `eight-bit`").into()),
        },
        rank: option(options, "--rank", 16)?,
        steps: option(options, "--steps", 4)?,
        threads: option(options, "--threads", 2)?,
        warm_up: 0,
        ..TrainerOptions::default()
    })
}

fn write_adapter(model: &Arc<Model>, out: &Path, options: &[String]) -> Result<(), Failure> {
    let example = TrainingExample {
        tokens: vec![0, 0],
        prompt_tokens: 1,
    };
    let trainer = Trainer::new(model.clone(), vec![example], trainer_options(options)?)?;
    std::fs::create_dir_all(out)?;
    for (name, bytes) in trainer.adapter().to_peft(model.config(), &model.name())? {
        std::fs::write(out.join(name), bytes)?;
    }
    Ok(())
}

fn run(model: &Arc<Model>, path: &Path, options: &[String]) -> Result<Report, Failure> {
    let started = Instant::now();
    let given: Batches = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let wanted: usize = option(options, "--batches", given.batches.len())?;
    let mut load_seconds = None;
    let mut batches = Vec::new();
    for batch in given.batches.into_iter().take(wanted) {
        let trainer_options = TrainerOptions {
            batch: batch.len(),
            ..trainer_options(options)?
        };
        let steps = trainer_options.steps;
        let example = |sequence: Sequence| TrainingExample {
            tokens: sequence.tokens,
            prompt_tokens: sequence.prompt_tokens,
        };
        let tokens = batch.iter().map(|sequence| sequence.tokens.len()).sum();
        let examples = batch.into_iter().map(example).collect();
        let mut trainer = Trainer::new(model.clone(), examples, trainer_options)?;
        load_seconds.get_or_insert_with(|| started.elapsed().as_secs_f64());
        let mut report = BatchReport {
            tokens,
            seconds: Vec::new(),
            cpu: Vec::new(),
            losses: Vec::new(),
        };
        for _ in 0..steps {
            let (begun, spent) = (Instant::now(), processor_seconds());
            report.losses.push(trainer.step()?.loss);
            report.seconds.push(begun.elapsed().as_secs_f64());
            report.cpu.push(processor_seconds() - spent);
        }
        batches.push(report);
    }
    Ok(Report {
        load_seconds: load_seconds.unwrap_or_default(),
        batches,
        peak_bytes: peak_bytes(),
    })
}

/// User and system time of this process and all its threads, in seconds; 0 where there is no
/// `/proc`. The kernel counts it in hundredths of a second there.
fn processor_seconds() -> f64 {
    let read = || {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program may hold spaces; what follows its bracket does not.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user: f64 = fields.next()?.parse().ok()?;
        let system: f64 = fields.next()?.parse().ok()?;
        Some((user + system) / 100.0)
    };
    read().unwrap_or_default()
}

/// The most memory this process has held.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
