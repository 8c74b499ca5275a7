//! A model's weights as sampling multiplies with them, with an adapter.

use super::WeightStorage;
use super::matrix::{LowRank, Matrix, StreamedTensor};
use crate::architecture::{LayerVectors, Norm};
use crate::kernels::{PANEL, Panels};
use crate::{Adapter, EngineError, Linear, Model};

/// Above this many bytes of f32 panels the weights stay quantized.
const PACKED_LIMIT: usize = 4 << 30;

/// One block.
#[derive(Debug)]
pub(super) struct LayerWeights {
    pub(super) vectors: LayerVectors,
    /// Query, key and value, each padded to whole panels, or all three in one.
    pub(super) query_key_value: Matrix,
    pub(super) output: Matrix,
    /// Gate and up, each padded to whole panels, or up alone.
    pub(super) gate_up: Matrix,
    pub(super) down: Matrix,
}

/// The whole model but for its embedding, whose rows are read as needed.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) layers: Vec<LayerWeights>,
    pub(super) norm: Norm,
    pub(super) head: Matrix,
    pub(super) streamed: bool,
}

impl Weights {
    /// Prepares the weights with `threads` threads.
    pub(super) fn new(
        model: &Model,
        adapter: Option<&Adapter>,
        threads: usize,
        storage: WeightStorage,
    ) -> Result<Self, EngineError> {
        if let Some(adapter) = adapter {
            adapter.check(&model.config)?;
        }
        let streamed = match storage {
            WeightStorage::Automatic => packed_bytes(model) > PACKED_LIMIT,
            WeightStorage::Packed => false,
            WeightStorage::Streamed => true,
        };
        if streamed && adapter.is_some_and(|a| a.layout.has_magnitudes()) {
            return Err(EngineError::Input(
                "a DoRA adapter changes whole rows of the weights, which are not held in memory for a model this large; sample from a merged file instead (`autodidact merge`)".into(),
            ));
        }
        let layers = model.config.layers;
        let mut packed: Vec<Option<LayerWeights>> = (0..layers).map(|_| None).collect();
        let share = layers.div_ceil(threads.max(1)).max(1);
        let head = std::thread::scope(|scope| {
            let workers: Vec<_> = packed
                .chunks_mut(share)
                .enumerate()
                .map(|(worker, slots)| {
                    scope.spawn(move || {
                        for (i, slot) in slots.iter_mut().enumerate() {
                            let layer = worker * share + i;
                            *slot = Some(layer_weights(model, adapter, layer, streamed)?);
                        }
                        Ok::<(), EngineError>(())
                    })
                })
                .collect();
            for worker in workers {
                worker.join().map_err(|_| EngineError::Worker)??;
            }
            head(model, streamed)
        })?;
        Ok(Self {
            layers: packed.into_iter().flatten().collect(),
            norm: Norm::read(
                &model.config,
                &model.file,
                "output_norm",
                model.config.hidden,
            )?,
            head,
            streamed,
        })
    }
}

/// Bytes of all matrices as f32.
fn packed_bytes(model: &Model) -> usize {
    let config = &model.config;
    let layer: usize = config
        .linears()
        .iter()
        .map(|linear| {
            let (outputs, inputs) = config.shape(*linear);
            outputs.saturating_mul(inputs)
        })
        .sum();
    let head = config.vocabulary.saturating_mul(config.hidden);
    layer
        .saturating_mul(config.layers)
        .saturating_add(head)
        .saturating_mul(size_of::<f32>())
}

fn layer_weights(
    model: &Model,
    adapter: Option<&Adapter>,
    layer: usize,
    streamed: bool,
) -> Result<LayerWeights, EngineError> {
    let matrix = |linears: &[Linear]| {
        if streamed {
            stream(model, adapter, layer, linears)
        } else {
            pack(model, adapter, layer, linears)
        }
    };
    let architecture = model.config.architecture;
    let query_key_value: &[Linear] = if architecture.fused() {
        &[Linear::QueryKeyValue]
    } else {
        &[Linear::Query, Linear::Key, Linear::Value]
    };
    let gate_up: &[Linear] = if architecture.gated() {
        &[Linear::Gate, Linear::Up]
    } else {
        &[Linear::Up]
    };
    Ok(LayerWeights {
        vectors: LayerVectors::read(&model.config, &model.file, layer)?,
        query_key_value: matrix(query_key_value)?,
        output: matrix(&[Linear::Output])?,
        gate_up: matrix(gate_up)?,
        down: matrix(&[Linear::Down])?,
    })
}

/// Dequantizes, merges the adapter and packs.
fn pack(
    model: &Model,
    adapter: Option<&Adapter>,
    layer: usize,
    linears: &[Linear],
) -> Result<Matrix, EngineError> {
    let inner = model.config.shape(linears[0]).1;
    let outputs = linears
        .iter()
        .map(|l| model.config.shape(*l).0.next_multiple_of(PANEL))
        .sum();
    let mut panels = Panels::new(inner, outputs);
    for linear in linears {
        let info = model.config.linear(&model.file, layer, *linear)?;
        let mut weight = model.file.read(info);
        if let Some(adapter) = adapter {
            adapter.merge_into(layer, *linear, &mut weight);
        }
        panels.append(&weight);
    }
    Ok(Matrix::Packed(panels))
}

/// Leaves the tensors in the file; the adapter stays a low-rank product beside them.
fn stream(
    model: &Model,
    adapter: Option<&Adapter>,
    layer: usize,
    linears: &[Linear],
) -> Result<Matrix, EngineError> {
    let tensor = |linear: &Linear| {
        let low_rank = |adapter: &Adapter| {
            let (layout, values) = (&adapter.layout, &adapter.values);
            let (outputs, inputs) = layout.shape(*linear);
            let mut down = Panels::new(inputs, layout.rank);
            down.append(&values[layout.a(layer, *linear)]);
            // The product with `down` has padding, which meets zeros here.
            let (rank, padded) = (layout.rank, down.padded_outputs());
            let mut wide = vec![0.0; outputs * padded];
            let b = values[layout.b(layer, *linear)].chunks_exact(rank);
            for (to, from) in wide.chunks_exact_mut(padded).zip(b) {
                to[..rank].copy_from_slice(from);
            }
            let mut up = Panels::new(padded, outputs);
            up.append(&wide);
            LowRank {
                down,
                up,
                scale: layout.scale(),
            }
        };
        Ok(StreamedTensor {
            info: model.config.linear(&model.file, layer, *linear)?.clone(),
            low_rank: adapter.map(low_rank),
        })
    };
    let tensors: Result<_, EngineError> = linears.iter().map(tensor).collect();
    tensors.map(Matrix::Streamed)
}

/// Packs the head a few panels at a time, so that it never exists twice.
fn head(model: &Model, streamed: bool) -> Result<Matrix, EngineError> {
    const ROWS: usize = 64 * PANEL;
    let (rows, columns) = (model.config.vocabulary, model.config.hidden);
    let info = model.config.head(&model.file)?;
    if streamed {
        return Ok(Matrix::Streamed(vec![StreamedTensor {
            info: info.clone(),
            low_rank: None,
        }]));
    }
    let mut panels = Panels::new(columns, rows);
    let mut piece = vec![0.0; ROWS * columns];
    for first in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - first);
        let piece = &mut piece[..count * columns];
        model.file.read_rows(info, first, count, piece);
        panels.append(piece);
    }
    Ok(Matrix::Packed(panels))
}
