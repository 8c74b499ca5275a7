//! Losses and gradients of every objective against PyTorch, made by `scripts/golden_objectives.py`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use safetensors::SafeTensors;
use serde_json::Value;

use super::{
    PreferenceLoss, PreferencePair, ScoredExample, Trained, Trainer, TrainerOptions, TrainingData,
    TrainingExample,
};
use crate::{Adapter, Model};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn facts() -> Value {
    let text = std::fs::read_to_string(golden("objectives/golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn number(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|v| v.as_u64().unwrap() as u32).collect()
}

fn rows<T>(value: &Value, row: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(row).collect()
}

fn pairs(facts: &Value) -> Vec<PreferencePair> {
    rows(&facts["pairs"], |pair| PreferencePair {
        prompt: ids(&pair["prompt"]),
        chosen: ids(&pair["chosen"]),
        rejected: ids(&pair["rejected"]),
    })
}

fn completions(facts: &Value) -> TrainingData {
    TrainingData::Completions(rows(&facts["completions"], |row| TrainingExample {
        tokens: ids(&row["ids"]),
        prompt_tokens: row["prompt_tokens"].as_u64().unwrap() as usize,
    }))
}

fn preferences(facts: &Value, nll: f32) -> TrainingData {
    let beta = number(&facts["beta"]);
    TrainingData::Preferences(pairs(facts), PreferenceLoss { beta, nll })
}

fn scores(facts: &Value) -> TrainingData {
    let wanted = rows(&facts["wanted"], number);
    let tokens = rows(&facts["completions"], |row| ids(&row["ids"]));
    let examples = tokens.into_iter().zip(wanted);
    let example = |(tokens, score)| ScoredExample { tokens, score };
    TrainingData::Scores(examples.map(example).collect())
}

/// The tensors of a safetensors file.
fn tensors(file: &[u8]) -> BTreeMap<String, Vec<f32>> {
    let file = SafeTensors::deserialize(file).unwrap();
    let floats = |data: &[u8]| {
        data.chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect()
    };
    let tensors = file.tensors().into_iter();
    tensors
        .map(|(name, view)| (name, floats(view.data())))
        .collect()
}

/// Every tensor within a thousandth of the largest expected value in it.
fn compare(kind: &str, loss: f64, ours: &BTreeMap<String, Vec<f32>>) {
    let expected = facts()["losses"][kind].as_f64().unwrap();
    let difference = (loss - expected).abs() / expected;
    assert!(difference < 1e-5, "{kind}: {loss}, expected {expected}");
    let file = std::fs::read(golden(&format!("objectives/{kind}.safetensors"))).unwrap();
    let truth = tensors(&file);
    assert_eq!(
        truth.keys().collect::<Vec<_>>(),
        ours.keys().collect::<Vec<_>>(),
        "{kind}"
    );
    for (name, expected) in truth {
        let ours = &ours[&name];
        assert_eq!(ours.len(), expected.len(), "{kind}, {name}");
        let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(largest > 0.0, "{kind}, {name}: nothing to compare");
        let differences = ours.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        let worst = differences.fold(0.0f32, f32::max) / largest;
        assert!(worst < 1e-3, "{kind}, {name}: relative difference {worst}");
    }
}

/// The gradient of an adapter's parameters, through the PEFT export: its names and row order.
fn check_adapter(kind: &str, adapter: &str, data: &TrainingData) {
    let model = Arc::new(Model::open(&golden("tiny.gguf")).unwrap());
    let adapter = Adapter::open(&golden(adapter), model.config()).unwrap();
    for (shard_tokens, threads) in [(1000, 1), (8, 2)] {
        let options = TrainerOptions {
            rank: adapter.layout.rank,
            alpha: adapter.layout.alpha,
            scaling: adapter.layout.scaling,
            dora: adapter.layout.has_magnitudes(),
            shard_tokens,
            threads,
            ..TrainerOptions::default()
        };
        let mut trainer = Trainer::on(model.clone(), data.clone(), options).unwrap();
        trainer.start_from(adapter.clone()).unwrap();
        let (loss, values) = trainer.loss_and_gradient().unwrap();
        let layout = adapter.layout.clone();
        let gradient = Adapter { layout, values };
        let files = gradient.to_peft(model.config(), "tiny").unwrap();
        let (_, file) = files.iter().find(|(n, _)| n.contains("tensors")).unwrap();
        compare(kind, loss, &tensors(file));
    }
}

fn check_everything(kind: &str, model: &str, data: &TrainingData) {
    let model = Arc::new(Model::open(&golden(model)).unwrap());
    for (shard_tokens, threads) in [(1000, 1), (8, 2)] {
        let options = TrainerOptions {
            trained: Trained::Everything,
            shard_tokens,
            threads,
            ..TrainerOptions::default()
        };
        let mut trainer = Trainer::on(model.clone(), data.clone(), options).unwrap();
        let (loss, values) = trainer.loss_and_gradient().unwrap();
        let places = trainer.whole.as_ref().unwrap().tensors();
        let tensor = |(name, range): &(String, std::ops::Range<usize>)| {
            (name.clone(), values[range.clone()].to_vec())
        };
        compare(kind, loss, &places.iter().map(tensor).collect());
    }
}

#[test]
fn rslora_and_dora_equal_peft_s() {
    let data = completions(&facts());
    check_adapter("rslora", "objectives/rslora_adapter", &data);
    check_adapter("dora", "objectives/dora_adapter", &data);
}

#[test]
fn preferences_equal_pytorch_s() {
    let facts = facts();
    check_adapter("dpo", "tiny_adapter", &preferences(&facts, 0.0));
    let nll = number(&facts["nll"]);
    check_adapter("dpo_nll", "tiny_adapter", &preferences(&facts, nll));
}

#[test]
fn score_heads_equal_pytorch_s() {
    let facts = facts();
    let data = TrainingData::Comparisons(pairs(&facts));
    check_adapter("comparison", "objectives/score_adapter", &data);
    check_adapter("score", "objectives/score_adapter", &scores(&facts));
}

#[test]
fn all_parameters_equal_pytorch_s() {
    let facts = facts();
    check_everything("everything", "tiny.gguf", &completions(&facts));
    check_everything("everything_tied", "tiny_tied.gguf", &completions(&facts));
    check_everything("everything_dpo", "tiny.gguf", &preferences(&facts, 0.0));
}
