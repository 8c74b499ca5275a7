//! The sampling workload of `benches/sampling_vs_llama.py`: prompts that share a long beginning,
//! several samples of each, and the same number of new tokens for every one.
//!
//! `cargo run --release -p autodidact-engine --example workload_sampling -- prompts MODEL.gguf OUT.json [--questions 64] [--prefix 440]`
//! writes the prompts as token ids, which any other program can be given too.
//!
//! `... -- run MODEL.gguf PROMPTS.json [--samples 4] [--new 96] [--threads 2] [--batch 64] [--temperature 0.8] [--questions N] [--decode 64,...]`
//! samples and prints one line of JSON: seconds, tokens, tokens a second, and peak memory. `--decode`
//! adds the rate of decoding alone with so many sequences at once in all: the time of all new
//! tokens less the time of the first one, over the tokens between.
#![expect(
    clippy::print_stdout,
    reason = "a measuring program reports on standard output"
)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use autodidact_engine::{Finished, Model, Request, Sampler, SamplingOptions};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn Error>;

/// Token ids of a workload.
#[derive(Serialize, Deserialize)]
struct Prompts {
    /// What all prompts begin with.
    prefix: Vec<u32>,
    /// What each goes on with.
    questions: Vec<Vec<u32>>,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    /// Seconds until the weights were ready.
    load_seconds: f64,
    /// Seconds from the first prompt token to the last sampled one.
    seconds: f64,
    samples: u64,
    prompt_tokens: u64,
    generated_tokens: u64,
    /// Generated tokens over `seconds`.
    tokens_per_second: f64,
    /// Rates of decoding alone.
    decode: Vec<Decode>,
    /// `VmHWM` of this process, in bytes; absent where there is no `/proc`.
    peak_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Decode {
    sequences: usize,
    tokens_per_second: f64,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, model, path, options @ ..] = arguments.as_slice() else {
        return Err(
            "usage: workload_sampling prompts|run MODEL.gguf PROMPTS.json [OPTIONS]".into(),
        );
    };
    let model = Model::open(Path::new(model))?;
    if command == "prompts" {
        let prompts = write_prompts(&model, options)?;
        std::fs::write(path, serde_json::to_string(&prompts)?)?;
    } else {
        let prompts: Prompts = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        println!(
            "{}",
            serde_json::to_string(&run(model, &prompts, options)?)?
        );
    }
    Ok(())
}

/// The value after `name`, or the default.
fn option<T: std::str::FromStr>(options: &[String], name: &str, default: T) -> Result<T, Failure> {
    let Some(at) = options.iter().position(|o| o == name) else {
        return Ok(default);
    };
    let value = options.get(at + 1).and_then(|v| v.parse().ok());
    value.ok_or_else(|| format!("`{name}` needs a value").into())
}

/// Worked examples as a prefix of so many tokens, and questions of about forty tokens each.
fn write_prompts(model: &Model, options: &[String]) -> Result<Prompts, Failure> {
    let length: usize = option(options, "--prefix", 440)?;
    let count: u32 = option(options, "--questions", 64)?;
    let tokenizer = model.tokenizer();
    let mut prefix = Vec::new();
    for i in 0.. {
        if prefix.len() >= length {
            break;
        }
        let (a, b, c) = (7 + i % 20, 3 + i % 5, 2 + i % 9);
        let answer = format!(
            "A: {a} + {b} = {}. {} + {c} = {}.\n\n",
            a + b,
            a + b,
            a + b + c
        );
        let text = format!("{} {answer}", question(1000 + i));
        prefix.extend(tokenizer.encode(&text)?);
    }
    prefix.truncate(length);
    let ask = |i| Ok(tokenizer.encode(&question(i))?);
    let questions: Result<_, Failure> = (0..count).map(ask).collect();
    Ok(Prompts {
        prefix,
        questions: questions?,
    })
}

/// The i-th word problem.
fn question(i: u32) -> String {
    let pick = |list: &[&str], step: u32| list[(i / step) as usize % list.len()].to_owned();
    let name = pick(
        &[
            "Ann", "Tom", "Maria", "Peter", "Lucy", "Omar", "Nina", "Ivan",
        ],
        1,
    );
    let thing = pick(
        &[
            "apples", "books", "coins", "shells", "stamps", "pens", "cards",
        ],
        3,
    );
    let place = pick(&["market", "shop", "park", "school", "library"], 5);
    let (a, b, c) = (11 + i * 7 % 83, 5 + i * 11 % 61, 3 + i * 5 % 37);
    format!(
        "Q: {name} has {a} {thing} and finds {b} more at the {place}. Then a friend brings {c} {thing}. How many {thing} does {name} have now?\nA:"
    )
}

fn run(model: Model, prompts: &Prompts, options: &[String]) -> Result<Report, Failure> {
    let samples: u64 = option(options, "--samples", 4)?;
    let threads: usize = option(options, "--threads", 2)?;
    let wanted: usize = option(options, "--questions", prompts.questions.len())?;
    let sampling = SamplingOptions {
        temperature: option(options, "--temperature", 0.8)?,
        max_tokens: option(options, "--new", 96)?,
        batch: option(options, "--batch", 64)?,
        ignore_end_of_text: true,
        ..SamplingOptions::default()
    };
    let request = |question: &Vec<u32>| Request {
        prompt: [prompts.prefix.as_slice(), question].concat(),
        seeds: (0..samples).collect(),
    };
    let requests: Vec<Request> = prompts.questions.iter().take(wanted).map(request).collect();
    let started = Instant::now();
    let sampler = Sampler::new(Arc::new(model), None, threads)?;
    let load_seconds = started.elapsed().as_secs_f64();
    let (seconds, prompt_tokens, generated_tokens) = timed(&sampler, &requests, &sampling)?;
    let mut decode = Vec::new();
    for sequences in option(options, "--decode", String::new())?.split(',') {
        if let Ok(sequences) = sequences.parse() {
            let rate = decode_rate(&sampler, &requests, &sampling, sequences)?;
            decode.push(Decode {
                sequences,
                tokens_per_second: rate,
            });
        }
    }
    Ok(Report {
        load_seconds,
        seconds,
        samples: requests.len() as u64 * samples,
        prompt_tokens,
        generated_tokens,
        tokens_per_second: generated_tokens as f64 / seconds,
        decode,
        peak_bytes: peak_bytes(),
    })
}

/// Seconds, prompt tokens and generated tokens of one call; an error if a sample is too short.
fn timed(
    sampler: &Sampler,
    requests: &[Request],
    options: &SamplingOptions,
) -> Result<(f64, u64, u64), Failure> {
    let long_enough = AtomicU64::new(0);
    let on_sample = |finished: Finished| {
        let complete = finished.tokens.len() == options.max_tokens;
        long_enough.fetch_add(u64::from(complete), Ordering::Relaxed);
    };
    let started = Instant::now();
    let stats = sampler.generate(requests, options, &on_sample, &AtomicBool::new(false))?;
    let seconds = started.elapsed().as_secs_f64();
    let wanted: u64 = requests.iter().map(|r| r.seeds.len() as u64).sum();
    let complete = long_enough.into_inner();
    if complete != wanted {
        return Err(format!("{complete} of {wanted} samples have all their tokens").into());
    }
    Ok((seconds, stats.prompt_tokens, stats.generated_tokens))
}

/// Tokens a second of decoding alone. The sampler deals as many sequences to its lanes as there are,
/// evenly.
fn decode_rate(
    sampler: &Sampler,
    requests: &[Request],
    options: &SamplingOptions,
    sequences: usize,
) -> Result<f64, Failure> {
    let each = requests[0].seeds.len();
    let requests = &requests[..sequences.div_ceil(each).min(requests.len())];
    let options = SamplingOptions {
        batch: sequences,
        ..options.clone()
    };
    let first = SamplingOptions {
        max_tokens: 1,
        ..options.clone()
    };
    let (first_seconds, _, first_tokens) = timed(sampler, requests, &first)?;
    let (seconds, _, tokens) = timed(sampler, requests, &options)?;
    Ok((tokens - first_tokens) as f64 / (seconds - first_seconds))
}

/// The most memory this process has held.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
