//! Adapters survive both formats bit for bit, and merging one is the same function as adding its
//! product beside the base.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::Arc;

use autodidact_engine::{Adapter, AdapterLayout, Linear, Model, Sampler};
use common::{Parts, golden};
use proptest::prelude::*;

fn tiny() -> Arc<Model> {
    Arc::new(Model::open(&golden("tiny.gguf")).unwrap())
}

/// An adapter whose every value is drawn from the finite floats by their bits.
fn random_adapter(model: &Model, rank: usize, alpha: f32, seed: u64) -> Adapter {
    let layout = AdapterLayout::new(model.config(), rank, alpha);
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
    fn both_formats_keep_every_bit(rank in 1usize..20, alpha in 0.1f32..100.0, seed in any::<u64>()) {
        let model = tiny();
        let adapter = random_adapter(&model, rank, alpha, seed);
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in adapter.to_peft(model.config(), "tiny").unwrap() {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        let file = directory.path().join("adapter.gguf");
        std::fs::write(&file, adapter.to_gguf(model.config())).unwrap();
        for path in [directory.path(), &file] {
            let back = Adapter::open(path, model.config()).unwrap();
            prop_assert_eq!(&back.layout, &adapter.layout);
            prop_assert!(bits(&back) == bits(&adapter), "{}", path.display());
        }
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

/// The tiny model with `W + scale * B A` written into its file.
fn merged(adapter: &Adapter) -> Model {
    let mut parts = Parts::tiny();
    for layer in 0..adapter.layout.layers() {
        for linear in adapter.layout.linears().iter().copied() {
            let name = format!("blk.{layer}.{}.weight", linear.gguf_name());
            let weight = &mut parts.tensor(&name).data;
            for (bytes, d) in weight
                .chunks_exact_mut(4)
                .zip(delta(adapter, layer, linear))
            {
                let w = f32::from_le_bytes(bytes.try_into().unwrap());
                bytes.copy_from_slice(&((f64::from(w) + d) as f32).to_le_bytes());
            }
        }
    }
    parts.open().unwrap()
}

#[test]
fn a_merged_adapter_is_the_base_plus_its_product() {
    let model = tiny();
    let golden_adapter = Adapter::open(&golden("tiny_adapter.gguf"), model.config()).unwrap();
    let mut larger = Adapter::new(AdapterLayout::new(model.config(), 7, 3.0), 5);
    for (i, value) in larger.values.iter_mut().enumerate() {
        *value += (i as f32 * 0.37).sin() * 0.1;
    }
    let tokens: Vec<u32> = (0..40).map(|i| 3 + i * 7 % 90).collect();
    let base = Sampler::new(model.clone(), None, 1)
        .unwrap()
        .logits(&tokens)
        .unwrap();
    for adapter in [golden_adapter, larger] {
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
