//! Traps of the file formats: places where a wrong reading of a model or an adapter computes
//! something plausible. Each test shows that the right reading gives PyTorch's values and that the
//! wrong one would not.
//!
//! Traps that are tested elsewhere:
//!
//! * an adapter for another architecture, half a pair, a pair for a tensor that the base does not
//!   have, `A` or `B` lying the other way round, several ranks, names with an unknown prefix:
//!   `hostile_adapters.rs`, `damaged_gguf_adapters_are_refused`, `damaged_peft_adapters_are_refused`
//!   and `an_adapter_of_another_base_is_refused`;
//! * GGUF adapters cannot hold DoRA, and of rsLoRA only the strength: `adapters.rs`,
//!   `both_formats_keep_every_bit`;
//! * merging adds to the rows as the file has them: `adapters.rs`,
//!   `a_merged_adapter_is_the_base_plus_its_product` and `a_merged_file_is_the_base_with_its_adapter`;
//! * names, row orders and shifts of directories: `src/directory/tests.rs`,
//!   `directories_hold_the_tensors_of_the_gguf_files`, and
//!   `directories.rs`, `a_directory_is_the_same_model_as_its_gguf_file`;
//! * the edge of a window: `architectures.rs`, `the_edge_of_a_window_is_exact`;
//! * tensors that would change the result: `hostile_models.rs`,
//!   `tensors_that_would_change_the_result_are_not_passed_over`.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use autodidact_engine::{Adapter, Model, Sampler};
use common::directory::Directory;
use common::{Parts, golden};
use half::{bf16, f16};
use safetensors::SafeTensors;
use serde_json::{Value, json};

/// Largest relative difference of the right reading, and smallest of a wrong one.
const SAME: f32 = 1e-4;
const OTHER: f32 = 1e-2;

/// A model in parts, and what PyTorch computes with it for a text, alone and with its adapter.
struct Truth {
    directory: PathBuf,
    parts: Parts,
    tokens: Vec<u32>,
    base: Vec<f32>,
    lora: Vec<f32>,
}

impl Truth {
    /// One of the tiny llamas: `tiny` or `tiny_tied`.
    fn tiny(name: &str) -> Self {
        let facts = std::fs::read(golden(&format!("{name}_golden.json"))).unwrap();
        let facts: Value = serde_json::from_slice(&facts).unwrap();
        let sequence = facts["logits_sequence"].as_u64().unwrap() as usize;
        let logits = |which: &str| -> Vec<f32> {
            let rows: Vec<Vec<f32>> = serde_json::from_value(facts[which].clone()).unwrap();
            rows.concat()
        };
        let tokens = facts["sequences"][sequence]["ids"].clone();
        Self {
            directory: golden(""),
            parts: Parts::of(&std::fs::read(golden(&format!("{name}.gguf"))).unwrap()),
            tokens: serde_json::from_value(tokens).unwrap(),
            base: logits("logits_base"),
            lora: logits("logits_lora"),
        }
    }

    /// One of the other architectures.
    fn of(family: &str) -> Self {
        let directory = golden("architectures").join(family);
        let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
        let facts: Value = serde_json::from_slice(&read("golden.json")).unwrap();
        let tensors = read("golden.safetensors");
        let tensors = SafeTensors::deserialize(&tensors).unwrap();
        let logits = |name: &str| floats(tensors.tensor(name).unwrap().data());
        Self {
            parts: Parts::of(&read("model.gguf")),
            tokens: serde_json::from_value(facts["sequences"][0]["ids"].clone()).unwrap(),
            base: logits("logits_base.0"),
            lora: logits("logits_lora.0"),
            directory,
        }
    }

    /// How far a model is from PyTorch's logits, which are those without an adapter or with it.
    fn off(&self, model: Model, adapter: Option<&Adapter>) -> f32 {
        let sampler = Sampler::new(Arc::new(model), adapter, 1).unwrap();
        let ours = sampler.logits(&self.tokens).unwrap().concat();
        let expected = adapter.map_or(&self.base, |_| &self.lora);
        difference(&ours, expected)
    }

    /// The file as it is must be right, and every changed one wrong.
    fn only_as_it_is(&self, family: &str, changed: impl IntoIterator<Item = (String, Parts)>) {
        let right = self.off(self.parts.open().unwrap(), None);
        assert!(right < SAME, "{family}: {right}");
        for (what, parts) in changed {
            let wrong = self.off(parts.open().unwrap(), None);
            assert!(wrong > OTHER, "{family}, {what}: {wrong}");
        }
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let values = bytes.chunks_exact(4);
    values
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// Largest difference relative to the largest expected value.
fn difference(ours: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(ours.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let pairs = ours.iter().zip(expected);
    pairs.fold(0.0f32, |m, (a, b)| m.max((a - b).abs())) / largest
}

/// The rows that hold a tensor whose every row lies where `to` says.
fn moved(data: &[u8], rows: usize, to: impl Fn(usize) -> usize) -> Vec<u8> {
    let width = data.len() / rows;
    let mut out = vec![0; data.len()];
    for (row, bytes) in data.chunks_exact(width).enumerate() {
        out[to(row) * width..(to(row) + 1) * width].copy_from_slice(bytes);
    }
    out
}

/// The tensors whose name holds `part`, with their rows moved.
fn with_rows_moved(parts: &Parts, part: &str, to: impl Fn(usize) -> usize) -> Parts {
    let mut parts = parts.clone();
    for tensor in parts.tensors.iter_mut().filter(|t| t.name.contains(part)) {
        let rows = *tensor.dims.last().unwrap() as usize;
        tensor.data = moved(&tensor.data, rows, &to);
    }
    parts
}

/// Where a row of GGUF's llama lies in transformers: the halves of each head after each other.
fn to_halves(head_dim: usize) -> impl Fn(usize) -> usize + Copy {
    move |row| {
        let within = row % head_dim;
        row - within + within % 2 * (head_dim / 2) + within / 2
    }
}

/// The inverse.
fn to_pairs(head_dim: usize) -> impl Fn(usize) -> usize + Copy {
    move |row| {
        let (within, half) = (row % head_dim, head_dim / 2);
        row - within + within % half * 2 + within / half
    }
}

fn number(value: f32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// Queries and keys of llama and granite have the halves of each head interleaved in a GGUF file,
/// those of all others lie as in transformers.
#[test]
fn query_and_key_rows_have_the_order_of_their_architecture() {
    let tiny = ("tiny llama", Truth::tiny("tiny"), true);
    let of = |(family, paired)| (family, Truth::of(family), paired);
    let others = [
        ("mistral", true),
        ("granite", true),
        ("falcon3", true),
        ("gemma2", false),
        ("gemma3", false),
        ("qwen2", false),
        ("qwen3", false),
    ];
    for (family, truth, paired) in others.map(of).into_iter().chain([tiny]) {
        let head_dim = truth.parts.open().unwrap().config().head_dim;
        let turned = ["attn_q.", "attn_k."].map(|tensor| {
            let parts = if paired {
                with_rows_moved(&truth.parts, tensor, to_halves(head_dim))
            } else {
                with_rows_moved(&truth.parts, tensor, to_pairs(head_dim))
            };
            (tensor.to_owned(), parts)
        });
        truth.only_as_it_is(family, turned);
    }
}

/// Falcon's fused rows are all queries, all keys, all values; transformers has them by group.
#[test]
fn fused_rows_are_sorted_by_kind() {
    let truth = Truth::of("falcon-40b");
    let config = truth.parts.open().unwrap().config().clone();
    let (heads, groups, width) = (config.heads, config.kv_heads, config.head_dim);
    let queries = heads / groups;
    let to_groups = move |row: usize| {
        let (head, within) = (row / width, row % width);
        let (group, place) = if head < heads {
            (head / queries, head % queries)
        } else {
            ((head - heads) % groups, queries + (head - heads) / groups)
        };
        (group * (queries + 2) + place) * width + within
    };
    let grouped = with_rows_moved(&truth.parts, "attn_qkv", to_groups);
    truth.only_as_it_is("falcon-40b", [("by group".to_owned(), grouped)]);
    check_adapter_rows(&truth, "adapter", to_groups, 1);
}

/// Of an adapter's halves `B` has the outputs, so its rows are reordered, and `A` stays as it is.
#[test]
fn rows_of_b_are_reordered_and_of_a_are_not() {
    check_adapter_rows(&Truth::tiny("tiny"), "tiny_adapter", to_halves(8), 2);
    check_adapter_rows(&Truth::of("granite"), "adapter", to_halves(8), 2);
}

/// Both adapters of a directory give PyTorch's logits; one with `B` in transformers' order does
/// not. PEFT's tensors are those of the GGUF adapter but for `B` of `turned` modules of a block.
fn check_adapter_rows(
    truth: &Truth,
    adapter: &str,
    to_transformers: impl Fn(usize) -> usize + Copy,
    turned: usize,
) {
    let (peft, file) = (
        truth.directory.join(adapter),
        truth.directory.join(format!("{adapter}.gguf")),
    );
    let model = || truth.parts.open().unwrap();
    let of_peft = Adapter::open(&peft, model().config()).unwrap();
    let gguf = Adapter::open(&file, model().config()).unwrap();
    assert_eq!(of_peft, gguf);
    assert!(truth.off(model(), Some(&gguf)) < SAME);

    let right = Parts::of(&std::fs::read(&file).unwrap());
    let written = Parts::of(&of_peft.to_gguf(model().config()).unwrap());
    let data = |parts: &Parts, name: &str| parts.clone().tensor(name).data.clone();
    let mut wrong = right.clone();
    for tensor in [
        "attn_q.weight.lora_b",
        "attn_k.weight.lora_b",
        "attn_qkv.weight.lora_b",
    ] {
        wrong = with_rows_moved(&wrong, tensor, to_transformers);
    }
    let bytes = std::fs::read(peft.join("adapter_model.safetensors")).unwrap();
    let theirs = SafeTensors::deserialize(&bytes).unwrap();
    let mut differing = 0;
    for tensor in &right.tensors {
        assert!(
            data(&written, &tensor.name) == tensor.data,
            "{}",
            tensor.name
        );
        let unturned = data(&wrong, &tensor.name);
        let is_there = theirs.tensors().iter().any(|(_, t)| t.data() == unturned);
        assert!(is_there, "{} in PEFT's rows", tensor.name);
        differing += usize::from(unturned != tensor.data);
    }
    assert_eq!(differing, turned * model().config().layers);
    let wrong = reopened(&wrong, &model()).unwrap();
    let off = truth.off(model(), Some(&wrong));
    assert!(off > OTHER, "{adapter}: {off}");
}

/// Without `output.weight` the head is the embedding; a directory says so, and what it holds beside
/// it does not count.
#[test]
fn a_tied_head_is_the_embedding() {
    let truth = Truth::tiny("tiny_tied");
    let head = Parts::tiny().tensor("output.weight").clone();
    let mut with_head = truth.parts.clone();
    with_head.tensors.push(head);
    truth.only_as_it_is("tied", [("another head".to_owned(), with_head.aligned())]);

    let untied = Truth::tiny("tiny");
    let open = |tied: Value| {
        let path = tempfile::tempdir().unwrap();
        let mut directory = Directory::tiny();
        directory.config["tie_word_embeddings"] = tied;
        directory.write(path.path());
        Model::open(path.path()).unwrap()
    };
    assert!(untied.off(open(json!(false)), None) < SAME);
    assert!(
        untied.off(open(Value::Null), None) < SAME,
        "llama's default"
    );
    assert!(untied.off(open(json!(true)), None) > OTHER);
    let mut parts = untied.parts.clone();
    parts.tensors.retain(|t| t.name != "output.weight");
    let logits = |model: Model| {
        let sampler = Sampler::new(Arc::new(model), None, 1).unwrap();
        sampler.logits(&untied.tokens).unwrap()
    };
    assert_eq!(logits(open(json!(true))), logits(parts.open().unwrap()));
}

/// Granite's four multipliers. Logits are divided by theirs.
#[test]
fn granite_s_multipliers_count() {
    let truth = Truth::of("granite");
    let keys = [
        "attention.scale",
        "embedding_scale",
        "residual_scale",
        "logit_scale",
    ];
    let without = keys.map(|key| {
        (
            key.to_owned(),
            truth.parts.clone().without(&format!("granite.{key}")),
        )
    });
    let parts = truth.parts.clone();
    let multiplied = parts.set("granite.logit_scale", 6, number(1.0 / 2.5));
    let multiplied = ("multiplied".to_owned(), multiplied);
    truth.only_as_it_is("granite", without.into_iter().chain([multiplied]));
}

/// Gemma's norms are stored plus one in a GGUF file and as they are in a directory, its embeddings
/// are multiplied by the root of the width, and its four norms have names that mean others in llama.
#[test]
fn gemma_s_norms_and_embeddings() {
    for family in ["gemma2", "gemma3"] {
        let truth = Truth::of(family);
        let hub = Model::open(&truth.directory.join("huggingface")).unwrap();
        assert!(truth.off(hub, None) < SAME, "{family} as a directory");
        let shifted = [-1.0, 1.0].map(|shift: f32| {
            let mut parts = truth.parts.clone();
            for tensor in parts.tensors.iter_mut().filter(|t| t.name.contains("norm")) {
                let values = floats(&tensor.data).into_iter();
                tensor.data = values.flat_map(|v| number(v + shift)).collect();
            }
            (format!("norms plus {shift}"), parts)
        });
        let key = format!("{family}.embedding_scale");
        let unscaled = truth.parts.clone().set(&key, 6, number(1.0));
        let mut swapped = truth.parts.clone();
        for tensor in &mut swapped.tensors {
            let renamed = tensor.name.replace("ffn_norm", "?");
            let renamed = renamed.replace("post_attention_norm", "ffn_norm");
            tensor.name = renamed.replace('?', "post_attention_norm");
        }
        let others = [
            ("embeddings as they are".to_owned(), unscaled),
            ("llama's names".to_owned(), swapped),
        ];
        truth.only_as_it_is(family, shifted.into_iter().chain(others));
    }
}

/// An adapter's file in parts, opened for a model.
fn reopened(parts: &Parts, model: &Model) -> Result<Adapter, autodidact_engine::EngineError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("adapter.gguf");
    std::fs::write(&path, parts.clone().aligned().bytes()).unwrap();
    Adapter::open(&path, model.config())
}

/// The tiny llama's adapter as a GGUF file in parts.
fn tiny_adapter() -> Parts {
    Parts::of(&std::fs::read(golden("tiny_adapter.gguf")).unwrap())
}

/// A tensor's name and shape.
type Shaped<'a> = (&'a str, &'a [usize]);

/// The tiny llama's PEFT adapter with some keys and more tensors, opened for the tiny llama.
fn peft_with(keys: &Value, more: &[Shaped<'_>]) -> Result<Adapter, autodidact_engine::EngineError> {
    let directory = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read(golden("tiny_adapter").join(name)).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    };
    let mut config: Value = serde_json::from_slice(&read("adapter_config.json")).unwrap();
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    write("adapter_config.json", config.to_string().as_bytes());
    let bytes = read("adapter_model.safetensors");
    let mut tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let ones: Vec<u8> = (0..96 * 32).flat_map(|_| number(1.0)).collect();
    for (name, shape) in more {
        let data = &ones[..4 * shape.iter().product::<usize>()];
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), data);
        tensors.push(((*name).to_owned(), view.unwrap()));
    }
    let bytes = safetensors::serialize(tensors, None).unwrap();
    write("adapter_model.safetensors", &bytes);
    Adapter::open(directory.path(), Parts::tiny().open().unwrap().config())
}

/// The strength is alpha over rank, not alpha, and not one.
#[test]
fn alpha_is_divided_by_the_rank() {
    let truth = Truth::tiny("tiny");
    let model = || truth.parts.open().unwrap();
    let off = |alpha: f32| {
        let parts = tiny_adapter().set("adapter.lora.alpha", 6, number(alpha));
        truth.off(model(), Some(&reopened(&parts, &model()).unwrap()))
    };
    assert!(off(8.0) < SAME, "as it is");
    assert!(off(4.0 * 8.0) > OTHER, "not divided");
    assert!(off(4.0) > OTHER, "a strength of one");
    assert!(off(2.0 * 8.0) > OTHER, "divided by the root");
}

/// An alpha of zero is a strength of one to llama.cpp and of zero to PEFT, so neither format may have
/// it.
#[test]
fn an_alpha_of_zero_is_refused() {
    let parts = tiny_adapter().set("adapter.lora.alpha", 6, number(0.0));
    let gguf = reopened(&parts, &Parts::tiny().open().unwrap()).unwrap_err();
    let peft = peft_with(&json!({"lora_alpha": 0}), &[]).unwrap_err();
    for error in [gguf, peft] {
        assert!(error.to_string().contains("alpha is 0"), "{error}");
    }
}

/// rsLoRA divides by the root of the rank. GGUF cannot say so: it gets another alpha, where
/// llama.cpp's converter copies the number and changes the strength.
#[test]
fn rslora_keeps_its_strength() {
    let truth = Truth::tiny("tiny");
    let model = || truth.parts.open().unwrap();
    let off = |adapter: &Adapter| truth.off(model(), Some(adapter));
    // 4 / sqrt(4) is the strength of the golden adapter, 8 / 4.
    let adapter = peft_with(&json!({"lora_alpha": 4, "use_rslora": true}), &[]).unwrap();
    let plain = peft_with(&json!({"lora_alpha": 4}), &[]).unwrap();
    assert!(off(&adapter) < SAME && off(&plain) > OTHER);
    let written = Parts::of(&adapter.to_gguf(model().config()).unwrap());
    assert!(off(&reopened(&written, &model()).unwrap()) < SAME);
    let alpha = |parts: &Parts| {
        let mut entries = parts.metadata.iter();
        floats(&entries.find(|e| e.0 == "adapter.lora.alpha").unwrap().2)[0]
    };
    assert!((alpha(&written) - 8.0).abs() < 1e-6);
    let copied = written.set("adapter.lora.alpha", 6, number(4.0));
    assert!(off(&reopened(&copied, &model()).unwrap()) > OTHER);
}

/// PEFT's flag for GPT-2's transposed weights says nothing about linear layers: PEFT turns it off.
#[test]
fn fan_in_fan_out_turns_nothing_in_linear_layers() {
    let truth = Truth::tiny("tiny");
    let model = || truth.parts.open().unwrap();
    let adapter = peft_with(&json!({"fan_in_fan_out": true}), &[]).unwrap();
    assert!(truth.off(model(), Some(&adapter)) < SAME);
    // A square layer: both readings have the right shape.
    let mut parts = tiny_adapter();
    let name = |half: char| format!("blk.0.attn_output.weight.lora_{half}");
    let transposed = |data: &[u8], rows: usize| -> Vec<u8> {
        let (values, columns) = (floats(data), data.len() / 4 / rows);
        let turned = (0..values.len()).map(|i| values[i % rows * columns + i / rows]);
        turned.flat_map(number).collect()
    };
    let (a, b) = (
        parts.tensor(&name('a')).data.clone(),
        parts.tensor(&name('b')).data.clone(),
    );
    parts.tensor(&name('a')).data = transposed(&b, 32);
    parts.tensor(&name('b')).data = transposed(&a, 4);
    let wrong = reopened(&parts, &model()).unwrap();
    assert!(truth.off(model(), Some(&wrong)) > OTHER);
}

/// Adapters are stored in F32, F16, BF16 or Q8_0, tensor by tensor.
#[test]
fn adapters_of_every_type_are_read() {
    let model = Parts::tiny().open().unwrap();
    let expected = reopened(&tiny_adapter(), &model).unwrap().values;
    let halves = |data: &[u8]| -> Vec<u8> {
        let values = floats(data).into_iter();
        values
            .flat_map(|v| f16::from_f32(v).to_le_bytes())
            .collect()
    };
    let brains = |data: &[u8]| -> Vec<u8> {
        let values = floats(data).into_iter();
        values
            .flat_map(|v| bf16::from_f32(v).to_le_bytes())
            .collect()
    };
    let off = |kind: u32, part: &str, store: &dyn Fn(&[u8]) -> Vec<u8>| {
        let mut parts = tiny_adapter();
        for tensor in parts.tensors.iter_mut().filter(|t| t.name.contains(part)) {
            (tensor.kind, tensor.data) = (kind, store(&tensor.data));
        }
        difference(&reopened(&parts, &model).unwrap().values, &expected)
    };
    assert!(off(1, "lora", &halves) < 1e-3, "F16");
    assert!(off(30, "lora", &brains) < 1e-2, "BF16");
    assert!(
        off(1, "lora", &brains) > 0.1 && off(30, "lora", &halves) > 0.1,
        "mistaken"
    );
    let rows = "blk.0.attn_q.weight.lora_a"; // 32 wide, as a block of Q8_0
    assert!((1e-6..1e-2).contains(&off(8, rows, &q8_0)), "Q8_0");
    assert!(
        off(8, rows, &|data| vec![0; data.len() / 128 * 34]) > 0.1,
        "zeros"
    );
}

/// Blocks of 32: a scale as a half, and bytes with a sign.
fn q8_0(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for block in floats(data).chunks_exact(32) {
        let scale = block.iter().fold(0.0f32, |m, v| m.max(v.abs())) / 127.0;
        out.extend(f16::from_f32(scale).to_le_bytes());
        out.extend(
            block
                .iter()
                .flat_map(|v| ((v / scale).round() as i8).to_le_bytes()),
        );
    }
    out
}

/// What changes the meaning of an adapter and has no place here is refused, not passed over.
#[test]
fn what_an_adapter_also_holds_is_not_lost() {
    assert!(peft_with(&json!({}), &[]).is_ok());
    let module = "base_model.model.model.layers.0.self_attn.q_proj";
    let bias = format!("{module}.lora_B.bias");
    let norm = "base_model.model.model.norm.weight";
    let inner = "base_model.model.model.embed_tokens.lora_embedding_A";
    let refused: [(Value, &[Shaped<'_>]); 7] = [
        (json!({"alpha_pattern": {"q_proj": 16}}), &[]),
        (json!({"rank_pattern": {"q_proj": 2}}), &[]),
        (json!({"lora_bias": true}), &[(&bias, &[32])]),
        (json!({"modules_to_save": ["norm"]}), &[(norm, &[32])]),
        (
            json!({"bias": "all"}),
            &[("base_model.model.lm_head.bias", &[96])],
        ),
        (
            json!({}),
            &[("base_model.model.lm_head.lora_A.weight", &[4, 32])],
        ),
        (json!({}), &[(inner, &[4, 96])]),
    ];
    for (keys, tensors) in refused {
        let read = peft_with(&keys, tensors);
        assert!(read.is_err(), "{keys} {tensors:?}");
    }
}

/// An aLoRA adapter acts only behind its invocation tokens.
#[test]
fn adapters_that_act_only_behind_certain_tokens_are_refused() {
    assert!(peft_with(&json!({"alora_invocation_tokens": null}), &[]).is_ok());
    let peft = peft_with(&json!({"alora_invocation_tokens": [22, 20]}), &[]).unwrap_err();
    let mut tokens = 4u32.to_le_bytes().to_vec();
    tokens.extend(2u64.to_le_bytes());
    tokens.extend([22u32, 20].map(u32::to_le_bytes).concat());
    // An array (9) of u32 (4), their number, and the tokens.
    let parts = tiny_adapter().set("adapter.alora.invocation_tokens", 9, tokens);
    let gguf = reopened(&parts, &Parts::tiny().open().unwrap()).unwrap_err();
    for error in [gguf, peft] {
        assert!(error.to_string().contains("invocation tokens"), "{error}");
    }
}

/// Such a beginning is taken away from the base, and PEFT takes it away again when it reads the
/// adapter: beside the whole base the product means something else.
#[test]
fn adapters_of_a_base_that_was_changed_are_refused() {
    for plain in [
        json!(true),
        json!(false),
        json!("gaussian"),
        json!("orthogonal"),
    ] {
        assert!(peft_with(&json!({"init_lora_weights": plain}), &[]).is_ok());
    }
    for changed in ["pissa", "pissa_niter_16", "olora", "corda", "loftq"] {
        let error = peft_with(&json!({"init_lora_weights": changed}), &[]).unwrap_err();
        assert!(error.to_string().contains(changed), "{error}");
    }
}
