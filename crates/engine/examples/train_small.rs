//! Trains a small adapter on made-up additions and writes it in both formats, so that other
//! programs can be asked whether they read it.
//!
//! `cargo run --release -p autodidact-engine --example train_small -- MODEL.gguf OUT_DIR [STEPS]`
//!
//! Writes `OUT_DIR/peft/` and `OUT_DIR/adapter.gguf`.
#![expect(
    clippy::print_stdout,
    reason = "a measuring program reports on standard output"
)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use autodidact_engine::{EngineError, Model, Tokenizer, Trainer, TrainerOptions, TrainingExample};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train_small MODEL.gguf OUT_DIR [STEPS]".into());
    };
    let steps = arguments.next().map_or(Ok(15), |n| n.parse())?;
    let model = Arc::new(Model::open(Path::new(&model))?);
    let examples: Result<Vec<_>, EngineError> =
        (0..40).map(|i| addition(model.tokenizer(), i)).collect();
    let options = TrainerOptions {
        steps,
        batch: 8,
        threads: std::thread::available_parallelism()?.get(),
        ..TrainerOptions::default()
    };
    let mut trainer = Trainer::new(model.clone(), examples?, options)?;
    for _ in 0..steps {
        let report = trainer.step()?;
        println!(
            "step {}: loss {:.3}, gradient norm {:.3}",
            report.step, report.loss, report.gradient_norm
        );
    }
    let peft = Path::new(&out).join("peft");
    std::fs::create_dir_all(&peft)?;
    let adapter = trainer.adapter();
    for (name, bytes) in adapter.to_peft(model.config(), &model.name())? {
        std::fs::write(peft.join(name), bytes)?;
    }
    std::fs::write(
        Path::new(&out).join("adapter.gguf"),
        adapter.to_gguf(model.config())?,
    )?;
    Ok(())
}

/// The i-th addition with its answer spelled out.
fn addition(tokenizer: &Tokenizer, i: u32) -> Result<TrainingExample, EngineError> {
    let (a, b) = (11 + i * 37 % 89, 3 + i * 53 % 97);
    let mut tokens = tokenizer.encode(&format!("Q: What is {a} + {b}?\nA:"))?;
    let prompt_tokens = tokens.len();
    let answer = format!(" {a} plus {b} makes {}. So the sum is {}.", a + b, a + b);
    tokens.extend(tokenizer.encode_continuation(&answer)?);
    tokens.push(tokenizer.end_of_text());
    Ok(TrainingExample {
        tokens,
        prompt_tokens,
    })
}
