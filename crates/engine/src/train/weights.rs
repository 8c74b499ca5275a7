//! The base's weights during training: mapped, and dequantized layer by layer into scratch.

use crate::config::RopeTable;
use crate::{Adapter, EngineError, Linear, Model};

/// What every shard reads and none changes.
#[derive(Debug)]
pub(super) struct Frozen {
    attention_norms: Vec<Vec<f32>>,
    feed_forward_norms: Vec<Vec<f32>>,
    pub(super) norm: Vec<f32>,
    /// The output head, `[vocabulary][hidden]`.
    pub(super) head: Vec<f32>,
    pub(super) rope: RopeTable,
}

impl Frozen {
    /// `longest` is the longest sequence that will be trained on.
    pub(super) fn new(model: &Model, longest: usize) -> Result<Self, EngineError> {
        let read = |name: &str| {
            Ok::<_, EngineError>(model.file.read(model.file.matrix(
                name,
                1,
                model.config.hidden,
            )?))
        };
        let norms = |name: &str| {
            let names = (0..model.config.layers).map(|l| format!("blk.{l}.{name}.weight"));
            names.map(|name| read(&name)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            attention_norms: norms("attn_norm")?,
            feed_forward_norms: norms("ffn_norm")?,
            norm: read("output_norm.weight")?,
            head: model.file.read(model.config.head(&model.file)?),
            rope: RopeTable::new(&model.config, longest),
        })
    }

    pub(super) fn attention_norm(&self, layer: usize) -> &[f32] {
        &self.attention_norms[layer]
    }

    pub(super) fn feed_forward_norm(&self, layer: usize) -> &[f32] {
        &self.feed_forward_norms[layer]
    }
}

/// Writes linear layers that read the same input below each other, the adapter merged in:
/// row-major `[sum of outputs][inputs]`.
pub(super) fn load(
    model: &Model,
    adapter: &Adapter,
    layer: usize,
    linears: &[Linear],
    out: &mut Vec<f32>,
) -> Result<(), EngineError> {
    let total: usize = linears
        .iter()
        .map(|l| model.config.shape(*l))
        .map(|(o, i)| o * i)
        .sum();
    out.resize(total, 0.0);
    let mut rest = out.as_mut_slice();
    for linear in linears {
        let info = model.config.linear(&model.file, layer, *linear)?;
        let (outputs, inputs) = model.config.shape(*linear);
        let (weight, after) = rest.split_at_mut(outputs * inputs);
        model.file.read_rows(info, 0, outputs, weight);
        adapter.merge_into(layer, *linear, weight);
        rest = after;
    }
    Ok(())
}
