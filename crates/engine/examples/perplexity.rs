//! How likely the engine finds given texts, for comparisons with other programs: one half of
//! `scripts/check_against_llama_cpp.py`.
//!
//! `cargo run --release -p autodidact-engine --example perplexity -- MODEL.gguf [ADAPTER] [--eight-bit] < TEXTS.json`
//!
//! Texts come on standard input as JSON arrays of token ids in an array, and for each goes out
//! `{"log_probabilities": [...], "gaps": [...], "seconds": [...]}`: of every token but the first, and
//! behind every token how far the largest logit is from the second, and whose the second is.
#![expect(clippy::print_stdout, reason = "a program that is read by another one")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use autodidact_engine::{Adapter, Arithmetic, Model, Sampler, WeightStorage};
use serde::Serialize;

#[derive(Serialize)]
struct Likelihood {
    log_probabilities: Vec<f64>,
    gaps: Vec<f32>,
    seconds: Vec<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let arithmetic = arithmetic(&mut arguments);
    let Some((model, adapter)) = arguments.split_first().filter(|(_, rest)| rest.len() < 2) else {
        return Err("usage: perplexity MODEL.gguf [ADAPTER] [--eight-bit] < TEXTS.json".into());
    };
    let model = Arc::new(Model::open(Path::new(model))?);
    let adapter = adapter
        .first()
        .map(|path| Adapter::open(Path::new(path), model.config()))
        .transpose()?;
    let threads = std::thread::available_parallelism()?.get();
    let storage = WeightStorage::Automatic;
    let sampler = Sampler::with_weights(model, adapter.as_ref(), threads, storage, arithmetic)?;
    let texts: Vec<Vec<u32>> = serde_json::from_reader(std::io::stdin())?;
    let mut likelihoods = Vec::new();
    for text in texts {
        likelihoods.push(likelihood(&text, &sampler.logits(&text)?));
    }
    println!("{}", serde_json::to_string(&likelihoods)?);
    Ok(())
}

/// What `--eight-bit` asks for, which is taken out of the arguments.
fn arithmetic(arguments: &mut Vec<String>) -> Arithmetic {
    let count = arguments.len();
    arguments.retain(|argument| argument != "--eight-bit");
    if arguments.len() < count {
        Arithmetic::EightBit
    } else {
        Arithmetic::Full
    }
}

/// The logits that follow each token of a text say how likely the next one is.
fn likelihood(text: &[u32], logits: &[Vec<f32>]) -> Likelihood {
    let next = logits.iter().zip(&text[1..]);
    let best = logits.iter().map(|logits| best_two(logits));
    let (gaps, seconds) = best.unzip();
    Likelihood {
        log_probabilities: next
            .map(|(logits, token)| f64::from(logits[*token as usize]) - log_sum_exp(logits))
            .collect(),
        gaps,
        seconds,
    }
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = f64::from(logits.iter().fold(f32::NEG_INFINITY, |m, l| m.max(*l)));
    let sum: f64 = logits.iter().map(|l| (f64::from(*l) - largest).exp()).sum();
    largest + sum.ln()
}

/// How far the largest logit is from the second, and the second's token.
fn best_two(logits: &[f32]) -> (f32, u32) {
    let mut best = [(f32::NEG_INFINITY, 0); 2];
    for (token, logit) in (0u32..).zip(logits) {
        if *logit > best[0].0 {
            best = [(*logit, token), best[0]];
        } else if *logit > best[1].0 {
            best[1] = (*logit, token);
        }
    }
    (best[0].0 - best[1].0, best[1].1)
}
