//! Which examples a step learns from.

use crate::random::Random;

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
}
