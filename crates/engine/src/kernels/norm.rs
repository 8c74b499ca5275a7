//! LayerNorm (Ba et al. 2016). The RMS norm stands with the vector loops it shares a sum with.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use super::dispatch;
use super::vector::{LANES, fold};

/// `sum of f(i)` for `i` below `length`, over the fixed lanes.
#[inline(always)]
fn lane_sum(length: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let whole = length / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        for (j, lane) in lanes.iter_mut().enumerate() {
            *lane += f(at + j);
        }
    }
    for at in whole..length {
        lanes[at - whole] += f(at);
    }
    fold(lanes)
}

#[inline(always)]
fn layer_norm_body(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    out: &mut [f32],
) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = lane_sum(x.len(), |i| x[i]) / width;
    let variance = lane_sum(x.len(), |i| (x[i] - mean) * (x[i] - mean)) / width;
    let scale = 1.0 / (variance + epsilon).sqrt();
    for (((o, v), w), b) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *o = (v - mean) * scale * w + b;
    }
    (mean, scale)
}
dispatch! {
    /// `out = (x - mean) / sqrt(variance + epsilon) * weight + bias` for one row; returns the mean
    /// and `1 / sqrt(variance + epsilon)` for the backward pass.
    pub(crate) fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) -> (f32, f32) = layer_norm_body;
}

#[inline(always)]
fn layer_norm_backward_body(
    x: &[f32],
    weight: &[f32],
    mean: f32,
    scale: f32,
    d_out: &[f32],
    d_x: &mut [f32],
) {
    let length = x.len().min(weight.len()).min(d_out.len());
    let (x, weight, d_out) = (&x[..length], &weight[..length], &d_out[..length]);
    let width = length as f32;
    let average = lane_sum(length, |i| d_out[i] * weight[i]) / width;
    let pull = lane_sum(length, |i| d_out[i] * weight[i] * (x[i] - mean)) * scale * scale / width;
    for (((d, g), w), v) in d_x.iter_mut().zip(d_out).zip(weight).zip(x) {
        *d += scale * (g * w - average - (v - mean) * pull);
    }
}
dispatch! {
    /// Adds to `d_x` the gradient of [`layer_norm`] for one row, `mean` and `scale` being what it
    /// returned.
    pub(crate) fn layer_norm_backward(x: &[f32], weight: &[f32], mean: f32, scale: f32, d_out: &[f32], d_x: &mut [f32]) = layer_norm_backward_body;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(x: &[f64], weight: &[f32], bias: &[f32]) -> Vec<f64> {
        let width = x.len() as f64;
        let mean = x.iter().sum::<f64>() / width;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width;
        let parameters = weight.iter().zip(bias);
        x.iter()
            .zip(parameters)
            .map(|(v, (w, b))| {
                (v - mean) / (variance + 1e-5).sqrt() * f64::from(*w) + f64::from(*b)
            })
            .collect()
    }

    #[test]
    fn layer_norm_and_its_gradient_are_those_of_the_definition() {
        let x: Vec<f32> = (0..37).map(|i| (i as f32 * 0.7).sin() + 0.4).collect();
        let weight: Vec<f32> = (0..37).map(|i| 1.0 + i as f32 * 0.05).collect();
        let bias: Vec<f32> = (0..37).map(|i| (i as f32).cos()).collect();
        let d_out: Vec<f32> = (0..37).map(|i| (i as f32 * 1.3).cos()).collect();
        let wide: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        let mut out = vec![0.0; 37];
        let (mean, scale) = layer_norm(&x, &weight, &bias, 1e-5, &mut out);
        for (o, r) in out.iter().zip(reference(&wide, &weight, &bias)) {
            assert!((f64::from(*o) - r).abs() < 1e-5, "{o} against {r}");
        }
        let mut d_x = vec![0.0; 37];
        layer_norm_backward(&x, &weight, mean, scale, &d_out, &mut d_x);
        let loss = |x: &[f64]| -> f64 {
            let out = reference(x, &weight, &bias);
            out.iter().zip(&d_out).map(|(o, d)| o * f64::from(*d)).sum()
        };
        for i in 0..37 {
            let (mut high, mut low) = (wide.clone(), wide.clone());
            high[i] += 1e-5;
            low[i] -= 1e-5;
            let numeric = (loss(&high) - loss(&low)) / 2e-5;
            let analytic = f64::from(d_x[i]);
            assert!(
                (analytic - numeric).abs() < 1e-4 * (1.0 + numeric.abs()),
                "{analytic} against {numeric}"
            );
        }
    }
}
