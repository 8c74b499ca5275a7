//! Which examples a step learns from.

use std::collections::HashMap;

use super::TrainingExample;
use crate::random::Random;

/// At most so many examples with one prompt stand together: a step should see several problems, and
/// texts without a prompt (all of them have the same) be shuffled as if they had different ones.
const TOGETHER: usize = 4;

/// The order of examples in the epochs of a training.
///
/// Examples with the same prompt stand together, so that most of them share a step, in which their
/// prompt is computed once (Zelikman et al. keep several rationales of a problem; they differ only
/// behind it).
#[derive(Debug)]
pub(super) struct Order {
    /// Examples with the same prompt, in the order of their first one.
    groups: Vec<Vec<usize>>,
}

impl Order {
    /// Of examples that are `bundle` sequences in a row each and have the prompt of their first.
    pub(super) fn new(sequences: &[TrainingExample], bundle: usize) -> Self {
        let mut of_prompt: HashMap<&[u32], usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (i, first) in sequences.iter().step_by(bundle.max(1)).enumerate() {
            let prompt = &first.tokens[..first.prompt_tokens.min(first.tokens.len())];
            let group = *of_prompt.entry(prompt).or_insert(groups.len());
            if group == groups.len() {
                groups.push(Vec::new());
            }
            groups[group].push(i);
        }
        Self { groups }
    }

    /// The examples of a step, counted from 1: an endless row of epochs, each a permutation that
    /// depends on seed and epoch alone, is cut into batches.
    pub(super) fn examples_of_step(&self, batch: usize, seed: u64, step: u32) -> Vec<usize> {
        let count: usize = self.groups.iter().map(Vec::len).sum();
        let start = (step as usize - 1) * batch;
        let mut epoch: (usize, Vec<usize>) = (usize::MAX, Vec::new());
        (start..start + batch)
            .map(|at| {
                if epoch.0 != at / count {
                    epoch = (at / count, self.epoch(at / count, seed));
                }
                epoch.1[at % count]
            })
            .collect()
    }

    /// Groups are shuffled, cut into pieces, and the pieces shuffled.
    fn epoch(&self, epoch: usize, seed: u64) -> Vec<usize> {
        let stream = seed ^ (epoch as u64 + 1).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mut within = Random::new(!stream);
        let mut pieces: Vec<Vec<usize>> = Vec::new();
        for group in &self.groups {
            let order = within.permutation(group.len());
            let shuffled: Vec<usize> = order.into_iter().map(|i| group[i]).collect();
            pieces.extend(shuffled.chunks(TOGETHER).map(<[usize]>::to_vec));
        }
        let order = Random::new(stream).permutation(pieces.len());
        order
            .into_iter()
            .flat_map(|p| &pieces[p])
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(prompts: &[u32]) -> Vec<TrainingExample> {
        let example = |(i, prompt): (usize, &u32)| TrainingExample {
            tokens: vec![7, *prompt, i as u32],
            prompt_tokens: 2,
        };
        prompts.iter().enumerate().map(example).collect()
    }

    #[test]
    fn every_epoch_holds_every_example_once() {
        let order = Order::new(&examples(&[1, 2, 1, 3, 2, 4]), 1);
        let seen: Vec<usize> = (1..=10)
            .flat_map(|step| order.examples_of_step(3, 5, step))
            .collect();
        for epoch in seen.chunks(6) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4, 5]);
        }
        assert_ne!(seen[..6], seen[6..12]);
    }

    #[test]
    fn examples_of_one_prompt_stand_together() {
        let prompts: Vec<u32> = (0..40).map(|i| i % 10).collect();
        let order = Order::new(&examples(&prompts), 1);
        for step in 1..=10 {
            let mut chosen = order.examples_of_step(8, 3, step);
            for i in &mut chosen {
                *i %= 10;
            }
            chosen.dedup();
            assert_eq!(chosen.len(), 2, "a step of 8 holds two prompts of 4");
        }
    }

    #[test]
    fn pairs_go_by_the_prompt_of_the_first() {
        let order = Order::new(&examples(&[1, 1, 2, 2, 1, 1]), 2);
        assert_eq!(order.groups, [vec![0, 2], vec![1]]);
    }
}
