//! Quantized weights in the order in which they are multiplied.

use super::rows::GROUP;
use crate::gguf::{Codes, Coding, codes};
use crate::gguf::{GgufFile, TensorInfo};
use crate::kernels::{Aligned, PANEL, prefetch};

/// Weights of a row that are unpacked together: whole blocks of every quantized type, and 32 rows of
/// them, ready to multiply with, stay in the first-level cache.
pub(crate) const PIECE: usize = 512;
/// How far apart rows of a piece are: not on the same cache sets.
const ROW: usize = PIECE + 64;
/// The largest code of a weight that was changed, so that pairs of products with activations fit
/// into 16 bits.
pub(super) const CHANGED: u8 = 127;

/// A quantized matrix `[outputs, inner]` as panels of 32 outputs. A panel holds, for every group of
/// neighbours in the inner dimension, codes `[2][group / 4][16 outputs][4]`, then 32 scales and 32
/// minima.
#[derive(Debug)]
pub(crate) struct EightBitPanels {
    pub(super) inner: usize,
    pub(super) coding: Coding,
    pub(super) data: Aligned,
}

/// Floats that a group takes in a panel.
pub(super) fn group_length(group: usize) -> usize {
    PANEL * group / 4 + 2 * PANEL
}

impl Coding {
    /// Floats that a panel of so many inputs takes.
    pub(crate) fn panel_length(self, inner: usize) -> usize {
        inner / self.group * group_length(self.group)
    }
}

impl EightBitPanels {
    /// The matrix as it is stored in `file`.
    pub(crate) fn read(file: &GgufFile, info: &TensorInfo, coding: Coding) -> Self {
        let (rows, inner) = (info.rows(), info.columns());
        let length = coding.panel_length(inner);
        let mut data = Aligned::with_capacity(rows.div_ceil(PANEL) * length);
        data.resize(rows.div_ceil(PANEL) * length);
        let mut packer = PanelPacker::default();
        for (i, panel) in data.chunks_exact_mut(length).enumerate() {
            let parts = panel.chunks_mut(coding.panel_length(PIECE));
            for (part, column) in parts.zip((0..inner).step_by(PIECE)) {
                packer.pack(file, info, coding, (i * PANEL, column), part);
            }
        }
        Self {
            inner,
            coding,
            data,
        }
    }

    /// A matrix that was changed, rounded to 128 steps between the least and the largest of 32
    /// neighbours.
    pub(crate) fn round(weights: &[f32], inner: usize) -> Self {
        let coding = Coding {
            group: GROUP,
            largest: CHANGED,
        };
        let (rows, length) = (weights.len() / inner, coding.panel_length(inner));
        let mut data = Aligned::with_capacity(rows.div_ceil(PANEL) * length);
        data.resize(rows.div_ceil(PANEL) * length);
        let mut piece = Piece::new();
        for (panel, rows) in data
            .chunks_exact_mut(length)
            .zip(weights.chunks(PANEL * inner))
        {
            let parts = panel.chunks_mut(coding.panel_length(PIECE));
            for (part, first) in parts.zip((0..inner).step_by(PIECE)) {
                let columns = first..inner.min(first + PIECE);
                piece.clear();
                for (r, row) in rows.chunks_exact(inner).enumerate() {
                    let mut out = piece.row(r, columns.len(), GROUP);
                    round_row(&row[columns.clone()], &mut out);
                }
                piece.scatter(coding, part);
            }
        }
        Self {
            inner,
            coding,
            data,
        }
    }

    /// Outputs, padding included.
    pub(crate) fn padded_outputs(&self) -> usize {
        self.data.len() / self.coding.panel_length(self.inner).max(1) * PANEL
    }

    /// Inputs.
    pub(crate) fn inner(&self) -> usize {
        self.inner
    }

    /// One panel.
    pub(super) fn panel(&self, panel: usize) -> &[f32] {
        let length = self.coding.panel_length(self.inner);
        &self.data[panel * length..(panel + 1) * length]
    }
}

/// The codes of at most 512 columns of 32 rows.
#[derive(Debug)]
struct Piece {
    codes: Vec<u8>,
    scales: Vec<f32>,
    minima: Vec<f32>,
}

/// Groups of a piece at most.
const GROUPS: usize = PIECE / 16;

impl Piece {
    fn new() -> Self {
        Self {
            codes: vec![0; PANEL * ROW],
            scales: vec![0.0; PANEL * GROUPS],
            minima: vec![0.0; PANEL * GROUPS],
        }
    }

    /// Rows that are not written are then weights of zero.
    fn clear(&mut self) {
        self.codes.fill(0);
        self.scales.fill(0.0);
        self.minima.fill(0.0);
    }

    /// Where the codes of one row go.
    fn row(&mut self, row: usize, columns: usize, group: usize) -> Codes<'_> {
        let groups = columns / group;
        Codes {
            values: &mut self.codes[row * ROW..][..columns],
            scales: &mut self.scales[row * GROUPS..][..groups],
            minima: &mut self.minima[row * GROUPS..][..groups],
        }
    }

    /// Writes part of a panel.
    fn scatter(&self, coding: Coding, part: &mut [f32]) {
        let (group, length) = (coding.group, group_length(coding.group));
        let words: &[u32] = bytemuck::cast_slice(&self.codes);
        for (g, out) in part.chunks_exact_mut(length).enumerate() {
            let (codes, floats) = out.split_at_mut(PANEL * group / 4);
            let codes: &mut [u32] = bytemuck::cast_slice_mut(codes);
            for (half, codes) in codes.chunks_exact_mut(4 * group).enumerate() {
                for (step, outputs) in codes.chunks_exact_mut(16).enumerate() {
                    let at = (half * 16 * ROW + g * group) / 4 + step;
                    for (o, word) in outputs.iter_mut().enumerate() {
                        *word = words[at + o * (ROW / 4)];
                    }
                }
            }
            let (scales, minima) = floats.split_at_mut(PANEL);
            for o in 0..PANEL {
                scales[o] = self.scales[o * GROUPS + g];
                minima[o] = self.minima[o * GROUPS + g];
            }
        }
    }
}

/// Packs panels out of a file, and keeps its buffer.
#[derive(Debug)]
pub(crate) struct PanelPacker(Piece);

impl Default for PanelPacker {
    fn default() -> Self {
        Self(Piece::new())
    }
}

impl PanelPacker {
    /// At most 512 columns of at most 32 rows of a tensor from `(row, column)` on, as part of a
    /// panel.
    pub(crate) fn pack(
        &mut self,
        file: &GgufFile,
        info: &TensorInfo,
        coding: Coding,
        (row, column): (usize, usize),
        part: &mut [f32],
    ) {
        let (inner, piece) = (info.columns(), &mut self.0);
        let rows = PANEL.min(info.rows() - row);
        if rows < PANEL {
            piece.clear();
        }
        let columns = PIECE.min(inner - column);
        // What comes next: to the right, or below.
        let next = if column + columns < inner {
            (row, column + columns)
        } else {
            (row + PANEL, 0)
        };
        let ahead = PIECE.min(inner - next.1);
        for r in 0..rows {
            let bytes = file.part(info, row + r, column, columns);
            let mut out = piece.row(r, columns, coding.group);
            codes(info.tensor_type, bytes, &mut out);
            if next.0 + r < info.rows() {
                prefetch(file.part(info, next.0 + r, next.1, ahead));
            }
        }
        piece.scatter(coding, part);
    }
}

/// Rounds part of a row of changed weights.
fn round_row(row: &[f32], out: &mut Codes<'_>) {
    let groups = row
        .chunks_exact(GROUP)
        .zip(out.values.chunks_exact_mut(GROUP))
        .zip(out.scales.iter_mut())
        .zip(out.minima.iter_mut());
    for (((row, codes), scale), minimum) in groups {
        let least = row.iter().fold(f32::INFINITY, |m, x| m.min(*x));
        let largest = row.iter().fold(f32::NEG_INFINITY, |m, x| m.max(*x));
        let step = (largest - least) / f32::from(CHANGED);
        for (x, code) in row.iter().zip(codes) {
            // The cast saturates.
            *code = ((x - least) / step).round_ties_even() as u8;
        }
        // One that is not a number must reach the products.
        let sum: f32 = row.iter().sum();
        *minimum = if sum.is_nan() { f32::NAN } else { least };
        *scale = step;
    }
}
