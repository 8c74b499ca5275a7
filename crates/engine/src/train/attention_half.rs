//! The attention half of a block, forward and backward.

use super::attention::Task;
use super::network::{BlockActivations, Network, Workspace, gather_rows, scatter_rows};
use super::norms;
use super::tree::Shard;
use super::weights::Group;
use super::whole::NormPlace;
use crate::EngineError;
use crate::kernels::{View, add_assign};
use crate::profile::{LayerKind, timed};

impl Network<'_> {
    /// `stream += output(attention(norm(stream)))`. After the last block's attention the stream
    /// holds the shard's output rows alone.
    pub(super) fn attention_forward(
        &self,
        layer: usize,
        shard: &Shard,
        block: &mut BlockActivations,
        w: &mut Workspace,
    ) -> Result<(), EngineError> {
        let (config, vectors) = (&self.model.config, &self.frozen.layers[layer]);
        let (hidden, heads) = (config.hidden, self.heads(layer));
        let (rows, queries) = (shard.tokens.len(), heads.queries());
        block.input.clone_from(&w.stream);
        norms::forward(config, &vectors.attention_norm, &w.stream, &mut w.normed);
        let input = View::new(&w.normed, rows, hidden, hidden);
        self.linear_forward(
            layer,
            Group::AttentionInputs,
            input,
            &mut block.product,
            &mut w.linear,
        )?;
        self.place(layer, shard, block, &mut w.row);
        let last = self.is_last(layer);
        let count = if last { shard.outputs.len() } else { rows };
        block.attended.resize(count * queries, 0.0);
        let mut rest = block.attended.as_mut_slice();
        for task in self.tasks(layer, shard, &block.product) {
            let (out, after) = rest.split_at_mut(task.rows.len() * queries);
            task.forward(out, &mut w.attention);
            rest = after;
        }
        if last {
            gather_rows(&block.input, hidden, &shard.outputs, &mut w.stream);
        }
        self.add_to_stream(
            layer,
            Group::Output,
            View::new(&block.attended, count, queries, queries),
            vectors.post_attention_norm.as_ref(),
            &mut w.stream,
            &mut block.attention_output,
            &mut w.normed,
            &mut w.linear,
        )
    }

    /// Turns the gradient of the stream after attention into that of the stream before it.
    pub(super) fn attention_backward(
        &self,
        layer: usize,
        shard: &Shard,
        block: &BlockActivations,
        w: &mut Workspace,
        gradient: &mut [f32],
    ) -> Result<(), EngineError> {
        let (config, vectors) = (&self.model.config, &self.frozen.layers[layer]);
        let (hidden, heads) = (config.hidden, self.heads(layer));
        let (rows, queries) = (shard.tokens.len(), heads.queries());
        let count = block.attended.len() / queries;
        w.d_activated.resize(count * queries, 0.0);
        self.half_gradient(
            vectors.post_attention_norm.as_ref(),
            &w.d_stream,
            &block.attention_output,
            &mut w.d_half,
            &mut w.d_normed,
        );
        if let Some(norm) = &vectors.post_attention_norm {
            let (place, x) = (NormPlace::PostAttention(layer), &block.attention_output);
            self.norm_gradient(place, norm, x, &w.d_normed, gradient);
        }
        self.linear_backward(
            layer,
            Group::Output,
            View::new(&block.attended, count, queries, queries),
            &w.d_half,
            Some(&mut w.d_activated),
            &mut w.linear,
            gradient,
        )?;
        w.d_product.clear();
        w.d_product.resize(rows * heads.width, 0.0);
        let mut rest = w.d_activated.as_slice();
        for task in self.tasks(layer, shard, &block.product) {
            let (d_out, after) = rest.split_at(task.rows.len() * queries);
            task.backward(d_out, &mut w.d_product, &mut w.attention);
            rest = after;
        }
        self.place_backward(layer, shard, block, &mut w.d_product, &mut w.row, gradient);
        norms::forward(config, &vectors.attention_norm, &block.input, &mut w.normed);
        // Below the first block nothing learns but the embedding, where all parameters do.
        let onward = layer > 0 || self.whole.is_some();
        w.d_normed.resize(rows * hidden, 0.0);
        let d_input = onward.then_some(w.d_normed.as_mut_slice());
        self.linear_backward(
            layer,
            Group::AttentionInputs,
            View::new(&w.normed, rows, hidden, hidden),
            &w.d_product,
            d_input,
            &mut w.linear,
            gradient,
        )?;
        if onward {
            let (place, norm) = (NormPlace::Attention(layer), &vectors.attention_norm);
            self.norm_gradient(place, norm, &block.input, &w.d_normed, gradient);
            self.leave(layer, shard, w);
            let (x, d_x) = (&block.input, &mut w.d_stream);
            norms::backward(config, &vectors.attention_norm, x, &w.d_normed, d_x);
        }
        Ok(())
    }

    /// The gradient of the stream that passes by attention: of all rows again after the last
    /// block, with what came through a parallel feed-forward half.
    fn leave(&self, layer: usize, shard: &Shard, w: &mut Workspace) {
        if self.is_parallel() {
            add_assign(&mut w.d_stream, &w.d_parallel);
        }
        if self.is_last(layer) {
            let hidden = self.model.config.hidden;
            w.d_half.clear();
            w.d_half.resize(shard.tokens.len() * hidden, 0.0);
            scatter_rows(&w.d_stream, hidden, &shard.outputs, &mut w.d_half);
            std::mem::swap(&mut w.d_stream, &mut w.d_half);
        }
    }

    /// Norms queries and keys where the architecture says so and rotates them by their positions.
    fn place(&self, layer: usize, shard: &Shard, block: &mut BlockActivations, row: &mut Vec<f32>) {
        let _timing = timed(LayerKind::QueryKeyValue);
        let (config, vectors) = (&self.model.config, &self.frozen.layers[layer]);
        let (width, queries) = (self.heads(layer).width, config.queries());
        let (rotated, rope) = (queries + config.keys(), self.frozen.rope(config, layer));
        block.raw.clear();
        let lines = block.product.chunks_exact_mut(width);
        for (line, position) in lines.zip(&shard.positions) {
            if let (Some(query), Some(key)) = (&vectors.query_norm, &vectors.key_norm) {
                block.raw.extend_from_slice(&line[..rotated]);
                let (q, k) = line[..rotated].split_at_mut(queries);
                norms::heads_forward(q, query, config.norm_epsilon, row);
                norms::heads_forward(k, key, config.norm_epsilon, row);
            }
            for head in line[..rotated].chunks_exact_mut(config.head_dim) {
                rope.rotate(head, *position);
            }
        }
    }

    /// The way back through [`Network::place`].
    fn place_backward(
        &self,
        layer: usize,
        shard: &Shard,
        block: &BlockActivations,
        d_product: &mut [f32],
        row: &mut Vec<f32>,
        gradient: &mut [f32],
    ) {
        let _timing = timed(LayerKind::QueryKeyValue);
        let (config, vectors) = (&self.model.config, &self.frozen.layers[layer]);
        let (width, queries) = (self.heads(layer).width, config.queries());
        let (rotated, rope) = (queries + config.keys(), self.frozen.rope(config, layer));
        let lines = d_product.chunks_exact_mut(width);
        for (i, (line, position)) in lines.zip(&shard.positions).enumerate() {
            for head in line[..rotated].chunks_exact_mut(config.head_dim) {
                rope.rotate_back(head, *position);
            }
            if let (Some(query), Some(key)) = (&vectors.query_norm, &vectors.key_norm) {
                let (q, k) = block.raw[i * rotated..(i + 1) * rotated].split_at(queries);
                let (d_q, d_k) = line[..rotated].split_at_mut(queries);
                if let Some(whole) = self.whole {
                    whole.head_norm_gradients(layer, config, (q, k), (d_q, d_k), gradient);
                }
                norms::heads_backward(q, query, config.norm_epsilon, d_q, row);
                norms::heads_backward(k, key, config.norm_epsilon, d_k, row);
            }
        }
    }

    /// Attention of every segment: of all its rows, or in the last block of its output rows.
    fn tasks<'t>(
        &self,
        layer: usize,
        shard: &'t Shard,
        product: &'t [f32],
    ) -> impl Iterator<Item = Task<'t>> + use<'t> {
        let (layout, last) = (self.heads(layer), self.is_last(layer));
        let segments = shard.segments.iter().enumerate();
        segments.map(move |(i, segment)| Task {
            layout,
            shard,
            product,
            segment: i,
            rows: if last {
                segment.outputs.clone()
            } else {
                segment.rows.clone()
            },
        })
    }
}
