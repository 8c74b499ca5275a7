//! Loops of the backward pass.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use super::dispatch;
use super::vector::{LANES, fold};

#[inline(always)]
fn sum_body(x: &[f32], f: impl Fn(usize, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let whole = x.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        for j in 0..LANES {
            lanes[j] += f(at + j, x[at + j]);
        }
    }
    for at in whole..x.len() {
        lanes[at - whole] += f(at, x[at]);
    }
    fold(lanes)
}

#[inline(always)]
fn softmax_backward_body(probabilities: &[f32], d: &mut [f32]) {
    let d_out = &*d;
    let d_out = &d_out[..probabilities.len()];
    let mean = sum_body(probabilities, |i, p| p * d_out[i]);
    for (d, p) in d.iter_mut().zip(probabilities) {
        *d = p * (*d - mean);
    }
}
dispatch! {
    /// Turns the gradient of probabilities into that of the scores they are the softmax of.
    pub(crate) fn softmax_backward(probabilities: &[f32], d: &mut [f32]) = softmax_backward_body;
}

#[inline(always)]
fn add_scaled_body(x: &mut [f32], y: &[f32], factor: f32) {
    for (a, b) in x.iter_mut().zip(y) {
        *a += b * factor;
    }
}
dispatch! {
    /// `x += y * factor`.
    pub(crate) fn add_scaled(x: &mut [f32], y: &[f32], factor: f32) = add_scaled_body;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_differences::{assert_gradient, dot, wave};
    use crate::kernels::{scale_in_place, softmax_numerators};

    #[test]
    fn softmax_matches_finite_differences() {
        let (x, d_out) = (wave(21, 0.9, 4.0), wave(21, 1.9, 1.0));
        let softmax = |x: &[f32]| {
            let mut out = x.to_vec();
            let sum = softmax_numerators(&mut out, 1.0);
            scale_in_place(&mut out, 1.0 / sum);
            out
        };
        let mut d = d_out.clone();
        softmax_backward(&softmax(&x), &mut d);
        assert_gradient(&x, &d, |x| dot(&softmax(x), &d_out));
    }
}
