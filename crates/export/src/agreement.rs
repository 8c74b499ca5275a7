//! Does what was written compute what was trained? Compared on the run's own training texts, logit
//! by logit.

use std::sync::Arc;

use autodidact_engine::{
    Adapter, Arithmetic, Model, Sampler, Trainer, TrainerOptions, TrainingExample, WeightStorage,
};
use serde::Serialize;

use crate::ExportError;

/// How far two ways of computing the same model are apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// What is compared with the adapter as it was trained.
    pub what: String,
    /// Tokens predicted.
    pub positions: u64,
    /// The largest difference of two logits, or of two losses per token.
    pub largest: f64,
    /// Mean Kullback-Leibler divergence per token, in nats; absent for losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<f64>,
    /// Share of positions with the same most likely token; absent for losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_token: Option<f64>,
    /// The largest divergence (for losses: difference) that passes; absent: only reported, since
    /// rounding weights to few bits changes what a model computes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
}

impl Agreement {
    /// False if something passes that should not.
    pub fn holds(&self) -> bool {
        let deviation = self.divergence.unwrap_or(self.largest);
        deviation.is_finite() && self.tolerance.is_none_or(|most| deviation <= most)
    }
}

/// The texts to compare on, and the logits of the adapter as it was trained.
#[derive(Debug)]
pub struct Agreements {
    model: Arc<Model>,
    examples: Vec<TrainingExample>,
    expected: Vec<Vec<Vec<f32>>>,
    threads: usize,
}

/// Tokens of a text that are compared.
const LONGEST: usize = 128;

impl Agreements {
    /// Computes the logits of the base with the adapter, in full precision.
    ///
    /// # Errors
    /// Those of the engine; [`ExportError::Request`] without texts.
    pub fn new(
        model: &Arc<Model>,
        adapter: &Adapter,
        examples: Vec<TrainingExample>,
        threads: usize,
    ) -> Result<Self, ExportError> {
        let longest = LONGEST.min(model.config().context);
        let mut examples = examples;
        for example in &mut examples {
            example.tokens.truncate(longest);
        }
        // A prompt that fills the text leaves nothing to compare losses on.
        examples.retain(|e| e.prompt_tokens < e.tokens.len());
        if examples.is_empty() {
            return Err(ExportError::Request(
                "there is no training text short enough to compare logits on".into(),
            ));
        }
        let expected = logits(model, Some(adapter), &examples, threads)?;
        Ok(Self {
            model: model.clone(),
            examples,
            expected,
            threads,
        })
    }

    /// Compares with another model or another form of the adapter.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn compare(
        &self,
        what: &str,
        model: &Arc<Model>,
        adapter: Option<&Adapter>,
        tolerance: Option<f64>,
    ) -> Result<Agreement, ExportError> {
        let found = logits(model, adapter, &self.examples, self.threads)?;
        let mut agreement = compare_logits(&self.expected, &found);
        what.clone_into(&mut agreement.what);
        agreement.tolerance = tolerance;
        checked(agreement)
    }

    /// Compares the loss that training computes with the one these logits give.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn training(&self, adapter: &Adapter) -> Result<Agreement, ExportError> {
        let layout = &adapter.layout;
        let options = TrainerOptions {
            rank: layout.rank,
            alpha: layout.alpha,
            scaling: layout.scaling,
            dora: layout.has_magnitudes(),
            steps: 1,
            batch: self.examples.len(),
            threads: self.threads,
            ..TrainerOptions::default()
        };
        let mut trainer = Trainer::new(self.model.clone(), self.examples.clone(), options)?;
        trainer.start_from(adapter.clone())?;
        let (trained, _) = trainer.loss_and_gradient()?;
        let (sampled, positions) = self.loss();
        checked(Agreement {
            what: "the loss as training computes it".to_owned(),
            positions,
            largest: (trained - sampled).abs(),
            divergence: None,
            same_token: None,
            tolerance: Some(1e-3 * sampled.abs().max(1.0)),
        })
    }

    /// The mean cross-entropy per completion token, and how many there are.
    fn loss(&self) -> (f64, u64) {
        let (mut sum, mut count) = (0.0, 0);
        for (example, logits) in self.examples.iter().zip(&self.expected) {
            let predicted = example.tokens.iter().skip(example.prompt_tokens);
            let rows = logits.iter().skip(example.prompt_tokens.saturating_sub(1));
            for (token, row) in predicted.zip(rows) {
                let logit = row.get(*token as usize).copied().unwrap_or(f32::NAN);
                sum += log_sum_exp(row) - f64::from(logit);
                count += 1;
            }
        }
        (sum / (count.max(1)) as f64, count)
    }
}

fn checked(agreement: Agreement) -> Result<Agreement, ExportError> {
    if agreement.holds() {
        return Ok(agreement);
    }
    Err(ExportError::Disagrees(format!(
        "{} differs by {:.3e}, and {:.3e} would pass",
        agreement.what,
        agreement.divergence.unwrap_or(agreement.largest),
        agreement.tolerance.unwrap_or(f64::INFINITY),
    )))
}

fn logits(
    model: &Arc<Model>,
    adapter: Option<&Adapter>,
    examples: &[TrainingExample],
    threads: usize,
) -> Result<Vec<Vec<Vec<f32>>>, ExportError> {
    let (storage, arithmetic) = (WeightStorage::Automatic, Arithmetic::Full);
    let sampler = Sampler::with_weights(model.clone(), adapter, threads, storage, arithmetic)?;
    let of = |example: &TrainingExample| sampler.logits(&example.tokens);
    Ok(examples.iter().map(of).collect::<Result<_, _>>()?)
}

/// Compares logits, `[texts][tokens][vocabulary]` each.
pub fn compare_logits(expected: &[Vec<Vec<f32>>], found: &[Vec<Vec<f32>>]) -> Agreement {
    let (mut largest, mut divergence) = (0.0f64, 0.0f64);
    let (mut same, mut positions) = (0u64, 0u64);
    for (expected, found) in expected.iter().flatten().zip(found.iter().flatten()) {
        let differences = expected.iter().zip(found).map(|(a, b)| (a - b).abs());
        let most = differences.fold(
            0.0f32,
            |most, d| if d > most || d.is_nan() { d } else { most },
        );
        if most.is_nan() || f64::from(most) > largest {
            largest = f64::from(most);
        }
        divergence += kullback_leibler(expected, found);
        same += u64::from(top(expected) == top(found));
        positions += 1;
    }
    let count = positions.max(1) as f64;
    Agreement {
        what: String::new(),
        positions,
        largest,
        divergence: Some(divergence / count),
        same_token: Some(same as f64 / count),
        tolerance: None,
    }
}

fn log_sum_exp(row: &[f32]) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|x| f64::from(x - most).exp()).sum();
    f64::from(most) + sum.ln()
}

/// KL(p || q) of the distributions that two rows of logits give.
fn kullback_leibler(p: &[f32], q: &[f32]) -> f64 {
    let (p_sum, q_sum) = (log_sum_exp(p), log_sum_exp(q));
    let terms = p.iter().zip(q).map(|(p, q)| {
        let (log_p, log_q) = (f64::from(*p) - p_sum, f64::from(*q) - q_sum);
        let weight = log_p.exp();
        if weight > 0.0 {
            weight * (log_p - log_q)
        } else {
            0.0
        }
    });
    let sum: f64 = terms.sum();
    // Rounding may make it a little negative; `max` would hide what is no number.
    if sum < 0.0 { 0.0 } else { sum }
}

fn top(row: &[f32]) -> usize {
    let best = row.iter().enumerate();
    best.fold((0, f32::NEG_INFINITY), |best, (at, value)| {
        if *value > best.1 { (at, *value) } else { best }
    })
    .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_seen_and_equal_logits_agree() {
        let rows = vec![vec![vec![1.0, 2.0, 3.0], vec![0.5, -1.0, 0.0]]];
        let same = compare_logits(&rows, &rows);
        assert_eq!((same.largest, same.divergence), (0.0, Some(0.0)));
        assert_eq!((same.same_token, same.positions), (Some(1.0), 2));
        let mut other = rows.clone();
        other[0][1][2] = 2.0;
        let differing = compare_logits(&rows, &other);
        assert!((differing.largest - 2.0).abs() < 1e-12);
        assert_eq!(differing.same_token, Some(0.5));
        // p = softmax(0.5, -1, 0), q = softmax(0.5, -1, 2), in Python's floats, halved for two positions.
        let divergence = differing.divergence.unwrap();
        assert!((divergence - 0.237_091_385).abs() < 1e-6, "{differing:?}");
        other[0][0][0] = f32::NAN;
        let broken = Agreement {
            tolerance: Some(1.0),
            ..compare_logits(&rows, &other)
        };
        assert!(!broken.holds(), "{broken:?}");
    }
}
