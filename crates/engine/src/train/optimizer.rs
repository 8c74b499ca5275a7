//! AdamW (Loshchilov and Hutter 2019), with clipping of the global gradient norm.

use super::TrainerOptions;
use crate::kernels::scale_in_place;

/// The moments of every parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moments {
    pub(super) first: Vec<f32>,
    pub(super) second: Vec<f32>,
}

impl Moments {
    pub(super) fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
        }
    }
}

/// Scales the gradient so that its global norm is at most `clip`; returns the norm it had.
pub(super) fn clip(gradient: &mut [f32], clip: f32) -> f64 {
    // Summed in f64 piece by piece, always in the same order.
    let norm = gradient
        .chunks(4096)
        .map(|piece| f64::from(crate::kernels::sum_of_squares(piece)))
        .sum::<f64>()
        .sqrt();
    if norm > f64::from(clip) {
        scale_in_place(gradient, (f64::from(clip) / (norm + 1e-6)) as f32);
    }
    norm
}

/// One step, counted from 1.
pub(super) fn adamw(
    options: &TrainerOptions,
    step: u32,
    values: &mut [f32],
    gradient: &[f32],
    moments: &mut Moments,
) {
    let (b1, b2) = options.betas;
    let exponent = step as i32;
    let correction1 = 1.0 - f64::from(b1).powi(exponent);
    let correction2 = 1.0 - f64::from(b2).powi(exponent);
    let rate = options.learning_rate_at(step);
    let step_size = (f64::from(rate) / correction1) as f32;
    let root = (1.0 / correction2.sqrt()) as f32;
    let keep = 1.0 - rate * options.weight_decay;
    let moments = moments.first.iter_mut().zip(&mut moments.second);
    for ((value, g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
        *m = b1 * *m + (1.0 - b1) * g;
        *v = b2 * *v + (1.0 - b2) * g * g;
        *value = *value * keep - step_size * *m / (v.sqrt() * root + options.epsilon);
    }
}
