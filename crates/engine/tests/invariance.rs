//! Results depend on the model, the prompt, the seed and the options, and on nothing else: not on
//! the batch, the order, the thread count, or an interruption.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use autodidact_engine::{
    Checkpoint, EngineError, Finished, Model, Request, Sampler, SamplingOptions, Trainer,
    TrainerOptions, TrainingExample,
};

fn tiny() -> Arc<Model> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny.gguf");
    Arc::new(Model::open(&path).unwrap())
}

/// Prompts that share a beginning, of several lengths, with several samples each.
fn requests(count: usize) -> Vec<Request> {
    let shared: Vec<u32> = (0..21).map(|i| 3 + i * 7 % 80).collect();
    let request = |i: usize| Request {
        prompt: shared
            .iter()
            .copied()
            .chain((0..=(i % 5)).map(|j| 5 + (i * 11 + j) as u32 % 80))
            .collect(),
        seeds: (0..=(i % 4)).map(|j| (i * 100 + j) as u64).collect(),
    };
    (0..count).map(request).collect()
}

fn options(batch: usize) -> SamplingOptions {
    SamplingOptions {
        temperature: 1.3,
        max_tokens: 37,
        batch,
        ..SamplingOptions::default()
    }
}

fn generate(
    model: &Arc<Model>,
    requests: &[Request],
    batch: usize,
    threads: usize,
) -> Vec<Finished> {
    let sampler = Sampler::new(model.clone(), None, threads).unwrap();
    let finished = Mutex::new(Vec::new());
    let on_sample = |sample| finished.lock().unwrap().push(sample);
    let stats = sampler
        .generate(
            requests,
            &options(batch),
            &on_sample,
            &AtomicBool::new(false),
        )
        .unwrap();
    let mut finished = finished.into_inner().unwrap();
    finished.sort_by_key(|f| (f.request, f.index));
    let wanted: usize = requests.iter().map(|r| r.seeds.len()).sum();
    assert_eq!((finished.len(), stats.samples), (wanted, wanted as u64));
    finished
}

#[test]
fn samples_do_not_depend_on_batch_threads_or_company() {
    let (model, requests) = (tiny(), requests(23));
    let expected = generate(&model, &requests, 48, 1);
    assert!(
        expected.iter().any(|f| f.tokens.len() > 32),
        "some sample crosses a cache block"
    );
    for (batch, threads) in [(1, 1), (3, 2), (7, 1), (48, 3)] {
        let other = generate(&model, &requests, batch, threads);
        assert!(other == expected, "batch {batch}, {threads} threads");
    }
    for (i, request) in requests.iter().enumerate() {
        let alone = generate(&model, std::slice::from_ref(request), 4, 1);
        let together = expected.iter().filter(|f| f.request == i);
        assert!(
            alone
                .iter()
                .zip(together)
                .all(|(a, b)| (&a.tokens, &a.completion) == (&b.tokens, &b.completion))
        );
    }
}

#[test]
fn the_sum_of_logprobs_is_what_the_logits_say() {
    let model = tiny();
    let request = &requests(1)[0];
    let finished = &generate(&model, std::slice::from_ref(request), 1, 1)[0];
    let text: Vec<u32> = request
        .prompt
        .iter()
        .chain(&finished.tokens)
        .copied()
        .collect();
    let logits = Sampler::new(model.clone(), None, 1)
        .unwrap()
        .logits(&text)
        .unwrap();
    let mut expected = 0.0;
    for (i, token) in finished.tokens.iter().enumerate() {
        let line = &logits[request.prompt.len() - 1 + i];
        let total: f64 = line.iter().map(|l| f64::from(*l).exp()).sum();
        expected += f64::from(line[*token as usize]) - total.ln();
    }
    if finished.completion.tokens as usize == finished.tokens.len() {
        assert!((finished.completion.logprob - expected).abs() < 1e-4);
    } else {
        assert!(
            finished.completion.logprob < expected,
            "the end-of-text token costs something"
        );
    }
}

#[test]
fn a_raised_stop_flag_interrupts() {
    let sampler = Sampler::new(tiny(), None, 2).unwrap();
    let error = sampler.generate(&requests(5), &options(4), &|_| {}, &AtomicBool::new(true));
    assert!(matches!(error, Err(EngineError::Interrupted)));
}

#[test]
fn prompts_that_do_not_fit_are_refused_with_the_numbers() {
    let sampler = Sampler::new(tiny(), None, 1).unwrap();
    let request = Request {
        prompt: vec![5; sampler.model().config().context],
        seeds: vec![0],
    };
    let error = sampler.generate(&[request], &options(1), &|_| {}, &AtomicBool::new(false));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("the model's context holds")
    );
}

fn trainer(model: &Arc<Model>, threads: usize) -> Trainer {
    let example = |i: usize| TrainingExample {
        tokens: (0..6 + i % 9)
            .map(|j| 3 + (i * 13 + j * 5) as u32 % 90)
            .collect(),
        prompt_tokens: 2 + i % 3,
    };
    let options = TrainerOptions {
        rank: 4,
        steps: 8,
        batch: 7,
        shard_tokens: 5,
        learning_rate: 1e-2,
        threads,
        ..TrainerOptions::default()
    };
    Trainer::new(model.clone(), (0..20).map(example).collect(), options).unwrap()
}

#[test]
fn a_training_does_not_depend_on_threads_or_interruption() {
    let model = tiny();
    let mut undisturbed = trainer(&model, 1);
    let losses: Vec<f64> = (0..8).map(|_| undisturbed.step().unwrap().loss).collect();
    assert!(losses[7] < losses[0], "it learns: {losses:?}");

    let mut parallel = trainer(&model, 3);
    for _ in 0..3 {
        parallel.step().unwrap();
    }
    let saved = parallel.checkpoint().to_bytes().unwrap();
    let mut resumed = trainer(&model, 2);
    resumed
        .resume(Checkpoint::from_bytes(&saved).unwrap())
        .unwrap();
    assert_eq!(resumed.steps_done(), 3);
    for expected in &losses[3..] {
        assert_eq!(resumed.step().unwrap().loss.to_bits(), expected.to_bits());
    }
    assert!(resumed.adapter() == undisturbed.adapter());
}

#[test]
fn a_checkpoint_of_another_training_is_refused() {
    let model = tiny();
    let saved = trainer(&model, 1).checkpoint();
    let example = TrainingExample {
        tokens: vec![3, 4, 5],
        prompt_tokens: 1,
    };
    let options = TrainerOptions {
        rank: 4,
        ..TrainerOptions::default()
    };
    let mut other = Trainer::new(model, vec![example], options).unwrap();
    assert!(
        other
            .resume(saved)
            .unwrap_err()
            .to_string()
            .contains("another training")
    );
}
