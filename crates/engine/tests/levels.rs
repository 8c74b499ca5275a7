//! Every level of SIMD that this processor has gives the same samples and the same training, bit
//! for bit. The level is one for the whole process, so this file has one test.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use autodidact_engine::{
    Finished, Model, Request, Sampler, SamplingOptions, Trainer, TrainerOptions, TrainingExample,
    instruction_set, limit_instruction_set,
};
use common::{Draw, golden};

/// Request, index, tokens, and the bits of the log-probability.
type Sample = (usize, usize, Vec<u32>, u64);

/// Everything that is compared: logits, samples, losses and the adapter.
#[derive(Debug, PartialEq)]
struct Results {
    logits: Vec<u32>,
    samples: Vec<Sample>,
    losses: Vec<u64>,
    adapter: Vec<u32>,
}

fn sampled(model: &Arc<Model>, text: &[u32]) -> (Vec<u32>, Vec<Sample>) {
    let sampler = Sampler::new(model.clone(), None, 2).unwrap();
    let logits = sampler.logits(text).unwrap();
    let request = |i: usize| Request {
        prompt: text[..5 + i].to_vec(),
        seeds: vec![1, 2, 3],
    };
    let requests: Vec<Request> = (0..4).map(request).collect();
    let options = SamplingOptions {
        temperature: 1.1,
        max_tokens: 24,
        batch: 5,
        ..SamplingOptions::default()
    };
    let finished = Mutex::new(Vec::new());
    let deliver = |sample| finished.lock().unwrap().push(sample);
    let stop = AtomicBool::new(false);
    sampler
        .generate(&requests, &options, &deliver, &stop)
        .unwrap();
    let samples = finished.into_inner().unwrap().into_iter();
    let samples = samples.map(|s: Finished| {
        let logprob = s.completion.logprob.to_bits();
        (s.request, s.index, s.tokens, logprob)
    });
    let mut samples: Vec<_> = samples.collect();
    samples.sort();
    let logits = logits.iter().flatten().map(|l| l.to_bits()).collect();
    (logits, samples)
}

fn trained(model: &Arc<Model>, text: &[u32]) -> (Vec<u64>, Vec<u32>) {
    let example = |i: usize| TrainingExample {
        tokens: text[i..12 + 2 * i].to_vec(),
        prompt_tokens: 3 + i,
    };
    let options = TrainerOptions {
        rank: 3,
        steps: 3,
        batch: 4,
        learning_rate: 1e-2,
        shard_tokens: 20,
        threads: 2,
        ..TrainerOptions::default()
    };
    let mut trainer = Trainer::new(model.clone(), (0..4).map(example).collect(), options).unwrap();
    let losses = (0..3).map(|_| trainer.step().unwrap().loss.to_bits());
    let losses = losses.collect();
    let adapter = trainer.adapter().values.iter().map(|v| v.to_bits());
    (losses, adapter.collect())
}

fn results() -> Results {
    let model = Arc::new(Model::open(&golden("tiny.gguf")).unwrap());
    let mut draw = Draw::new(8);
    let text: Vec<u32> = (0..30).map(|_| 3 + draw.below(90) as u32).collect();
    let (logits, samples) = sampled(&model, &text);
    let (losses, adapter) = trained(&model, &text);
    Results {
        logits,
        samples,
        losses,
        adapter,
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let best = instruction_set();
    let expected = results();
    assert!(expected == results(), "{best} repeats itself");
    for name in ["avx2", "scalar"] {
        let used = limit_instruction_set(name).unwrap();
        assert!(used == name || best == "scalar", "{used} instead of {name}");
        let seen = results();
        assert!(seen == results(), "{name} repeats itself");
        assert!(seen.logits == expected.logits, "logits, {name} and {best}");
        assert!(
            seen.samples == expected.samples,
            "samples, {name} and {best}"
        );
        assert!(seen.losses == expected.losses, "losses, {name} and {best}");
        assert!(
            seen.adapter == expected.adapter,
            "adapter, {name} and {best}"
        );
    }
    assert_eq!(limit_instruction_set("avx512").unwrap(), best);
    assert!(limit_instruction_set("sse").is_err());
}
