//! The weights during training: dequantized with the adapter merged in once per step; held as codes
//! with the adapter beside them; or, for large models, made layer by layer whenever they are needed.

use std::sync::Arc;

use super::coded::Coded;
use crate::architecture::{LayerVectors, Norm, RopeTable};
use crate::kernels::{Packed, Right};
use crate::profile::{self, LayerKind, Profile, timed};
use crate::{Adapter, EngineError, Linear, Model, ModelConfig, WeightStorage};

/// What every shard reads and none changes.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) layers: Vec<LayerVectors>,
    pub(super) norm: Norm,
    /// The output head, `[vocabulary][hidden]`; nothing once it is packed.
    pub(super) head: Vec<f32>,
    packed_head: Option<Both>,
    rope: RopeTable,
    /// Of layers with a window, where the model has such.
    local_rope: Option<RopeTable>,
}

impl Frozen {
    /// `longest` is the longest sequence that will be trained on.
    pub(super) fn new(model: &Model, longest: usize) -> Result<Self, EngineError> {
        let (config, file) = (&model.config, &model.file);
        let layers = (0..config.layers).map(|layer| LayerVectors::read(config, file, layer));
        let local = config.window.is_some();
        let head = file.read(config.head(file)?);
        // Where it is the embedding too, the few rows that are needed come back.
        file.release(config.head(file)?);
        Ok(Self {
            layers: layers.collect::<Result<_, _>>()?,
            norm: Norm::read(config, file, "output_norm", config.hidden)?,
            head,
            packed_head: None,
            rope: RopeTable::new(config, false, longest),
            local_rope: local.then(|| RopeTable::new(config, true, longest)),
        })
    }

    /// Packs the head, unless it is too large. It cannot be changed any more.
    pub(super) fn pack_head(&mut self, config: &ModelConfig) {
        if self.head.len() <= MOST_PACKED_HEAD {
            let both = self.packed_head.insert(Both::default());
            both.pack(&self.head, config.vocabulary, config.hidden);
            self.head = Vec::new();
        }
    }

    /// Lets go of the head, which is held elsewhere.
    pub(super) fn drop_head(&mut self) {
        self.head = Vec::new();
    }

    /// The head as a right factor of the forward pass.
    pub(super) fn head_forward(&self) -> Right<'_> {
        let packed = self.packed_head.as_ref().map(Both::forward);
        packed.unwrap_or(Right::Transposed(&self.head))
    }

    /// The head as a right factor of the backward pass.
    pub(super) fn head_backward(&self) -> Right<'_> {
        let packed = self.packed_head.as_ref().map(Both::backward);
        packed.unwrap_or(Right::Plain(&self.head))
    }

    /// The rotary table of a layer.
    pub(super) fn rope(&self, config: &ModelConfig, layer: usize) -> &RopeTable {
        let local = self.local_rope.as_ref().filter(|_| config.is_local(layer));
        local.unwrap_or(&self.rope)
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
    pub(super) const ALL: [Self; 4] = [
        Self::AttentionInputs,
        Self::Output,
        Self::FeedForwardInputs,
        Self::Down,
    ];

    /// What time spent in a group counts as.
    pub(super) fn kind(self) -> LayerKind {
        match self {
            Self::AttentionInputs => LayerKind::QueryKeyValue,
            Self::Output => LayerKind::AttentionOutput,
            Self::FeedForwardInputs | Self::Down => LayerKind::FeedForward,
        }
    }

    /// Number of inputs of a group, at least one.
    pub(super) fn inputs(self, config: &ModelConfig) -> usize {
        let first = self.linears(config).next();
        first.map_or(1, |linear| config.shape(linear).1.max(1))
    }

    /// The linear layers of a group, in the order they stand below each other.
    pub(super) fn linears(self, config: &ModelConfig) -> impl Iterator<Item = Linear> {
        let kinds: &[Linear] = match self {
            Self::AttentionInputs => &[
                Linear::Query,
                Linear::Key,
                Linear::Value,
                Linear::QueryKeyValue,
            ],
            Self::Output => &[Linear::Output],
            Self::FeedForwardInputs => &[Linear::Gate, Linear::Up],
            Self::Down => &[Linear::Down],
        };
        let there = config.linears();
        kinds.iter().copied().filter(|l| there.contains(l))
    }
}

/// Most weights that are kept merged: 3 GiB in both orders. Every shard reads every weight twice,
/// so making them once per step saves time; a model too large for that has to be made in pieces
/// each time.
const MOST_MERGED: usize = 384 << 20;
/// Most elements of a head that is kept packed in both orders: 512 MiB.
const MOST_PACKED_HEAD: usize = 64 << 20;

/// A matrix packed for the forward and for the backward pass.
#[derive(Debug, Clone, Default)]
struct Both {
    forward: Packed,
    backward: Packed,
}

impl Both {
    fn pack(&mut self, matrix: &[f32], outputs: usize, inputs: usize) {
        self.forward
            .pack(Right::Transposed(matrix), inputs, outputs);
        self.backward.pack(Right::Plain(matrix), outputs, inputs);
    }

    fn forward(&self) -> Right<'_> {
        Right::Packed(&self.forward)
    }

    fn backward(&self) -> Right<'_> {
        Right::Packed(&self.backward)
    }
}

/// How many weights all linear layers of all blocks have.
pub(super) fn linear_weights(config: &ModelConfig) -> usize {
    let shapes = config.linears().iter().map(|linear| config.shape(*linear));
    let layer: usize = shapes.map(|(o, i)| o * i).sum();
    layer.saturating_mul(config.layers)
}

/// How the linear layers are held while an adapter is trained.
#[derive(Debug)]
pub(super) enum Held {
    /// As f32, with the adapter of one step merged in.
    Merged(Merged),
    /// As codes, in memory or in the file, with the adapter beside them.
    Coded(Coded),
    /// Not at all: made from the file whenever they are needed.
    InFile,
}

impl Held {
    /// As f32, in memory or made whenever they are needed.
    pub(super) fn merged(config: &ModelConfig, storage: WeightStorage) -> Self {
        match storage {
            WeightStorage::Automatic if linear_weights(config) > MOST_MERGED => Self::InFile,
            WeightStorage::Streamed => Self::InFile,
            WeightStorage::Automatic | WeightStorage::Packed => Self::Merged(Merged::new(config)),
        }
    }

    /// As codes where that is possible, otherwise as f32.
    pub(super) fn coded(
        model: &Arc<Model>,
        threads: usize,
        storage: WeightStorage,
    ) -> Result<Self, EngineError> {
        let coded = Coded::new(model, threads, storage)?;
        Ok(coded.map_or_else(|| Self::merged(&model.config, storage), Self::Coded))
    }

    /// What is held in codes.
    pub(super) fn as_coded(&self) -> Option<&Coded> {
        match self {
            Self::Coded(coded) => Some(coded),
            Self::Merged(_) | Self::InFile => None,
        }
    }

    /// Takes the adapter as it is now; returns where the threads' time went.
    pub(super) fn refresh(
        &mut self,
        model: &Model,
        adapter: &Adapter,
        threads: usize,
    ) -> Result<Profile, EngineError> {
        match self {
            Self::Merged(merged) => merged.refresh(model, adapter, threads),
            Self::Coded(_) | Self::InFile => Ok(Profile::default()),
        }
    }
}

/// All linear layers with the adapter of one step merged in.
#[derive(Debug)]
pub(super) struct Merged {
    layers: Vec<[Both; 4]>,
}

impl Merged {
    /// Room for a model's weights.
    fn new(config: &ModelConfig) -> Self {
        Self {
            layers: vec![<[Both; 4]>::default(); config.layers],
        }
    }

    /// Merges with the adapter as it is now, each of `threads` threads its share of the layers;
    /// returns where their time went.
    fn refresh(
        &mut self,
        model: &Model,
        adapter: &Adapter,
        threads: usize,
    ) -> Result<Profile, EngineError> {
        let share = self.layers.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = self
                .layers
                .chunks_mut(share)
                .enumerate()
                .map(|(worker, layers)| {
                    let work = move || {
                        let mut matrix = Vec::new();
                        for (i, layer) in layers.iter_mut().enumerate() {
                            for (group, both) in Group::ALL.into_iter().zip(layer) {
                                load(model, adapter, worker * share + i, group, &mut matrix)?;
                                let _timing = timed(LayerKind::Merge);
                                let inputs = group.inputs(&model.config);
                                both.pack(&matrix, matrix.len() / inputs, inputs);
                                release(model, worker * share + i, group)?;
                            }
                        }
                        Ok(())
                    };
                    scope.spawn(move || profile::recorded(work))
                })
                .collect();
            let mut sum = Profile::default();
            for worker in workers {
                let (outcome, profile) = worker.join().map_err(|_| EngineError::Worker)?;
                sum += profile;
                outcome?;
            }
            Ok(sum)
        })
    }

    /// A group as a right factor of the forward pass.
    pub(super) fn forward(&self, layer: usize, group: Group) -> Right<'_> {
        self.layers[layer][group as usize].forward()
    }

    /// A group as a right factor of the backward pass.
    pub(super) fn backward(&self, layer: usize, group: Group) -> Right<'_> {
        self.layers[layer][group as usize].backward()
    }
}

/// Lets go of the file's pages of a group, whose weights are kept elsewhere.
pub(super) fn release(model: &Model, layer: usize, group: Group) -> Result<(), EngineError> {
    for linear in group.linears(&model.config) {
        model
            .file
            .release(model.config.linear(&model.file, layer, linear)?);
    }
    Ok(())
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
    let _timing = timed(LayerKind::Merge);
    let shapes = group.linears(&model.config).map(|l| model.config.shape(l));
    out.resize(shapes.map(|(o, i)| o * i).sum(), 0.0);
    let mut rest = out.as_mut_slice();
    for linear in group.linears(&model.config) {
        let info = model.config.linear(&model.file, layer, linear)?;
        let (outputs, inputs) = model.config.shape(linear);
        let (weight, after) = rest.split_at_mut(outputs * inputs);
        model.file.read_rows(info, 0, outputs, weight);
        adapter.merge_into(layer, linear, weight);
        rest = after;
    }
    Ok(())
}
