//! Weights that stay quantized in the file give the same bits as packed ones, on any number of
//! threads; an adapter, which is then a low-rank product instead of being merged, gives nearly the
//! same. Rows longer than the pieces that are dequantized at once are in `real_model.rs`.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use autodidact_engine::{
    Adapter, Arithmetic, Finished, Model, Request, Sampler, SamplingOptions, WeightStorage,
};

const FAMILIES: [&str; 9] = [
    "falcon-40b",
    "falcon-7b",
    "falcon3",
    "gemma2",
    "gemma3",
    "granite",
    "mistral",
    "qwen2",
    "qwen3",
];

fn directory(family: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/architectures");
    golden.join(family)
}

fn model(family: &str) -> Arc<Model> {
    Arc::new(Model::open(&directory(family).join("model.gguf")).unwrap())
}

fn tokens(model: &Model) -> Vec<u32> {
    let vocabulary = model.config().vocabulary as u32;
    (0..23).map(|i| (5 + i * 7) % vocabulary).collect()
}

fn bits(logits: &[Vec<f32>]) -> Vec<u32> {
    logits.iter().flatten().map(|l| l.to_bits()).collect()
}

#[test]
fn streamed_logits_have_the_bits_of_packed_ones() {
    for family in FAMILIES {
        let model = model(family);
        let tokens = tokens(&model);
        let logits = |storage, threads| {
            let sampler =
                Sampler::with_weights(model.clone(), None, threads, storage, Arithmetic::default())
                    .unwrap();
            bits(&sampler.logits(&tokens).unwrap())
        };
        let expected = logits(WeightStorage::Packed, 1);
        for threads in [1, 3] {
            let streamed = logits(WeightStorage::Streamed, threads);
            assert!(
                streamed == expected,
                "{family}, {threads} threads, streamed"
            );
            let packed = logits(WeightStorage::Packed, threads);
            assert!(packed == expected, "{family}, {threads} threads, packed");
        }
    }
}

#[test]
fn streamed_samples_are_those_of_packed_weights() {
    for family in FAMILIES {
        let model = model(family);
        let shared = tokens(&model);
        let request = |i: u32| Request {
            prompt: shared.iter().copied().chain([3 + i, 4]).collect(),
            seeds: vec![u64::from(i), 77],
        };
        let requests: Vec<Request> = (0..5).map(request).collect();
        let options = SamplingOptions {
            temperature: 1.0,
            max_tokens: 9,
            batch: 6,
            ..SamplingOptions::default()
        };
        let draw = |storage| {
            let sampler =
                Sampler::with_weights(model.clone(), None, 2, storage, Arithmetic::default())
                    .unwrap();
            let finished = Mutex::new(Vec::new());
            let on_sample = |sample: Finished| finished.lock().unwrap().push(sample);
            let stop = AtomicBool::new(false);
            sampler
                .generate(&requests, &options, &on_sample, &stop)
                .unwrap();
            let mut finished = finished.into_inner().unwrap();
            finished.sort_by_key(|f| (f.request, f.index));
            finished
        };
        let packed = draw(WeightStorage::Packed);
        assert_eq!(packed.len(), 10);
        assert!(draw(WeightStorage::Streamed) == packed, "{family}");
    }
}

#[test]
fn an_adapter_beside_streamed_weights_does_what_a_merged_one_does() {
    for family in FAMILIES {
        let model = model(family);
        let tokens = tokens(&model);
        let adapter = Adapter::open(&directory(family).join("adapter"), model.config()).unwrap();
        let logits = |storage, adapter| {
            let sampler =
                Sampler::with_weights(model.clone(), adapter, 2, storage, Arithmetic::default())
                    .unwrap();
            sampler.logits(&tokens).unwrap()
        };
        let base = logits(WeightStorage::Packed, None);
        let merged = logits(WeightStorage::Packed, Some(&adapter));
        let beside = logits(WeightStorage::Streamed, Some(&adapter));
        let farthest = |a: &[Vec<f32>], b: &[Vec<f32>]| {
            let pairs = a.iter().flatten().zip(b.iter().flatten());
            pairs.fold(0.0f32, |most, (a, b)| most.max((a - b).abs()))
        };
        let largest = merged.iter().flatten().fold(0.0f32, |m, l| m.max(l.abs()));
        assert!(
            farthest(&base, &merged) > 1e-3 * largest,
            "{family}: the adapter changes something"
        );
        let difference = farthest(&merged, &beside) / largest;
        assert!(difference < 1e-4, "{family}: {difference}");
    }
}
