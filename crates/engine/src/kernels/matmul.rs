//! Matrix products against weights packed into panels.

use super::Level;
use super::aligned::Aligned;
use super::panel::{Columns, HALF, PANEL, Rows, multiply_panel};
use super::transpose::transpose;

/// A weight matrix `[outputs, inner]` as panels `[outputs / 32][2][inner][16]`, outputs padded with
/// zeros to a whole panel. Both halves of a panel are read from one end to the other.
#[derive(Debug, Default)]
pub(crate) struct Panels {
    inner: usize,
    data: Aligned,
}

impl Panels {
    /// An empty matrix to append to.
    pub(crate) fn new(inner: usize, expected_outputs: usize) -> Self {
        let data = Aligned::with_capacity(expected_outputs.next_multiple_of(PANEL) * inner);
        Self { inner, data }
    }

    /// Appends the rows of a row-major matrix `[rows, inner]` as new panels.
    pub(crate) fn append(&mut self, rows: &[f32]) {
        let inner = self.inner;
        for group in rows.chunks(PANEL * inner) {
            let start = self.data.len();
            self.data.resize(start + PANEL * inner);
            pack_panel(group, inner, &mut self.data[start..]);
        }
    }

    /// Outputs, padding included: the row length of a product.
    pub(crate) fn padded_outputs(&self) -> usize {
        self.data.len() / self.inner.max(1)
    }

    /// `c[r, panel] (+)= rows[r, :] * weights[panel, :]^T`, `c` starting at the panel's columns.
    pub(crate) fn multiply_one(
        &self,
        level: Level,
        panel: usize,
        rows: Rows<'_>,
        c: &mut [f32],
        c_stride: usize,
        accumulate: bool,
    ) {
        let length = PANEL * self.inner;
        let (panel, next) = self.data[panel * length..].split_at(length);
        let columns = packed_columns(panel, next, self.inner);
        multiply_panel(level, self.inner, rows, columns, c, c_stride, accumulate);
    }
}

/// Packs at most 32 rows of a row-major matrix `[rows, inner]` into `[2][inner][16]`.
pub(crate) fn pack_panel(rows: &[f32], inner: usize, panel: &mut [f32]) {
    let halves = rows
        .chunks(HALF * inner)
        .zip(panel.chunks_exact_mut(HALF * inner));
    for (rows, half) in halves {
        let count = rows.len() / inner.max(1);
        if count < HALF {
            half.fill(0.0);
        }
        transpose(rows, count, inner, half, HALF);
    }
    let used = rows.len().div_ceil(HALF * inner.max(1)) * HALF * inner;
    panel[used..].fill(0.0);
}

/// A packed panel as the right factor of a product, and the one that is multiplied with next.
pub(crate) fn packed_columns<'a>(panel: &'a [f32], next: &'a [f32], inner: usize) -> Columns<'a> {
    Columns {
        data: panel,
        step: HALF,
        second: inner * HALF,
        next,
    }
}

/// `c[r, :] = rows[r, :] * weights^T`; `c` has rows of `weights.padded_outputs()` values.
pub(crate) fn multiply(level: Level, rows: Rows<'_>, weights: &Panels, c: &mut [f32]) {
    if rows.rows == 0 {
        return;
    }
    let stride = weights.padded_outputs();
    for panel in 0..stride / PANEL {
        weights.multiply_one(level, panel, rows, &mut c[panel * PANEL..], stride, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_equals_the_definition_with_padding_and_ragged_groups() {
        for (inner, outputs, rows) in [(7, 37, 29), (40, 16, 1), (643, 33, 13)] {
            let weights: Vec<f32> = (0..outputs * inner)
                .map(|i| (i % 11) as f32 - 5.0)
                .collect();
            let input: Vec<f32> = (0..rows * inner).map(|i| (i % 7) as f32 - 3.0).collect();
            let mut panels = Panels::new(inner, outputs);
            panels.append(&weights);
            let stride = panels.padded_outputs();
            assert_eq!(stride, outputs.next_multiple_of(PANEL));
            let mut c = vec![f32::NAN; rows * stride];
            let left = Rows {
                data: &input,
                rows,
                stride: inner,
            };
            multiply(Level::detect(), left, &panels, &mut c);
            for r in 0..rows {
                for o in 0..stride {
                    let at = |i: usize| {
                        if o < outputs {
                            weights[o * inner + i]
                        } else {
                            0.0
                        }
                    };
                    let expected: f32 = (0..inner).map(|i| input[r * inner + i] * at(i)).sum();
                    let got = c[r * stride + o];
                    assert!((got - expected).abs() < 1e-3, "row {r} output {o}: {got}");
                }
            }
        }
    }
}
