//! Reads an adapter, prints the logits it gives, and writes it out again as PEFT files, and merged
//! into the model as `merged.gguf`: one half of `scripts/check_peft_variants.py`.
//!
//! `cargo run --release -p autodidact-engine --example adapter_logits -- MODEL.gguf ADAPTER OUT_DIR`
//!
//! Token ids come on standard input as a JSON array.
#![expect(clippy::print_stdout, reason = "a program that is read by another one")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use autodidact_engine::gguf::TensorType;
use autodidact_engine::{Adapter, Model, Sampler};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, adapter, out] = arguments.as_slice() else {
        return Err("usage: adapter_logits MODEL.gguf ADAPTER OUT_DIR < TOKENS.json".into());
    };
    let model = Arc::new(Model::open(Path::new(model))?);
    let mut adapter = Adapter::open(Path::new(adapter), model.config())?;
    let tokens: Vec<u32> = serde_json::from_reader(std::io::stdin())?;
    let sampler = Sampler::new(model.clone(), Some(&adapter), 1)?;
    println!("{}", serde_json::to_string(&sampler.logits(&tokens)?)?);
    std::fs::create_dir_all(out)?;
    let merged = Path::new(out).join("merged.gguf");
    adapter.write_merged(&model, TensorType::F32, &merged)?;
    // Where only some layers have magnitudes, the others get those of the base.
    adapter.fill_magnitudes(&model)?;
    for (name, bytes) in adapter.to_peft(model.config(), &model.name())? {
        std::fs::write(Path::new(out).join(name), bytes)?;
    }
    Ok(())
}
