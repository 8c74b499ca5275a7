//! The feed-forward half of a block, forward and backward.

use super::network::{BlockActivations, Network, Workspace, gather_rows};
use super::norms;
use super::tree::Shard;
use super::weights::Group;
use super::whole::NormPlace;
use crate::architecture::Norm;
use crate::kernels::{View, activate, activate_backward, gate, gate_backward};
use crate::profile::{LayerKind, timed};
use crate::{EngineError, ModelConfig};

impl Network<'_> {
    /// `stream += down(activation(gate(norm(x))) * up(norm(x)))`, where `x` is the stream, or
    /// what attention read where the halves are parallel.
    pub(super) fn feed_forward_forward(
        &self,
        layer: usize,
        shard: &Shard,
        block: &mut BlockActivations,
        w: &mut Workspace,
    ) -> Result<(), EngineError> {
        let _timing = timed(LayerKind::FeedForward);
        let (config, hidden) = (&self.model.config, self.model.config.hidden);
        let rows = w.stream.len() / hidden;
        if !self.is_parallel() {
            block.middle.clone_from(&w.stream);
        } else if self.is_last(layer) {
            gather_rows(&block.input, hidden, &shard.outputs, &mut block.middle);
        } else {
            block.middle.clone_from(&block.input);
        }
        norms::forward(
            config,
            self.second_norm(layer),
            &block.middle,
            &mut w.normed,
        );
        let group = Group::FeedForwardInputs;
        let input = View::new(&w.normed, rows, hidden, hidden);
        let out = &mut block.gate_up;
        self.linear_forward(layer, group, input, out, &mut w.linear)?;
        activated(config, &block.gate_up, &mut w.activated);
        let (inputs, vectors) = (config.feed_forward, &self.frozen.layers[layer]);
        self.add_to_stream(
            layer,
            Group::Down,
            View::new(&w.activated, rows, inputs, inputs),
            vectors.post_feed_forward_norm.as_ref(),
            &mut w.stream,
            &mut block.feed_forward_output,
            &mut w.normed,
            &mut w.linear,
        )
    }

    /// Turns the gradient of the stream after the feed-forward half into that before it, or, where
    /// the halves are parallel, puts what comes through it into `d_parallel`. Spends
    /// `block.gate_up`.
    pub(super) fn feed_forward_backward(
        &self,
        layer: usize,
        block: &mut BlockActivations,
        w: &mut Workspace,
        gradient: &mut [f32],
    ) -> Result<(), EngineError> {
        let _timing = timed(LayerKind::FeedForward);
        let (config, vectors) = (&self.model.config, &self.frozen.layers[layer]);
        let (hidden, inputs) = (config.hidden, config.feed_forward);
        let rows = w.d_stream.len() / hidden;
        activated(config, &block.gate_up, &mut w.activated);
        w.d_activated.resize(rows * inputs, 0.0);
        self.half_gradient(
            vectors.post_feed_forward_norm.as_ref(),
            &w.d_stream,
            &block.feed_forward_output,
            &mut w.d_half,
            &mut w.d_normed,
        );
        if let Some(norm) = &vectors.post_feed_forward_norm {
            let (place, x) = (
                NormPlace::PostFeedForward(layer),
                &block.feed_forward_output,
            );
            self.norm_gradient(place, norm, x, &w.d_normed, gradient);
        }
        self.linear_backward(
            layer,
            Group::Down,
            View::new(&w.activated, rows, inputs, inputs),
            &w.d_half,
            Some(&mut w.d_activated),
            &mut w.linear,
            gradient,
        )?;
        activated_backward(config, &mut block.gate_up, &w.d_activated);
        let norm = self.second_norm(layer);
        norms::forward(config, norm, &block.middle, &mut w.normed);
        w.d_normed.resize(rows * hidden, 0.0);
        self.linear_backward(
            layer,
            Group::FeedForwardInputs,
            View::new(&w.normed, rows, hidden, hidden),
            &block.gate_up,
            Some(&mut w.d_normed),
            &mut w.linear,
            gradient,
        )?;
        let place = NormPlace::FeedForward(layer);
        self.norm_gradient(place, norm, &block.middle, &w.d_normed, gradient);
        let d_x = if self.is_parallel() {
            w.d_parallel.clear();
            w.d_parallel.resize(rows * hidden, 0.0);
            &mut w.d_parallel
        } else {
            &mut w.d_stream
        };
        norms::backward(config, norm, &block.middle, &w.d_normed, d_x);
        Ok(())
    }

    /// The norm before the feed-forward half.
    fn second_norm(&self, layer: usize) -> &Norm {
        let vectors = &self.frozen.layers[layer];
        let own = vectors.feed_forward_norm.as_ref();
        own.unwrap_or(&vectors.attention_norm)
    }
}

/// What the down-projection reads, `[rows][feed_forward]`, from `[rows][gate, up]` or `[rows][up]`.
fn activated(config: &ModelConfig, gate_up: &[f32], out: &mut Vec<f32>) {
    let (activation, width) = (config.architecture.activation, config.feed_forward);
    if !config.architecture.gated() {
        out.clear();
        out.extend_from_slice(gate_up);
        activate(activation, out);
        return;
    }
    out.resize(gate_up.len() / 2, 0.0);
    let rows = gate_up.chunks_exact(2 * width);
    for (row, out) in rows.zip(out.chunks_exact_mut(width)) {
        gate(activation, &row[..width], &row[width..], out);
    }
}

/// Replaces `gate_up` by its gradient, given that of [`activated`].
fn activated_backward(config: &ModelConfig, gate_up: &mut [f32], d_out: &[f32]) {
    let (activation, width) = (config.architecture.activation, config.feed_forward);
    if !config.architecture.gated() {
        activate_backward(activation, gate_up, d_out);
        return;
    }
    let rows = gate_up.chunks_exact_mut(2 * width);
    for (row, d) in rows.zip(d_out.chunks_exact(width)) {
        let (gate, up) = row.split_at_mut(width);
        gate_backward(activation, gate, up, d);
    }
}
