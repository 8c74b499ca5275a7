//! The two passes of the network over one shard.

use super::attention::{AttentionBuffers, HeadLayout};
use super::head::HeadBuffers;
use super::linear::LinearBuffers;
use super::objective::Objective;
use super::tree::Shard;
use super::weights::{Frozen, Group, Held};
use super::whole::Whole;
use crate::kernels::{add_assign, scale_in_place};
use crate::profile::{LayerKind, Profile, timed};
use crate::{Adapter, EngineError, Model, Wiring};

/// What a block's forward pass keeps for its backward pass; `[rows][...]` each. The last block
/// goes on with the shard's output rows alone after its keys and values.
#[derive(Debug, Default)]
pub(super) struct BlockActivations {
    /// The stream before the block.
    pub(super) input: Vec<f32>,
    /// Queries and keys before their norms, where they have norms.
    pub(super) raw: Vec<f32>,
    /// Queries and keys after rotation, and values.
    pub(super) product: Vec<f32>,
    pub(super) attended: Vec<f32>,
    /// What attention adds to the stream before its norm, where it has one after it.
    pub(super) attention_output: Vec<f32>,
    /// What the feed-forward half reads before its norm.
    pub(super) middle: Vec<f32>,
    pub(super) gate_up: Vec<f32>,
    /// As `attention_output`, of the feed-forward half.
    pub(super) feed_forward_output: Vec<f32>,
}

/// Most activations a thread keeps for the backward pass: 2 GiB. Beyond it only what goes into
/// each block is kept, and the block is computed again when the backward pass comes to it.
const MOST_ACTIVATIONS: usize = 512 << 20;

/// What a forward pass keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Everything the backward pass needs.
    Activations,
    /// The stream before each block.
    Inputs,
    /// Nothing: there is no backward pass.
    Nothing,
}

/// A thread's buffers, kept between steps.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    blocks: Vec<BlockActivations>,
    /// The stream before each block, where that is all that is kept.
    inputs: Vec<Vec<f32>>,
    /// Another bound than [`MOST_ACTIVATIONS`]; it changes no result.
    pub(super) most_activations: Option<usize>,
    pub(super) normed: Vec<f32>,
    pub(super) activated: Vec<f32>,
    pub(super) stream: Vec<f32>,
    pub(super) d_stream: Vec<f32>,
    /// The gradient of the stream that comes through a parallel feed-forward half.
    pub(super) d_parallel: Vec<f32>,
    /// The gradient of what a half adds to the stream.
    pub(super) d_half: Vec<f32>,
    pub(super) d_normed: Vec<f32>,
    pub(super) d_product: Vec<f32>,
    pub(super) d_activated: Vec<f32>,
    pub(super) row: Vec<f32>,
    pub(super) linear: LinearBuffers,
    pub(super) attention: AttentionBuffers,
    pub(super) head: HeadBuffers,
    /// Where this thread's time went.
    pub(super) profile: Profile,
}

/// What both passes read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network<'a> {
    pub(super) model: &'a Model,
    pub(super) frozen: &'a Frozen,
    pub(super) adapter: &'a Adapter,
    pub(super) held: &'a Held,
    /// All parameters, where all are trained: then there is no adapter.
    pub(super) whole: Option<&'a Whole>,
}

impl Network<'_> {
    /// Replaces `gradient` by that of the shard's part of the objective; returns that part.
    pub(super) fn loss_and_gradient(
        &self,
        shard: &Shard,
        objective: Objective,
        w: &mut Workspace,
        gradient: &mut [f32],
    ) -> Result<f64, EngineError> {
        let most = w.most_activations.unwrap_or(MOST_ACTIVATIONS);
        let keep = if self.activations(shard.tokens.len()) <= most {
            Keep::Activations
        } else {
            Keep::Inputs
        };
        self.forward(shard, keep, w)?;
        w.d_stream.clear();
        w.d_stream.resize(w.stream.len(), 0.0);
        gradient.fill(0.0);
        let loss = self.objective(shard, objective, w, gradient);
        for layer in (0..self.model.config.layers).rev() {
            let mut block = if keep == Keep::Inputs {
                std::mem::swap(&mut w.stream, &mut w.inputs[layer]);
                self.block_forward(layer, shard, 0, w)?;
                std::mem::take(&mut w.blocks[0])
            } else {
                std::mem::take(&mut w.blocks[layer])
            };
            self.feed_forward_backward(layer, &mut block, w, gradient)?;
            self.attention_backward(layer, shard, &block, w, gradient)?;
            let place = if keep == Keep::Inputs { 0 } else { layer };
            w.blocks[place] = block;
        }
        if let Some(whole) = self.whole {
            whole.embedding_gradient(&self.model.config, &shard.tokens, &w.d_stream, gradient);
        }
        Ok(loss)
    }

    /// Leaves in `w.stream` the last block's output at the shard's output rows.
    pub(super) fn forward(
        &self,
        shard: &Shard,
        keep: Keep,
        w: &mut Workspace,
    ) -> Result<(), EngineError> {
        let layers = self.model.config.layers;
        let kept = if keep == Keep::Activations { layers } else { 1 };
        w.blocks.resize_with(kept, BlockActivations::default);
        w.inputs.resize_with(layers, Vec::new);
        self.embed(shard, &mut w.stream)?;
        for layer in 0..layers {
            if keep == Keep::Inputs {
                w.inputs[layer].clone_from(&w.stream);
            }
            self.block_forward(layer, shard, layer.min(kept - 1), w)?;
        }
        Ok(())
    }

    /// One block; what it keeps goes to `w.blocks[place]`.
    fn block_forward(
        &self,
        layer: usize,
        shard: &Shard,
        place: usize,
        w: &mut Workspace,
    ) -> Result<(), EngineError> {
        let mut block = std::mem::take(&mut w.blocks[place]);
        self.attention_forward(layer, shard, &mut block, w)?;
        self.feed_forward_forward(layer, shard, &mut block, w)?;
        w.blocks[place] = block;
        Ok(())
    }

    /// How many numbers the blocks keep for the backward pass of so many rows.
    fn activations(&self, rows: usize) -> usize {
        let (config, heads) = (&self.model.config, self.heads(0));
        let traits = config.architecture;
        let mut row = 2 * config.hidden + heads.width + heads.queries();
        row += self.outputs(Group::FeedForwardInputs);
        if traits.query_key_norms {
            row += config.queries() + config.keys();
        }
        if traits.post_norms {
            row += 2 * config.hidden;
        }
        rows.saturating_mul(row).saturating_mul(config.layers)
    }

    /// The embeddings of a shard's tokens.
    fn embed(&self, shard: &Shard, stream: &mut Vec<f32>) -> Result<(), EngineError> {
        let _timing = timed(LayerKind::Embedding);
        let (config, file) = (&self.model.config, &self.model.file);
        stream.resize(shard.tokens.len() * config.hidden, 0.0);
        let embedding = file.matrix("token_embd.weight", config.vocabulary, config.hidden)?;
        let rows = stream.chunks_exact_mut(config.hidden);
        for (token, out) in shard.tokens.iter().zip(rows) {
            match self.whole {
                Some(whole) => out.copy_from_slice(whole.embedding(*token, config.hidden)),
                None => file.read_rows(embedding, *token as usize, 1, out),
            }
        }
        scale_in_place(stream, config.embedding_scale);
        Ok(())
    }

    /// How attention of a layer reads its products.
    pub(super) fn heads(&self, layer: usize) -> HeadLayout {
        HeadLayout::new(&self.model.config, layer)
    }

    /// True for the block after whose attention only the output rows matter.
    pub(super) fn is_last(&self, layer: usize) -> bool {
        layer + 1 == self.model.config.layers
    }

    pub(super) fn is_parallel(&self) -> bool {
        self.model.config.architecture.wiring == Wiring::Parallel
    }
}

/// The rows of `rows` in `from`, `[..][width]`, one after the other.
pub(super) fn gather_rows(from: &[f32], width: usize, rows: &[usize], out: &mut Vec<f32>) {
    out.clear();
    for row in rows {
        out.extend_from_slice(&from[row * width..(row + 1) * width]);
    }
}

/// The inverse of [`gather_rows`]: every row of `from` is added at its place.
pub(super) fn scatter_rows(from: &[f32], width: usize, rows: &[usize], out: &mut [f32]) {
    for (row, from) in rows.iter().zip(from.chunks_exact(width)) {
        add_assign(&mut out[row * width..(row + 1) * width], from);
    }
}
