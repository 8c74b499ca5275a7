//! Exactness by property: many random schedules of the same work, and every time the same bytes.
//!
//! A sample is compared with the one that is drawn when its request is alone, on one thread, in a
//! batch of one; a training with the one that runs on one thread and is never interrupted.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use autodidact_engine::{
    Adapter, AdapterLayout, Checkpoint, EngineError, Finished, Model, Request, Sampler,
    SamplingOptions, Trainer, TrainerOptions, TrainingExample,
};
use common::{Draw, Parts, golden};

/// Schedules of sampling that are tried, and of training.
const SAMPLING_SCHEDULES: u64 = 240;
const TRAINING_SCHEDULES: u64 = 24;

/// A golden model, with a context that holds prompts of several chunks of prefill.
fn tiny(name: &str) -> Arc<Model> {
    let parts = Parts::of(&std::fs::read(golden(name)).unwrap());
    let context = 512u32.to_le_bytes().to_vec();
    Arc::new(
        parts
            .set("llama.context_length", 4, context)
            .open()
            .unwrap(),
    )
}

/// A prompt with the seeds that may be asked for, and what they give when alone.
struct Known {
    prompt: Vec<u32>,
    alone: Vec<(u64, Finished)>,
}

/// One way of sampling: a sampler for each number of threads, options, and what is known.
struct Setting {
    samplers: Vec<Sampler>,
    options: SamplingOptions,
    known: Vec<Known>,
}

/// Prompts of all lengths, some of which share beginnings; the longest is prefilled in several
/// chunks.
fn prompts(draw: &mut Draw, model: &Model) -> Vec<Vec<u32>> {
    let vocabulary = model.config().vocabulary;
    let longest = 300;
    let mut text = |length: usize| -> Vec<u32> {
        (0..length).map(|_| draw.below(vocabulary) as u32).collect()
    };
    let (short, long) = (text(9), text(longest - 8));
    let mut prompts = vec![text(1), text(2), text(33), long.clone()];
    for i in 1..4 {
        prompts.push([short.clone(), text(i)].concat());
        prompts.push([long.clone(), text(i)].concat());
    }
    prompts.push(prompts[4].clone());
    prompts
}

fn drawn_alone(
    sampler: &Sampler,
    options: &SamplingOptions,
    prompt: &[u32],
    seed: u64,
) -> Finished {
    let request = Request {
        prompt: prompt.to_vec(),
        seeds: vec![seed],
    };
    let options = SamplingOptions {
        batch: 1,
        ..options.clone()
    };
    let finished = Mutex::new(None);
    let deliver = |sample| *finished.lock().unwrap() = Some(sample);
    let stop = AtomicBool::new(false);
    sampler
        .generate(&[request], &options, &deliver, &stop)
        .unwrap();
    finished.into_inner().unwrap().unwrap()
}

fn setting(draw: &mut Draw, model: &Arc<Model>, adapter: Option<&Adapter>, warm: bool) -> Setting {
    let samplers: Vec<Sampler> = (1..=4)
        .map(|threads| Sampler::new(model.clone(), adapter, threads).unwrap())
        .collect();
    let options = SamplingOptions {
        temperature: if warm { 1.3 } else { 0.8 },
        top_k: if warm { 0 } else { 40 },
        top_p: if warm { 1.0 } else { 0.95 },
        min_p: if warm { 0.0 } else { 0.01 },
        max_tokens: 37,
        stop: if warm { Vec::new() } else { vec!["e".into()] },
        ..SamplingOptions::default()
    };
    let known = prompts(draw, model).into_iter().map(|prompt| {
        let seeds = (0..3).map(|_| draw.bits() % 1000);
        let alone = seeds.map(|seed| (seed, drawn_alone(&samplers[0], &options, &prompt, seed)));
        Known {
            alone: alone.collect(),
            prompt,
        }
    });
    Setting {
        known: known.collect(),
        samplers,
        options,
    }
}

/// An adapter that changes every layer.
fn loud_adapter(draw: &mut Draw, model: &Model) -> Adapter {
    let layout = AdapterLayout::new(model.config(), 3, 6.0);
    let mut adapter = Adapter::new(layout, 5);
    for value in &mut adapter.values {
        *value += (draw.unit() as f32 - 0.5) * 0.2;
    }
    adapter
}

/// Requests for some of the known prompts in random order, each with some of its seeds, and the
/// place of each among the known ones.
fn schedule(draw: &mut Draw, known: &[Known]) -> (Vec<Request>, Vec<(usize, Vec<usize>)>) {
    let mut places = Vec::new();
    for _ in 0..=draw.below(16) {
        let seeds = (0..draw.below(4)).map(|_| draw.below(3)).collect();
        places.push((draw.below(known.len()), seeds));
    }
    let request = |(at, seeds): &(usize, Vec<usize>)| Request {
        prompt: known[*at].prompt.clone(),
        seeds: seeds.iter().map(|i| known[*at].alone[*i].0).collect(),
    };
    (places.iter().map(request).collect(), places)
}

/// Draws one schedule and compares every sample; `interrupt` raises the stop flag somewhere, and
/// what was delivered until then is compared.
fn try_schedule(draw: &mut Draw, setting: &Setting, name: &str) {
    let (requests, places) = schedule(draw, &setting.known);
    let options = SamplingOptions {
        batch: 1 + draw.below(20),
        ..setting.options.clone()
    };
    let sampler = &setting.samplers[draw.below(4)];
    let wanted: usize = requests.iter().map(|r| r.seeds.len()).sum();
    let interrupt = (draw.below(6) == 0).then(|| draw.below(wanted + 1));
    let (stop, delivered) = (AtomicBool::new(interrupt == Some(0)), AtomicUsize::new(0));
    let finished = Mutex::new(Vec::new());
    let deliver = |sample| {
        finished.lock().unwrap().push(sample);
        if Some(delivered.fetch_add(1, Ordering::SeqCst) + 1) == interrupt {
            stop.store(true, Ordering::SeqCst);
        }
    };
    let result = sampler.generate(&requests, &options, &deliver, &stop);
    let finished = finished.into_inner().unwrap();
    match result {
        Ok(stats) => assert_eq!(
            (finished.len(), stats.samples),
            (wanted, wanted as u64),
            "{name}"
        ),
        Err(error) => assert!(
            interrupt.is_some() && matches!(error, EngineError::Interrupted),
            "{name}: {error}"
        ),
    }
    let mut seen = std::collections::HashSet::new();
    for sample in finished {
        assert!(seen.insert((sample.request, sample.index)), "{name}: twice");
        let (at, seeds) = &places[sample.request];
        let alone = &setting.known[*at].alone[seeds[sample.index]].1;
        let same = sample.tokens == alone.tokens
            && sample.completion == alone.completion
            && sample.completion.logprob.to_bits() == alone.completion.logprob.to_bits();
        assert!(
            same,
            "{name}, request {} seed {}: {:?} instead of {:?}",
            sample.request, sample.index, sample.completion, alone.completion
        );
    }
}

#[test]
fn every_schedule_draws_the_samples_that_are_drawn_alone() {
    let mut draw = Draw::new(1);
    let (model, tied) = (tiny("tiny.gguf"), tiny("tiny_tied.gguf"));
    let adapter = loud_adapter(&mut draw, &model);
    let settings = [
        setting(&mut draw, &model, None, true),
        setting(&mut draw, &model, Some(&adapter), false),
        setting(&mut draw, &tied, None, false),
    ];
    let lengths = settings
        .iter()
        .flat_map(|s| &s.known)
        .flat_map(|k| &k.alone);
    let lengths: std::collections::BTreeSet<usize> = lengths.map(|a| a.1.tokens.len()).collect();
    assert!(lengths.len() > 10, "they end at many lengths: {lengths:?}");
    for seed in 0..SAMPLING_SCHEDULES {
        let mut draw = Draw::new(1000 + seed);
        let setting = &settings[draw.below(settings.len())];
        try_schedule(&mut draw, setting, &format!("schedule {seed}"));
    }
}

/// Examples of which some share prompts, as several rationales of one problem do.
fn examples(draw: &mut Draw) -> Vec<TrainingExample> {
    let text = |draw: &mut Draw, length: usize| -> Vec<u32> {
        (0..length).map(|_| 3 + draw.below(90) as u32).collect()
    };
    let prompts: Vec<Vec<u32>> = (0..3)
        .map(|_| {
            let length = 1 + draw.below(12);
            text(draw, length)
        })
        .collect();
    let example = |_| {
        let prompt = &prompts[draw.below(3)];
        let length = 1 + draw.below(9);
        TrainingExample {
            tokens: [prompt.clone(), text(draw, length)].concat(),
            prompt_tokens: prompt.len(),
        }
    };
    (0..10).map(example).collect()
}

/// What a training leaves: the bits of every step's loss and gradient norm, those of the adapter,
/// and the last state.
#[derive(PartialEq)]
struct Trace {
    steps: Vec<(u64, u64)>,
    adapter: Vec<u32>,
    state: Checkpoint,
}

const STEPS: usize = 6;

fn options(seed: u64, shard_tokens: usize) -> TrainerOptions {
    TrainerOptions {
        rank: 3,
        steps: STEPS as u32,
        batch: 5,
        learning_rate: 1e-2,
        weight_decay: 0.01,
        shard_tokens,
        seed,
        ..TrainerOptions::default()
    }
}

fn trace(steps: Vec<(u64, u64)>, trainer: &Trainer) -> Trace {
    Trace {
        steps,
        adapter: trainer
            .adapter()
            .values
            .iter()
            .map(|v| v.to_bits())
            .collect(),
        state: trainer.checkpoint(),
    }
}

/// Some steps, and the bits of their figures.
fn steps(trainer: &mut Trainer, count: usize) -> Vec<(u64, u64)> {
    let step = |_| {
        let report = trainer.step().unwrap();
        (report.loss.to_bits(), report.gradient_norm.to_bits())
    };
    (0..count).map(step).collect()
}

/// The same training in pieces: after each, another trainer with another number of threads goes on
/// from the bytes of the checkpoint, from memory or from disk.
fn in_pieces(
    draw: &mut Draw,
    model: &Arc<Model>,
    examples: &[TrainingExample],
    options: &TrainerOptions,
) -> Trace {
    let directory = tempfile::tempdir().unwrap();
    let fresh = |threads: usize| {
        let options = TrainerOptions {
            threads,
            ..options.clone()
        };
        Trainer::new(model.clone(), examples.to_vec(), options).unwrap()
    };
    let mut trainer = fresh(1 + draw.below(4));
    let mut figures = Vec::new();
    while figures.len() < STEPS {
        let count = draw.below(STEPS - figures.len() + 1);
        figures.extend(steps(&mut trainer, count));
        let mut saved = trainer.checkpoint().to_bytes().unwrap();
        if draw.below(2) == 0 {
            let path = directory.path().join("checkpoint");
            std::fs::write(&path, &saved).unwrap();
            saved = std::fs::read(&path).unwrap();
        }
        if draw.below(3) == 0 {
            // Steps after the checkpoint are lost with the process that did them.
            steps(&mut trainer, 1);
        }
        trainer = fresh(1 + draw.below(4));
        trainer
            .resume(Checkpoint::from_bytes(&saved).unwrap())
            .unwrap();
    }
    trace(figures, &trainer)
}

#[test]
fn every_schedule_of_a_training_leaves_the_same_bits() {
    let models = [tiny("tiny.gguf"), tiny("tiny_tied.gguf")];
    for seed in 0..TRAINING_SCHEDULES {
        let mut draw = Draw::new(5000 + seed);
        let model = &models[draw.below(2)];
        let examples = examples(&mut draw);
        // The size of shards is part of what is computed; whatever it is, threads are not.
        let options = options(seed, 1 + draw.below(60));
        let mut trainer = Trainer::new(model.clone(), examples.clone(), options.clone()).unwrap();
        let figures = steps(&mut trainer, STEPS);
        let expected = trace(figures, &trainer);
        for _ in 0..2 {
            let pieces = in_pieces(&mut draw, model, &examples, &options);
            assert!(pieces == expected, "schedule {seed}, {options:?}");
        }
    }
}

/// Adding another example, or another seed, is another training: the comparison above can fail.
#[test]
fn another_training_leaves_other_bits() {
    let model = tiny("tiny.gguf");
    let examples = examples(&mut Draw::new(3));
    let run = |seed, examples: &[TrainingExample]| {
        let options = options(seed, 20);
        let mut trainer = Trainer::new(model.clone(), examples.to_vec(), options).unwrap();
        let figures = steps(&mut trainer, STEPS);
        trace(figures, &trainer)
    };
    let one = run(1, &examples);
    assert!(one == run(1, &examples));
    assert!(one.steps != run(2, &examples).steps);
    assert!(one.steps != run(1, &examples[1..]).steps);
}
