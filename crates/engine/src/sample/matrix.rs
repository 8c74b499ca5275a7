//! A weight matrix to multiply with: packed once, or dequantized panel by panel as it is used.

use crate::gguf::{GgufFile, TensorInfo};
use crate::kernels::{
    Aligned, Level, PANEL, Panels, Rows, multiply, multiply_panel, pack_panel, packed_columns,
    scale_in_place,
};

/// Columns dequantized at once: whole blocks of every storage type, and 32 rows of them stay in
/// the second-level cache.
const COLUMNS: usize = 512;

/// What an adapter adds to a linear layer that stays quantized: `scale * up (down x)`.
#[derive(Debug)]
pub(super) struct LowRank {
    pub(super) down: Panels,
    pub(super) up: Panels,
    pub(super) scale: f32,
}

/// A tensor that stays quantized in the file.
#[derive(Debug)]
pub(super) struct StreamedTensor {
    pub(super) info: TensorInfo,
    pub(super) low_rank: Option<LowRank>,
}

impl StreamedTensor {
    fn panels(&self) -> usize {
        self.info.rows().div_ceil(PANEL)
    }
}

/// One or more tensors below each other, each padded to whole panels. Both forms give the same
/// bits.
#[derive(Debug)]
pub(super) enum Matrix {
    /// As f32 panels.
    Packed(Panels),
    /// In the file. All tensors have the same row length.
    Streamed(Vec<StreamedTensor>),
}

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Worker {
    rows: Vec<f32>,
    panel: Aligned,
    /// `[panels][rows][32]`: threads write here what lies interleaved in the product.
    product: Vec<f32>,
}

/// Computes products on one or several threads, and keeps their buffers.
#[derive(Debug)]
pub(super) struct Multiplier {
    level: Level,
    workers: Vec<Worker>,
    low: Vec<f32>,
}

impl Multiplier {
    pub(super) fn new(threads: usize) -> Self {
        let workers = (0..threads.max(1)).map(|_| Worker::default());
        Self {
            level: Level::detect(),
            workers: workers.collect(),
            low: Vec::new(),
        }
    }

    /// `product[r, :] = rows[r, :] * matrix^T`, rows `matrix.product_stride()` values apart.
    pub(super) fn multiply(
        &mut self,
        matrix: &Matrix,
        file: &GgufFile,
        rows: Rows<'_>,
        product: &mut Aligned,
    ) {
        let (level, stride) = (self.level, matrix.product_stride());
        product.resize(rows.rows * stride);
        if rows.rows == 0 {
            return;
        }
        let panels = matrix.padded_outputs() / PANEL;
        if let [worker] = self.workers.as_mut_slice() {
            for panel in 0..panels {
                let c = &mut product[panel * PANEL..];
                matrix.multiply_one(level, file, panel, rows, c, stride, worker);
            }
        } else {
            self.multiply_shared(matrix, file, rows, product);
        }
        if let Matrix::Streamed(tensors) = matrix {
            self.add_low_rank(tensors, rows, product, stride);
        }
    }

    /// Every thread takes a range of panels.
    fn multiply_shared(
        &mut self,
        matrix: &Matrix,
        file: &GgufFile,
        rows: Rows<'_>,
        product: &mut [f32],
    ) {
        let (level, stride) = (self.level, matrix.product_stride());
        let (panels, threads) = (matrix.padded_outputs() / PANEL, self.workers.len());
        let share = |t: usize| t * panels / threads..(t + 1) * panels / threads;
        let tile = rows.rows * PANEL;
        std::thread::scope(|scope| {
            for (t, worker) in self.workers.iter_mut().enumerate() {
                scope.spawn(move || {
                    let mut tiles = std::mem::take(&mut worker.product);
                    tiles.resize(share(t).len() * tile, 0.0);
                    for (panel, c) in share(t).zip(tiles.chunks_exact_mut(tile)) {
                        matrix.multiply_one(level, file, panel, rows, c, PANEL, worker);
                    }
                    worker.product = tiles;
                });
            }
        });
        for (t, worker) in self.workers.iter().enumerate() {
            for (panel, tile) in share(t).zip(worker.product.chunks_exact(tile)) {
                for (r, values) in tile.chunks_exact(PANEL).enumerate() {
                    let at = r * stride + panel * PANEL;
                    product[at..at + PANEL].copy_from_slice(values);
                }
            }
        }
    }

    fn add_low_rank(
        &mut self,
        tensors: &[StreamedTensor],
        rows: Rows<'_>,
        product: &mut [f32],
        stride: usize,
    ) {
        let mut first = 0;
        for tensor in tensors {
            if let Some(LowRank { down, up, scale }) = &tensor.low_rank {
                let width = down.padded_outputs();
                self.low.resize(rows.rows * width, 0.0);
                multiply(self.level, rows, down, &mut self.low);
                scale_in_place(&mut self.low, *scale);
                let low = Rows {
                    data: &self.low,
                    rows: rows.rows,
                    stride: width,
                };
                for panel in 0..tensor.panels() {
                    let c = &mut product[(first + panel) * PANEL..];
                    up.multiply_one(self.level, panel, low, c, stride, true);
                }
            }
            first += tensor.panels();
        }
    }
}

impl Matrix {
    /// How far apart rows of a product are.
    pub(super) fn product_stride(&self) -> usize {
        row_stride(self.padded_outputs())
    }

    /// Outputs, padding included: the row length of a product.
    pub(super) fn padded_outputs(&self) -> usize {
        match self {
            Self::Packed(panels) => panels.padded_outputs(),
            Self::Streamed(tensors) => {
                let panels: usize = tensors.iter().map(StreamedTensor::panels).sum();
                panels * PANEL
            }
        }
    }

    /// One panel of the product; `c` starts at its columns.
    #[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
    fn multiply_one(
        &self,
        level: Level,
        file: &GgufFile,
        panel: usize,
        rows: Rows<'_>,
        c: &mut [f32],
        c_stride: usize,
        worker: &mut Worker,
    ) {
        let tensors = match self {
            Self::Packed(panels) => {
                return panels.multiply_one(level, panel, rows, c, c_stride, false);
            }
            Self::Streamed(tensors) => tensors,
        };
        let mut panel = panel;
        for StreamedTensor { info, .. } in tensors {
            let panels = info.rows().div_ceil(PANEL);
            if panel < panels {
                return stream(level, file, info, panel * PANEL, rows, c, c_stride, worker);
            }
            panel -= panels;
        }
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

/// Dequantizes 32 rows of a tensor, some columns at a time, and multiplies with them.
#[expect(clippy::too_many_arguments, reason = "the shape of a matrix product")]
fn stream(
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
