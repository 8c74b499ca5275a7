//! What the engine writes greedily, as token ids, for comparisons with other programs.
//!
//! `cargo run --release -p autodidact-engine --example greedy -- MODEL.gguf [ADAPTER] PROMPTS.json OUT.json [N] [--eight-bit]`
//!
//! PROMPTS.json holds `{"prompts": [{"ids": [...]}]}`, as `tests/golden/smollm2_golden.json` does.
//! OUT.json is what `scripts/check_adapter_interop.py` reads. N is the most new tokens, 32 unless
//! given.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use autodidact_core::FinishReason;
use autodidact_engine::{
    Adapter, Arithmetic, Finished, Model, Request, Sampler, SamplingOptions, WeightStorage,
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Prompts {
    prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    ids: Vec<u32>,
}

#[derive(Serialize)]
struct Output {
    prompts: Vec<Generation>,
}

#[derive(Serialize)]
struct Generation {
    tokens: Vec<u32>,
    greedy: Vec<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let arithmetic = arithmetic(&mut arguments);
    let is_prompts = |path: &String| Path::new(path).extension().is_some_and(|e| e == "json");
    let adapter = (!arguments.get(1).is_some_and(is_prompts) && arguments.len() > 3)
        .then(|| arguments.remove(1));
    let [model, prompts, out, rest @ ..] = arguments.as_slice() else {
        return Err(
            "usage: greedy MODEL.gguf [ADAPTER] PROMPTS.json OUT.json [N] [--eight-bit]".into(),
        );
    };
    let max_tokens = rest.first().map_or(Ok(32), |n| n.parse())?;
    let model = Arc::new(Model::open(Path::new(model))?);
    let adapter = adapter
        .map(|path| Adapter::open(Path::new(&path), model.config()))
        .transpose()?;
    let threads = std::thread::available_parallelism()?.get();
    let storage = WeightStorage::Automatic;
    let sampler = Sampler::with_weights(model, adapter.as_ref(), threads, storage, arithmetic)?;
    let prompts: Prompts = serde_json::from_str(&std::fs::read_to_string(prompts)?)?;
    let request = |p: Prompt| Request {
        prompt: p.ids,
        seeds: vec![0],
    };
    let requests: Vec<Request> = prompts.prompts.into_iter().map(request).collect();
    let mut output = Output {
        prompts: Vec::new(),
    };
    for finished in generate(&sampler, &requests, max_tokens)? {
        let tokens = requests[finished.request].prompt.clone();
        let greedy = with_end_token(&sampler, &tokens, finished)?;
        output.prompts.push(Generation { tokens, greedy });
    }
    std::fs::write(out, serde_json::to_string(&output)?)?;
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

/// One greedy generation for each request, in their order.
fn generate(
    sampler: &Sampler,
    requests: &[Request],
    max_tokens: usize,
) -> Result<Vec<Finished>, Box<dyn Error>> {
    let options = SamplingOptions {
        max_tokens,
        ..SamplingOptions::default()
    };
    let finished = Mutex::new(Vec::new());
    let on_sample = |sample| {
        if let Ok(mut all) = finished.lock() {
            all.push(sample);
        }
    };
    sampler.generate(requests, &options, &on_sample, &AtomicBool::new(false))?;
    let mut finished = finished.into_inner().map_err(|_| "a thread died")?;
    finished.sort_by_key(|f| f.request);
    Ok(finished)
}

/// The generated tokens with the end token that closed them: a model has several, and a sample
/// does not say which.
fn with_end_token(
    sampler: &Sampler,
    prompt: &[u32],
    finished: Finished,
) -> Result<Vec<u32>, Box<dyn Error>> {
    let mut greedy = finished.tokens;
    if finished.completion.finish == FinishReason::EndOfText {
        let logits = sampler.logits(&[prompt, &greedy].concat())?;
        let last = logits.last().ok_or("there are no logits")?;
        let best = (0u32..).zip(last).max_by(|a, b| a.1.total_cmp(b.1));
        greedy.extend(best.map(|(token, _)| token));
    }
    Ok(greedy)
}
