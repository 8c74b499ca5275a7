//! The forward pass over a batch of rows, each a token at a position of some sequence.

use super::attention::{AttentionScratch, Queries, Span, attend};
use super::cache::{Cache, SegmentId};
use super::weights::{LayerWeights, Weights};
use crate::architecture::RopeTable;
use crate::kernels::{Level, PANEL, PackedRows, add_assign, multiply, rms_norm, silu_gate};
use crate::{EngineError, Linear, Model, ModelConfig};

/// A token to compute. Its key and value go to `position` of `segment`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) token: u32,
    pub(super) position: usize,
    pub(super) segment: SegmentId,
}

/// Everything a forward pass reads.
pub(super) struct Network<'a> {
    pub(super) model: &'a Model,
    pub(super) weights: &'a Weights,
    pub(super) rope: &'a RopeTable,
}

/// Buffers of [`Network::forward`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    positions: Vec<usize>,
    /// The residual stream, `[rows][hidden]`.
    stream: Vec<f32>,
    normed: Vec<f32>,
    packed: PackedRows,
    product: Vec<f32>,
    attended: Vec<f32>,
    activated: Vec<f32>,
    attention: AttentionScratch,
    /// `[wanted rows][vocabulary padded]`.
    logits: Vec<f32>,
}

impl Network<'_> {
    /// Computes rows and returns the logits of those in `wanted`, `[wanted][padded_vocabulary]`.
    pub(super) fn forward<'s>(
        &self,
        rows: &[Row],
        spans: &[Span],
        wanted: &[usize],
        cache: &mut Cache,
        scratch: &'s mut Scratch,
    ) -> Result<&'s mut [f32], EngineError> {
        let level = Level::detect();
        let config = &self.model.config;
        self.embed(rows, scratch)?;
        for (layer, weights) in self.weights.layers.iter().enumerate() {
            self.attention_block(level, layer, weights, rows, spans, cache, scratch);
            feed_forward_block(level, config, weights, rows.len(), scratch);
        }
        scratch.normed.resize(wanted.len() * config.hidden, 0.0);
        for (row, out) in wanted
            .iter()
            .zip(scratch.normed.chunks_exact_mut(config.hidden))
        {
            let x = &scratch.stream[row * config.hidden..(row + 1) * config.hidden];
            rms_norm(x, &self.weights.norm, config.norm_epsilon, out);
        }
        scratch
            .logits
            .resize(wanted.len() * self.padded_vocabulary(), 0.0);
        scratch
            .packed
            .pack(&scratch.normed, wanted.len(), config.hidden, config.hidden);
        multiply(
            level,
            &scratch.packed,
            &self.weights.head,
            &mut scratch.logits,
        );
        Ok(&mut scratch.logits)
    }

    /// Length of a row of logits.
    pub(super) fn padded_vocabulary(&self) -> usize {
        self.weights.head.padded_outputs()
    }

    fn embed(&self, rows: &[Row], scratch: &mut Scratch) -> Result<(), EngineError> {
        let config = &self.model.config;
        let file = &self.model.file;
        let embedding = file.matrix("token_embd.weight", config.vocabulary, config.hidden)?;
        scratch.stream.resize(rows.len() * config.hidden, 0.0);
        scratch.positions.clear();
        for (row, out) in rows
            .iter()
            .zip(scratch.stream.chunks_exact_mut(config.hidden))
        {
            file.read_rows(embedding, row.token as usize, 1, out);
            scratch.positions.push(row.position);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "half a block of the network")]
    fn attention_block(
        &self,
        level: Level,
        layer: usize,
        weights: &LayerWeights,
        rows: &[Row],
        spans: &[Span],
        cache: &mut Cache,
        scratch: &mut Scratch,
    ) {
        let config = &self.model.config;
        norm_and_pack(config, &weights.attention_norm, rows.len(), scratch);
        let stride = weights.query_key_value.padded_outputs();
        scratch.product.resize(rows.len() * stride, 0.0);
        multiply(
            level,
            &scratch.packed,
            &weights.query_key_value,
            &mut scratch.product,
        );
        let (queries, keys) = (config.shape(Linear::Query).0, config.shape(Linear::Key).0);
        let key_start = queries.next_multiple_of(PANEL);
        let value_start = key_start + keys.next_multiple_of(PANEL);
        for (row, line) in rows.iter().zip(scratch.product.chunks_exact_mut(stride)) {
            for head in line[..queries].chunks_exact_mut(config.head_dim) {
                self.rope.rotate(head, row.position);
            }
            for head in line[key_start..key_start + keys].chunks_exact_mut(config.head_dim) {
                self.rope.rotate(head, row.position);
            }
            let (key, value) = (&line[key_start..][..keys], &line[value_start..][..keys]);
            cache.write(row.segment, layer, row.position, key, value);
        }
        let product = Queries {
            data: &scratch.product,
            stride,
            positions: &scratch.positions,
        };
        scratch.attended.resize(rows.len() * queries, 0.0);
        let (attention, out) = (&mut scratch.attention, &mut scratch.attended);
        attend(level, config, cache, layer, spans, &product, attention, out);
        scratch
            .packed
            .pack(&scratch.attended, rows.len(), queries, queries);
        scratch
            .product
            .resize(rows.len() * weights.output.padded_outputs(), 0.0);
        multiply(
            level,
            &scratch.packed,
            &weights.output,
            &mut scratch.product,
        );
        add_rows(config.hidden, &scratch.product, &mut scratch.stream);
    }
}

fn feed_forward_block(
    level: Level,
    config: &ModelConfig,
    weights: &LayerWeights,
    rows: usize,
    scratch: &mut Scratch,
) {
    norm_and_pack(config, &weights.feed_forward_norm, rows, scratch);
    let stride = weights.gate_up.padded_outputs();
    scratch.product.resize(rows * stride, 0.0);
    multiply(
        level,
        &scratch.packed,
        &weights.gate_up,
        &mut scratch.product,
    );
    let width = config.feed_forward;
    scratch.activated.resize(rows * width, 0.0);
    let lines = scratch
        .product
        .chunks_exact(stride)
        .zip(scratch.activated.chunks_exact_mut(width));
    for (line, out) in lines {
        silu_gate(&line[..width], &line[stride / 2..stride / 2 + width], out);
    }
    scratch.packed.pack(&scratch.activated, rows, width, width);
    scratch
        .product
        .resize(rows * weights.down.padded_outputs(), 0.0);
    multiply(level, &scratch.packed, &weights.down, &mut scratch.product);
    add_rows(config.hidden, &scratch.product, &mut scratch.stream);
}

fn norm_and_pack(config: &ModelConfig, weight: &[f32], rows: usize, scratch: &mut Scratch) {
    let width = config.hidden;
    scratch.normed.resize(rows * width, 0.0);
    let lines = scratch
        .stream
        .chunks_exact(width)
        .zip(scratch.normed.chunks_exact_mut(width));
    for (x, out) in lines {
        rms_norm(x, weight, config.norm_epsilon, out);
    }
    scratch.packed.pack(&scratch.normed, rows, width, width);
}

/// `stream[r] += product[r]`, where rows of the product may be padded.
fn add_rows(width: usize, product: &[f32], stream: &mut [f32]) {
    let padded = width.next_multiple_of(PANEL);
    for (x, y) in stream
        .chunks_exact_mut(width)
        .zip(product.chunks_exact(padded))
    {
        add_assign(x, &y[..width]);
    }
}
