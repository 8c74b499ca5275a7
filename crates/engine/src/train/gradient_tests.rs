//! Every objective's gradient against finite differences, for adapters and for all parameters.

use std::path::Path;
use std::sync::Arc;

use super::{
    PreferenceLoss, PreferencePair, ScoredExample, Trained, Trainer, TrainerOptions, TrainingData,
    TrainingExample,
};
use crate::gguf::GgufFile;
use crate::kernels::finite_differences::wave;
use crate::{LoraScaling, Model, ModelShape, Vocabulary};

fn tokens(seed: u32, length: u32) -> Vec<u32> {
    (0..length)
        .map(|j| 3 + (seed * 13 + j * j * 5 + j) % 90)
        .collect()
}

fn pairs() -> Vec<PreferencePair> {
    let pair = |i: u32| PreferencePair {
        prompt: tokens(i / 2, 5),
        chosen: tokens(20 + i, 3 + i % 3),
        rejected: tokens(40 + i, 4),
    };
    (0..5).map(pair).collect()
}

fn all_data() -> Vec<TrainingData> {
    let completion = |i: u32| TrainingExample {
        tokens: tokens(i, 9 + i % 4),
        prompt_tokens: 3,
    };
    let scored = |i: u32| ScoredExample {
        tokens: tokens(i, 6 + i % 3),
        score: i as f32 * 0.5 - 1.0,
    };
    vec![
        TrainingData::Completions((0..5).map(completion).collect()),
        TrainingData::Preferences(
            pairs(),
            PreferenceLoss {
                beta: 0.5,
                nll: 0.0,
            },
        ),
        TrainingData::Preferences(
            pairs(),
            PreferenceLoss {
                beta: 0.3,
                nll: 0.7,
            },
        ),
        TrainingData::Comparisons(pairs()),
        TrainingData::Scores((0..5).map(scored).collect()),
    ]
}

fn tiny(name: &str) -> Arc<Model> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    Arc::new(Model::open(&golden.join(name)).unwrap())
}

/// A fresh model with norms of query and key heads and a head of its own.
fn qwen3() -> Arc<Model> {
    let shape = ModelShape {
        architecture: "qwen3".into(),
        layers: 2,
        hidden: 24,
        heads: 4,
        kv_heads: 2,
        head_dim: 8,
        feed_forward: 40,
        context: 32,
        tied: false,
        ..ModelShape::default()
    };
    let letters: String = (' '..='~').collect();
    let vocabulary = Vocabulary::characters([letters.as_str()]).unwrap();
    let bytes = shape.create("qwen3", &vocabulary, 3).unwrap();
    Arc::new(Model::new(GgufFile::from_bytes(bytes).unwrap()).unwrap())
}

/// Compares the gradient along a direction within one range of the parameters with the central
/// difference of the loss.
fn check_range(trainer: &mut Trainer, gradient: &[f32], range: std::ops::Range<usize>, name: &str) {
    let direction = wave(range.len(), 1.3, 1.0);
    let length = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
    let start = trainer.values().clone();
    let mut at = |step: f32| {
        let values = trainer.values_mut();
        values.clone_from(&start);
        for (value, d) in values[range.clone()].iter_mut().zip(&direction) {
            *value += step * d / length;
        }
        trainer.loss_and_gradient().unwrap().0
    };
    let products = gradient[range.clone()].iter().zip(&direction);
    let analytic: f64 = products
        .map(|(g, d)| f64::from(*g) * f64::from(d / length))
        .sum();
    let size = f64::from(
        gradient[range.clone()]
            .iter()
            .map(|g| g * g)
            .sum::<f32>()
            .sqrt(),
    );
    // Which step is best depends on how curved the loss is: long ones see the third derivative,
    // short ones the rounding of f32.
    let numeric = [4e-3, 1e-3, 2.5e-4].map(|step| (at(step) - at(-step)) / f64::from(2.0 * step));
    let error = |n: f64| (analytic - n).abs();
    assert!(
        numeric.into_iter().any(|n| error(n) < 2e-3 * size + 2e-5),
        "{name}: {analytic} against {numeric:?}, length {size}"
    );
    *trainer.values_mut() = start;
}

/// Moves the parameters away from where some gradients are zero.
fn stir(trainer: &mut Trainer, by: f32) {
    let noise = wave(trainer.values().len(), 0.37, by);
    for (value, noise) in trainer.values_mut().iter_mut().zip(noise) {
        *value += noise;
    }
}

#[test]
fn adapters_and_score_heads_match_finite_differences() {
    for model in [tiny("tiny.gguf"), tiny("tiny_tied.gguf"), qwen3()] {
        for data in all_data() {
            let options = TrainerOptions {
                rank: 3,
                alpha: 4.0,
                scaling: LoraScaling::RootOfRank,
                shard_tokens: 12,
                threads: 2,
                ..TrainerOptions::default()
            };
            let mut trainer = Trainer::on(model.clone(), data.clone(), options).unwrap();
            stir(&mut trainer, 0.05);
            let (_, gradient) = trainer.loss_and_gradient().unwrap();
            let layout = trainer.adapter().layout.clone();
            for layer in 0..layout.layers() {
                for linear in layout.linears() {
                    let name = format!("{linear:?} of layer {layer} in {data:?}");
                    check_range(&mut trainer, &gradient, layout.a(layer, *linear), &name);
                    check_range(&mut trainer, &gradient, layout.b(layer, *linear), &name);
                }
            }
            assert_eq!(layout.has_score(), data.scores());
            if layout.has_score() {
                check_range(&mut trainer, &gradient, layout.score(), "score head");
            }
        }
    }
}

#[test]
fn all_parameters_match_finite_differences() {
    for model in [tiny("tiny.gguf"), tiny("tiny_tied.gguf"), qwen3()] {
        for data in all_data().into_iter().filter(|data| !data.scores()) {
            let options = TrainerOptions {
                trained: Trained::Everything,
                shard_tokens: 12,
                threads: 2,
                ..TrainerOptions::default()
            };
            let mut trainer = Trainer::on(model.clone(), data.clone(), options).unwrap();
            stir(&mut trainer, 0.05);
            let (_, gradient) = trainer.loss_and_gradient().unwrap();
            let tensors = trainer.whole.as_ref().unwrap().tensors().to_vec();
            let covered: usize = tensors.iter().map(|(_, range)| range.len()).sum();
            assert_eq!(covered, gradient.len());
            for (name, range) in tensors {
                let name = format!("{name} in {data:?}");
                check_range(&mut trainer, &gradient, range, &name);
            }
        }
    }
}
