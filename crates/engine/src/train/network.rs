//! The two passes of the network over one shard.

use super::attention::{AttentionBuffers, HeadLayout};
use super::head::HeadBuffers;
use super::linear::LinearBuffers;
use super::objective::Objective;
use super::tree::Shard;
use super::weights::{Frozen, Merged};
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

/// A thread's buffers, kept between steps.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    blocks: Vec<BlockActivations>,
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
    pub(super) merged: Option<&'a Merged>,
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
        self.forward(shard, w)?;
        w.d_stream.clear();
        w.d_stream.resize(w.stream.len(), 0.0);
        gradient.fill(0.0);
        let loss = self.objective(shard, objective, w, gradient);
        for layer in (0..self.model.config.layers).rev() {
            let mut block = std::mem::take(&mut w.blocks[layer]);
            self.feed_forward_backward(layer, &mut block, w, gradient)?;
            self.attention_backward(layer, shard, &block, w, gradient)?;
            w.blocks[layer] = block;
        }
        if let Some(whole) = self.whole {
            whole.embedding_gradient(&self.model.config, &shard.tokens, &w.d_stream, gradient);
        }
        Ok(loss)
    }

    /// Leaves in `w.stream` the last block's output at the shard's output rows.
    pub(super) fn forward(&self, shard: &Shard, w: &mut Workspace) -> Result<(), EngineError> {
        let layers = self.model.config.layers;
        w.blocks.resize_with(layers, BlockActivations::default);
        self.embed(shard, &mut w.stream)?;
        for layer in 0..layers {
            let mut block = std::mem::take(&mut w.blocks[layer]);
            self.attention_forward(layer, shard, &mut block, w)?;
            self.feed_forward_forward(layer, shard, &mut block, w)?;
            w.blocks[layer] = block;
        }
        Ok(())
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
