//! Loops over vectors: norms, activations, exponentials. Sums run over 16 fixed lanes.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use super::dispatch;

pub(super) const LANES: usize = 16;

/// Sums lanes pairwise, always in the same order.
#[inline(always)]
pub(super) fn fold(lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    let mut lanes = lanes;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// e^x with a relative error below 2e-7, by Cody-Waite reduction and a polynomial of degree 7 on
/// [-ln2/2, ln2/2]; arguments are clamped to [-87, 88], where results are normal numbers.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    let x = x.clamp(-87.0, 88.0);
    let rounded = x.mul_add(LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let p = 1.0 / 5040.0f32;
    let p = p.mul_add(r, 1.0 / 720.0);
    let p = p.mul_add(r, 1.0 / 120.0);
    let p = p.mul_add(r, 1.0 / 24.0);
    let p = p.mul_add(r, 1.0 / 6.0);
    let p = p.mul_add(r, 0.5);
    let p = p.mul_add(r, 1.0);
    let p = p.mul_add(r, 1.0);
    // The low bits of `rounded` are n; shifted up to the exponent, the others fall out.
    p * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

/// The last values of a row, fewer than [`LANES`], filled up with `filler`: what runs over lanes is
/// compiled into vectors, what runs over a remainder is not.
#[inline(always)]
pub(super) fn fill_up(rest: &[f32], filler: f32) -> [f32; LANES] {
    let mut lanes = [filler; LANES];
    lanes[..rest.len()].copy_from_slice(rest);
    lanes
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn sum_of_squares_body(x: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += v * v;
        }
    }
    for (lane, v) in lanes.iter_mut().zip(rest) {
        *lane += v * v;
    }
    fold(lanes)
}
dispatch! {
    /// Sum of squares.
    pub(crate) fn sum_of_squares(x: &[f32]) -> f32 = sum_of_squares_body;
}

#[inline(always)]
fn max_body(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane = if *v > *lane { *v } else { *lane };
        }
    }
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    for (lane, v) in lanes.iter_mut().zip(fill_up(rest, f32::NEG_INFINITY)) {
        *lane = larger(*lane, v);
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, larger)
}
dispatch! {
    /// The largest value (negative infinity for none).
    pub(crate) fn max_of(x: &[f32]) -> f32 = max_body;
}

#[inline(always)]
fn rms_norm_body(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) -> f32 {
    let scale = 1.0 / (sum_of_squares_body(x) / x.len() as f32 + epsilon).sqrt();
    for ((o, v), w) in out.iter_mut().zip(x).zip(weight) {
        *o = v * scale * w;
    }
    scale
}
dispatch! {
    /// `out = x / rms(x) * weight` for one row; returns `1 / rms(x)` for the backward pass.
    pub(crate) fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) -> f32 = rms_norm_body;
}

#[inline(always)]
fn rms_norm_backward_body(x: &[f32], weight: &[f32], scale: f32, d_out: &[f32], d_x: &mut [f32]) {
    let mut lanes = [0.0; LANES];
    let width = x.len() / LANES * LANES;
    for at in (0..width).step_by(LANES) {
        for j in 0..LANES {
            lanes[j] += d_out[at + j] * weight[at + j] * x[at + j];
        }
    }
    for at in width..x.len() {
        lanes[at - width] += d_out[at] * weight[at] * x[at];
    }
    let pull = fold(lanes) * scale * scale * scale / x.len() as f32;
    for (((d, g), w), v) in d_x.iter_mut().zip(d_out).zip(weight).zip(x) {
        *d += g * w * scale - v * pull;
    }
}
dispatch! {
    /// Adds to `d_x` the gradient of [`rms_norm`] for one row, `scale` being what it returned.
    pub(crate) fn rms_norm_backward(x: &[f32], weight: &[f32], scale: f32, d_out: &[f32], d_x: &mut [f32]) = rms_norm_backward_body;
}

#[inline(always)]
fn softmax_numerators_body(x: &mut [f32], scale: f32) -> f32 {
    let max = max_body(x);
    exp_body(x, max, scale)
}
dispatch! {
    /// Replaces `x` by `exp((x - max) * scale)` and returns the sum.
    pub(crate) fn softmax_numerators(x: &mut [f32], scale: f32) -> f32 = softmax_numerators_body;
}

#[inline(always)]
fn exp_body(x: &mut [f32], max: f32, scale: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let mut chunks = x.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *v = exp((*v - max) * scale);
            *lane += *v;
        }
    }
    let rest = chunks.into_remainder();
    let mut last = fill_up(rest, max);
    for v in &mut last {
        *v = exp((*v - max) * scale);
    }
    for ((lane, v), exp) in lanes.iter_mut().zip(rest).zip(last) {
        *v = exp;
        *lane += exp;
    }
    fold(lanes)
}
dispatch! {
    /// Replaces `x` by `exp((x - max) * scale)` for a known maximum and returns the sum.
    pub(crate) fn exp_in_place(x: &mut [f32], max: f32, scale: f32) -> f32 = exp_body;
}

#[inline(always)]
fn add_assign_body(x: &mut [f32], y: &[f32]) {
    for (a, b) in x.iter_mut().zip(y) {
        *a += b;
    }
}
dispatch! {
    /// `x += y`.
    pub(crate) fn add_assign(x: &mut [f32], y: &[f32]) = add_assign_body;
}

#[inline(always)]
fn scale_body(x: &mut [f32], factor: f32) {
    for a in x {
        *a *= factor;
    }
}
dispatch! {
    /// `x *= factor`.
    pub(crate) fn scale_in_place(x: &mut [f32], factor: f32) = scale_body;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exp_is_close_to_the_library_s(x in -87.0f32..88.0) {
            let expected = f64::from(x).exp();
            let relative = (f64::from(exp(x)) - expected).abs() / expected;
            prop_assert!(relative < 3e-7, "exp({x}): relative error {relative}");
        }

        #[test]
        fn dispatched_sums_equal_plain_ones(x in prop::collection::vec(-5.0f32..5.0, 0..100)) {
            prop_assert_eq!(sum_of_squares(&x).to_bits(), sum_of_squares_body(&x).to_bits());
            let (mut a, mut b) = (x.clone(), x.clone());
            prop_assert_eq!(softmax_numerators(&mut a, 0.7).to_bits(), softmax_numerators_body(&mut b, 0.7).to_bits());
            prop_assert_eq!(a, b);
        }
    }

    /// Central differences in f64 of a scalar function of one f32 vector.
    fn numeric_gradient(x: &[f32], f: impl Fn(&[f32]) -> f64) -> Vec<f64> {
        let step = 1e-3;
        (0..x.len())
            .map(|i| {
                let (mut high, mut low) = (x.to_vec(), x.to_vec());
                high[i] += step;
                low[i] -= step;
                (f(&high) - f(&low)) / f64::from(high[i] - low[i])
            })
            .collect()
    }

    fn assert_close(analytic: &[f32], numeric: &[f64]) {
        for (a, n) in analytic.iter().zip(numeric) {
            assert!(
                (f64::from(*a) - n).abs() < 2e-3 * (1.0 + n.abs()),
                "{a} against {n}"
            );
        }
    }

    #[test]
    fn rms_norm_backward_matches_finite_differences() {
        let x: Vec<f32> = (0..19).map(|i| (i as f32 * 0.7).sin() + 0.2).collect();
        let weight: Vec<f32> = (0..19).map(|i| 1.0 + i as f32 * 0.05).collect();
        let d_out: Vec<f32> = (0..19).map(|i| (i as f32 * 1.3).cos()).collect();
        let loss = |x: &[f32]| {
            let mut out = vec![0.0; 19];
            rms_norm(x, &weight, 1e-5, &mut out);
            out.iter()
                .zip(&d_out)
                .map(|(o, d)| f64::from(*o) * f64::from(*d))
                .sum()
        };
        let mut out = vec![0.0; 19];
        let scale = rms_norm(&x, &weight, 1e-5, &mut out);
        let mut d_x = vec![0.0; 19];
        rms_norm_backward(&x, &weight, scale, &d_out, &mut d_x);
        assert_close(&d_x, &numeric_gradient(&x, loss));
    }
}
