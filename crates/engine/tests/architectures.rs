//! Every architecture against golden values made by `scripts/golden_architectures.py` with
//! transformers and PEFT. The same files have been read by llama.cpp.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use autodidact_engine::{
    Adapter, Model, Request, Sampler, SamplingOptions, Trainer, TrainerOptions, TrainingExample,
};
use common::{Parts, golden};
use safetensors::SafeTensors;
use serde_json::Value;

/// The window of the families that have one.
const WINDOW: usize = 6;

/// A directory of golden values.
struct Golden {
    directory: PathBuf,
    facts: Value,
    tensors: Vec<u8>,
}

impl Golden {
    fn of(family: &str) -> Self {
        let directory = golden("architectures").join(family);
        let facts = std::fs::read_to_string(directory.join("golden.json")).unwrap();
        Self {
            facts: serde_json::from_str(&facts).unwrap(),
            tensors: std::fs::read(directory.join("golden.safetensors")).unwrap(),
            directory,
        }
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.tensors).unwrap()
    }

    fn values(&self, name: &str) -> Vec<f32> {
        floats(self.tensors().tensor(name).unwrap().data())
    }

    fn examples(&self) -> Vec<TrainingExample> {
        let example = |s: &Value| TrainingExample {
            tokens: ids(&s["ids"]),
            prompt_tokens: s["prompt_tokens"].as_u64().unwrap() as usize,
        };
        let sequences = self.facts["sequences"].as_array().unwrap();
        sequences.iter().map(example).collect()
    }

    fn model(&self) -> Arc<Model> {
        Arc::new(Model::open(&self.directory.join("model.gguf")).unwrap())
    }

    fn adapter(&self, model: &Model) -> Adapter {
        Adapter::open(&self.directory.join("adapter"), model.config()).unwrap()
    }
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|v| v.as_u64().unwrap() as u32).collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.chunks_exact(4);
    values
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// Largest difference relative to the largest expected value.
fn relative_difference(ours: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(ours.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let pairs = ours.iter().zip(expected);
    let difference = pairs.fold(0.0f32, |m, (a, b)| {
        if (a - b).is_finite() {
            m.max((a - b).abs())
        } else {
            f32::INFINITY
        }
    });
    difference / largest
}

fn check_logits(family: &str) {
    let golden = Golden::of(family);
    let model = golden.model();
    let adapter = golden.adapter(&model);
    for (which, adapter) in [("logits_base", None), ("logits_lora", Some(&adapter))] {
        let sampler = Sampler::new(model.clone(), adapter, 1).unwrap();
        for (i, example) in golden.examples().iter().enumerate() {
            let ours = sampler.logits(&example.tokens).unwrap();
            let expected = golden.values(&format!("{which}.{i}"));
            let rows = expected.chunks_exact(model.config().vocabulary);
            assert_eq!(ours.len(), rows.len());
            for (position, (ours, expected)) in ours.iter().zip(rows).enumerate() {
                let difference = relative_difference(ours, expected);
                assert!(
                    difference < 1e-4,
                    "{family}, {which}, sequence {i}, position {position}: {difference}"
                );
            }
        }
    }
}

/// Decoding token by token walks other paths than the logits of a whole text: caches, windows that
/// move, several sequences at once.
fn check_greedy(family: &str) {
    let golden = Golden::of(family);
    let sampler = Sampler::new(golden.model(), None, 2).unwrap();
    let truth = golden.facts["greedy"].as_array().unwrap();
    let request = |t: &Value| Request {
        prompt: ids(&t["prompt"]),
        seeds: vec![1, 2, 3],
    };
    let requests: Vec<Request> = truth.iter().map(request).collect();
    let longest = truth.iter().map(|t| ids(&t["tokens"]).len()).max().unwrap();
    let options = SamplingOptions {
        max_tokens: longest,
        ..SamplingOptions::default()
    };
    let finished = Mutex::new(Vec::new());
    let on_sample = |sample| finished.lock().unwrap().push(sample);
    sampler
        .generate(&requests, &options, &on_sample, &AtomicBool::new(false))
        .unwrap();
    let finished = finished.into_inner().unwrap();
    assert_eq!(finished.len(), 3 * truth.len());
    for sample in finished {
        let mut expected = ids(&truth[sample.request]["tokens"]);
        // Transformers stops at the one end-of-text token of its configuration, a sampler at any
        // control token that ends a text.
        let end = expected.iter().position(|token| [0, 2].contains(token));
        expected.truncate(end.unwrap_or(expected.len()));
        assert_eq!(sample.tokens, expected, "{family}: {sample:?}");
    }
}

fn check_gradients(family: &str) {
    let golden = Golden::of(family);
    let model = golden.model();
    let adapter = golden.adapter(&model);
    for (shard_tokens, threads) in [(1000, 1), (4, 2)] {
        let options = TrainerOptions {
            rank: adapter.layout.rank,
            alpha: adapter.layout.alpha,
            batch: 2,
            shard_tokens,
            threads,
            ..TrainerOptions::default()
        };
        let mut trainer = Trainer::new(model.clone(), golden.examples(), options).unwrap();
        trainer.start_from(adapter.clone()).unwrap();
        let (loss, values) = trainer.loss_and_gradient().unwrap();
        let expected = golden.facts["loss"].as_f64().unwrap();
        assert!(
            (loss - expected).abs() < 1e-4 * expected,
            "{family}: loss {loss} instead of {expected}"
        );
        check_peft(family, &golden, &model, &adapter, values);
    }
}

/// Compares a flat gradient with PyTorch's tensors. PEFT's names stand for transformers' row
/// order, so ours goes through the PEFT export on its way.
fn check_peft(family: &str, golden: &Golden, model: &Model, adapter: &Adapter, values: Vec<f32>) {
    let ours = Adapter {
        values,
        ..adapter.clone()
    };
    let files = ours.to_peft(model.config(), "tiny").unwrap();
    let (_, bytes) = files
        .iter()
        .find(|(name, _)| *name == "adapter_model.safetensors")
        .unwrap();
    let ours = SafeTensors::deserialize(bytes).unwrap();
    assert_eq!(
        ours.len(),
        2 * model.config().layers * model.config().linears().len()
    );
    for name in ours.names() {
        let expected = golden.values(&format!("gradient.{name}"));
        let gradient = floats(ours.tensor(name).unwrap().data());
        let difference = relative_difference(&gradient, &expected);
        assert!(
            difference < 1e-3,
            "{family}, {name}: relative difference {difference}"
        );
    }
}

/// A window of one position more or less shows in the logits, and first at the position where the
/// first token leaves the window. So the golden values above pin the window's edge exactly.
fn check_window_edge(family: &str) {
    let golden = Golden::of(family);
    let tokens = &golden.examples()[0].tokens;
    let logits = |model: Arc<Model>| {
        let sampler = Sampler::new(model, None, 1).unwrap();
        sampler.logits(tokens).unwrap()
    };
    let right = logits(golden.model());
    let parts = Parts::of(&std::fs::read(golden.directory.join("model.gguf")).unwrap());
    let key = parts
        .metadata
        .iter()
        .find(|(key, _, _)| key.ends_with("attention.sliding_window"))
        .map(|(key, _, _)| key.clone())
        .unwrap();
    for window in [WINDOW - 1, WINDOW, WINDOW + 1] {
        let value = (window as u32).to_le_bytes().to_vec();
        let other = logits(Arc::new(parts.clone().set(&key, 4, value).open().unwrap()));
        let differs = |position: &usize| {
            let difference = relative_difference(&other[*position], &right[*position]);
            difference > 1e-3
        };
        let first = (0..tokens.len()).find(differs);
        let expected = (window != WINDOW).then_some(window.min(WINDOW));
        assert_eq!(first, expected, "{family}, window {window}");
    }
}

macro_rules! families {
    ($($module:ident: $family:literal;)*) => {$(
        mod $module {
            #[test]
            fn logits_equal_pytorch_s() {
                super::check_logits($family);
            }

            #[test]
            fn greedy_text_equals_pytorch_s() {
                super::check_greedy($family);
            }

            #[test]
            fn gradients_equal_pytorch_s() {
                super::check_gradients($family);
            }
        }
    )*};
}

families! {
    mistral: "mistral";
    granite: "granite";
    falcon_7b: "falcon-7b";
    falcon_40b: "falcon-40b";
    falcon3: "falcon3";
    gemma2: "gemma2";
    gemma3: "gemma3";
    qwen2: "qwen2";
    qwen3: "qwen3";
}

#[test]
fn the_edge_of_a_window_is_exact() {
    for family in ["mistral", "gemma2", "gemma3"] {
        check_window_edge(family);
    }
}
