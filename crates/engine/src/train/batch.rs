//! Which sequences a step learns from, and how they are dealt into shards.

use super::TrainingExample;
use crate::random::Random;

/// Shards come in multiples of this, so that up to four threads share a step evenly.
const SHARD_MULTIPLE: usize = 4;

/// The examples of a step, counted from 1: an endless row of epochs, each a permutation that
/// depends on seed and epoch alone, is cut into batches.
pub(super) fn examples_of_step(count: usize, batch: usize, seed: u64, step: u32) -> Vec<usize> {
    let start = (step as usize - 1) * batch;
    let mut order: (usize, Vec<usize>) = (usize::MAX, Vec::new());
    (start..start + batch)
        .map(|at| {
            let epoch = at / count;
            if order.0 != epoch {
                let stream = seed ^ (epoch as u64 + 1).wrapping_mul(0xd6e8_feb8_6659_fd93);
                order = (epoch, Random::new(stream).permutation(count));
            }
            order.1[at % count]
        })
        .collect()
}

/// Sequences computed together: packed without padding, no sequence seeing another.
#[derive(Debug, Default)]
pub(super) struct Shard {
    /// The tokens of all sequences, one after the other.
    pub(super) tokens: Vec<u32>,
    /// Length of each sequence.
    pub(super) lengths: Vec<usize>,
    /// Rows that predict a completion token, and that token.
    pub(super) targets: Vec<(usize, u32)>,
}

impl Shard {
    fn push(&mut self, example: &TrainingExample) {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(&example.tokens);
        self.lengths.push(example.tokens.len());
        let completion = (example.prompt_tokens..).zip(&example.tokens[example.prompt_tokens..]);
        self.targets
            .extend(completion.map(|(at, token)| (start + at - 1, *token)));
    }
}

/// Deals sequences, longest first, each to the shard with the fewest tokens.
pub(super) fn deal(examples: &[&TrainingExample], shard_tokens: usize) -> Vec<Shard> {
    let total: usize = examples.iter().map(|e| e.tokens.len()).sum();
    let wanted = total.div_ceil(shard_tokens.max(1) * SHARD_MULTIPLE) * SHARD_MULTIPLE;
    let count = wanted.clamp(1, examples.len().max(1));
    let mut shards: Vec<Shard> = (0..count).map(|_| Shard::default()).collect();
    let mut order: Vec<_> = examples.to_vec();
    order.sort_by_key(|e| std::cmp::Reverse(e.tokens.len()));
    for example in order {
        if let Some(shard) = shards.iter_mut().min_by_key(|s| s.tokens.len()) {
            shard.push(example);
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_holds_every_example_once() {
        let seen: Vec<usize> = (1..=10)
            .flat_map(|step| examples_of_step(6, 3, 5, step))
            .collect();
        for epoch in seen.chunks(6) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        }
        assert_ne!(seen[..6], seen[6..12]);
    }

    #[test]
    fn targets_are_the_tokens_after_the_prompt() {
        let example = TrainingExample {
            tokens: vec![7, 8, 9, 10],
            prompt_tokens: 2,
        };
        let shards = deal(&[&example, &example], 1000);
        let targets: usize = shards.iter().map(|s| s.targets.len()).sum();
        assert_eq!(targets, 4);
        assert_eq!(shards[0].targets[..2], [(1, 9), (2, 10)]);
    }
}
