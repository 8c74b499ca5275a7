//! The forward pass over a batch of rows, each a token at a position of some sequence.

use std::sync::Arc;

use super::attention::{Attention, AttentionScratch, Span};
use super::cache::{Cache, SegmentId};
use super::helpers::Helpers;
use super::matrix::{Matrix, Multiplier, row_stride};
use super::weights::{LayerWeights, Weights};
use crate::architecture::{LayerVectors, Norm, RopeTable, Wiring};
use crate::kernels::{
    Aligned, Level, PANEL, Rows, activate, add_assign, gate, layer_norm, rms_norm, scale_in_place,
    soft_cap,
};
use crate::profile::{LayerKind, count, time, timed};
use crate::{EngineError, Linear, Model, ModelConfig};

/// A token to compute. Its key and value go to `position` of `segment`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) token: u32,
    pub(super) position: usize,
    pub(super) segment: SegmentId,
}

/// The rotary tables of a model's layers.
#[derive(Debug)]
pub(super) struct Ropes {
    global: RopeTable,
    /// Of the layers with a window, if there are any.
    local: Option<RopeTable>,
}

impl Ropes {
    pub(super) fn new(config: &ModelConfig, positions: usize) -> Self {
        let local = config.window.is_some();
        Self {
            global: RopeTable::new(config, false, positions),
            local: local.then(|| RopeTable::new(config, true, positions)),
        }
    }

    fn layer(&self, config: &ModelConfig, layer: usize) -> &RopeTable {
        match &self.local {
            Some(table) if config.is_local(layer) => table,
            _ => &self.global,
        }
    }
}

/// Everything a forward pass reads.
pub(super) struct Network<'a> {
    pub(super) model: &'a Model,
    pub(super) weights: &'a Weights,
    pub(super) ropes: &'a Ropes,
}

/// Buffers of [`Network::forward`], kept between calls.
#[derive(Debug)]
pub(super) struct Scratch {
    multiplier: Multiplier,
    attention: Vec<AttentionScratch>,
    positions: Vec<usize>,
    /// The residual stream, `[rows][hidden]`.
    stream: Vec<f32>,
    /// The stream before a block whose halves run side by side.
    block_input: Vec<f32>,
    /// What a product reads.
    input: Vec<f32>,
    product: Aligned,
    /// One row of a product after its norm.
    normed: Vec<f32>,
    /// `[wanted rows][logits_stride]`.
    logits: Aligned,
}

impl Scratch {
    /// Buffers of a forward pass on so many threads.
    pub(super) fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        Self {
            multiplier: Multiplier::new(threads),
            attention: (0..threads).map(|_| AttentionScratch::default()).collect(),
            positions: Vec::new(),
            stream: Vec::new(),
            block_input: Vec::new(),
            input: Vec::new(),
            product: Aligned::default(),
            normed: Vec::new(),
            logits: Aligned::default(),
        }
    }

    /// Lets others take part in its products.
    pub(super) fn helped_by(mut self, helpers: Option<Arc<Helpers>>) -> Self {
        self.multiplier = self.multiplier.helped_by(helpers);
        self
    }
}

impl Network<'_> {
    /// Computes rows and returns the logits of those in `wanted`, `[wanted][logits_stride]`.
    pub(super) fn forward<'s>(
        &self,
        rows: &[Row],
        spans: &[Span],
        wanted: &[usize],
        cache: &mut Cache,
        scratch: &'s mut Scratch,
    ) -> Result<&'s mut [f32], EngineError> {
        let config = &self.model.config;
        self.embed(rows, scratch)?;
        for (layer, weights) in self.weights.layers.iter().enumerate() {
            if config.architecture.wiring == Wiring::Parallel {
                scratch.block_input.clone_from(&scratch.stream);
            }
            self.attention_half(layer, weights, rows, spans, cache, scratch);
            self.feed_forward_half(weights, rows.len(), scratch);
        }
        self.head(wanted, scratch);
        Ok(&mut scratch.logits)
    }

    /// How far apart rows of logits are.
    pub(super) fn logits_stride(&self) -> usize {
        self.weights.head.product_stride()
    }

    fn embed(&self, rows: &[Row], scratch: &mut Scratch) -> Result<(), EngineError> {
        let _timing = timed(LayerKind::Embedding);
        let config = &self.model.config;
        let file = &self.model.file;
        let embedding = file.matrix("token_embd.weight", config.vocabulary, config.hidden)?;
        scratch.stream.resize(rows.len() * config.hidden, 0.0);
        scratch.positions.clear();
        let lines = scratch.stream.chunks_exact_mut(config.hidden);
        for (row, out) in rows.iter().zip(lines) {
            file.read_rows(embedding, row.token as usize, 1, out);
            scratch.positions.push(row.position);
        }
        scale(&mut scratch.stream, config.embedding_scale);
        Ok(())
    }

    fn head(&self, wanted: &[usize], scratch: &mut Scratch) {
        let _timing = timed(LayerKind::Head);
        let config = &self.model.config;
        let stride = row_stride(config.hidden);
        scratch.input.resize(wanted.len() * stride, 0.0);
        for (row, out) in wanted.iter().zip(scratch.input.chunks_exact_mut(stride)) {
            let x = &scratch.stream[row * config.hidden..(row + 1) * config.hidden];
            normalise(config, &self.weights.norm, x, out);
        }
        let logits = &mut scratch.logits;
        let input = Rows {
            data: &scratch.input,
            rows: wanted.len(),
            stride,
        };
        let (head, file) = (&self.weights.head, &self.model.file);
        count(2 * (wanted.len() * config.hidden * head.padded_outputs()) as u64);
        scratch.multiplier.multiply(head, file, input, logits);
        scale(logits, config.logit_scale);
        if let Some(cap) = config.logit_cap {
            soft_cap(logits, cap);
        }
    }

    /// `product = input * matrix^T` for the first `rows` rows of `input`, `width` long.
    fn multiply(&self, matrix: &Matrix, rows: usize, width: usize, scratch: &mut Scratch) {
        let input = Rows {
            data: &scratch.input,
            rows,
            stride: row_stride(width),
        };
        let (multiplier, product) = (&mut scratch.multiplier, &mut scratch.product);
        count(2 * (rows * width * matrix.padded_outputs()) as u64);
        multiplier.multiply(matrix, &self.model.file, input, product);
    }

    fn attention_half(
        &self,
        layer: usize,
        weights: &LayerWeights,
        rows: &[Row],
        spans: &[Span],
        cache: &mut Cache,
        scratch: &mut Scratch,
    ) {
        let _timing = timed(LayerKind::QueryKeyValue);
        let config = &self.model.config;
        let vectors = &weights.vectors;
        let (stream, input) = (&scratch.stream, &mut scratch.input);
        normalise_rows(config, &vectors.attention_norm, stream, input);
        self.multiply(&weights.query_key_value, rows.len(), config.hidden, scratch);
        let stride = weights.query_key_value.product_stride();
        let rope = self.ropes.layer(config, layer);
        let lines = scratch.product.chunks_exact_mut(stride);
        for (row, line) in rows.iter().zip(lines) {
            let (key, value) = finish_heads(config, vectors, rope, row.position, line);
            cache.write(row.segment, layer, row.position, key, value);
        }
        let attention = Attention {
            level: Level::detect(),
            config,
            cache,
            layer,
            spans,
            queries: &scratch.product,
            stride,
            positions: &scratch.positions,
        };
        let out_stride = row_stride(config.queries());
        scratch.input.resize(rows.len() * out_stride, 0.0);
        let (attended, buffers) = (&mut scratch.input, &mut scratch.attention);
        time(LayerKind::Attention, || {
            attention.run(buffers, attended, out_stride);
        });
        let _timing = timed(LayerKind::AttentionOutput);
        self.multiply(&weights.output, rows.len(), config.queries(), scratch);
        let norm = vectors.post_attention_norm.as_ref();
        add_half(config, vectors.bias(Linear::Output), norm, scratch);
    }

    fn feed_forward_half(&self, weights: &LayerWeights, rows: usize, scratch: &mut Scratch) {
        let _timing = timed(LayerKind::FeedForward);
        let config = &self.model.config;
        let (vectors, width) = (&weights.vectors, config.feed_forward);
        let parallel = config.architecture.wiring == Wiring::Parallel;
        let source = if parallel {
            &scratch.block_input
        } else {
            &scratch.stream
        };
        let norm = vectors.feed_forward_norm.as_ref();
        let norm = norm.unwrap_or(&vectors.attention_norm);
        normalise_rows(config, norm, source, &mut scratch.input);
        self.multiply(&weights.gate_up, rows, config.hidden, scratch);
        let (stride, padded) = (
            weights.gate_up.product_stride(),
            weights.gate_up.padded_outputs(),
        );
        let out_stride = row_stride(width);
        scratch.input.resize(rows * out_stride, 0.0);
        let lines = scratch
            .product
            .chunks_exact_mut(stride)
            .zip(scratch.input.chunks_exact_mut(out_stride));
        let activation = config.architecture.activation;
        for (line, out) in lines {
            let out = &mut out[..width];
            if config.architecture.gated() {
                let (gates, ups) = line.split_at_mut(padded / 2);
                let (gates, ups) = (&mut gates[..width], &mut ups[..width]);
                add_bias(gates, vectors.bias(Linear::Gate));
                add_bias(ups, vectors.bias(Linear::Up));
                gate(activation, gates, ups, out);
            } else {
                out.copy_from_slice(&line[..width]);
                add_bias(out, vectors.bias(Linear::Up));
                activate(activation, out);
            }
        }
        self.multiply(&weights.down, rows, width, scratch);
        let norm = vectors.post_feed_forward_norm.as_ref();
        add_half(config, vectors.bias(Linear::Down), norm, scratch);
    }
}

/// Adds biases to a row's queries, keys and values, normalises and rotates its heads, and returns
/// its key and value.
fn finish_heads<'l>(
    config: &ModelConfig,
    vectors: &LayerVectors,
    rope: &RopeTable,
    position: usize,
    line: &'l mut [f32],
) -> (&'l [f32], &'l [f32]) {
    let (queries, keys) = (config.queries(), config.keys());
    let fused = config.architecture.fused();
    let padded = |width: usize| {
        if fused {
            width
        } else {
            width.next_multiple_of(PANEL)
        }
    };
    if fused {
        let all = &mut line[..queries + 2 * keys];
        add_bias(all, vectors.bias(Linear::QueryKeyValue));
    }
    let (query, rest) = line.split_at_mut(padded(queries));
    let (key, value) = rest.split_at_mut(padded(keys));
    let (query, key, value) = (&mut query[..queries], &mut key[..keys], &mut value[..keys]);
    if !fused {
        add_bias(query, vectors.bias(Linear::Query));
        add_bias(key, vectors.bias(Linear::Key));
        add_bias(value, vectors.bias(Linear::Value));
    }
    let parts = [
        (query, vectors.query_norm.as_ref()),
        (&mut *key, vectors.key_norm.as_ref()),
    ];
    let mut normed = Vec::new();
    for (heads, norm) in parts {
        for head in heads.chunks_exact_mut(config.head_dim) {
            if let Some(weight) = norm {
                normed.resize(config.head_dim, 0.0);
                rms_norm(head, weight, config.norm_epsilon, &mut normed);
                head.copy_from_slice(&normed);
            }
            rope.rotate(head, position);
        }
    }
    (key, value)
}

fn add_bias(x: &mut [f32], bias: Option<&[f32]>) {
    if let Some(bias) = bias {
        add_assign(x, bias);
    }
}

fn scale(x: &mut [f32], factor: f32) {
    if factor.to_bits() != 1.0f32.to_bits() {
        scale_in_place(x, factor);
    }
}

fn normalise(config: &ModelConfig, norm: &Norm, x: &[f32], out: &mut [f32]) {
    match &norm.bias {
        Some(bias) => {
            layer_norm(x, &norm.weight, bias, config.norm_epsilon, out);
        }
        None => {
            rms_norm(x, &norm.weight, config.norm_epsilon, out);
        }
    }
}

/// Normalises every row of the stream into the rows of a product's input.
fn normalise_rows(config: &ModelConfig, norm: &Norm, stream: &[f32], input: &mut Vec<f32>) {
    let _timing = timed(LayerKind::Norm);
    let (width, stride) = (config.hidden, row_stride(config.hidden));
    input.resize(stream.len() / width * stride, 0.0);
    for (x, out) in stream
        .chunks_exact(width)
        .zip(input.chunks_exact_mut(stride))
    {
        normalise(config, norm, x, out);
    }
}

/// `stream[r] += residual_scale * norm(product[r] + bias)`.
fn add_half(
    config: &ModelConfig,
    bias: Option<&[f32]>,
    norm: Option<&Norm>,
    scratch: &mut Scratch,
) {
    let width = config.hidden;
    scratch.normed.resize(width, 0.0);
    let lines = scratch
        .product
        .chunks_exact_mut(row_stride(width.next_multiple_of(PANEL)));
    for (x, y) in scratch.stream.chunks_exact_mut(width).zip(lines) {
        let y = &mut y[..width];
        add_bias(y, bias);
        let y = match norm {
            Some(norm) => {
                normalise(config, norm, y, &mut scratch.normed);
                scratch.normed.as_mut_slice()
            }
            None => y,
        };
        scale(y, config.residual_scale);
        add_assign(x, y);
    }
}
