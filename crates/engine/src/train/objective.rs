//! What a step minimizes, as a function of the stream after the last block.

use super::data::PreferenceLoss;
use super::head::Head;
use super::network::{Network, Workspace};
use super::norms;
use super::tree::Shard;

/// The objective of one step. It sees a shard's output rows and gives the shard's part of the
/// loss, and that part's gradient. Slices hold a number for every sequence of the step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Objective<'a> {
    /// The negative log-probability of every completion token, times `weight`.
    NextToken {
        /// One over the number of completion tokens in the step.
        weight: f64,
    },
    /// The preference of every pair, times `weight`.
    Preference {
        loss: PreferenceLoss,
        /// The base's log-probability of every sequence's completion.
        reference: &'a [f64],
        /// One over the number of pairs in the step.
        weight: f64,
    },
    /// The comparison of every pair's scores, times `weight`.
    Comparison {
        /// One over the number of pairs in the step.
        weight: f64,
    },
    /// The squared difference of every sequence's score, times `weight`.
    Score {
        wanted: &'a [f64],
        /// One over the number of sequences in the step.
        weight: f64,
    },
}

impl Network<'_> {
    /// The loss of a shard after [`Network::forward`]; writes into `w.d_stream`, which must be
    /// zero, its gradient with respect to `w.stream`, and adds to `gradient` those of the head's
    /// parameters that are trained.
    pub(super) fn objective(
        &self,
        shard: &Shard,
        objective: Objective<'_>,
        w: &mut Workspace,
        gradient: &mut [f32],
    ) -> f64 {
        let head = Head {
            config: &self.model.config,
            frozen: self.frozen,
            coded: self.held.as_coded(),
            shard,
            stream: &w.stream,
        };
        let (loss, weights) = match objective {
            Objective::NextToken { weight } => {
                let weights = vec![-weight as f32; shard.targets.len()];
                let whole = self.whole.map(|whole| (whole, gradient));
                let log_probabilities =
                    head.backward(&weights, &mut w.d_stream, whole, &mut w.head);
                return -log_probabilities.iter().sum::<f64>() * weight;
            }
            Objective::Preference {
                loss,
                reference,
                weight,
            } => {
                let log_probabilities = head.log_probabilities(&mut w.head);
                preference(shard, &log_probabilities, loss, reference, weight)
            }
            Objective::Comparison { weight } => {
                let scores = self.scores(shard, &w.stream);
                let (loss, slopes) = comparison(&scores, weight);
                self.scores_backward(shard, &slopes, w, gradient);
                return loss;
            }
            Objective::Score { wanted, weight } => {
                let scores = self.scores(shard, &w.stream);
                let wanted: Vec<f64> = shard.sources.iter().map(|s| wanted[*s]).collect();
                let (loss, slopes) = squares(&scores, &wanted, weight);
                self.scores_backward(shard, &slopes, w, gradient);
                return loss;
            }
        };
        let whole = self.whole.map(|whole| (whole, gradient));
        head.backward(&weights, &mut w.d_stream, whole, &mut w.head);
        loss
    }

    /// The log-probability of every sequence's completion.
    pub(super) fn completion_log_probabilities(
        &self,
        shard: &Shard,
        w: &mut Workspace,
    ) -> Vec<f64> {
        let head = Head {
            config: &self.model.config,
            frozen: self.frozen,
            coded: self.held.as_coded(),
            shard,
            stream: &w.stream,
        };
        let of_targets = head.log_probabilities(&mut w.head);
        let sequences = shard.sequences.iter();
        sequences
            .map(|range| of_targets[range.clone()].iter().sum())
            .collect()
    }

    /// The score of every sequence: the head's product with the normed output row of the
    /// sequence's one target.
    pub(super) fn scores(&self, shard: &Shard, stream: &[f32]) -> Vec<f64> {
        let (config, hidden) = (&self.model.config, self.model.config.hidden);
        let head = &self.adapter.values[self.adapter.layout.score()];
        let mut normed = Vec::new();
        let score = |range: &std::ops::Range<usize>| {
            let row = shard.targets[range.start].output;
            let row = &stream[row * hidden..(row + 1) * hidden];
            norms::forward(config, &self.frozen.norm, row, &mut normed);
            let products = normed.iter().zip(head);
            products.map(|(n, h)| f64::from(*n) * f64::from(*h)).sum()
        };
        shard.sequences.iter().map(score).collect()
    }

    /// From the gradients of scores to those of the stream and of the score head.
    fn scores_backward(
        &self,
        shard: &Shard,
        slopes: &[f64],
        w: &mut Workspace,
        gradient: &mut [f32],
    ) {
        let (config, hidden) = (&self.model.config, self.model.config.hidden);
        let range = self.adapter.layout.score();
        let head = &self.adapter.values[range.clone()];
        let d_head = &mut gradient[range];
        for (sequence, slope) in shard.sequences.iter().zip(slopes) {
            let row = shard.targets[sequence.start].output;
            let rows = row * hidden..(row + 1) * hidden;
            let (x, slope) = (&w.stream[rows.clone()], *slope as f32);
            norms::forward(config, &self.frozen.norm, x, &mut w.normed);
            for (d, normed) in d_head.iter_mut().zip(&w.normed) {
                *d += slope * normed;
            }
            w.d_normed.clear();
            w.d_normed.extend(head.iter().map(|h| slope * h));
            let d_x = &mut w.d_stream[rows];
            norms::backward(config, &self.frozen.norm, x, &w.d_normed, d_x);
        }
    }
}

/// `log(1 + e^x)` and its slope, without overflow.
fn softplus(x: f64) -> (f64, f64) {
    let small = (-x.abs()).exp();
    let slope = if x > 0.0 {
        1.0 / (1.0 + small)
    } else {
        small / (1.0 + small)
    };
    (x.max(0.0) + small.ln_1p(), slope)
}

/// The loss of a shard's pairs, and its gradient with respect to every target's log-probability.
fn preference(
    shard: &Shard,
    log_probabilities: &[f64],
    options: PreferenceLoss,
    reference: &[f64],
    weight: f64,
) -> (f64, Vec<f32>) {
    let (beta, nll) = (f64::from(options.beta), f64::from(options.nll));
    let (mut loss, mut weights) = (0.0, vec![0.0; log_probabilities.len()]);
    let sequences: Vec<_> = shard.sequences.iter().zip(&shard.sources).collect();
    for pair in sequences.chunks_exact(2) {
        let of = |(range, source): (&std::ops::Range<usize>, &usize)| {
            let sum: f64 = log_probabilities[range.clone()].iter().sum();
            (sum, sum - reference[*source])
        };
        let ((chosen_sum, chosen), (_, rejected)) = (of(pair[0]), of(pair[1]));
        let (value, slope) = softplus(-beta * (chosen - rejected));
        let length = pair[0].0.len() as f64;
        loss += weight * (value - nll * chosen_sum / length);
        let of_chosen = -weight * (beta * slope + nll / length);
        weights[pair[0].0.clone()].fill(of_chosen as f32);
        weights[pair[1].0.clone()].fill((weight * beta * slope) as f32);
    }
    (loss, weights)
}

/// The loss of pairs of scores, and its gradient.
fn comparison(scores: &[f64], weight: f64) -> (f64, Vec<f64>) {
    let (mut loss, mut slopes) = (0.0, Vec::new());
    for pair in scores.chunks_exact(2) {
        let (value, slope) = softplus(pair[1] - pair[0]);
        loss += weight * value;
        slopes.extend([-weight * slope, weight * slope]);
    }
    (loss, slopes)
}

/// The loss of scores against those wanted, and its gradient.
fn squares(scores: &[f64], wanted: &[f64], weight: f64) -> (f64, Vec<f64>) {
    let differences: Vec<f64> = scores.iter().zip(wanted).map(|(s, w)| s - w).collect();
    let loss = differences.iter().map(|d| d * d).sum::<f64>() * weight;
    let slopes = differences.iter().map(|d| 2.0 * weight * d);
    (loss, slopes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softplus_is_finite_and_its_slope_is_right() {
        for x in [-800.0, -3.0, -0.1, 0.0, 0.1, 3.0, 800.0] {
            let (value, slope) = softplus(x);
            let numeric = (softplus(x + 1e-5).0 - softplus(x - 1e-5).0) / 2e-5;
            assert!(value.is_finite() && (slope - numeric).abs() < 1e-5, "{x}");
        }
        assert!((softplus(0.0).0 - std::f64::consts::LN_2).abs() < 1e-15);
    }
}
