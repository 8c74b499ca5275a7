//! Training an adapter beside quantized weights that are multiplied in eight bits: near the full
//! gradient, learning as much, the same bits on any number of threads and after a checkpoint, and in
//! full where weights are not quantized.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::Arc;

use autodidact_engine::gguf::{GgufFile, TensorType};
use autodidact_engine::{
    Arithmetic, Model, ModelShape, PreferenceLoss, PreferencePair, Trained, Trainer,
    TrainerOptions, TrainingData, TrainingExample, Vocabulary, WeightStorage,
};
use common::golden;

/// 31 letters, so that a vocabulary with its end-of-text token fills a panel.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz.,;:!";

fn examples(model: &Model, count: usize, stride: usize) -> Vec<TrainingExample> {
    let letters: Vec<char> = LETTERS.chars().collect();
    let example = |from: usize| {
        let text: String = (0..9)
            .map(|i| letters[(from * 3 + i * stride) % letters.len()])
            .collect();
        TrainingExample {
            tokens: model.tokenizer().encode(&text).unwrap(),
            prompt_tokens: 2,
        }
    };
    (0..count).map(example).collect()
}

/// A model that knows the alphabet, with every matrix stored as `tensor_type`.
fn base(tensor_type: TensorType) -> Arc<Model> {
    let vocabulary = Vocabulary::characters([LETTERS]).unwrap();
    let shape = ModelShape {
        layers: 3,
        hidden: 64,
        heads: 4,
        kv_heads: 2,
        head_dim: 16,
        feed_forward: 96,
        context: 16,
        ..ModelShape::default()
    };
    let bytes = shape.create("alphabet", &vocabulary, 1).unwrap();
    let model = Arc::new(Model::new(GgufFile::from_bytes(bytes).unwrap()).unwrap());
    let options = TrainerOptions {
        trained: Trained::Everything,
        learning_rate: 1e-2,
        steps: 40,
        batch: 8,
        threads: 2,
        ..TrainerOptions::default()
    };
    let learned = examples(&model, 31, 1);
    let mut trainer = Trainer::new(model, learned, options).unwrap();
    for _ in 0..40 {
        trainer.step().unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    trainer.write_model(tensor_type, &path).unwrap();
    let bytes = std::fs::read(path).unwrap();
    Arc::new(Model::new(GgufFile::from_bytes(bytes).unwrap()).unwrap())
}

fn options(arithmetic: Arithmetic) -> TrainerOptions {
    TrainerOptions {
        rank: 4,
        alpha: 8.0,
        steps: 40,
        learning_rate: 1e-2,
        batch: 8,
        threads: 2,
        shard_tokens: 40,
        arithmetic,
        ..TrainerOptions::default()
    }
}

fn trainer(model: &Arc<Model>, options: TrainerOptions) -> Trainer {
    // What it learns is another order of the letters than the one it knows.
    Trainer::new(model.clone(), examples(model, 24, 2), options).unwrap()
}

/// An adapter whose `B` is not zero, so that every gradient has something to say.
fn stir(trainer: &mut Trainer) {
    let mut adapter = trainer.adapter().clone();
    for (i, value) in adapter.values.iter_mut().enumerate() {
        *value += 0.05 * (i as f32 * 0.37).sin();
    }
    trainer.start_from(adapter).unwrap();
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn loss_and_gradient_are_near_the_full_ones() {
    for tensor_type in [TensorType::Q8_0, TensorType::Q4_0] {
        let model = base(tensor_type);
        let of = |arithmetic| {
            let mut trainer = trainer(&model, options(arithmetic));
            stir(&mut trainer);
            trainer.loss_and_gradient().unwrap()
        };
        let (full_loss, full) = of(Arithmetic::Full);
        let (loss, gradient) = of(Arithmetic::EightBit);
        assert!(
            loss.to_bits() != full_loss.to_bits(),
            "{tensor_type:?}: not in eight bits"
        );
        assert!(
            (loss - full_loss).abs() < 0.01 * full_loss,
            "{tensor_type:?}: {loss}, {full_loss}"
        );
        let cosine = cosine(&gradient, &full);
        assert!(cosine > 0.999, "{tensor_type:?}: {cosine}");
    }
}

#[test]
fn as_much_is_learned() {
    let model = base(TensorType::Q8_0);
    let last = |arithmetic| {
        let mut trainer = trainer(&model, options(arithmetic));
        let first = trainer.step().unwrap().loss;
        let last = (1..40).map(|_| trainer.step().unwrap().loss).last();
        (first, last.unwrap())
    };
    let (first, eight_bit) = last(Arithmetic::EightBit);
    let (_, full) = last(Arithmetic::Full);
    assert!(eight_bit < 0.2 * first, "{first}, {eight_bit}");
    assert!(
        (eight_bit - full).abs() < 0.05 * first,
        "{eight_bit}, {full}"
    );
}

#[test]
fn threads_and_interruptions_change_no_bit() {
    let model = base(TensorType::Q8_0);
    let run = |threads: usize, interrupted: bool| {
        let options = TrainerOptions {
            threads,
            ..options(Arithmetic::EightBit)
        };
        let mut first = trainer(&model, options.clone());
        for _ in 0..3 {
            first.step().unwrap();
        }
        if interrupted {
            let checkpoint = first.checkpoint();
            first = trainer(&model, options);
            first.resume(checkpoint).unwrap();
        }
        for _ in 0..3 {
            first.step().unwrap();
        }
        let bits: Vec<u32> = first.values().iter().map(|v| v.to_bits()).collect();
        bits
    };
    let expected = run(1, false);
    assert!(run(2, false) == expected && run(3, true) == expected);
}

#[test]
fn a_checkpoint_of_the_other_arithmetic_is_refused() {
    let model = base(TensorType::Q8_0);
    let checkpoint = trainer(&model, options(Arithmetic::Full)).checkpoint();
    let mut other = trainer(&model, options(Arithmetic::EightBit));
    assert!(other.resume(checkpoint).is_err());
}

/// A fresh adapter is the base in codes, too, so preferences begin without a margin.
#[test]
fn preferences_start_at_the_base() {
    let model = base(TensorType::Q8_0);
    let pairs: Vec<_> = examples(&model, 6, 2)
        .into_iter()
        .zip(examples(&model, 6, 5))
        .map(|(chosen, rejected)| PreferencePair {
            prompt: chosen.tokens[..1].to_vec(),
            chosen: chosen.tokens[1..].to_vec(),
            rejected: rejected.tokens[1..].to_vec(),
        })
        .collect();
    let loss = PreferenceLoss {
        beta: 0.5,
        nll: 0.0,
    };
    let data = TrainingData::Preferences(pairs, loss);
    let mut trainer = Trainer::on(model, data, options(Arithmetic::EightBit)).unwrap();
    let first = trainer.loss_and_gradient().unwrap().0;
    assert!((first - std::f64::consts::LN_2).abs() < 1e-6, "{first}");
    for _ in 0..30 {
        trainer.step().unwrap();
    }
    let last = trainer.loss_and_gradient().unwrap().0;
    assert!(last < 0.3, "{last}");
}

#[test]
fn weights_that_are_not_quantized_are_multiplied_in_full() {
    let model = Arc::new(Model::open(&golden("tiny.gguf")).unwrap());
    let losses = |arithmetic| {
        let example = |i: u32| TrainingExample {
            tokens: (0..9).map(|j| 3 + (i * 13 + j * 5) % 90).collect(),
            prompt_tokens: 3,
        };
        let examples = (0..6).map(example).collect();
        let mut trainer = Trainer::new(model.clone(), examples, options(arithmetic)).unwrap();
        (0..3)
            .map(|_| trainer.step().unwrap().loss.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(losses(Arithmetic::EightBit), losses(Arithmetic::Full));
}

/// In the file, every thread unpacks what it multiplies with; in memory all is unpacked once.
#[test]
fn weights_in_the_file_give_the_same_bits() {
    for tensor_type in [TensorType::Q8_0, TensorType::Q4_0] {
        let model = base(tensor_type);
        let run = |storage: WeightStorage, arithmetic: Arithmetic| {
            let options = TrainerOptions {
                storage,
                ..options(arithmetic)
            };
            let mut trainer = trainer(&model, options);
            stir(&mut trainer);
            for _ in 0..3 {
                trainer.step().unwrap();
            }
            let bits: Vec<u32> = trainer.values().iter().map(|v| v.to_bits()).collect();
            bits
        };
        for arithmetic in [Arithmetic::EightBit, Arithmetic::Full] {
            let expected = run(WeightStorage::Packed, arithmetic);
            let streamed = run(WeightStorage::Streamed, arithmetic);
            assert!(streamed == expected, "{tensor_type:?}, {arithmetic:?}");
        }
    }
}
