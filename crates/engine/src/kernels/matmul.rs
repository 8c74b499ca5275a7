//! Matrix products against weights packed into panels.

use super::Level;
use super::panel::{PANEL, ROWS, multiply_panel};

/// A weight matrix `[outputs, inner]` as panels `[outputs / 32][inner][32]`, outputs padded with
/// zeros to a whole panel.
#[derive(Debug, Default)]
pub(crate) struct Panels {
    inner: usize,
    data: Vec<f32>,
}

impl Panels {
    /// An empty matrix to append to.
    pub(crate) fn new(inner: usize, expected_outputs: usize) -> Self {
        let mut data = Vec::new();
        data.reserve_exact(expected_outputs.next_multiple_of(PANEL) * inner);
        Self { inner, data }
    }

    /// Appends the rows of a row-major matrix `[rows, inner]` as new panels.
    pub(crate) fn append(&mut self, rows: &[f32]) {
        let inner = self.inner;
        for group in rows.chunks(PANEL * inner) {
            let start = self.data.len();
            self.data.resize(start + PANEL * inner, 0.0);
            let panel = &mut self.data[start..];
            for (j, row) in group.chunks_exact(inner).enumerate() {
                for (i, x) in row.iter().enumerate() {
                    panel[i * PANEL + j] = *x;
                }
            }
        }
    }

    /// Outputs, padding included: the row length of a product.
    pub(crate) fn padded_outputs(&self) -> usize {
        self.data.len() / self.inner.max(1)
    }
}

/// Rows of activations interleaved in groups of at most 12, the order the panel kernel reads.
#[derive(Debug, Default)]
pub(crate) struct PackedRows {
    inner: usize,
    rows: usize,
    data: Vec<f32>,
}

impl PackedRows {
    /// Packs `rows` rows of `inner` values, `stride` apart.
    pub(crate) fn pack(&mut self, source: &[f32], rows: usize, stride: usize, inner: usize) {
        self.inner = inner;
        self.rows = rows;
        self.data.resize(rows * inner, 0.0);
        for (first, count) in groups(rows) {
            let group = &mut self.data[first * inner..(first + count) * inner];
            for r in 0..count {
                let row = &source[(first + r) * stride..(first + r) * stride + inner];
                for (slot, x) in group[r..].iter_mut().step_by(count).zip(row) {
                    *slot = *x;
                }
            }
        }
    }

    /// Multiplies one panel of 32 columns: `c[r, 0..32] (+)= sum_i rows[r, i] * b[i, 0..32]` for
    /// `i` in `inner`.
    pub(crate) fn multiply_panel(
        &self,
        level: Level,
        b: &[f32],
        b_stride: usize,
        c: &mut [f32],
        c_stride: usize,
        accumulate: bool,
    ) {
        for (first, count) in groups(self.rows) {
            multiply_panel(
                level,
                self.inner,
                count,
                &self.data[first * self.inner..],
                b,
                b_stride,
                &mut c[first * c_stride..],
                c_stride,
                accumulate,
            );
        }
    }
}

/// Splits rows into the fewest groups of at most [`ROWS`], as even as possible.
fn groups(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(ROWS);
    (0..count).map(move |g| {
        let first = g * rows / count;
        (first, (g + 1) * rows / count - first)
    })
}

/// `c[r, :] = rows[r, :] * weights^T`; `c` has rows of `weights.padded_outputs()` values.
pub(crate) fn multiply(level: Level, rows: &PackedRows, weights: &Panels, c: &mut [f32]) {
    if rows.rows == 0 {
        return;
    }
    let stride = weights.padded_outputs();
    for (p, panel) in weights.data.chunks_exact(PANEL * weights.inner).enumerate() {
        rows.multiply_panel(level, panel, PANEL, &mut c[p * PANEL..], stride, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_equals_the_definition_with_padding_and_ragged_groups() {
        let (inner, outputs, rows) = (7, 37, 29);
        let weights: Vec<f32> = (0..outputs * inner)
            .map(|i| (i % 11) as f32 - 5.0)
            .collect();
        let input: Vec<f32> = (0..rows * inner).map(|i| (i % 7) as f32 - 3.0).collect();
        let mut panels = Panels::new(inner, outputs);
        panels.append(&weights);
        let mut packed = PackedRows::default();
        packed.pack(&input, rows, inner, inner);
        let stride = panels.padded_outputs();
        assert_eq!(stride, 64);
        let mut c = vec![f32::NAN; rows * stride];
        multiply(Level::detect(), &packed, &panels, &mut c);
        for r in 0..rows {
            for o in 0..outputs {
                let expected: f32 = (0..inner)
                    .map(|i| input[r * inner + i] * weights[o * inner + i])
                    .sum();
                assert!(
                    (c[r * stride + o] - expected).abs() < 1e-4,
                    "row {r} output {o}"
                );
            }
        }
    }
}
