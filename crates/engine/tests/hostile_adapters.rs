//! Adapters that are damaged, odd, or another model's.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_engine::{Adapter, AdapterLayout, Model, ModelConfig, Sampler};
use common::{Parts, golden, text};
use serde_json::{Value, json};

fn tiny() -> Arc<Model> {
    Arc::new(Model::open(&golden("tiny.gguf")).unwrap())
}

/// A copy of the golden PEFT adapter to damage.
fn peft_copy(directory: &Path) -> (PathBuf, PathBuf) {
    let files = ["adapter_config.json", "adapter_model.safetensors"];
    let copy = files.map(|name| {
        let to = directory.join(name);
        std::fs::copy(golden("tiny_adapter").join(name), &to).unwrap();
        to
    });
    copy.into()
}

#[track_caller]
fn adapter_refused(path: &Path, config: &ModelConfig, part: &str) {
    let message = Adapter::open(path, config).unwrap_err().to_string();
    assert!(message.contains(part), "`{message}` without `{part}`");
    assert!(
        message.contains(&*path.to_string_lossy()),
        "`{message}` without the path"
    );
}

#[test]
fn damaged_peft_adapters_are_refused() {
    let model = tiny();
    let directory = tempfile::tempdir().unwrap();
    let (config_file, weights_file) = peft_copy(directory.path());
    let refused = |part: &str| adapter_refused(directory.path(), model.config(), part);
    assert!(Adapter::open(directory.path(), model.config()).is_ok());

    let original = std::fs::read(&config_file).unwrap();
    let set = |key: &str, value: Value| {
        let mut config: Value = serde_json::from_slice(&original).unwrap();
        config[key] = value;
        std::fs::write(&config_file, config.to_string()).unwrap();
    };
    for (key, value, part) in [
        ("r", json!(5), "shape"),
        ("r", json!(0), "rank 0"),
        ("r", json!(4_000_000_000u32), "rank 4000000000"),
        ("lora_alpha", json!(1e300), "alpha"),
        ("peft_type", json!("IA3"), "its type is `IA3`"),
        ("use_dora", json!(true), "lora_magnitude_vector"),
        ("rank_pattern", json!({"q_proj": 2}), "rank_pattern"),
        ("r", json!("four"), "adapter_config.json"),
    ] {
        set(key, value);
        refused(part);
    }
    std::fs::write(&config_file, &original[..original.len() / 2]).unwrap();
    refused("adapter_config.json");
    std::fs::write(&config_file, &original).unwrap();

    let weights = std::fs::read(&weights_file).unwrap();
    for length in [0, 7, 8, 100, weights.len() / 2, weights.len() - 1] {
        std::fs::write(&weights_file, &weights[..length]).unwrap();
        refused("adapter");
    }
    let mut not_finite = weights.clone();
    let last = weights.len() - 4;
    not_finite[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&weights_file, not_finite).unwrap();
    refused("not finite");
    let text = String::from_utf8_lossy(&weights).into_owned();
    assert!(text.contains("q_proj"));
    let mut unknown = weights.clone();
    let at = weights.windows(6).position(|w| w == b"q_proj").unwrap();
    unknown[at] = b'x';
    std::fs::write(&weights_file, unknown).unwrap();
    refused("belong to this model's linear layers");
    std::fs::remove_file(&weights_file).unwrap();
    refused("cannot read");
}

#[test]
fn damaged_gguf_adapters_are_refused() {
    let model = tiny();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("adapter.gguf");
    let original = std::fs::read(golden("tiny_adapter.gguf")).unwrap();
    for length in (0..original.len()).step_by(97) {
        std::fs::write(&path, &original[..length]).unwrap();
        adapter_refused(&path, model.config(), "adapter");
    }
    let refused = |change: &dyn Fn(&mut Parts), part: &str| {
        let mut parts = Parts::of(&original);
        change(&mut parts);
        std::fs::write(&path, parts.aligned().bytes()).unwrap();
        adapter_refused(&path, model.config(), part);
    };
    let first = "blk.0.attn_q.weight.lora_a";
    refused(&|p| *p = Parts::tiny(), "not a LoRA adapter");
    refused(
        &|p| *p = p.clone().set("general.architecture", 8, text("gemma")),
        "made for the architecture `gemma`",
    );
    refused(
        &|p| *p = p.clone().without("adapter.lora.alpha"),
        "`adapter.lora.alpha`",
    );
    let nan = f32::NAN.to_le_bytes().to_vec();
    refused(
        &|p| *p = p.clone().set("adapter.lora.alpha", 6, nan.clone()),
        "alpha is NaN",
    );
    refused(
        &|p| p.tensor(first).data[..4].copy_from_slice(&nan),
        "not finite",
    );
    refused(
        &|p| p.tensor(first).name = "blk.0.attn_x.weight.lora_a".into(),
        "no tensor",
    );
    refused(&|p| p.tensor(first).dims.reverse(), "asks for");
    refused(&|p| p.tensors.retain(|t| t.name != first), "no tensor");
    refused(&|p| p.tensors.clear(), "adapts no linear layer");
    refused(
        &|p| {
            let mut other = p.tensor(first).clone();
            other.name = "output.weight.lora_a".into();
            p.tensors.push(other);
        },
        "belong to this model's linear layers",
    );
    refused(
        &|p| {
            for name in [first, "blk.0.attn_q.weight.lora_b"] {
                let tensor = p.tensor(name);
                let rank = usize::from(!name.ends_with('a')) ^ 1;
                let bytes = tensor.data.len() / tensor.dims[rank] as usize;
                tensor.dims[rank] = 1;
                tensor.data.truncate(bytes);
            }
        },
        "one rank for all",
    );
}

#[test]
fn an_adapter_that_leaves_layers_alone_is_read() {
    let model = tiny();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("adapter.gguf");
    let mut parts = Parts::of(&std::fs::read(golden("tiny_adapter.gguf")).unwrap());
    parts.tensors.retain(|t| t.name.contains("attn_v"));
    std::fs::write(&path, parts.aligned().bytes()).unwrap();
    let adapter = Adapter::open(&path, model.config()).unwrap();
    let touched = adapter.values.iter().filter(|v| **v != 0.0).count();
    assert!(touched > 0 && touched < adapter.values.len() / 4);
    assert!(Sampler::new(model, Some(&adapter), 1).is_ok());
}

#[test]
fn an_adapter_of_another_base_is_refused() {
    let model = tiny();
    let mut wider = model.config().clone();
    wider.feed_forward *= 2;
    for path in [golden("tiny_adapter"), golden("tiny_adapter.gguf")] {
        assert!(Adapter::open(&path, &wider).is_err());
        let mut shallow = model.config().clone();
        shallow.layers = 1;
        adapter_refused(&path, &shallow, "belong to this model's linear layers");
    }
    let adapter = Adapter::new(AdapterLayout::new(&wider, 4, 8.0), 1);
    let error = Sampler::new(model, Some(&adapter), 1).unwrap_err();
    assert!(error.to_string().contains("another shape"), "{error}");
}
