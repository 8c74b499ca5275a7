//! Tokens per second of sampling and training on this machine.
//!
//! `cargo run --release -p autodidact-engine --example throughput -- MODEL.gguf [THREADS]`
#![expect(
    clippy::print_stdout,
    reason = "a measuring program reports on standard output"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use autodidact_engine::{
    EngineError, Model, Request, Sampler, SamplingOptions, Trainer, TrainerOptions, TrainingExample,
};

fn main() -> Result<(), EngineError> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let threads = arguments
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(2usize);
    let model = Arc::new(Model::open(Path::new(&path))?);
    let started = Instant::now();
    let sampler = Sampler::new(model.clone(), None, threads)?;
    println!("weights ready in {:.2} s", started.elapsed().as_secs_f64());
    for batch in [1usize, 16, 48, 64, 96, 128] {
        let shared =
            "Q: Tom has 3 apples and buys 4 more. How many apples does he have?\nA:".repeat(8);
        let mut requests = Vec::new();
        for i in 0..threads * batch.div_ceil(4) * 2 {
            let prompt = model
                .tokenizer()
                .encode(&format!("{shared}\n\nQ: Ann has {i} pens."))?;
            requests.push(Request {
                prompt,
                seeds: (0..4.min(batch as u64)).collect(),
            });
        }
        let options = SamplingOptions {
            temperature: 1.0,
            max_tokens: 48,
            batch,
            ..SamplingOptions::default()
        };
        let started = Instant::now();
        let stats = sampler.generate(&requests, &options, &|_| {}, &AtomicBool::new(false))?;
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "batch {batch:3} x {threads}: {:7.0} tokens/s ({} generated, {} prompt tokens in {seconds:.1} s)",
            stats.generated_tokens as f64 / seconds,
            stats.generated_tokens,
            stats.prompt_tokens
        );
    }
    drop(sampler);
    let example = |i: u32| TrainingExample {
        tokens: (0..100)
            .map(|j| 300 + (i * 7919 + j * 31) % 40_000)
            .collect(),
        prompt_tokens: 55,
    };
    let options = TrainerOptions {
        batch: 16,
        threads,
        ..TrainerOptions::default()
    };
    let mut trainer = Trainer::new(model, (0..64).map(example).collect(), options)?;
    for _ in 0..4 {
        let started = Instant::now();
        let report = trainer.step()?;
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "training step {}: {:.2} s, {:.0} tokens/s, loss {:.3}",
            report.step,
            seconds,
            report.tokens as f64 / seconds,
            report.loss
        );
    }
    Ok(())
}
