//! A weight matrix to multiply with: packed once, or dequantized panel by panel as it is used.

use std::sync::Arc;

use super::helpers::{Helpers, multiply_coded, place_tiles};
use crate::gguf::{Coding, GgufFile, TensorInfo};
use crate::kernels::{
    Aligned, EightBitPanels, EightBitRows, Level, PANEL, PIECE, PanelPacker, PanelPart, Panels,
    Rows, multiply, multiply_eight_bit, multiply_panel, pack_panel, packed_columns, scale_in_place,
};
use crate::profile::{LayerKind, time};

/// Columns dequantized at once: whole blocks of every storage type, and 32 rows of them stay in
/// the second-level cache.
const COLUMNS: usize = 512;

/// What an adapter adds to tensors that stay quantized: `scale * up (down x)`.
#[derive(Debug)]
pub(super) struct LowRank {
    /// `A` of all tensors below each other, `rank` rows of each.
    pub(super) down: Panels,
    /// `B` of each tensor.
    pub(super) up: Vec<Panels>,
    pub(super) rank: usize,
    pub(super) scale: f32,
}

/// A tensor that stays quantized in the file.
#[derive(Debug)]
pub(super) struct StreamedTensor {
    pub(super) info: TensorInfo,
    /// How it is coded, if it is multiplied with activations of eight bits.
    pub(super) coding: Option<Coding>,
}

impl StreamedTensor {
    fn panels(&self) -> usize {
        self.info.rows().div_ceil(PANEL)
    }
}

/// One or more tensors with rows of one length below each other, each padded to whole panels. Those in
/// the file give the same bits as those in memory.
#[derive(Debug)]
pub(super) enum Tensors {
    /// As f32 panels.
    Packed(Panels),
    /// As panels of codes, one for each tensor.
    EightBit(Arc<Vec<EightBitPanels>>),
    /// In the file.
    Streamed(Vec<StreamedTensor>),
}

/// Tensors, and an adapter beside them that is not merged.
#[derive(Debug)]
pub(super) struct Matrix {
    pub(super) tensors: Tensors,
    pub(super) low_rank: Option<LowRank>,
}

impl From<Tensors> for Matrix {
    fn from(tensors: Tensors) -> Self {
        Self {
            tensors,
            low_rank: None,
        }
    }
}

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Worker {
    rows: Vec<f32>,
    panel: Aligned,
    packer: PanelPacker,
    /// `[panels][rows][32]`: threads write here what lies interleaved in the product.
    product: Vec<f32>,
}

/// The rows of a product, and the same rounded to eight bits for a matrix that takes them so.
#[derive(Clone, Copy)]
struct Left<'a> {
    rows: Rows<'a>,
    eight_bit: &'a EightBitRows,
}

/// Computes products on one or several threads, and keeps their buffers.
#[derive(Debug)]
pub(super) struct Multiplier {
    level: Level,
    workers: Vec<Worker>,
    /// Who takes part while this is the only lane at work.
    helpers: Option<Arc<Helpers>>,
    eight_bit: Arc<EightBitRows>,
    low: Vec<f32>,
}

impl Multiplier {
    pub(super) fn new(threads: usize) -> Self {
        let workers = (0..threads.max(1)).map(|_| Worker::default());
        Self {
            level: Level::detect(),
            workers: workers.collect(),
            helpers: None,
            eight_bit: Arc::default(),
            low: Vec::new(),
        }
    }

    /// Lets others take part.
    pub(super) fn helped_by(mut self, helpers: Option<Arc<Helpers>>) -> Self {
        self.helpers = helpers;
        self
    }

    /// `product[r, :] = rows[r, :] * matrix^T`, rows `matrix.product_stride()` values apart.
    pub(super) fn multiply(
        &mut self,
        matrix: &Matrix,
        file: &GgufFile,
        rows: Rows<'_>,
        product: &mut Aligned,
    ) {
        let Matrix { tensors, low_rank } = matrix;
        let (level, stride) = (self.level, tensors.product_stride());
        product.resize(rows.rows * stride);
        if rows.rows == 0 {
            return;
        }
        if let Some(inner) = tensors.eight_bit_inputs() {
            let rounded = Arc::make_mut(&mut self.eight_bit);
            time(LayerKind::Rounding, || rounded.round(rows, inner));
        }
        if !self.is_helped(tensors, product, stride) {
            let left = Left {
                rows,
                eight_bit: &self.eight_bit,
            };
            multiply_shared(&mut self.workers, level, tensors, file, left, product);
        }
        if let Some(low_rank) = low_rank {
            self.add_low_rank(low_rank, rows, product, stride);
        }
    }

    /// Multiplies the rounded rows with the help of others, if there are such.
    fn is_helped(&self, tensors: &Tensors, product: &mut [f32], stride: usize) -> bool {
        match (&self.helpers, tensors) {
            (Some(helpers), Tensors::EightBit(tensors)) => {
                helpers.multiply(self.level, tensors, &self.eight_bit, product, stride)
            }
            _ => false,
        }
    }

    fn add_low_rank(
        &mut self,
        low_rank: &LowRank,
        rows: Rows<'_>,
        product: &mut [f32],
        stride: usize,
    ) {
        let width = low_rank.down.padded_outputs();
        self.low.resize(rows.rows * width, 0.0);
        multiply(self.level, rows, &low_rank.down, &mut self.low);
        scale_in_place(&mut self.low, low_rank.scale);
        let mut first = 0;
        for (i, up) in low_rank.up.iter().enumerate() {
            let low = Rows {
                data: &self.low[i * low_rank.rank..],
                rows: rows.rows,
                stride: width,
            };
            for panel in 0..up.padded_outputs() / PANEL {
                let c = &mut product[first..];
                up.multiply_one(self.level, panel, low, c, stride, true);
                first += PANEL;
            }
        }
    }
}

/// Every thread takes a range of panels.
fn multiply_shared(
    workers: &mut [Worker],
    level: Level,
    tensors: &Tensors,
    file: &GgufFile,
    left: Left<'_>,
    product: &mut [f32],
) {
    let stride = tensors.product_stride();
    let (panels, threads) = (tensors.padded_outputs() / PANEL, workers.len());
    if let [worker] = workers {
        for panel in 0..panels {
            let c = &mut product[panel * PANEL..];
            tensors.multiply_one(level, file, panel, left, c, stride, worker);
        }
        return;
    }
    let share = |t: usize| t * panels / threads..(t + 1) * panels / threads;
    let tile = left.rows.rows * PANEL;
    std::thread::scope(|scope| {
        for (t, worker) in workers.iter_mut().enumerate() {
            scope.spawn(move || {
                let mut tiles = std::mem::take(&mut worker.product);
                tiles.resize(share(t).len() * tile, 0.0);
                for (panel, c) in share(t).zip(tiles.chunks_exact_mut(tile)) {
                    tensors.multiply_one(level, file, panel, left, c, PANEL, worker);
                }
                worker.product = tiles;
            });
        }
    });
    for (t, worker) in workers.iter().enumerate() {
        place_tiles(&worker.product, left.rows.rows, share(t), product, stride);
    }
}

impl Tensors {
    /// How far apart rows of a product are.
    fn product_stride(&self) -> usize {
        row_stride(self.padded_outputs())
    }

    /// Outputs, padding included: the row length of a product.
    fn padded_outputs(&self) -> usize {
        match self {
            Self::Packed(panels) => panels.padded_outputs(),
            Self::EightBit(tensors) => tensors.iter().map(EightBitPanels::padded_outputs).sum(),
            Self::Streamed(tensors) => {
                let panels: usize = tensors.iter().map(StreamedTensor::panels).sum();
                panels * PANEL
            }
        }
    }

    /// The row length, if rows are to be rounded to eight bits.
    fn eight_bit_inputs(&self) -> Option<usize> {
        match self {
            Self::Packed(_) => None,
            Self::EightBit(tensors) => tensors.first().map(EightBitPanels::inner),
            Self::Streamed(tensors) => tensors
                .first()
                .filter(|tensor| tensor.coding.is_some())
                .map(|tensor| tensor.info.columns()),
        }
    }

    /// One panel of the product; `c` starts at its columns.
    #[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
    fn multiply_one(
        &self,
        level: Level,
        file: &GgufFile,
        panel: usize,
        left: Left<'_>,
        c: &mut [f32],
        c_stride: usize,
        worker: &mut Worker,
    ) {
        let mut panel = panel;
        match self {
            Self::Packed(panels) => {
                panels.multiply_one(level, panel, left.rows, c, c_stride, false);
            }
            Self::EightBit(tensors) => {
                multiply_coded(level, tensors, panel, left.eight_bit, c, c_stride);
            }
            Self::Streamed(tensors) => {
                for tensor in tensors {
                    let panels = tensor.panels();
                    if panel < panels {
                        return stream(level, file, tensor, panel, left, c, c_stride, worker);
                    }
                    panel -= panels;
                }
            }
        }
    }
}

impl Matrix {
    /// How far apart rows of a product are.
    pub(super) fn product_stride(&self) -> usize {
        self.tensors.product_stride()
    }

    /// Outputs, padding included: the row length of a product.
    pub(super) fn padded_outputs(&self) -> usize {
        self.tensors.padded_outputs()
    }
}

/// How far apart rows of so many values are stored: off the powers of two, which would put all
/// rows of a group on the same cache sets.
pub(super) fn row_stride(width: usize) -> usize {
    if width.is_multiple_of(512) {
        width + 16
    } else {
        width
    }
}

/// Multiplies with one panel of a tensor in the file.
#[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
fn stream(
    level: Level,
    file: &GgufFile,
    tensor: &StreamedTensor,
    panel: usize,
    left: Left<'_>,
    c: &mut [f32],
    c_stride: usize,
    worker: &mut Worker,
) {
    let (info, first) = (&tensor.info, panel * PANEL);
    match tensor.coding {
        Some(coding) => {
            let Worker { packer, panel, .. } = worker;
            for column in (0..info.columns()).step_by(PIECE) {
                panel.resize(coding.panel_length(PIECE.min(info.columns() - column)));
                packer.pack(file, info, coding, (first, column), panel);
                let part = PanelPart {
                    data: panel,
                    coding,
                    first: column,
                };
                multiply_eight_bit(level, left.eight_bit, part, c, c_stride);
            }
        }
        None => dequantize(level, file, info, first, left.rows, c, c_stride, worker),
    }
}

/// Dequantizes 32 rows of a tensor, some columns at a time, and multiplies with them.
#[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
fn dequantize(
    level: Level,
    file: &GgufFile,
    info: &TensorInfo,
    first: usize,
    rows: Rows<'_>,
    c: &mut [f32],
    c_stride: usize,
    worker: &mut Worker,
) {
    let inner = info.columns();
    let count = PANEL.min(info.rows() - first);
    worker.rows.resize(PANEL * COLUMNS, 0.0);
    worker.panel.resize(PANEL * COLUMNS);
    for start in (0..inner).step_by(COLUMNS) {
        let steps = COLUMNS.min(inner - start);
        let weights = &mut worker.rows[..count * steps];
        for (r, row) in weights.chunks_exact_mut(steps).enumerate() {
            file.read_part(info, first + r, start, row);
        }
        let panel = &mut worker.panel[..PANEL * steps];
        pack_panel(weights, steps, panel);
        let rows = Rows {
            data: &rows.data[start..],
            ..rows
        };
        let columns = packed_columns(panel, &[], steps);
        multiply_panel(level, steps, rows, columns, c, c_stride, start > 0);
    }
}
