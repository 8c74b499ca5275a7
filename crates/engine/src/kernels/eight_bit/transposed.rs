//! A matrix rounded for products with its transpose: gradients on their way back.

#![expect(
    clippy::inline_always,
    reason = "the body is compiled into its SIMD copies"
)]

use super::panels::{CHANGED, EightBitPanels, group_length};
use super::rows::{GROUP, ROUNDING};
use crate::gguf::Coding;
use crate::kernels::{Aligned, PANEL, dispatch};

/// Columns that are rounded at once: a vector of AVX-512.
const LANES: usize = 16;

/// How a transposed matrix is coded: 128 steps between the least and the largest of 32 neighbours.
pub(crate) const TRANSPOSED: Coding = Coding {
    group: GROUP,
    largest: CHANGED,
};

impl EightBitPanels {
    /// The transpose of a row-major matrix `[rows][columns]`, both multiples of 32.
    pub(crate) fn round_transposed(matrix: &[f32], columns: usize) -> Self {
        let inner = matrix.len() / columns;
        let length = TRANSPOSED.panel_length(inner);
        let mut data = Aligned::with_capacity(columns / PANEL * length);
        data.resize(columns / PANEL * length);
        for (g, rows) in matrix.chunks_exact(GROUP * columns).enumerate() {
            round_group(rows, columns, &mut data[g * group_length(GROUP)..], length);
        }
        Self {
            inner,
            coding: TRANSPOSED,
            data,
        }
    }
}

#[inline(always)]
fn round_group_body(rows: &[f32], columns: usize, out: &mut [f32], stride: usize) {
    for first in (0..columns).step_by(LANES) {
        let (panel, half) = (first / PANEL, first % PANEL / LANES);
        let group = &mut out[panel * stride..][..group_length(GROUP)];
        let (codes, floats) = group.split_at_mut(PANEL * GROUP / 4);
        let (scales, minima) = floats.split_at_mut(PANEL);
        let mut tile = [[0.0; LANES]; GROUP];
        for (tile, row) in tile.iter_mut().zip(rows.chunks_exact(columns)) {
            tile.copy_from_slice(&row[first..first + LANES]);
        }
        let (least, step) = round_tile(&tile, &mut codes[half * LANES * GROUP / 4..]);
        scales[half * LANES..][..LANES].copy_from_slice(&step);
        minima[half * LANES..][..LANES].copy_from_slice(&least);
    }
}

/// Writes the codes `[32 / 4][16][4]` of 16 columns of 32; returns their minima and scales. A column
/// with an element that is not a number has such a minimum, so that it reaches the products.
#[inline(always)]
fn round_tile(tile: &[[f32; LANES]; GROUP], codes: &mut [f32]) -> ([f32; LANES], [f32; LANES]) {
    let (mut least, mut largest, mut sum) = (tile[0], tile[0], [0.0; LANES]);
    for row in tile {
        for (lane, x) in row.iter().enumerate() {
            least[lane] = if *x < least[lane] { *x } else { least[lane] };
            largest[lane] = if *x > largest[lane] {
                *x
            } else {
                largest[lane]
            };
            sum[lane] += x;
        }
    }
    let mut step = [0.0; LANES];
    for (step, (largest, least)) in step.iter_mut().zip(largest.iter().zip(&least)) {
        *step = (largest - least) / f32::from(CHANGED);
    }
    let codes: &mut [u32] = bytemuck::cast_slice_mut(codes);
    for (four, words) in tile.chunks_exact(4).zip(codes.chunks_exact_mut(LANES)) {
        let mut word = [0; LANES];
        for (byte, row) in four.iter().enumerate() {
            for (lane, x) in row.iter().enumerate() {
                let steps = (x - least[lane]) / step[lane];
                // Also where there is no step, or none that is a number: no code may be larger.
                let largest = f32::from(CHANGED);
                let steps = if steps < largest { steps } else { largest };
                word[lane] |= ((steps + ROUNDING).to_bits() & 0xff) << (8 * byte);
            }
        }
        for (out, word) in words.iter_mut().zip(word) {
            *out = word.to_le();
        }
    }
    for (least, sum) in least.iter_mut().zip(sum) {
        *least = if sum.is_nan() { f32::NAN } else { *least };
    }
    (least, step)
}

dispatch! {
    /// Rounds 32 rows of so many columns (a multiple of 32) as one group of every panel of the
    /// transpose; groups of neighbouring panels are `stride` apart in `out`.
    pub(crate) fn round_group(
        rows: &[f32],
        columns: usize,
        out: &mut [f32],
        stride: usize,
    ) = round_group_body;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(panels: &EightBitPanels) -> Vec<u32> {
        panels.data.iter().map(|x| x.to_bits()).collect()
    }

    /// The transpose, element by element.
    fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
        let rows = matrix.len() / columns;
        let at = |i: usize| matrix[i % rows * columns + i / rows];
        (0..matrix.len()).map(at).collect()
    }

    proptest! {
        #[test]
        fn rounds_as_the_transposed_matrix_is_rounded(
            groups in 1usize..4, panels in 1usize..4, seed: u32, size in -30i32..30,
        ) {
            let (rows, columns) = (groups * GROUP, panels * PANEL);
            let mut state = seed;
            let matrix: Vec<f32> = (0..rows * columns).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 2f32.powi(size)
            }).collect();
            let expected = EightBitPanels::round(&transpose(&matrix, columns), rows);
            let got = EightBitPanels::round_transposed(&matrix, columns);
            prop_assert_eq!(got.padded_outputs(), columns);
            prop_assert_eq!(bits(&got), bits(&expected));
        }
    }

    #[test]
    fn no_code_is_too_large_and_what_is_not_a_number_is_not_lost() {
        let mut matrix = vec![1e-44; GROUP * PANEL];
        // Columns: one step of the smallest number, constant, not a number, infinite.
        matrix[0] = 0.0;
        matrix[2] = f32::NAN;
        matrix[3] = f32::INFINITY;
        let panels = EightBitPanels::round_transposed(&matrix, PANEL);
        let (codes, floats) = panels.data.split_at(PANEL * GROUP / 4);
        let codes: &[u8] = bytemuck::cast_slice(codes);
        assert!(codes.iter().all(|code| *code <= CHANGED));
        let (scales, minima) = floats.split_at(PANEL);
        assert!(minima[2].is_nan() && !scales[3].is_finite());
        assert!(scales[1].to_bits() == 0 && minima[1].to_bits() == 1e-44f32.to_bits());
    }
}
