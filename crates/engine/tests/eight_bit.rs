//! Quantized weights multiplied with activations of eight bits: near the full product, the same
//! bits from the file and from memory, on any number of threads, in any batch and at every level of
//! SIMD. The level is one for the whole process, so one test covers them.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use autodidact_engine::{
    Adapter, AdapterLayout, Arithmetic, EngineError, Model, Request, Sampler, SamplingOptions,
    WeightStorage, instruction_set, limit_instruction_set,
};
use common::{Draw, Parts, golden};

const FAMILIES: [&str; 6] = [
    "falcon-7b",
    "gemma2",
    "granite",
    "mistral",
    "qwen2",
    "qwen3",
];

/// Types with blocks of 32: id, bytes of a block, and where its half floats are.
const TYPES: [(u32, usize, &[usize]); 5] = [
    (2, 18, &[0]),
    (3, 20, &[0, 2]),
    (6, 22, &[0]),
    (7, 24, &[0, 2]),
    (8, 34, &[0]),
];

/// A golden model whose matrices are random blocks, of another type each; those with rows of other
/// than whole blocks stay floats.
fn quantized(family: &str) -> Arc<Model> {
    let path = golden(&format!("architectures/{family}/model.gguf"));
    let mut parts = Parts::of(&std::fs::read(path).unwrap());
    let mut draw = Draw::new(3);
    let matrices = parts
        .tensors
        .iter_mut()
        .filter(|t| t.dims.len() == 2 && t.dims[0] % 32 == 0);
    for (i, tensor) in matrices.enumerate() {
        let (kind, size, halves) = TYPES[i % TYPES.len()];
        let blocks = tensor.dims.iter().product::<u64>() as usize / 32;
        tensor.kind = kind;
        tensor.data = (0..blocks * size).map(|_| draw.bits() as u8).collect();
        for block in tensor.data.chunks_exact_mut(size) {
            for at in halves {
                // Of either sign, from 0.0078 to 0.0156: weights of a tenth.
                block[at + 1] = (block[at + 1] & 0x83) | 0x20;
            }
        }
    }
    Arc::new(parts.aligned().open().unwrap())
}

fn sampler(
    model: &Arc<Model>,
    adapter: Option<&Adapter>,
    threads: usize,
    storage: WeightStorage,
    arithmetic: Arithmetic,
) -> Result<Sampler, EngineError> {
    Sampler::with_weights(model.clone(), adapter, threads, storage, arithmetic)
}

fn text(model: &Model) -> Vec<u32> {
    let vocabulary = model.config().vocabulary as u32;
    (0..23).map(|i| (5 + i * 7) % vocabulary).collect()
}

fn bits(logits: &[Vec<f32>]) -> Vec<u32> {
    logits.iter().flatten().map(|l| l.to_bits()).collect()
}

/// The largest difference, over the largest logit.
fn distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let (a, b) = (a.iter().flatten(), b.iter().flatten());
    let largest = a.clone().fold(0.0f32, |m, l| m.max(l.abs()));
    a.zip(b).fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

#[test]
fn logits_are_near_those_of_full_arithmetic_and_from_the_file_they_have_the_same_bits() {
    for family in FAMILIES {
        let model = quantized(family);
        let tokens = text(&model);
        let logits = |threads, storage, arithmetic| {
            let sampler = sampler(&model, None, threads, storage, arithmetic).unwrap();
            sampler.logits(&tokens).unwrap()
        };
        let full = logits(1, WeightStorage::Packed, Arithmetic::Full);
        let packed = logits(1, WeightStorage::Packed, Arithmetic::EightBit);
        let apart = distance(&full, &packed);
        assert!(apart > 0.0 && apart < 0.05, "{family}: {apart}");
        for threads in [1, 3] {
            for storage in [WeightStorage::Packed, WeightStorage::Streamed] {
                let again = logits(threads, storage, Arithmetic::EightBit);
                assert!(
                    bits(&again) == bits(&packed),
                    "{family}, {threads}, {storage:?}"
                );
            }
        }
    }
}

#[test]
fn an_adapter_is_merged_or_kept_beside() {
    for family in FAMILIES {
        let model = quantized(family);
        let tokens = text(&model);
        let directory = golden(&format!("architectures/{family}/adapter"));
        let adapter = Adapter::open(&directory, model.config()).unwrap();
        let logits = |adapter, storage, arithmetic| {
            let sampler = sampler(&model, adapter, 2, storage, arithmetic).unwrap();
            sampler.logits(&tokens).unwrap()
        };
        let (packed, eight) = (WeightStorage::Packed, Arithmetic::EightBit);
        let base = logits(None, packed, eight);
        let full = logits(Some(&adapter), packed, Arithmetic::Full);
        let merged = logits(Some(&adapter), packed, eight);
        let beside = logits(Some(&adapter), WeightStorage::Streamed, eight);
        assert!(distance(&full, &merged) < 0.06, "{family}: merged");
        assert!(distance(&full, &beside) < 0.06, "{family}: beside");
        assert!(distance(&base, &full) > 0.1, "{family}: it changes much");
        let untrained = Adapter::new(AdapterLayout::new(model.config(), 4, 8.0), 1);
        let unchanged = logits(Some(&untrained), packed, eight);
        assert!(
            bits(&unchanged) == bits(&base),
            "{family}: an untrained one"
        );
    }
}

/// Tokens and log-probabilities of all samples, in order.
fn samples(model: &Arc<Model>, threads: usize, batch: usize) -> Vec<(usize, usize, Vec<u32>, u64)> {
    let shared = text(model);
    let request = |i: usize| Request {
        prompt: shared[..9 + 2 * i].to_vec(),
        seeds: vec![4, 5, 6],
    };
    let requests: Vec<Request> = (0..5).map(request).collect();
    let options = SamplingOptions {
        temperature: 1.1,
        max_tokens: 12,
        batch,
        ..SamplingOptions::default()
    };
    let storage = WeightStorage::Automatic;
    let sampler = sampler(model, None, threads, storage, Arithmetic::EightBit).unwrap();
    let finished = Mutex::new(Vec::new());
    let deliver = |s: autodidact_engine::Finished| {
        let logprob = s.completion.logprob.to_bits();
        let sample = (s.request, s.index, s.tokens, logprob);
        finished.lock().unwrap().push(sample);
    };
    let stop = AtomicBool::new(false);
    sampler
        .generate(&requests, &options, &deliver, &stop)
        .unwrap();
    let mut finished = finished.into_inner().unwrap();
    finished.sort();
    finished
}

#[test]
fn samples_depend_on_neither_batch_nor_threads_nor_instructions() {
    let best = instruction_set();
    for family in ["mistral", "gemma2"] {
        let model = quantized(family);
        let expected = samples(&model, 1, 1);
        assert_eq!(expected.len(), 15);
        for level in [best, "avx2", "scalar"] {
            limit_instruction_set(level).unwrap();
            for (threads, batch) in [(1, 4), (2, 7), (3, 64)] {
                let again = samples(&model, threads, batch);
                assert!(again == expected, "{family}, {level}, {threads}, {batch}");
            }
        }
        limit_instruction_set("avx512").unwrap();
    }
}

/// A scale that is not a number reaches the logits instead of becoming some code.
#[test]
fn what_is_not_a_number_is_noticed() {
    let path = golden("architectures/mistral/model.gguf");
    let mut parts = Parts::of(&std::fs::read(path).unwrap());
    let tensor = parts.tensor("blk.0.attn_output.weight");
    let blocks = tensor.dims.iter().product::<u64>() as usize / 32;
    tensor.kind = 8;
    tensor.data = vec![1; blocks * 34];
    tensor.data[..2].copy_from_slice(&0x7e00u16.to_le_bytes());
    let model = Arc::new(parts.aligned().open().unwrap());
    let request = Request {
        prompt: text(&model),
        seeds: vec![1],
    };
    let sampler = Sampler::new(model, None, 1).unwrap();
    let options = SamplingOptions {
        max_tokens: 2,
        ..SamplingOptions::default()
    };
    let stop = AtomicBool::new(false);
    let failed = sampler.generate(&[request], &options, &|_| {}, &stop);
    assert!(matches!(failed, Err(EngineError::NotNumbers)), "{failed:?}");
}
