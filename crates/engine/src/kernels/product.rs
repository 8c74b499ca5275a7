//! Products of many rows with a large matrix, by the panel kernel: blocks of rows that fit into a
//! core's cache are multiplied with groups of packed panels.

use std::ops::Range;

use super::Level;
use super::aligned::Aligned;
use super::gemm::View;
use super::matmul::{pack_panel, packed_columns};
use super::panel::{PANEL, multiply_panel};
use crate::profile;

/// Elements of the panels that blocks of rows are multiplied with in turn: half a mebibyte, beyond
/// the second-level cache but near.
const GROUP: usize = 128 << 10;
/// Elements of a block of rows: 220 KiB, which stay in the second-level cache.
const BLOCK: usize = 56 << 10;
/// Rows of a block are a multiple of this, as the kernel takes six or twelve at once.
const ROWS: usize = 12;

/// Buffers of [`multiply_by_panels`], kept between calls.
#[derive(Debug, Default)]
pub(crate) struct PanelBuffers {
    /// A group of panels, `[panels][2][inner][16]`.
    panels: Aligned,
    /// A product with the last columns, `[rows][32]`, where they do not fill a panel.
    tail: Vec<f32>,
}

/// The right factor of [`multiply_by_panels`], made of a row-major weight matrix
/// `[outputs][inputs]`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Right<'a> {
    /// Its transpose: `c = a W^T`, the forward pass.
    Transposed(&'a [f32]),
    /// Itself: `c = a W`, the backward pass.
    Plain(&'a [f32]),
    /// Either of them, packed before.
    Packed(&'a Packed),
}

/// A right factor whose panels are kept, `[columns / 32][2][inner][16]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    panels: Aligned,
}

impl Packed {
    /// Packs a factor of `inner` rows and `columns` columns.
    pub(crate) fn pack(&mut self, right: Right<'_>, inner: usize, columns: usize) {
        let length = PANEL * inner;
        self.panels.resize(columns.div_ceil(PANEL) * length);
        for (i, panel) in self.panels.chunks_exact_mut(length.max(1)).enumerate() {
            right.pack(columns, inner, i * PANEL, panel);
        }
    }
}

impl Right<'_> {
    /// Packs the columns from `first` on, at most 32, into `[2][inner][16]`.
    fn pack(self, columns: usize, inner: usize, first: usize, panel: &mut [f32]) {
        match self {
            Self::Transposed(weight) => {
                let last = (first + PANEL).min(columns);
                pack_panel(&weight[first * inner..last * inner], inner, panel);
            }
            Self::Plain(weight) => copy_panel(weight, columns, first, panel),
            Self::Packed(packed) => {
                let start = first * inner;
                panel.copy_from_slice(&packed.panels[start..start + PANEL * inner]);
            }
        }
    }
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
    if rows == 0 || columns == 0 || inner == 0 {
        return;
    }
    assert!(c_stride >= columns, "rows of c");
    profile::count(2 * (rows * inner * columns) as u64);
    let length = PANEL * inner;
    let group = (GROUP / length).max(1) * PANEL;
    let PanelBuffers { panels, tail } = buffers;
    for first in (0..columns).step_by(group) {
        let last = (first + group).min(columns);
        if let Right::Packed(packed) = b {
            let panels = &packed.panels[first * inner..];
            let panels = &panels[..(last - first).div_ceil(PANEL) * length];
            multiply_group(a, panels, first..last, c, c_stride, tail);
            continue;
        }
        panels.resize((last - first).div_ceil(PANEL) * length);
        for (i, panel) in panels.chunks_exact_mut(length).enumerate() {
            b.pack(columns, inner, first + i * PANEL, panel);
        }
        multiply_group(a, panels, first..last, c, c_stride, tail);
    }
}

/// The columns of a group of panels.
fn multiply_group(
    a: View<'_>,
    panels: &[f32],
    columns: Range<usize>,
    c: &mut [f32],
    c_stride: usize,
    tail: &mut Vec<f32>,
) {
    let (level, inner) = (Level::detect(), a.columns());
    let block = (BLOCK / inner).clamp(24, 192).next_multiple_of(ROWS);
    for first in (0..a.rows()).step_by(block) {
        let left = a.rows_from(first, block);
        let c = &mut c[first * c_stride..];
        for (i, panel) in panels.chunks_exact(PANEL * inner).enumerate() {
            let next = &panels[(i + 1) * PANEL * inner..];
            let (packed, at) = (
                packed_columns(panel, next, inner),
                columns.start + i * PANEL,
            );
            if at + PANEL <= columns.end {
                multiply_panel(level, inner, left, packed, &mut c[at..], c_stride, false);
                continue;
            }
            tail.resize(left.rows * PANEL, 0.0);
            multiply_panel(level, inner, left, packed, tail, PANEL, false);
            for (row, from) in c.chunks_mut(c_stride).zip(tail.chunks_exact(PANEL)) {
                row[at..columns.end].copy_from_slice(&from[..columns.end - at]);
            }
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
                let (mut packed, mut again) = (Packed::default(), vec![7.0; rows * stride]);
                packed.pack(b, inner, columns);
                let kept = Right::Packed(&packed);
                multiply_by_panels(left, kept, columns, &mut again, stride, &mut buffers);
                assert!(c == again, "packed before");
                for (r, line) in c.chunks_exact(stride).enumerate() {
                    for (o, value) in line[..columns].iter().enumerate() {
                        let at = |i: usize| match b {
                            Right::Plain(w) => w[i * columns + o],
                            Right::Transposed(w) => w[o * inner + i],
                            Right::Packed(_) => unreachable!(),
                        };
                        let expected: f32 = (0..inner).map(|i| a[r * inner + i] * at(i)).sum();
                        assert!((value - expected).abs() < 1e-3, "row {r}, column {o}");
                    }
                    assert!(line[columns..] == [7.0; 3], "beyond the columns");
                }
            }
        }
    }
}
