//! Choosing the next token from logits.

use super::SamplingOptions;
use crate::kernels::{exp_in_place, exp_sums, max_of};
use crate::random::Random;

/// Length of the pieces a distribution is summed in; the sum is then independent of SIMD width and
/// finding a token does not walk the whole vocabulary one by one.
const PIECE: usize = 512;

/// A chosen token and the natural logarithm of its probability at temperature 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    pub(super) token: u32,
    pub(super) logprob: f64,
}

/// A token and the natural logarithm of its probability at temperature 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LikelyToken {
    /// The token.
    pub token: u32,
    /// Its log probability.
    pub logprob: f64,
}

/// The log probability of a token and the `count` most likely ones, most likely first, lower ids
/// first among equals. The numbers are the same bits as those of [`choose`].
pub(super) fn likelihoods(
    logits: &[f32],
    token: u32,
    count: usize,
    scratch: &mut ChoiceScratch,
) -> (f64, Vec<LikelyToken>) {
    let max = max_of(logits);
    let (total, _) = scratch.sums(logits, max, 1.0);
    let logarithm = total.ln();
    let logprob = |token: u32| {
        let logit = logits.get(token as usize);
        logit.map_or(f64::NEG_INFINITY, |l| f64::from(l - max) - logarithm)
    };
    let mut likely: Vec<(f32, u32)> = Vec::new();
    if count > 0 {
        likely.extend(logits.iter().copied().zip(0u32..));
        let by_logit = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if count < likely.len() {
            likely.select_nth_unstable_by(count - 1, by_logit);
            likely.truncate(count);
        }
        likely.sort_unstable_by(by_logit);
    }
    let likely = likely.into_iter().map(|(_, token)| LikelyToken {
        token,
        logprob: logprob(token),
    });
    (logprob(token), likely.collect())
}

/// Buffers of [`choose`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct ChoiceScratch {
    weights: Vec<f32>,
    pieces: Vec<f64>,
    candidates: Vec<(f32, u32)>,
}

/// Chooses a token. Draws exactly one random number, whatever the options, unless greedy.
pub(super) fn choose(
    logits: &[f32],
    options: &SamplingOptions,
    random: &mut Random,
    scratch: &mut ChoiceScratch,
) -> Choice {
    let max = max_of(logits);
    let greedy = options.temperature == 0.0;
    let scale = if greedy {
        1.0
    } else {
        1.0 / options.temperature
    };
    let (total, mass) = scratch.sums(logits, max, scale);
    let token = if greedy {
        logits.iter().position(|l| *l >= max).unwrap_or(0)
    } else {
        let u = random.unit();
        if options.top_k == 0 && options.top_p >= 1.0 && options.min_p <= 0.0 {
            scratch.draw(logits, max, scale, u * mass)
        } else {
            scratch.weigh(logits, max, scale);
            scratch.keep_likely(options);
            scratch.draw_candidate(u)
        }
    };
    Choice {
        token: token as u32,
        logprob: f64::from(logits[token] - max) - total.ln(),
    }
}

impl ChoiceScratch {
    /// The sums of `exp(logits - max)` and of `exp((logits - max) * scale)`. The latter's are kept
    /// piece by piece; the exponentials themselves are not.
    fn sums(&mut self, logits: &[f32], max: f32, scale: f32) -> (f64, f64) {
        self.pieces.clear();
        let mut total = 0.0;
        for piece in logits.chunks(PIECE) {
            let (plain, scaled) = exp_sums(piece, max, scale);
            total += f64::from(plain);
            self.pieces.push(f64::from(scaled));
        }
        (total, self.pieces.iter().sum())
    }

    /// Replaces the weights by `exp((logits - max) * scale)`.
    fn weigh(&mut self, logits: &[f32], max: f32, scale: f32) {
        self.weights.clear();
        self.weights.extend_from_slice(logits);
        exp_in_place(&mut self.weights, max, scale);
    }

    /// The token at which the running sum of weights passes `target`. Only pieces where that can
    /// happen are computed again.
    fn draw(&mut self, logits: &[f32], max: f32, scale: f32, target: f64) -> usize {
        let mut below = 0.0;
        let mut last_possible = 0;
        for index in 0..self.pieces.len() {
            let first = index * PIECE;
            let piece = &logits[first..logits.len().min(first + PIECE)];
            if below + self.pieces[index] <= target {
                below += self.pieces[index];
                last_possible = first + piece.len() - 1;
                continue;
            }
            self.weigh(piece, max, scale);
            for (j, weight) in self.weights.iter().enumerate() {
                below += f64::from(*weight);
                if *weight > 0.0 {
                    last_possible = first + j;
                }
                if below > target {
                    return first + j;
                }
            }
        }
        last_possible
    }

    /// Sorts out the likely tokens: most likely first, lower ids first among equals.
    fn keep_likely(&mut self, options: &SamplingOptions) {
        // Weights are relative to the most likely token, which has 1, so min-p is a threshold.
        let threshold = options.min_p.max(0.0);
        let by_weight = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        self.candidates.clear();
        self.candidates
            .extend(self.weights.iter().copied().zip(0u32..));
        if options.top_k > 0 && options.top_k < self.candidates.len() {
            self.candidates
                .select_nth_unstable_by(options.top_k - 1, by_weight);
            self.candidates.truncate(options.top_k);
        }
        let mass: f64 = self.candidates.iter().map(|c| f64::from(c.0)).sum();
        if options.top_p < 1.0 {
            // What lies below a ten-thousandth of the most likely token seldom matters: sort the
            // rest first, and everything only if it does.
            let total = self.candidates.len();
            let wanted = mass * f64::from(options.top_p);
            let mut likely: Vec<_> = self
                .candidates
                .iter()
                .copied()
                .filter(|c| c.0 > 1e-4)
                .collect();
            if likely.iter().map(|c| f64::from(c.0)).sum::<f64>() < wanted && likely.len() < total {
                likely.clone_from(&self.candidates);
            }
            likely.sort_unstable_by(by_weight);
            let mut sum = 0.0;
            let kept = likely.iter().take_while(|c| {
                let before = sum;
                sum += f64::from(c.0);
                before < wanted
            });
            let kept = kept.count().max(1);
            likely.truncate(kept);
            self.candidates = likely;
        }
        self.candidates.retain(|c| c.0 >= threshold);
        self.candidates.sort_unstable_by(by_weight);
    }

    fn draw_candidate(&self, u: f64) -> usize {
        let mass: f64 = self.candidates.iter().map(|c| f64::from(c.0)).sum();
        let mut below = 0.0;
        for (weight, token) in &self.candidates {
            below += f64::from(*weight);
            if below > u * mass {
                return *token as usize;
            }
        }
        self.candidates.last().map_or(0, |c| c.1 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, 3.0, -4.0];

    fn frequencies(options: &SamplingOptions) -> [u32; 5] {
        let mut counts = [0; 5];
        let mut scratch = ChoiceScratch::default();
        let mut random = Random::new(9);
        for _ in 0..20_000 {
            counts[choose(&LOGITS, options, &mut random, &mut scratch).token as usize] += 1;
        }
        counts
    }

    #[test]
    fn greedy_takes_the_lowest_id_among_equals_and_tells_its_logprob() {
        let options = SamplingOptions::default();
        let choice = choose(
            &LOGITS,
            &options,
            &mut Random::new(0),
            &mut ChoiceScratch::default(),
        );
        assert_eq!(choice.token, 1);
        let total: f64 = LOGITS.iter().map(|l| f64::from(*l).exp()).sum();
        assert!((choice.logprob - (3.0 - total.ln())).abs() < 1e-6);
    }

    #[test]
    fn likelihoods_are_those_of_the_choice_and_in_order() {
        let mut scratch = ChoiceScratch::default();
        let options = SamplingOptions {
            temperature: 0.7,
            ..SamplingOptions::default()
        };
        let choice = choose(&LOGITS, &options, &mut Random::new(4), &mut scratch);
        let (logprob, likely) = likelihoods(&LOGITS, choice.token, 3, &mut scratch);
        assert_eq!(logprob.to_bits(), choice.logprob.to_bits());
        let order: Vec<u32> = likely.iter().map(|l| l.token).collect();
        assert_eq!(order, [1, 3, 2]);
        let all = likelihoods(&LOGITS, 0, 99, &mut scratch).1;
        let sum: f64 = all.iter().map(|l| l.logprob.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn frequencies_follow_the_temperature() {
        for temperature in [0.5, 1.0, 2.0] {
            let options = SamplingOptions {
                temperature,
                ..SamplingOptions::default()
            };
            let weights = LOGITS.map(|l| (f64::from(l) / f64::from(temperature)).exp());
            let total: f64 = weights.iter().sum();
            for (count, weight) in frequencies(&options).iter().zip(weights) {
                let expected = weight / total;
                let seen = f64::from(*count) / 20_000.0;
                assert!(
                    (seen - expected).abs() < 0.015,
                    "{seen} instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn filters_drop_what_they_promise() {
        let with = |top_k, top_p, min_p| {
            let options = SamplingOptions {
                temperature: 1.0,
                top_k,
                top_p,
                min_p,
                ..SamplingOptions::default()
            };
            frequencies(&options).map(|count| count > 0)
        };
        assert_eq!(with(1, 1.0, 0.0), [false, true, false, false, false]);
        assert_eq!(with(3, 1.0, 0.0), [false, true, true, true, false]);
        assert_eq!(with(0, 0.5, 0.0), [false, true, false, true, false]);
        assert_eq!(with(0, 1.0, 0.2), [false, true, true, true, false]);
        assert_eq!(with(0, 0.9999, 0.0), [true, true, true, true, true]);
    }
}
