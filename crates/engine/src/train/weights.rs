//! The weights during training: mapped, and dequantized with the adapter merged in once per step,
//! or, for large models, layer by layer whenever they are needed.

use crate::architecture::RopeTable;
use crate::{Adapter, EngineError, Linear, Model, ModelConfig};

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
            rope: RopeTable::new(&model.config, false, longest),
        })
    }

    pub(super) fn attention_norm(&self, layer: usize) -> &[f32] {
        &self.attention_norms[layer]
    }

    pub(super) fn feed_forward_norm(&self, layer: usize) -> &[f32] {
        &self.feed_forward_norms[layer]
    }
}

/// Linear layers that read the same input and are multiplied as one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Group {
    AttentionInputs,
    Output,
    FeedForwardInputs,
    Down,
}

impl Group {
    const ALL: [Self; 4] = [
        Self::AttentionInputs,
        Self::Output,
        Self::FeedForwardInputs,
        Self::Down,
    ];

    pub(super) fn linears(self) -> &'static [Linear] {
        match self {
            Self::AttentionInputs => &[Linear::Query, Linear::Key, Linear::Value],
            Self::Output => &[Linear::Output],
            Self::FeedForwardInputs => &[Linear::Gate, Linear::Up],
            Self::Down => &[Linear::Down],
        }
    }
}

/// Most weights that are kept merged: 2 GiB. Every shard reads every weight twice, so making them
/// once per step saves time; a model too large for that has to be made in pieces each time.
const MOST_MERGED: usize = 512 << 20;

/// All linear layers with the adapter of one step merged in.
#[derive(Debug)]
pub(super) struct Merged {
    layers: Vec<[Vec<f32>; 4]>,
}

impl Merged {
    /// Room for a model's weights, unless it is too large.
    pub(super) fn new(config: &ModelConfig) -> Option<Self> {
        let shapes = config.linears().iter().map(|linear| config.shape(*linear));
        let weights = config.layers * shapes.map(|(o, i)| o * i).sum::<usize>();
        (weights <= MOST_MERGED).then(|| Self {
            layers: vec![<[Vec<f32>; 4]>::default(); config.layers],
        })
    }

    /// Merges with the adapter as it is now, each of `threads` threads its share of the layers.
    pub(super) fn refresh(
        &mut self,
        model: &Model,
        adapter: &Adapter,
        threads: usize,
    ) -> Result<(), EngineError> {
        let share = self.layers.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .layers
                .chunks_mut(share)
                .enumerate()
                .map(|(worker, layers)| {
                    scope.spawn(move || {
                        for (i, layer) in layers.iter_mut().enumerate() {
                            for (group, out) in Group::ALL.into_iter().zip(layer) {
                                load(model, adapter, worker * share + i, group, out)?;
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            let mut outcomes = workers
                .into_iter()
                .map(|w| w.join().map_err(|_| EngineError::Worker).flatten());
            outcomes.try_for_each(|outcome| outcome)
        })
    }

    pub(super) fn get(&self, layer: usize, group: Group) -> &[f32] {
        &self.layers[layer][group as usize]
    }
}

/// Writes the linear layers of a group below each other, the adapter merged in: row-major
/// `[sum of outputs][inputs]`.
pub(super) fn load(
    model: &Model,
    adapter: &Adapter,
    layer: usize,
    group: Group,
    out: &mut Vec<f32>,
) -> Result<(), EngineError> {
    let linears = group.linears();
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
