//! Numerics against golden values made by `scripts/golden_tiny.py` with PyTorch and PEFT.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_engine::{Adapter, Model, Sampler, Trainer, TrainerOptions, TrainingExample};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden(name)).unwrap()).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect()
}

fn examples(truth: &Value) -> Vec<TrainingExample> {
    let sequences = truth["sequences"].as_array().unwrap();
    let example = |s: &Value| TrainingExample {
        tokens: s["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_u64().unwrap() as u32)
            .collect(),
        prompt_tokens: s["prompt_tokens"].as_u64().unwrap() as usize,
    };
    sequences.iter().map(example).collect()
}

/// Largest difference relative to the largest expected value.
fn relative_difference(ours: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(ours.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let difference = ours
        .iter()
        .zip(expected)
        .fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
    difference / largest
}

fn check_logits(sampler: &Sampler, truth: &Value, which: &str) {
    let sequence = truth["logits_sequence"].as_u64().unwrap() as usize;
    let tokens = &examples(truth)[sequence].tokens;
    let logits = sampler.logits(tokens).unwrap();
    for (ours, expected) in logits.iter().zip(truth[which].as_array().unwrap()) {
        let difference = relative_difference(ours, &floats(expected));
        assert!(
            difference < 1e-5,
            "{which}: relative difference {difference}"
        );
    }
}

fn trainer(model: &Arc<Model>, truth: &Value, shard_tokens: usize, threads: usize) -> Trainer {
    let adamw = &truth["adamw"];
    let number = |key: &str| adamw[key].as_f64().unwrap() as f32;
    let options = TrainerOptions {
        rank: truth["config"]["lora_r"].as_u64().unwrap() as usize,
        alpha: truth["config"]["lora_alpha"].as_f64().unwrap() as f32,
        steps: adamw["steps"].as_u64().unwrap() as u32,
        learning_rate: number("lr"),
        warm_up: 0,
        batch: examples(truth).len(),
        weight_decay: number("weight_decay"),
        clip: number("clip_norm"),
        betas: (number("beta1"), number("beta2")),
        epsilon: number("eps"),
        shard_tokens,
        threads,
        ..TrainerOptions::default()
    };
    let mut trainer = Trainer::new(model.clone(), examples(truth), options).unwrap();
    trainer
        .start_from(Adapter::open(&golden("tiny_adapter.gguf"), model.config()).unwrap())
        .unwrap();
    trainer
}

/// Compares a flat vector of ours with named PEFT tensors. PEFT's names stand for transformers'
/// row order, so ours goes through the PEFT export on its way.
fn check_peft(
    model: &Model,
    layout_of: &Adapter,
    values: Vec<f32>,
    expected: &Value,
    tolerance: f32,
) {
    let ours = Adapter {
        layout: layout_of.layout.clone(),
        values,
    };
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in ours.to_peft(model.config(), "tiny").unwrap() {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let bytes = std::fs::read(directory.path().join("adapter_model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), 2 * 2 * model.config().linears().len());
    for (name, tensor) in expected {
        let view = tensors.tensor(name).unwrap();
        let ours: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        let difference = relative_difference(&ours, &floats(&tensor["values"]));
        assert!(
            difference < tolerance,
            "{name}: relative difference {difference}"
        );
    }
}

fn check_model(name: &str) {
    let truth = read(&format!("{name}_golden.json"));
    let model = Arc::new(Model::open(&golden(&format!("{name}.gguf"))).unwrap());
    let adapter = Adapter::open(&golden("tiny_adapter.gguf"), model.config()).unwrap();
    let from_peft = Adapter::open(&golden("tiny_adapter"), model.config()).unwrap();
    assert_eq!(adapter, from_peft, "both formats hold the same adapter");

    check_logits(
        &Sampler::new(model.clone(), None, 1).unwrap(),
        &truth,
        "logits_base",
    );
    check_logits(
        &Sampler::new(model.clone(), Some(&adapter), 2).unwrap(),
        &truth,
        "logits_lora",
    );

    for (shard_tokens, threads) in [(1000, 1), (4, 2)] {
        let mut trainer = trainer(&model, &truth, shard_tokens, threads);
        let (loss, gradient) = trainer.loss_and_gradient().unwrap();
        let expected = truth["loss"].as_f64().unwrap();
        assert!(
            (loss - expected).abs() < 1e-5 * expected,
            "loss {loss} instead of {expected}"
        );
        check_peft(&model, &adapter, gradient, &truth["gradients"], 1e-4);

        let adamw = &truth["adamw"];
        let losses = floats(&adamw["losses"]);
        let norms = floats(&adamw["gradient_norms_before_clip"]);
        for (loss, norm) in losses.iter().zip(norms) {
            let report = trainer.step().unwrap();
            assert!(
                (report.loss - f64::from(*loss)).abs() < 1e-4,
                "{report:?}, expected {loss}"
            );
            assert!(
                (report.gradient_norm / f64::from(norm) - 1.0).abs() < 1e-3,
                "{report:?}"
            );
        }
        let values = trainer.adapter().values.clone();
        check_peft(&model, &adapter, values, &adamw["values"], 1e-4);
        let after = trainer.loss_and_gradient().unwrap().0;
        assert!((after - adamw["loss_after"].as_f64().unwrap()).abs() < 1e-4);
    }
}

#[test]
fn logits_gradients_and_steps_equal_pytorch_s() {
    check_model("tiny");
}

#[test]
fn logits_gradients_and_steps_equal_pytorch_s_with_tied_embeddings() {
    check_model("tiny_tied");
}
