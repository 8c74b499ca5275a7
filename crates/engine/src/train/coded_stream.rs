//! Codes that stay in the file: unpacked piece by piece whenever they are multiplied with.
//!
//! Both ways give the bits of [`super::coded`]'s panels in memory: the same codes, multiplied in the
//! same order. What a piece unpacks to lies in the second-level cache.

use std::ops::Range;

use crate::gguf::{Coding, GgufFile, TensorInfo};
use crate::kernels::{
    Aligned, EightBitRows, Level, PANEL, PIECE, PanelPacker, PanelPart, TRANSPOSED,
    multiply_eight_bit, prefetch, round_group,
};
use crate::profile::{LayerKind, timed};

/// Outputs whose transposed weights are multiplied with at once.
const OUTPUTS: usize = 8 * TRANSPOSED.group;

/// Tensors with rows of one length below each other; their sides fill whole panels.
#[derive(Debug)]
pub(super) struct CodedStream {
    tensors: Vec<(TensorInfo, Coding)>,
}

/// Buffers of products, kept between calls.
#[derive(Debug, Default)]
pub(super) struct StreamBuffers {
    packer: PanelPacker,
    /// Part of a panel, or of several transposed ones.
    part: Aligned,
    /// 32 rows of a piece as floats.
    weights: Vec<f32>,
}

impl CodedStream {
    pub(super) fn new(tensors: Vec<(TensorInfo, Coding)>) -> Self {
        Self { tensors }
    }

    /// `c = rows W^T`; rows of `c` are `stride` apart.
    pub(super) fn forward(
        &self,
        file: &GgufFile,
        rows: &EightBitRows,
        c: &mut [f32],
        stride: usize,
        buffers: &mut StreamBuffers,
    ) {
        let (level, part) = (Level::detect(), &mut buffers.part);
        let mut output = 0;
        for (info, coding) in &self.tensors {
            for first in (0..info.rows()).step_by(PANEL) {
                for column in (0..info.columns()).step_by(PIECE) {
                    let columns = PIECE.min(info.columns() - column);
                    part.resize(coding.panel_length(columns));
                    {
                        let _timing = timed(LayerKind::Merge);
                        let packer = &mut buffers.packer;
                        packer.pack(file, info, *coding, (first, column), part);
                    }
                    let part = PanelPart {
                        data: part,
                        coding: *coding,
                        first: column,
                    };
                    multiply_eight_bit(level, rows, part, &mut c[output + first..], stride);
                }
            }
            output += info.rows();
        }
    }

    /// `c = rows W`; rows of `c` are `stride` apart.
    pub(super) fn backward(
        &self,
        file: &GgufFile,
        rows: &EightBitRows,
        c: &mut [f32],
        stride: usize,
        buffers: &mut StreamBuffers,
    ) {
        let level = Level::detect();
        let inputs = self.tensors.first().map_or(0, |(info, _)| info.columns());
        // A piece of columns at a time, whose part of `c` then stays in the cache.
        for column in (0..inputs).step_by(PIECE) {
            let columns = column..inputs.min(column + PIECE);
            let mut output = 0;
            for (info, _) in &self.tensors {
                for first in (0..info.rows()).step_by(OUTPUTS) {
                    let outputs = first..info.rows().min(first + OUTPUTS);
                    let length = TRANSPOSED.panel_length(outputs.len());
                    transpose(file, info, outputs, columns.clone(), length, buffers);
                    let panels = buffers.part.chunks_exact(length);
                    for (panel, column) in panels.zip(columns.clone().step_by(PANEL)) {
                        let part = PanelPart {
                            data: panel,
                            coding: TRANSPOSED,
                            first: output + first,
                        };
                        multiply_eight_bit(level, rows, part, &mut c[column..], stride);
                    }
                }
                output += info.rows();
            }
        }
    }
}

/// Leaves in `part`, for every 32 columns, the groups of some rows of a tensor: panels of its
/// transpose, `length` apart.
fn transpose(
    file: &GgufFile,
    info: &TensorInfo,
    outputs: Range<usize>,
    columns: Range<usize>,
    length: usize,
    buffers: &mut StreamBuffers,
) {
    let _timing = timed(LayerKind::Merge);
    let StreamBuffers { part, weights, .. } = buffers;
    let width = columns.len();
    part.resize(width / PANEL * length);
    weights.resize(TRANSPOSED.group * width, 0.0);
    let group = TRANSPOSED.panel_length(TRANSPOSED.group);
    for (g, first) in outputs.step_by(TRANSPOSED.group).enumerate() {
        for (r, row) in weights.chunks_exact_mut(width).enumerate() {
            file.read_part(info, first + r, columns.start, row);
            let next = first + r + TRANSPOSED.group;
            if next < info.rows() {
                prefetch(file.part(info, next, columns.start, width));
            }
        }
        round_group(weights, width, &mut part[g * group..], length);
    }
}
