//! Sums of exponentials over pieces of the vocabulary.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use super::dispatch;
use super::vector::{LANES, exp, fold};

#[inline(always)]
fn exp_sums_body(x: &[f32], max: f32, scale: f32) -> (f32, f32) {
    let (mut plain, mut scaled) = ([0.0; LANES], [0.0; LANES]);
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for ((p, s), v) in plain.iter_mut().zip(&mut scaled).zip(chunk) {
            *p += exp(*v - max);
            *s += exp((*v - max) * scale);
        }
    }
    for ((p, s), v) in plain.iter_mut().zip(&mut scaled).zip(rest) {
        *p += exp(*v - max);
        *s += exp((*v - max) * scale);
    }
    (fold(plain), fold(scaled))
}
dispatch! {
    /// The sums of `exp(x - max)` and of `exp((x - max) * scale)`; the same bits as
    /// [`super::exp_in_place`] returns.
    pub(crate) fn exp_sums(x: &[f32], max: f32, scale: f32) -> (f32, f32) = exp_sums_body;
}

#[cfg(test)]
mod tests {
    use super::super::exp_in_place;
    use super::*;

    #[test]
    fn sums_have_the_bits_of_the_loops_that_store() {
        for length in [0, 1, 16, 37, 512] {
            let x: Vec<f32> = (0..length).map(|i| (i as f32 * 1.7).sin() * 9.0).collect();
            let (plain, scaled) = exp_sums(&x, 9.0, 1.25);
            let (mut a, mut b) = (x.clone(), x);
            assert_eq!(plain.to_bits(), exp_in_place(&mut a, 9.0, 1.0).to_bits());
            assert_eq!(scaled.to_bits(), exp_in_place(&mut b, 9.0, 1.25).to_bits());
        }
    }
}
