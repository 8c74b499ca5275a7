//! Training towards preferences, scores and everything: that it learns, resumes bit for bit, and
//! that what it leaves behind can be used.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::Arc;

use autodidact_engine::gguf::{GgufFile, TensorType};
use autodidact_engine::{
    Adapter, Checkpoint, LoraScaling, Model, ModelShape, PreferenceLoss, PreferencePair, Sampler,
    ScoredExample, Scorer, Trained, Trainer, TrainerOptions, TrainingData, TrainingExample,
    Vocabulary,
};
use common::golden;

fn tiny() -> Arc<Model> {
    Arc::new(Model::open(&golden("tiny.gguf")).unwrap())
}

fn tokens(seed: u32, length: u32) -> Vec<u32> {
    let token = |j: u32| 3 + (seed * 13 + j * j * 5 + j) % 90;
    (0..length).map(token).collect()
}

fn options() -> TrainerOptions {
    TrainerOptions {
        rank: 4,
        alpha: 8.0,
        steps: 30,
        learning_rate: 2e-2,
        warm_up: 2,
        batch: 4,
        threads: 2,
        ..TrainerOptions::default()
    }
}

/// Answers that end in the token 7 are better than those that end in 9.
fn pairs() -> Vec<PreferencePair> {
    let pair = |i: u32| PreferencePair {
        prompt: tokens(i, 6),
        chosen: [tokens(20 + i, 3 + i % 2), vec![7]].concat(),
        rejected: [tokens(40 + i, 3), vec![9]].concat(),
    };
    (0..8).map(pair).collect()
}

fn completions() -> Vec<TrainingExample> {
    let example = |i: u32| TrainingExample {
        tokens: tokens(i, 10),
        prompt_tokens: 4,
    };
    (0..6).map(example).collect()
}

fn train(data: TrainingData, options: TrainerOptions) -> (f64, f64, Trainer) {
    let steps = options.steps;
    let mut trainer = Trainer::on(tiny(), data, options).unwrap();
    let first = trainer.loss_and_gradient().unwrap().0;
    for _ in 0..steps {
        trainer.step().unwrap();
    }
    let last = trainer.loss_and_gradient().unwrap().0;
    (first, last, trainer)
}

#[test]
fn preferences_start_at_the_base_and_are_learned() {
    let data = TrainingData::Preferences(
        pairs(),
        PreferenceLoss {
            beta: 0.5,
            nll: 0.0,
        },
    );
    let (first, last, trainer) = train(data, options());
    // A fresh adapter is the base, so every margin is zero.
    assert!((first - std::f64::consts::LN_2).abs() < 1e-6, "{first}");
    assert!(last < 0.2, "{last}");
    let log_probability = |adapter: Option<&Adapter>, answer: &[u32], prompt: &[u32]| {
        let sampler = Sampler::new(tiny(), adapter, 1).unwrap();
        let logits = sampler.logits(&[prompt, answer].concat()).unwrap();
        let rows = logits[prompt.len() - 1..].iter().zip(answer);
        let one = |(row, token): (&Vec<f32>, &u32)| {
            let sum: f64 = row.iter().map(|v| f64::from(*v).exp()).sum();
            f64::from(row[*token as usize]) - sum.ln()
        };
        rows.map(one).sum::<f64>()
    };
    for pair in pairs() {
        let margin = |adapter: Option<&Adapter>| {
            log_probability(adapter, &pair.chosen, &pair.prompt)
                - log_probability(adapter, &pair.rejected, &pair.prompt)
        };
        assert!(margin(Some(trainer.adapter())) > margin(None) + 1.0);
    }
}

#[test]
fn dora_and_rslora_learn() {
    for (scaling, dora) in [(LoraScaling::RootOfRank, false), (LoraScaling::Rank, true)] {
        let options = TrainerOptions {
            scaling,
            dora,
            ..options()
        };
        let (first, last, trainer) = train(TrainingData::Completions(completions()), options);
        assert!(last < 0.5 * first, "{first} to {last}");
        assert_eq!(trainer.adapter().layout.scaling, scaling);
        assert_eq!(trainer.adapter().layout.has_magnitudes(), dora);
    }
}

#[test]
fn a_scorer_ranks_what_it_was_taught_and_survives_the_disk() {
    let (first, last, trainer) = train(TrainingData::Comparisons(pairs()), options());
    assert!((first - std::f64::consts::LN_2).abs() < 1e-6, "{first}");
    assert!(last < 0.1, "{last}");
    let model = tiny();
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in trainer.adapter().to_peft(model.config(), "tiny").unwrap() {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    let adapter = Adapter::open(directory.path(), model.config()).unwrap();
    assert_eq!(&adapter, trainer.adapter());
    let mut scorer = Scorer::new(model.clone(), &adapter, 20, 2).unwrap();
    let sequences = pairs().into_iter().flat_map(|pair| {
        [pair.chosen, pair.rejected].map(|answer| [pair.prompt.as_slice(), &answer].concat())
    });
    let sequences: Vec<Vec<u32>> = sequences.collect();
    let scores = scorer.score(&sequences).unwrap();
    assert!(scores.chunks(2).all(|pair| pair[0] > pair[1] + 1.0));
    let alone: Vec<f32> = sequences
        .iter()
        .map(|s| scorer.score(std::slice::from_ref(s)).unwrap()[0])
        .collect();
    for (together, alone) in scores.iter().zip(&alone) {
        assert!((together - alone).abs() < 1e-4, "{together} and {alone}");
    }
    let refused = |sequence: Vec<u32>, scorer: &mut Scorer| scorer.score(&[sequence]).is_err();
    assert!(refused(vec![], &mut scorer) && refused(vec![3; 21], &mut scorer));
    assert!(refused(vec![100_000], &mut scorer));
    for refused in [
        adapter.to_gguf(model.config()).unwrap_err(),
        adapter
            .write_merged(&model, TensorType::F32, &directory.path().join("x.gguf"))
            .unwrap_err(),
    ] {
        assert!(refused.to_string().contains("score head"), "{refused}");
    }
    let plain = Adapter::open(&golden("tiny_adapter"), model.config()).unwrap();
    let error = Scorer::new(model, &plain, 20, 1).unwrap_err();
    assert!(error.to_string().contains("no score head"), "{error}");
}

#[test]
fn scores_are_learned_by_regression() {
    let example = |i: u32| ScoredExample {
        tokens: tokens(i, 5 + i % 4),
        score: (i % 3) as f32 - 1.0,
    };
    let examples: Vec<ScoredExample> = (0..6).map(example).collect();
    let options = TrainerOptions {
        steps: 150,
        batch: 6,
        ..options()
    };
    let (first, last, trainer) = train(TrainingData::Scores(examples.clone()), options);
    assert!((first - 2.0 / 3.0).abs() < 1e-6 && last < 0.01, "{last}");
    let mut scorer = Scorer::new(tiny(), trainer.adapter(), 20, 1).unwrap();
    let sequences: Vec<Vec<u32>> = examples.iter().map(|e| e.tokens.clone()).collect();
    for (score, example) in scorer.score(&sequences).unwrap().iter().zip(examples) {
        assert!(
            (score - example.score).abs() < 0.3,
            "{score} for {example:?}"
        );
    }
}

#[test]
fn everything_learns_and_is_written_as_a_model() {
    let options = TrainerOptions {
        trained: Trained::Everything,
        learning_rate: 1e-2,
        steps: 40,
        ..options()
    };
    let (first, last, trainer) = train(TrainingData::Completions(completions()), options);
    assert!(last < 0.2 * first, "{first} to {last}");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    trainer.write_model(TensorType::F32, &path).unwrap();
    let model = Arc::new(Model::open(&path).unwrap());
    // The file holds what the trainer holds: the same loss, now as a base that is not trained yet.
    let mut again = Trainer::new(model.clone(), completions(), TrainerOptions::default()).unwrap();
    let (loss, _) = again.loss_and_gradient().unwrap();
    assert!((loss - last).abs() < 1e-4, "{loss} and {last}");
    for example in completions() {
        let sampler = Sampler::new(model.clone(), None, 1).unwrap();
        let logits = sampler.logits(&example.tokens).unwrap();
        let next = (0u32..).zip(&logits[example.tokens.len() - 2]);
        let best = next.max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        assert_eq!(Some(&best), example.tokens.last());
    }
}

#[test]
fn resumed_trainings_end_with_the_same_bits() {
    let dora = TrainerOptions {
        dora: true,
        steps: 6,
        ..options()
    };
    let everything = TrainerOptions {
        trained: Trained::Everything,
        steps: 6,
        ..options()
    };
    let preferences = TrainingData::Preferences(pairs(), PreferenceLoss::default());
    for (data, options) in [
        (preferences.clone(), options()),
        (TrainingData::Comparisons(pairs()), dora.clone()),
        (TrainingData::Completions(completions()), dora),
        (preferences, everything.clone()),
        (TrainingData::Completions(completions()), everything),
    ] {
        let begin = |threads: usize| {
            let options = TrainerOptions {
                threads,
                ..options.clone()
            };
            Trainer::on(tiny(), data.clone(), options).unwrap()
        };
        let mut straight = begin(1);
        let mut interrupted = begin(2);
        for step in 0..6 {
            straight.step().unwrap();
            interrupted.step().unwrap();
            if step == 2 {
                let bytes = interrupted.checkpoint().to_bytes().unwrap();
                interrupted = begin(3);
                let checkpoint = Checkpoint::from_bytes(&bytes).unwrap();
                interrupted.resume(checkpoint).unwrap();
            }
        }
        let bits = |t: &Trainer| -> Vec<u32> { t.values().iter().map(|v| v.to_bits()).collect() };
        assert!(bits(&straight) == bits(&interrupted), "{data:?}");
    }
}

#[test]
fn a_checkpoint_of_another_loss_is_refused() {
    let with = |beta: f32| {
        let data = TrainingData::Preferences(pairs(), PreferenceLoss { beta, nll: 0.0 });
        Trainer::on(tiny(), data, options()).unwrap()
    };
    let checkpoint = with(0.1).checkpoint();
    assert!(with(0.2).resume(checkpoint.clone()).is_err());
    assert!(with(0.1).resume(checkpoint).is_ok());
}

#[test]
fn impossible_trainings_are_refused() {
    let refused = |data: TrainingData, options: TrainerOptions| {
        Trainer::on(tiny(), data, options).unwrap_err().to_string()
    };
    let everything = TrainerOptions {
        trained: Trained::Everything,
        ..options()
    };
    let message = refused(TrainingData::Comparisons(pairs()), everything);
    assert!(message.contains("together with an adapter"), "{message}");
    for (beta, nll) in [(0.0, 0.0), (f32::NAN, 0.0), (0.1, -1.0)] {
        let data = TrainingData::Preferences(pairs(), PreferenceLoss { beta, nll });
        assert!(refused(data, options()).contains("`beta` is"));
    }
    let score = ScoredExample {
        tokens: vec![5, 6],
        score: f32::INFINITY,
    };
    assert!(refused(TrainingData::Scores(vec![score]), options()).contains("finite"));
    let mut pairs = pairs();
    pairs[3].rejected.clear();
    let data = TrainingData::Preferences(pairs, PreferenceLoss::default());
    let message = refused(data, options());
    assert!(message.contains("training example 3"), "{message}");
}

/// A model from nothing learns a rule it was never shown whole: the next letter of the alphabet.
#[test]
fn a_model_from_scratch_learns() {
    let letters: String = ('a'..='z').collect();
    let vocabulary = Vocabulary::characters([letters.as_str()]).unwrap();
    let shape = ModelShape {
        layers: 2,
        hidden: 32,
        heads: 4,
        kv_heads: 4,
        head_dim: 8,
        feed_forward: 64,
        context: 32,
        ..ModelShape::default()
    };
    let bytes = shape.create("alphabet", &vocabulary, 1).unwrap();
    let model = Arc::new(Model::new(GgufFile::from_bytes(bytes).unwrap()).unwrap());
    let example = |from: usize| TrainingExample {
        tokens: model.tokenizer().encode(&letters[from..from + 6]).unwrap(),
        prompt_tokens: 1,
    };
    let options = TrainerOptions {
        trained: Trained::Everything,
        learning_rate: 1e-2,
        steps: 60,
        batch: 8,
        threads: 2,
        ..TrainerOptions::default()
    };
    let mut trainer = Trainer::new(model.clone(), (0..20).map(example).collect(), options).unwrap();
    let first = trainer.step().unwrap().loss;
    let last = (0..59)
        .map(|_| trainer.step().unwrap().loss)
        .last()
        .unwrap();
    assert!(
        (first - 27f64.ln()).abs() < 0.6,
        "{first}: nothing is known"
    );
    assert!(last < 0.1, "{last}");
}
