//! A model's weights as the panels that sampling multiplies with, an adapter merged in.

use crate::kernels::{PANEL, Panels};
use crate::{Adapter, EngineError, Linear, Model};

/// One block.
#[derive(Debug)]
pub(super) struct LayerWeights {
    pub(super) attention_norm: Vec<f32>,
    /// Query, key and value, each padded to whole panels.
    pub(super) query_key_value: Panels,
    pub(super) output: Panels,
    pub(super) feed_forward_norm: Vec<f32>,
    /// Gate and up, each padded to whole panels.
    pub(super) gate_up: Panels,
    pub(super) down: Panels,
}

/// The whole model but for its embedding, whose rows are read as needed.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) layers: Vec<LayerWeights>,
    pub(super) norm: Vec<f32>,
    pub(super) head: Panels,
}

impl Weights {
    /// Dequantizes, merges and packs with `threads` threads.
    pub(super) fn new(
        model: &Model,
        adapter: Option<&Adapter>,
        threads: usize,
    ) -> Result<Self, EngineError> {
        if let Some(adapter) = adapter {
            adapter.check(&model.config)?;
        }
        let layers = model.config.layers;
        let head = || pack_head(model);
        let mut packed: Vec<Option<LayerWeights>> = (0..layers).map(|_| None).collect();
        let share = layers.div_ceil(threads.max(1)).max(1);
        let head = std::thread::scope(|scope| {
            let workers: Vec<_> = packed
                .chunks_mut(share)
                .enumerate()
                .map(|(worker, slots)| {
                    scope.spawn(move || {
                        for (i, slot) in slots.iter_mut().enumerate() {
                            *slot = Some(pack_layer(model, adapter, worker * share + i)?);
                        }
                        Ok::<(), EngineError>(())
                    })
                })
                .collect();
            for worker in workers {
                worker.join().map_err(|_| EngineError::Worker)??;
            }
            head()
        })?;
        Ok(Self {
            layers: packed.into_iter().flatten().collect(),
            norm: read(model, "output_norm.weight")?,
            head,
        })
    }
}

fn read(model: &Model, name: &str) -> Result<Vec<f32>, EngineError> {
    Ok(model
        .file
        .read(model.file.matrix(name, 1, model.config.hidden)?))
}

fn pack_layer(
    model: &Model,
    adapter: Option<&Adapter>,
    layer: usize,
) -> Result<LayerWeights, EngineError> {
    let pack = |linears: &[Linear]| {
        let inner = model.config.shape(linears[0]).1;
        let outputs = linears
            .iter()
            .map(|l| model.config.shape(*l).0.next_multiple_of(PANEL))
            .sum();
        let mut panels = Panels::new(inner, outputs);
        for linear in linears {
            let mut weight = model
                .file
                .read(model.config.linear(&model.file, layer, *linear)?);
            if let Some(adapter) = adapter {
                adapter.merge_into(layer, *linear, &mut weight);
            }
            panels.append(&weight);
        }
        Ok::<_, EngineError>(panels)
    };
    Ok(LayerWeights {
        attention_norm: read(model, &format!("blk.{layer}.attn_norm.weight"))?,
        query_key_value: pack(&[Linear::Query, Linear::Key, Linear::Value])?,
        output: pack(&[Linear::Output])?,
        feed_forward_norm: read(model, &format!("blk.{layer}.ffn_norm.weight"))?,
        gate_up: pack(&[Linear::Gate, Linear::Up])?,
        down: pack(&[Linear::Down])?,
    })
}

/// Packs the head a few panels at a time, so that it never exists twice.
fn pack_head(model: &Model) -> Result<Panels, EngineError> {
    const ROWS: usize = 64 * PANEL;
    let (rows, columns) = (model.config.vocabulary, model.config.hidden);
    let info = model.config.head(&model.file)?;
    let mut panels = Panels::new(columns, rows);
    let mut piece = vec![0.0; ROWS * columns];
    for first in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - first);
        let piece = &mut piece[..count * columns];
        model.file.read_rows(info, first, count, piece);
        panels.append(piece);
    }
    Ok(panels)
}
