//! Files that are sound GGUF and no sound model, and models that compute nonsense.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodidact_engine::{
    EngineError, Model, Request, Sampler, SamplingOptions, Trainer, TrainerOptions, TrainingExample,
};
use common::{Parts, Tensor, golden, text, texts};

#[track_caller]
fn refused(parts: &Parts, part: &str) {
    let message = parts.open().unwrap_err().to_string();
    assert!(message.contains(part), "`{message}` without `{part}`");
}

fn integer(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

#[test]
fn the_parts_make_the_model_they_were_taken_from() {
    let whole = std::fs::read(golden("tiny.gguf")).unwrap();
    assert_eq!(Parts::of(&whole).bytes(), whole);
    assert!(Parts::tiny().aligned().open().is_ok());
}

#[test]
fn unknown_kinds_of_models_are_named() {
    let with = |key: &str, value: &str| Parts::tiny().set(key, 8, text(value));
    refused(
        &with("general.architecture", "mamba"),
        "architecture `mamba`",
    );
    refused(
        &with("tokenizer.ggml.model", "bert"),
        "tokenizer model `bert`",
    );
    refused(
        &with("tokenizer.ggml.pre", "klingon"),
        "pre-tokenizer `klingon`",
    );
    refused(
        &with("llama.rope.scaling.type", "yarn"),
        "rotary scaling `yarn`",
    );
    let experts = Parts::tiny().set("llama.expert_count", 4, integer(8));
    refused(&experts, "mixture-of-experts");
}

#[test]
fn tensors_that_would_change_the_result_are_not_passed_over() {
    for (name, message) in [
        (
            "blk.0.attn_qkv.weight",
            "`blk.0.attn_qkv.weight` in a model",
        ),
        (
            "blk.1.attn_q_norm.weight",
            "`blk.1.attn_q_norm.weight` in a model",
        ),
        (
            "blk.1.post_ffw_norm.weight",
            "`blk.1.post_ffw_norm.weight` in a model",
        ),
        // As long as a key, and in this model a key is half as long as the stream is wide.
        ("blk.0.attn_k.bias", "tensor `blk.0.attn_k.bias` is"),
    ] {
        let mut parts = Parts::tiny();
        let mut tensor = parts.tensor("blk.0.attn_norm.weight").clone();
        tensor.name = name.into();
        parts.tensors.push(tensor);
        refused(&parts.aligned(), message);
    }
}

#[test]
fn missing_metadata_is_named() {
    for key in [
        "general.architecture",
        "llama.context_length",
        "llama.embedding_length",
        "llama.block_count",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon",
        "tokenizer.ggml.model",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.merges",
    ] {
        refused(&Parts::tiny().without(key), &format!("`{key}`"));
        refused(&Parts::tiny().set(key, 7, vec![1]), &format!("`{key}`"));
    }
}

#[test]
fn impossible_sizes_are_refused() {
    for key in [
        "llama.embedding_length",
        "llama.block_count",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.attention.head_count_kv",
        "llama.rope.dimension_count",
        "llama.attention.key_length",
    ] {
        for value in [0, 3, 1 << 24, u32::MAX] {
            assert!(Parts::tiny().set(key, 4, integer(value)).open().is_err());
        }
    }
    for value in [f32::NAN, f32::INFINITY, -1.0] {
        for key in ["rope.freq_base", "attention.layer_norm_rms_epsilon"] {
            let value = value.to_le_bytes().to_vec();
            let parts = Parts::tiny().set(&format!("llama.{key}"), 6, value);
            refused(&parts, &format!("`llama.{key}` is"));
        }
    }
}

#[test]
fn missing_and_misshapen_tensors_are_named() {
    let names: Vec<String> = Parts::tiny().tensors.into_iter().map(|t| t.name).collect();
    for name in names.iter().filter(|n| *n != "output.weight") {
        let mut parts = Parts::tiny();
        parts.tensor(name).name = "elsewhere".into();
        refused(&parts, &format!("no tensor `{name}`"));
    }
    for name in names.iter().filter(|n| *n != "token_embd.weight") {
        let mut parts = Parts::tiny();
        let tensor = parts.tensor(name);
        tensor.dims[0] /= 2;
        tensor.data.truncate(tensor.data.len() / 2);
        refused(&parts.aligned(), &format!("tensor `{name}` is"));
    }
    let mut factors = Parts::tiny();
    factors.tensors.push(Tensor {
        name: "rope_freqs.weight".into(),
        dims: vec![3],
        kind: 0,
        offset: 0,
        data: vec![0; 12],
    });
    refused(
        &factors.aligned(),
        "`rope_freqs.weight` has the wrong length",
    );
}

#[test]
fn odd_vocabularies_are_refused() {
    let with =
        |key: &str, kind, value| Parts::tiny().set(&format!("tokenizer.ggml.{key}"), kind, value);
    let numbers = [&4u32.to_le_bytes()[..], &2u64.to_le_bytes(), &[0; 8]].concat();
    refused(&with("tokens", 9, numbers.clone()), "does not hold texts");
    refused(
        &with("token_type", 9, numbers),
        "`tokenizer.ggml.token_type` has 2 elements",
    );
    refused(
        &with("token_type", 9, texts(&["x"; 96])),
        "holds more than integers",
    );
    let many: Vec<String> = (0..97).map(|i| format!("t{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let parts = with("tokens", 9, texts(&many)).without("tokenizer.ggml.token_type");
    refused(
        &parts.set("tokenizer.ggml.merges", 9, texts(&[])),
        "97 tokens",
    );
    refused(&with("merges", 9, texts(&["ab"])), "merge `ab`");
    refused(&with("merges", 9, texts(&["no such"])), "tokenizer");
    let endless = with("eos_token_id", 4, integer(96));
    let plain = [&4u32.to_le_bytes()[..], &96u64.to_le_bytes(), &[1; 4 * 96]].concat();
    let endless = endless.set("tokenizer.ggml.token_type", 9, plain);
    refused(&endless, "no end-of-text token");
    let template = |source: &str| Parts::tiny().set("tokenizer.chat_template", 8, text(source));
    refused(&template("{% for %}"), "chat template");
}

#[test]
fn a_text_the_vocabulary_cannot_spell_is_refused() {
    let model = Parts::tiny().open().unwrap();
    let error = model.tokenizer().encode("a cat 猫").unwrap_err();
    assert!(error.to_string().contains('猫'), "{error}");
    assert!(
        model
            .tokenizer()
            .encode_with_special("<|im_end|>a cat")
            .is_ok()
    );
}

fn tiny() -> Arc<Model> {
    Arc::new(Model::open(&golden("tiny.gguf")).unwrap())
}

fn generate(
    sampler: &Sampler,
    prompt: Vec<u32>,
    options: &SamplingOptions,
) -> Result<(), EngineError> {
    let request = Request {
        prompt,
        seeds: vec![1, 2, 3],
    };
    sampler
        .generate(&[request], options, &|_| {}, &AtomicBool::new(false))
        .map(|_| ())
}

#[test]
fn prompts_and_options_that_make_no_sense_are_refused() {
    let sampler = Sampler::new(tiny(), None, 1).unwrap();
    let options = SamplingOptions {
        max_tokens: 4,
        ..SamplingOptions::default()
    };
    let refused = |prompt: Vec<u32>, options: &SamplingOptions, part: &str| {
        let error = generate(&sampler, prompt, options).unwrap_err().to_string();
        assert!(error.contains(part), "`{error}` without `{part}`");
    };
    refused(vec![], &options, "prompt 0 is empty");
    refused(vec![3, 96], &options, "token 96");
    refused(vec![u32::MAX], &options, "token 4294967295");
    for temperature in [-1.0, f32::NAN, f32::INFINITY, 1e-40] {
        let options = SamplingOptions {
            temperature,
            ..options.clone()
        };
        refused(vec![3], &options, "temperature");
    }
    for (max_tokens, batch) in [(0, 1), (1, 0), (usize::MAX, 1)] {
        let options = SamplingOptions {
            max_tokens,
            batch,
            ..options.clone()
        };
        assert!(generate(&sampler, vec![3], &options).is_err());
    }
    assert!(sampler.logits(&[]).is_err());
    assert!(sampler.logits(&[96]).is_err());
}

/// The tiny model with one number of a tensor replaced.
fn poisoned(tensor: &str, value: f32) -> Arc<Model> {
    let mut parts = Parts::tiny();
    parts.tensor(tensor).data[20..24].copy_from_slice(&value.to_le_bytes());
    Arc::new(parts.open().unwrap())
}

#[test]
fn models_that_compute_nan_end_with_an_error() {
    for tensor in [
        "output.weight",
        "blk.1.ffn_down.weight",
        "blk.0.attn_norm.weight",
    ] {
        for value in [f32::NAN, f32::INFINITY] {
            if tensor == "output.weight" && value == f32::INFINITY {
                continue; // makes one logit negative infinity, a token that is never drawn
            }
            let model = poisoned(tensor, value);
            let sampler = Sampler::new(model.clone(), None, 2).unwrap();
            for (temperature, top_k, top_p, min_p) in [
                (0.0, 0, 1.0, 0.0),
                (1.0, 0, 1.0, 0.0),
                (0.7, 3, 0.9, 0.1),
                (2.0, 0, 0.5, 0.0),
            ] {
                let options = SamplingOptions {
                    temperature,
                    top_k,
                    top_p,
                    min_p,
                    max_tokens: 20,
                    ..SamplingOptions::default()
                };
                let result = generate(&sampler, vec![3, 4, 5], &options);
                assert!(
                    matches!(result, Err(EngineError::NotNumbers)),
                    "{tensor}: {result:?}"
                );
            }
            let example = TrainingExample {
                tokens: vec![3, 4, 5, 6],
                prompt_tokens: 2,
            };
            let options = TrainerOptions {
                rank: 2,
                ..TrainerOptions::default()
            };
            let mut trainer = Trainer::new(model, vec![example], options).unwrap();
            let before = trainer.adapter().clone();
            let result = trainer.step();
            assert!(
                matches!(result, Err(EngineError::Diverged { step: 1, .. })),
                "{result:?}"
            );
            assert!(
                *trainer.adapter() == before,
                "a failed step changes nothing"
            );
        }
    }
}
