//! Activations as eight-bit integers.

#![expect(
    clippy::inline_always,
    reason = "each body is compiled into its SIMD copies"
)]

use crate::kernels::{Level, Rows, dispatch};

/// Neighbours in a row that share a scale.
pub(super) const GROUP: usize = 32;
/// Added to a number below 2^22, it leaves the nearest integer in the low bits (ties to even).
pub(super) const ROUNDING: f32 = 12_582_912.0;

/// Rows of activations, each element `scale * code`. Row lengths are multiples of 32.
#[derive(Debug, Clone, Default)]
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
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.rows
    }

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
        let level = Level::detect();
        for r in 0..count {
            let (at, halves) = (r * groups, 2 * r * groups);
            round_row(
                level,
                &rows.data[r * rows.stride..][..inner],
                &mut self.codes[r * inner..][..inner],
                &mut self.scales[at..at + groups],
                &mut self.totals[halves..halves + 2 * groups],
            );
        }
        add_up(
            &self.scales,
            &self.totals,
            &mut self.sums,
            &mut self.half_sums,
        );
    }
}

/// Rounds one row.
fn round_row(level: Level, row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) {
    #[cfg(target_arch = "x86_64")]
    match level {
        Level::Avx512 => return super::round_x86::avx512(row, codes, scales, totals),
        Level::Avx2 => return super::round_x86::avx2(row, codes, scales, totals),
        Level::Scalar => {}
    }
    let _ = level;
    scalar(row, codes, scales, totals);
}

#[inline(always)]
fn add_up_body(scales: &[f32], totals: &[i32], sums: &mut [f32], half_sums: &mut [f32]) {
    let halves = half_sums.as_chunks_mut::<2>().0.iter_mut();
    let totals = totals.as_chunks::<2>().0;
    for (((sum, half_sums), totals), scale) in sums.iter_mut().zip(halves).zip(totals).zip(scales) {
        // At most 32 * 127: exact as a float.
        *sum = scale * (totals[0] + totals[1]) as f32;
        *half_sums = [scale * totals[0] as f32, scale * totals[1] as f32];
    }
}

dispatch! {
    /// Sums of elements from scales and sums of codes.
    fn add_up(scales: &[f32], totals: &[i32], sums: &mut [f32], half_sums: &mut [f32]) = add_up_body;
}

/// The reference, and what runs where there is no SIMD kernel.
fn scalar(row: &[f32], codes: &mut [i8], scales: &mut [f32], totals: &mut [i32]) {
    let groups = row
        .as_chunks::<GROUP>()
        .0
        .iter()
        .zip(codes.as_chunks_mut::<GROUP>().0)
        .zip(scales)
        .zip(totals.as_chunks_mut::<2>().0);
    for (((row, codes), scale), totals) in groups {
        let factor = scales_of(largest_magnitude(row), scale);
        for (code, x) in codes.iter_mut().zip(row) {
            *code = (x * factor + ROUNDING).to_bits() as i8;
        }
        let (low, high) = codes.split_at(GROUP / 2);
        *totals = [low, high].map(|half| half.iter().map(|code| i32::from(*code)).sum());
    }
}

/// The scale of a group whose largest magnitude this is, and what its elements are multiplied with.
#[inline(always)]
pub(super) fn scales_of(largest: f32, scale: &mut f32) -> f32 {
    *scale = largest / 127.0;
    if largest > 0.0 { 127.0 / largest } else { 0.0 }
}

/// Compared as integers, magnitudes keep their order and one that is not a number is the largest: it
/// becomes the scale, and so reaches every product.
fn largest_magnitude(row: &[f32; GROUP]) -> f32 {
    let largest = row.iter().map(|x| x.to_bits() & 0x7fff_ffff).max();
    f32::from_bits(largest.unwrap_or(0))
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

    #[test]
    fn every_level_rounds_to_the_same_bits() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        let special = [0.0, -0.0, 1e-40, -1e38, 0.5, -127.0, f32::INFINITY];
        for case in 0..2_000u32 {
            let mut row = [0.0; 96];
            for x in &mut row {
                *x = (next() >> 8) as f32 / 8_388_608.0 - 1.0;
                *x *= f32::from_bits((case % 250) << 23);
                if case % 3 == 0 && next().is_multiple_of(7) {
                    *x = special[(next() >> 16) as usize % special.len()];
                }
            }
            let run = |level| {
                let (mut codes, mut scales, mut totals) = ([1; 96], [1.0; 3], [1; 6]);
                round_row(level, &row, &mut codes, &mut scales, &mut totals);
                (codes, scales.map(f32::to_bits), totals)
            };
            let expected = run(Level::Scalar);
            assert_eq!(run(Level::detect()), expected, "{row:?}");
            if Level::detect() == Level::Avx512 {
                assert_eq!(run(Level::Avx2), expected, "{row:?}");
            }
        }
    }
}
