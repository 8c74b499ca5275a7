//! The two passes of the network over one shard.

use super::attention::{self, AttentionBuffers, HeadLayout};
use super::batch::Shard;
use super::head::{HeadBuffers, loss_and_gradient};
use super::weights::{Frozen, Group, Merged, load};
use crate::kernels::{View, gemm, rms_norm, rms_norm_backward, silu_gate, silu_gate_backward};
use crate::{Adapter, EngineError, Linear, Model};

/// What a block's forward pass keeps for its backward pass; `[tokens][...]` each.
#[derive(Debug, Default)]
struct BlockActivations {
    input: Vec<f32>,
    attention_scales: Vec<f32>,
    /// Queries and keys after rotation, and values.
    product: Vec<f32>,
    attended: Vec<f32>,
    middle: Vec<f32>,
    feed_forward_scales: Vec<f32>,
    gate_up: Vec<f32>,
}

/// A thread's buffers, kept between steps.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    blocks: Vec<BlockActivations>,
    weight: Vec<f32>,
    normed: Vec<f32>,
    activated: Vec<f32>,
    stream: Vec<f32>,
    d_stream: Vec<f32>,
    d_normed: Vec<f32>,
    d_product: Vec<f32>,
    d_activated: Vec<f32>,
    low_rank: Vec<f32>,
    attention: AttentionBuffers,
    head: HeadBuffers,
}

/// What both passes read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network<'a> {
    pub(super) model: &'a Model,
    pub(super) frozen: &'a Frozen,
    pub(super) adapter: &'a Adapter,
    pub(super) merged: Option<&'a Merged>,
}

impl Network<'_> {
    /// Replaces `gradient` by that of the shard's summed loss times `weight`; returns the sum.
    pub(super) fn loss_and_gradient(
        &self,
        shard: &Shard,
        weight: f32,
        workspace: &mut Workspace,
        gradient: &mut [f32],
    ) -> Result<f64, EngineError> {
        let config = &self.model.config;
        let tokens = shard.tokens.len();
        workspace
            .blocks
            .resize_with(config.layers, BlockActivations::default);
        workspace.stream.resize(tokens * config.hidden, 0.0);
        workspace.d_stream.resize(tokens * config.hidden, 0.0);
        let embedding =
            self.model
                .file
                .matrix("token_embd.weight", config.vocabulary, config.hidden)?;
        let rows = workspace.stream.chunks_exact_mut(config.hidden);
        for (token, out) in shard.tokens.iter().zip(rows) {
            self.model
                .file
                .read_rows(embedding, *token as usize, 1, out);
        }
        for layer in 0..config.layers {
            let mut block = std::mem::take(&mut workspace.blocks[layer]);
            self.attention_forward(layer, shard, &mut block, workspace)?;
            self.feed_forward_forward(layer, &mut block, workspace)?;
            workspace.blocks[layer] = block;
        }
        let loss = loss_and_gradient(
            config,
            self.frozen,
            shard,
            weight,
            &workspace.stream,
            &mut workspace.d_stream,
            &mut workspace.head,
        );
        gradient.fill(0.0);
        for layer in (0..config.layers).rev() {
            let mut block = std::mem::take(&mut workspace.blocks[layer]);
            self.feed_forward_backward(layer, &mut block, workspace, gradient)?;
            self.attention_backward(layer, shard, &block, workspace, gradient)?;
            workspace.blocks[layer] = block;
        }
        Ok(loss)
    }

    /// The weights of a group of linear layers, the adapter merged in: those of this step, or made
    /// in `buffer`.
    fn weight<'w>(
        &'w self,
        layer: usize,
        group: Group,
        buffer: &'w mut Vec<f32>,
    ) -> Result<&'w [f32], EngineError> {
        if let Some(merged) = self.merged {
            return Ok(merged.get(layer, group));
        }
        load(self.model, self.adapter, layer, group, buffer)?;
        Ok(buffer)
    }

    /// `stream += output(attention(norm(stream)))`.
    fn attention_forward(
        &self,
        layer: usize,
        shard: &Shard,
        block: &mut BlockActivations,
        w: &mut Workspace,
    ) -> Result<(), EngineError> {
        let (config, tokens) = (&self.model.config, shard.tokens.len());
        let (hidden, layout) = (config.hidden, HeadLayout::new(config));
        block.input.clone_from(&w.stream);
        let norm = self.frozen.attention_norm(layer);
        self.norm(
            &block.input,
            norm,
            &mut w.normed,
            &mut block.attention_scales,
        );
        let weight = self.weight(layer, Group::AttentionInputs, &mut w.weight)?;
        block.product.resize(tokens * layout.width, 0.0);
        let weight = View::new(weight, layout.width, hidden, hidden);
        let input = View::new(&w.normed, tokens, hidden, hidden);
        gemm(
            &mut block.product,
            layout.width,
            input,
            weight.transposed(),
            1.0,
            false,
        );
        self.rotate(shard, &mut block.product, layout, true);
        block.attended.resize(tokens * layout.queries(), 0.0);
        let mut first = 0;
        for length in &shard.lengths {
            let rows = first..first + length;
            let product = &block.product[rows.start * layout.width..rows.end * layout.width];
            let out =
                &mut block.attended[rows.start * layout.queries()..rows.end * layout.queries()];
            attention::forward(layout, product, out, &mut w.attention);
            first += length;
        }
        let weight = self.weight(layer, Group::Output, &mut w.weight)?;
        let queries = layout.queries();
        let weight = View::new(weight, hidden, queries, queries);
        let input = View::new(&block.attended, tokens, queries, queries);
        gemm(&mut w.stream, hidden, input, weight.transposed(), 1.0, true);
        Ok(())
    }

    /// `stream += down(silu(gate(norm(stream))) * up(norm(stream)))`.
    fn feed_forward_forward(
        &self,
        layer: usize,
        block: &mut BlockActivations,
        w: &mut Workspace,
    ) -> Result<(), EngineError> {
        let config = &self.model.config;
        let (hidden, width) = (config.hidden, config.feed_forward);
        let tokens = w.stream.len() / hidden;
        block.middle.clone_from(&w.stream);
        let norm = self.frozen.feed_forward_norm(layer);
        self.norm(
            &block.middle,
            norm,
            &mut w.normed,
            &mut block.feed_forward_scales,
        );
        let weight = self.weight(layer, Group::FeedForwardInputs, &mut w.weight)?;
        block.gate_up.resize(tokens * 2 * width, 0.0);
        let weight = View::new(weight, 2 * width, hidden, hidden);
        let input = View::new(&w.normed, tokens, hidden, hidden);
        gemm(
            &mut block.gate_up,
            2 * width,
            input,
            weight.transposed(),
            1.0,
            false,
        );
        activate(&block.gate_up, width, &mut w.activated);
        let weight = self.weight(layer, Group::Down, &mut w.weight)?;
        let weight = View::new(weight, hidden, width, width);
        let input = View::new(&w.activated, tokens, width, width);
        gemm(&mut w.stream, hidden, input, weight.transposed(), 1.0, true);
        Ok(())
    }

    /// Adds to `d_stream` what comes back through the feed-forward half; spends `block.gate_up`.
    fn feed_forward_backward(
        &self,
        layer: usize,
        block: &mut BlockActivations,
        w: &mut Workspace,
        gradient: &mut [f32],
    ) -> Result<(), EngineError> {
        let config = &self.model.config;
        let (hidden, width) = (config.hidden, config.feed_forward);
        let tokens = w.d_stream.len() / hidden;
        activate(&block.gate_up, width, &mut w.activated);
        let d_stream = View::new(&w.d_stream, tokens, hidden, hidden);
        let input = View::new(&w.activated, tokens, width, width);
        self.adapter_gradient(
            layer,
            Linear::Down,
            input,
            d_stream,
            &mut w.low_rank,
            gradient,
        );
        let weight = self.weight(layer, Group::Down, &mut w.weight)?;
        w.d_activated.resize(tokens * width, 0.0);
        let weight = View::new(weight, hidden, width, width);
        gemm(&mut w.d_activated, width, d_stream, weight, 1.0, false);
        let rows = block.gate_up.chunks_exact_mut(2 * width);
        for (row, d) in rows.zip(w.d_activated.chunks_exact(width)) {
            let (gate, up) = row.split_at_mut(width);
            silu_gate_backward(gate, up, d);
        }
        let norm = self.frozen.feed_forward_norm(layer);
        norm_again(
            &block.middle,
            norm,
            &block.feed_forward_scales,
            &mut w.normed,
        );
        let input = View::new(&w.normed, tokens, hidden, hidden);
        for (i, linear) in Group::FeedForwardInputs
            .linears()
            .iter()
            .copied()
            .enumerate()
        {
            let d = View::new(&block.gate_up[i * width..], tokens, width, 2 * width);
            self.adapter_gradient(layer, linear, input, d, &mut w.low_rank, gradient);
        }
        let weight = self.weight(layer, Group::FeedForwardInputs, &mut w.weight)?;
        w.d_normed.resize(tokens * hidden, 0.0);
        let d = View::new(&block.gate_up, tokens, 2 * width, 2 * width);
        let weight = View::new(weight, 2 * width, hidden, hidden);
        gemm(&mut w.d_normed, hidden, d, weight, 1.0, false);
        norm_backward(&block.middle, norm, &block.feed_forward_scales, w);
        Ok(())
    }

    /// Adds to `d_stream` what comes back through the attention half.
    fn attention_backward(
        &self,
        layer: usize,
        shard: &Shard,
        block: &BlockActivations,
        w: &mut Workspace,
        gradient: &mut [f32],
    ) -> Result<(), EngineError> {
        let (config, tokens) = (&self.model.config, shard.tokens.len());
        let (hidden, layout) = (config.hidden, HeadLayout::new(config));
        let queries = layout.queries();
        let d_stream = View::new(&w.d_stream, tokens, hidden, hidden);
        let input = View::new(&block.attended, tokens, queries, queries);
        self.adapter_gradient(
            layer,
            Linear::Output,
            input,
            d_stream,
            &mut w.low_rank,
            gradient,
        );
        let weight = self.weight(layer, Group::Output, &mut w.weight)?;
        w.d_activated.resize(tokens * queries, 0.0);
        let weight = View::new(weight, hidden, queries, queries);
        gemm(&mut w.d_activated, queries, d_stream, weight, 1.0, false);
        w.d_product.clear();
        w.d_product.resize(tokens * layout.width, 0.0);
        let mut first = 0;
        for length in &shard.lengths {
            let (from, to) = (first, first + length);
            let product = &block.product[from * layout.width..to * layout.width];
            let d_product = &mut w.d_product[from * layout.width..to * layout.width];
            let d_out = &w.d_activated[from * queries..to * queries];
            attention::backward(layout, product, d_out, d_product, &mut w.attention);
            first = to;
        }
        self.rotate(shard, &mut w.d_product, layout, false);
        let norm = self.frozen.attention_norm(layer);
        norm_again(&block.input, norm, &block.attention_scales, &mut w.normed);
        let input = View::new(&w.normed, tokens, hidden, hidden);
        let mut at = 0;
        for linear in Group::AttentionInputs.linears().iter().copied() {
            let outputs = config.shape(linear).0;
            let d = View::new(&w.d_product[at..], tokens, outputs, layout.width);
            self.adapter_gradient(layer, linear, input, d, &mut w.low_rank, gradient);
            at += outputs;
        }
        if layer == 0 {
            return Ok(()); // nothing below it learns
        }
        let weight = self.weight(layer, Group::AttentionInputs, &mut w.weight)?;
        w.d_normed.resize(tokens * hidden, 0.0);
        let d = View::new(&w.d_product, tokens, layout.width, layout.width);
        let weight = View::new(weight, layout.width, hidden, hidden);
        gemm(&mut w.d_normed, hidden, d, weight, 1.0, false);
        norm_backward(&block.input, norm, &block.attention_scales, w);
        Ok(())
    }

    /// Gradients of `A` and `B` from a linear layer's input `x` and its output's gradient `d`:
    /// with `u = x A^T` and `v = scale d B`, `dB = scale d^T u` and `dA = v^T x`.
    fn adapter_gradient(
        &self,
        layer: usize,
        linear: Linear,
        x: View<'_>,
        d: View<'_>,
        buffer: &mut Vec<f32>,
        gradient: &mut [f32],
    ) {
        let layout = &self.adapter.layout;
        let (rank, scale) = (layout.rank, layout.scale());
        let (outputs, inputs) = layout.shape(linear);
        let tokens = x.rows();
        buffer.resize(tokens * rank, 0.0);
        let a = View::new(
            &self.adapter.values[layout.a(layer, linear)],
            rank,
            inputs,
            inputs,
        );
        let b = View::new(
            &self.adapter.values[layout.b(layer, linear)],
            outputs,
            rank,
            rank,
        );
        gemm(buffer, rank, x, a.transposed(), 1.0, false);
        let u = View::new(buffer, tokens, rank, rank);
        gemm(
            &mut gradient[layout.b(layer, linear)],
            rank,
            d.transposed(),
            u,
            scale,
            false,
        );
        gemm(buffer, rank, d, b, scale, false);
        let v = View::new(buffer, tokens, rank, rank);
        gemm(
            &mut gradient[layout.a(layer, linear)],
            inputs,
            v.transposed(),
            x,
            1.0,
            false,
        );
    }

    /// Rotates queries and keys by their positions within their sequences, or back.
    fn rotate(&self, shard: &Shard, product: &mut [f32], layout: HeadLayout, forward: bool) {
        let (head_dim, rope) = (self.model.config.head_dim, &self.frozen.rope);
        let rotated = layout.queries() + self.model.config.shape(Linear::Key).0;
        let positions = shard.lengths.iter().flat_map(|length| 0..*length);
        for (row, position) in product.chunks_exact_mut(layout.width).zip(positions) {
            for head in row[..rotated].chunks_exact_mut(head_dim) {
                if forward {
                    rope.rotate(head, position);
                } else {
                    rope.rotate_back(head, position);
                }
            }
        }
    }

    fn norm(&self, x: &[f32], weight: &[f32], out: &mut Vec<f32>, scales: &mut Vec<f32>) {
        let width = weight.len();
        out.resize(x.len(), 0.0);
        scales.clear();
        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            scales.push(rms_norm(x, weight, self.model.config.norm_epsilon, out));
        }
    }
}

/// The norm's output once more, which costs less than keeping it.
fn norm_again(x: &[f32], weight: &[f32], scales: &[f32], out: &mut Vec<f32>) {
    let width = weight.len();
    out.resize(x.len(), 0.0);
    for ((x, out), scale) in x
        .chunks_exact(width)
        .zip(out.chunks_exact_mut(width))
        .zip(scales)
    {
        for ((o, v), w) in out.iter_mut().zip(x).zip(weight) {
            *o = v * scale * w;
        }
    }
}

/// Adds to `d_stream` the gradient of `d_normed` through a norm.
fn norm_backward(x: &[f32], weight: &[f32], scales: &[f32], w: &mut Workspace) {
    let width = weight.len();
    let rows = w
        .d_normed
        .chunks_exact(width)
        .zip(w.d_stream.chunks_exact_mut(width));
    for ((x, scale), (d, d_x)) in x.chunks_exact(width).zip(scales).zip(rows) {
        rms_norm_backward(x, weight, *scale, d, d_x);
    }
}
/// `silu(gate) * up` for each row of `[tokens][gate, up]`.
fn activate(gate_up: &[f32], width: usize, out: &mut Vec<f32>) {
    out.resize(gate_up.len() / 2, 0.0);
    for (row, out) in gate_up
        .chunks_exact(2 * width)
        .zip(out.chunks_exact_mut(width))
    {
        silu_gate(&row[..width], &row[width..], out);
    }
}
