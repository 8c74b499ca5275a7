//! Activations as eight-bit integers.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use crate::kernels::{Rows, dispatch};

/// Neighbours in a row that share a scale.
pub(super) const GROUP: usize = 32;
/// Added to a number below 2^22, it leaves the nearest integer in the low bits (ties to even).
const ROUNDING: f32 = 12_582_912.0;

/// Rows of activations, each element `scale * code`. Row lengths are multiples of 32.
#[derive(Debug, Default)]
pub(crate) struct EightBitRows {
    pub(super) inner: usize,
    pub(super) rows: usize,
    /// `[rows][inner]`.
    pub(super) codes: Vec<i8>,
    /// `[rows][inner / 32]`.
    pub(super) scales: Vec<f32>,
    /// Sums of codes, `[rows][inner / 16]`.
    pub(super) totals: Vec<i32>,
    /// Sums of elements over 32 neighbours, `[rows][inner / 32]`.
    pub(super) sums: Vec<f32>,
    /// Sums of elements over 16 neighbours, `[rows][inner / 16]`.
    pub(super) half_sums: Vec<f32>,
}

impl EightBitRows {
    /// Rounds the first `inner` elements of every row.
    pub(crate) fn round(&mut self, rows: Rows<'_>, inner: usize) {
        debug_assert!(inner.is_multiple_of(GROUP));
        let (count, groups) = (rows.rows, inner / GROUP);
        (self.inner, self.rows) = (inner, count);
        self.codes.resize(count * inner, 0);
        self.scales.resize(count * groups, 0.0);
        self.sums.resize(count * groups, 0.0);
        self.totals.resize(count * groups * 2, 0);
        self.half_sums.resize(count * groups * 2, 0.0);
        for r in 0..count {
            let (at, halves) = (r * groups, 2 * r * groups);
            round_row(
                &rows.data[r * rows.stride..][..inner],
                &mut self.codes[r * inner..][..inner],
                &mut self.scales[at..at + groups],
                &mut self.totals[halves..halves + 2 * groups],
            );
            let totals = self.totals[halves..].as_chunks::<2>().0.iter();
            let sums = self.sums[at..at + groups].iter_mut();
            let half_sums = self.half_sums[halves..].as_chunks_mut::<2>().0.iter_mut();
            let scales = &self.scales[at..];
            for (((sum, half_sums), totals), scale) in sums.zip(half_sums).zip(totals).zip(scales) {
                // At most 32 * 127: exact as a float.
                *sum = scale * (totals[0] + totals[1]) as f32;
                *half_sums = [scale * totals[0] as f32, scale * totals[1] as f32];
            }
        }
    }
}

#[inline(always)]
fn round_row_body(row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) {
    let groups = row
        .as_chunks::<GROUP>()
        .0
        .iter()
        .zip(codes.as_chunks_mut::<GROUP>().0)
        .zip(scales)
        .zip(totals.as_chunks_mut::<2>().0);
    for (((row, codes), scale), totals) in groups {
        let largest = largest_magnitude(row);
        *scale = largest / 127.0;
        let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        let mut integers = [0i32; GROUP];
        for (integer, x) in integers.iter_mut().zip(row) {
            let bits = (x * inverse + ROUNDING).to_bits();
            *integer = (bits << 24).cast_signed() >> 24;
        }
        for (code, integer) in codes.iter_mut().zip(&integers) {
            *code = *integer as i8;
        }
        // Both halves at once.
        let (mut lanes, mut width) = (integers, GROUP / 4);
        while width > 0 {
            for i in 0..width {
                lanes[i] += lanes[i + width];
                lanes[i + GROUP / 2] += lanes[i + GROUP / 2 + width];
            }
            width /= 2;
        }
        *totals = [lanes[0], lanes[GROUP / 2]];
    }
}

/// Compared as integers, magnitudes keep their order and one that is not a number is the largest: it
/// becomes the scale, and so reaches every product.
#[inline(always)]
fn largest_magnitude(row: &[f32; GROUP]) -> f32 {
    let mut bits = [0; GROUP];
    for (bits, x) in bits.iter_mut().zip(row) {
        *bits = x.to_bits() & 0x7fff_ffff;
    }
    let mut half = GROUP / 2;
    while half > 0 {
        let (low, high) = bits.split_at_mut(half);
        for (l, h) in low.iter_mut().zip(high) {
            *l = (*l).max(*h);
        }
        half /= 2;
    }
    f32::from_bits(bits[0])
}

dispatch! {
    /// Rounds one row.
    fn round_row(row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) = round_row_body;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(data: &[f32]) -> EightBitRows {
        let mut rows = EightBitRows::default();
        let input = Rows {
            data,
            rows: 1,
            stride: data.len(),
        };
        rows.round(input, data.len());
        rows
    }

    #[test]
    fn elements_are_within_half_a_step() {
        let data: Vec<f32> = (0..96).map(|i| (i as f32 * 0.37).sin() * 3.0).collect();
        let rows = rounded(&data);
        for (i, x) in data.iter().enumerate() {
            let (code, scale) = (f32::from(rows.codes[i]), rows.scales[i / GROUP]);
            assert!((code * scale - x).abs() <= 0.5001 * scale, "element {i}");
        }
        let sum: f32 = (0..32).map(|i| f32::from(rows.codes[i])).sum();
        assert!((rows.sums[0] - sum * rows.scales[0]).abs() < 1e-5);
    }

    #[test]
    fn zeros_stay_zeros_and_what_is_not_a_number_is_not_lost() {
        assert!(rounded(&[0.0; 32]).scales[0] == 0.0);
        let mut data = [1.0; 32];
        data[7] = f32::NAN;
        assert!(rounded(&data).scales[0].is_nan());
        data[7] = f32::INFINITY;
        assert!(!rounded(&data).scales[0].is_finite());
    }
}
