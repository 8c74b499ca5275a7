//! Adapters survive both formats bit for bit, and merging one is the same function as adding its
//! product beside the base.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::Arc;

use autodidact_engine::gguf::{GgufFile, TensorType};
use autodidact_engine::{
    Adapter, AdapterLayout, Arithmetic, Linear, LoraScaling, Model, Sampler, WeightStorage,
};
use common::{Parts, golden};
use proptest::prelude::*;

fn tiny() -> Arc<Model> {
    Arc::new(Model::open(&golden("tiny.gguf")).unwrap())
}

/// The layout of rsLoRA, and of DoRA, if asked for.
fn layout(model: &Model, rank: usize, alpha: f32, rslora: bool, dora: bool) -> AdapterLayout {
    let scaling = [LoraScaling::Rank, LoraScaling::RootOfRank][usize::from(rslora)];
    AdapterLayout::new(model.config(), rank, alpha)
        .with_scaling(scaling)
        .with_magnitudes(dora)
}

/// An adapter whose every value is drawn from the finite floats by their bits.
fn random_adapter(layout: AdapterLayout, seed: u64) -> Adapter {
    let mut state = seed | 1;
    let mut value = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let value = f32::from_bits((state >> 32) as u32);
        if value.is_finite() { value } else { -0.0 }
    };
    let values = (0..layout.parameters()).map(|_| value()).collect();
    Adapter { layout, values }
}

fn bits(adapter: &Adapter) -> Vec<u32> {
    adapter.values.iter().map(|v| v.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn both_formats_keep_every_bit(
        rank in 1usize..20,
        alpha in 0.1f32..100.0,
        rslora in any::<bool>(),
        dora in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let model = tiny();
        let adapter = random_adapter(layout(&model, rank, alpha, rslora, dora), seed);
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in adapter.to_peft(model.config(), "tiny").unwrap() {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        let back = Adapter::open(directory.path(), model.config()).unwrap();
        prop_assert_eq!(&back.layout, &adapter.layout);
        prop_assert!(bits(&back) == bits(&adapter), "PEFT");
        let written = adapter.to_gguf(model.config());
        if dora {
            let message = written.unwrap_err().to_string();
            prop_assert!(message.contains("magnitudes of DoRA"), "{}", message);
            return Ok(());
        }
        let file = directory.path().join("adapter.gguf");
        std::fs::write(&file, written.unwrap()).unwrap();
        let back = Adapter::open(&file, model.config()).unwrap();
        prop_assert!(bits(&back) == bits(&adapter), "GGUF");
        // llama.cpp knows no other denominator than the rank.
        prop_assert_eq!(back.layout.scaling, LoraScaling::Rank);
        let (ours, theirs) = (adapter.layout.scale(), back.layout.scale());
        prop_assert!((ours / theirs - 1.0).abs() < 1e-6, "{} and {}", ours, theirs);
    }
}

/// `scale * B A` by the definition, in double precision.
fn delta(adapter: &Adapter, layer: usize, linear: Linear) -> Vec<f64> {
    let layout = &adapter.layout;
    let (outputs, inputs) = layout.shape(linear);
    let a = &adapter.values[layout.a(layer, linear)];
    let b = &adapter.values[layout.b(layer, linear)];
    let element = |o: usize, i: usize| -> f64 {
        let products = (0..layout.rank)
            .map(|r| f64::from(b[o * layout.rank + r]) * f64::from(a[r * inputs + i]));
        products.sum::<f64>() * f64::from(layout.scale())
    };
    (0..outputs * inputs)
        .map(|at| element(at / inputs, at % inputs))
        .collect()
}

/// The tiny model with `W + scale * B A` written into its file, and with DoRA its rows brought to
/// their magnitudes.
fn merged(adapter: &Adapter) -> Model {
    let mut parts = Parts::tiny();
    for layer in 0..adapter.layout.layers() {
        for linear in adapter.layout.linears().iter().copied() {
            let name = format!("blk.{layer}.{}.weight", linear.gguf_name());
            let weight = &mut parts.tensor(&name).data;
            let number = |bytes: &[u8]| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()));
            let mut sum: Vec<f64> = weight.chunks_exact(4).map(number).collect();
            for (w, d) in sum.iter_mut().zip(delta(adapter, layer, linear)) {
                *w += d;
            }
            let magnitudes = &adapter.values[adapter.layout.magnitudes(layer, linear)];
            let rows = sum.chunks_exact_mut(adapter.layout.shape(linear).1);
            for (row, magnitude) in rows.zip(magnitudes) {
                let length = row.iter().map(|w| w * w).sum::<f64>().sqrt();
                for w in row {
                    *w *= f64::from(*magnitude) / length;
                }
            }
            *weight = sum.iter().flat_map(|w| (*w as f32).to_le_bytes()).collect();
        }
    }
    parts.open().unwrap()
}

/// Moves every parameter a little, so that nothing is zero.
fn stirred(mut adapter: Adapter) -> Adapter {
    for (i, value) in adapter.values.iter_mut().enumerate() {
        *value += (i as f32 * 0.37).sin() * 0.1;
    }
    adapter
}

#[test]
fn a_merged_adapter_is_the_base_plus_its_product() {
    let model = tiny();
    let golden_adapter = Adapter::open(&golden("tiny_adapter.gguf"), model.config()).unwrap();
    let larger = stirred(Adapter::new(layout(&model, 7, 3.0, false, false), 5));
    let rslora = stirred(Adapter::new(layout(&model, 9, 2.0, true, false), 6));
    let mut dora = Adapter::new(layout(&model, 5, 4.0, true, true), 7);
    dora.fill_magnitudes(&model).unwrap();
    let dora = stirred(dora);
    let tokens: Vec<u32> = (0..40).map(|i| 3 + i * 7 % 90).collect();
    let base = Sampler::new(model.clone(), None, 1)
        .unwrap()
        .logits(&tokens)
        .unwrap();
    for adapter in [golden_adapter, larger, rslora, dora] {
        let ours = Sampler::new(model.clone(), Some(&adapter), 1).unwrap();
        let ours = ours.logits(&tokens).unwrap().concat();
        let expected = Sampler::new(Arc::new(merged(&adapter)), None, 1).unwrap();
        let expected = expected.logits(&tokens).unwrap().concat();
        let difference = |a: &[f32], b: &[f32]| {
            a.iter()
                .zip(b)
                .fold(0.0f32, |m, (x, y)| m.max((x - y).abs()))
        };
        let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(difference(&ours, &expected) < 1e-5 * largest);
        assert!(
            difference(&ours, &base.concat()) > 1e-2 * largest,
            "the adapter does something"
        );
    }
}

#[test]
fn a_fresh_dora_adapter_changes_nothing() {
    let model = tiny();
    let tokens: Vec<u32> = (0..20).map(|i| 3 + i * 7 % 90).collect();
    let logits = |adapter: Option<&Adapter>| {
        let sampler = Sampler::new(model.clone(), adapter, 1).unwrap();
        sampler.logits(&tokens).unwrap().concat()
    };
    let base = logits(None);
    let mut adapter = Adapter::new(layout(&model, 4, 8.0, false, true), 3);
    assert!(
        logits(Some(&adapter)) == base,
        "without magnitudes no layer is adapted"
    );
    adapter.fill_magnitudes(&model).unwrap();
    let largest = base.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (ours, expected) in logits(Some(&adapter)).iter().zip(&base) {
        assert!((ours - expected).abs() < 1e-5 * largest);
    }
    let magnitudes = &adapter.values[adapter.layout.magnitudes(1, Linear::Down)];
    assert!(magnitudes.iter().all(|m| *m > 0.0));
    let streamed = WeightStorage::Streamed;
    let refused = Sampler::with_weights(model, Some(&adapter), 1, streamed, Arithmetic::default())
        .unwrap_err();
    assert!(
        refused.to_string().contains("autodidact merge"),
        "{refused}"
    );
}

#[test]
fn a_merged_file_is_the_base_with_its_adapter() {
    let model = tiny();
    let mut dora = Adapter::new(layout(&model, 5, 4.0, true, true), 7);
    dora.fill_magnitudes(&model).unwrap();
    let plain = Adapter::open(&golden("tiny_adapter"), model.config()).unwrap();
    let tokens: Vec<u32> = (0..40).map(|i| 3 + i * 7 % 90).collect();
    let logits = |model: &Arc<Model>, adapter: Option<&Adapter>| {
        let sampler = Sampler::new(model.clone(), adapter, 1).unwrap();
        sampler.logits(&tokens).unwrap().concat()
    };
    let directory = tempfile::tempdir().unwrap();
    for adapter in [plain, stirred(dora)] {
        let expected = logits(&model, Some(&adapter));
        let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (tensor_type, tolerance) in [(TensorType::F32, 1e-5), (TensorType::F16, 2e-3)] {
            let path = directory.path().join(format!("{tensor_type:?}.gguf"));
            adapter.write_merged(&model, tensor_type, &path).unwrap();
            let merged = Arc::new(Model::open(&path).unwrap());
            assert_eq!(merged.config(), model.config());
            assert_eq!(merged.name(), model.name());
            for (ours, expected) in logits(&merged, None).iter().zip(&expected) {
                assert!(
                    (ours - expected).abs() < tolerance * largest,
                    "{tensor_type:?}"
                );
            }
        }
    }
}

/// Metadata of every type and tensors that are not merged are the base's own bytes.
#[test]
fn a_merged_file_keeps_everything_else() {
    let parts = Parts::tiny()
        .set("some.u64", 10, 7u64.to_le_bytes().to_vec())
        .set("some.flag", 7, vec![1])
        .set("general.alignment", 4, 32u32.to_le_bytes().to_vec());
    let base = parts.open().unwrap();
    let mut adapter = Adapter::new(AdapterLayout::new(base.config(), 3, 6.0), 1);
    let changed = adapter.layout.b(1, Linear::Down);
    adapter.values[changed].fill(0.01);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("merged.gguf");
    adapter.write_merged(&base, TensorType::F32, &path).unwrap();
    let merged = Parts::of(&std::fs::read(&path).unwrap());
    let kept = |entries: &[common::Entry]| -> Vec<common::Entry> {
        // The alignment is each file's own; this one writes the default.
        let own = ["general.alignment", "general.file_type"];
        let kept = entries.iter().filter(|e| !own.contains(&e.0.as_str()));
        kept.cloned().collect()
    };
    assert!(kept(&merged.metadata) == kept(&parts.metadata));
    let alignment = merged.metadata.iter().any(|e| e.0 == "general.alignment");
    assert!(!alignment);
    for (ours, base) in merged.tensors.iter().zip(&parts.tensors) {
        assert_eq!((&ours.name, &ours.dims), (&base.name, &base.dims));
        let same = ours.data == base.data;
        assert_eq!(same, ours.name != "blk.1.ffn_down.weight", "{}", ours.name);
    }
}

#[test]
fn a_merged_file_stores_what_fits_no_block_as_halves_and_refuses_other_shapes() {
    let model = tiny();
    let adapter = Adapter::open(&golden("tiny_adapter"), model.config()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("merged.gguf");
    adapter
        .write_merged(&model, TensorType::Q4_0, &path)
        .unwrap();
    let file = GgufFile::open(&path).unwrap();
    let stored = |name: &str| file.tensor(name).unwrap().tensor_type;
    // Rows of 48 and of 32 weights.
    assert_eq!(stored("blk.0.ffn_down.weight"), TensorType::F16);
    assert_eq!(stored("blk.0.ffn_up.weight"), TensorType::Q4_0);
    drop(file);
    std::fs::remove_file(&path).unwrap();
    let other = Adapter::new(AdapterLayout::new(model.config(), 3, 6.0), 1);
    let mut other = Adapter {
        values: other.values,
        layout: AdapterLayout::new(model.config(), 4, 6.0),
    };
    let refused = other.write_merged(&model, TensorType::F32, &path);
    assert!(refused.unwrap_err().to_string().contains("another shape"));
    other.values.clear();
    assert!(!path.exists());
}
