//! Products of many rows with a large matrix, by the panel kernel: 32 columns of the matrix are
//! packed at a time and multiplied with all rows while they are in the cache.

use super::Level;
use super::gemm::View;
use super::matmul::{pack_panel, packed_columns};
use super::panel::{PANEL, multiply_panel};
use crate::profile;

/// Buffers of [`multiply_by_panels`], kept between calls.
#[derive(Debug, Default)]
pub(crate) struct PanelBuffers {
    /// One panel, `[2][inner][16]`.
    panel: Vec<f32>,
    /// A product with the last columns, `[rows][32]`, where they do not fill a panel.
    tail: Vec<f32>,
}

/// The right factor of [`multiply_by_panels`]: a row-major weight matrix `[outputs][inputs]`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Right<'a> {
    /// Times its transpose: `c = a W^T`, the forward pass.
    Transposed(&'a [f32]),
    /// Times itself: `c = a W`, the backward pass.
    Plain(&'a [f32]),
}

/// `c = a b` with `columns` columns, rows of `c` `c_stride` apart. Every element is one chain of
/// fused multiply-adds in the order of the inner dimension.
pub(crate) fn multiply_by_panels(
    a: View<'_>,
    b: Right<'_>,
    columns: usize,
    c: &mut [f32],
    c_stride: usize,
    buffers: &mut PanelBuffers,
) {
    let (rows, inner) = (a.rows(), a.columns());
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(c_stride >= columns, "rows of c");
    profile::count(2 * (rows * inner * columns) as u64);
    let level = Level::detect();
    let left = a.as_rows();
    buffers.panel.resize(PANEL * inner, 0.0);
    for first in (0..columns).step_by(PANEL) {
        let count = PANEL.min(columns - first);
        match b {
            Right::Transposed(weight) => {
                let rows = &weight[first * inner..(first + count) * inner];
                pack_panel(rows, inner, &mut buffers.panel);
            }
            Right::Plain(weight) => copy_panel(weight, columns, first, &mut buffers.panel),
        }
        let packed = packed_columns(&buffers.panel, inner);
        if count == PANEL {
            let c = &mut c[first..];
            multiply_panel(level, inner, left, packed, c, c_stride, false);
            continue;
        }
        buffers.tail.resize(rows * PANEL, 0.0);
        let tail = &mut buffers.tail;
        multiply_panel(level, inner, left, packed, tail, PANEL, false);
        for (row, from) in c.chunks_mut(c_stride).zip(tail.chunks_exact(PANEL)) {
            row[first..first + count].copy_from_slice(&from[..count]);
        }
    }
}

/// Copies 32 columns (fewer at the end, padded with zeros) of a row-major matrix of `columns`
/// columns into `[2][rows][16]`.
fn copy_panel(matrix: &[f32], columns: usize, first: usize, panel: &mut [f32]) {
    let half = panel.len() / 2;
    let (low, high) = panel.split_at_mut(half);
    for (start, half) in [(first, low), (first + PANEL / 2, high)] {
        let count = (PANEL / 2).min(columns.saturating_sub(start));
        let rows = matrix.chunks_exact(columns);
        for (row, out) in rows.zip(half.chunks_exact_mut(PANEL / 2)) {
            if count == PANEL / 2 {
                out.copy_from_slice(&row[start..start + PANEL / 2]);
            } else {
                out.fill(0.0);
                out[..count].copy_from_slice(&row[start.min(columns)..][..count]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_differences::wave;

    #[test]
    fn both_directions_equal_the_definition() {
        let mut buffers = PanelBuffers::default();
        for (rows, inner, columns) in [(13, 40, 70), (1, 7, 16), (6, 641, 33), (5, 9, 64)] {
            let a = wave(rows * inner, 0.7, 1.0);
            let weight = wave(inner * columns, 0.31, 1.0);
            let stride = columns + 3;
            let left = View::new(&a, rows, inner, inner);
            for b in [Right::Plain(&weight), Right::Transposed(&weight)] {
                let mut c = vec![7.0; rows * stride];
                multiply_by_panels(left, b, columns, &mut c, stride, &mut buffers);
                for (r, line) in c.chunks_exact(stride).enumerate() {
                    for (o, value) in line[..columns].iter().enumerate() {
                        let at = |i: usize| match b {
                            Right::Plain(w) => w[i * columns + o],
                            Right::Transposed(w) => w[o * inner + i],
                        };
                        let expected: f32 = (0..inner).map(|i| a[r * inner + i] * at(i)).sum();
                        assert!((value - expected).abs() < 1e-3, "row {r}, column {o}");
                    }
                    assert!(
                        line[columns..].iter().all(|v| *v == 7.0),
                        "beyond the columns"
                    );
                }
            }
        }
    }
}
