//! Causal attention over packed sequences, forward and backward.
//!
//! Probabilities are not kept between the passes: recomputing them is a fraction of the linear
//! layers' work, and keeping them would take as much memory as all other activations.

use crate::ModelConfig;
use crate::kernels::{View, gemm, scale_in_place, softmax_numerators};

/// Query rows handled together; only the columns they can see are computed.
const ROWS: usize = 64;

/// Where queries, keys and values stand in a row of their common product.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLayout {
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    /// Length of a row: queries, keys, values.
    pub(super) width: usize,
}

impl HeadLayout {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let width = (config.heads + 2 * config.kv_heads) * config.head_dim;
        Self {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            width,
        }
    }

    /// Length of a row of queries, and of attention's output.
    pub(super) fn queries(&self) -> usize {
        self.heads * self.head_dim
    }

    fn query(&self, head: usize) -> usize {
        head * self.head_dim
    }

    fn key(&self, head: usize) -> usize {
        (self.heads + head / (self.heads / self.kv_heads)) * self.head_dim
    }

    fn value(&self, head: usize) -> usize {
        self.key(head) + self.kv_heads * self.head_dim
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// Buffers of both passes, kept between calls.
#[derive(Debug, Default)]
pub(super) struct AttentionBuffers {
    probabilities: Vec<f32>,
    d_probabilities: Vec<f32>,
}

/// A piece of a sequence: query rows `from..to` of a head, which see the columns `0..to`.
struct Piece {
    head: usize,
    from: usize,
    to: usize,
}

fn pieces(layout: HeadLayout, length: usize) -> impl Iterator<Item = Piece> {
    (0..layout.heads).flat_map(move |head| {
        (0..length).step_by(ROWS).map(move |from| Piece {
            head,
            from,
            to: (from + ROWS).min(length),
        })
    })
}

/// Attention probabilities of a piece, `[to - from][to]`, zero where the future is.
fn probabilities(layout: HeadLayout, product: &[f32], piece: &Piece, out: &mut Vec<f32>) {
    let Piece { head, from, to } = *piece;
    let width = layout.width;
    out.resize((to - from) * to, 0.0);
    let queries = View::new(
        &product[from * width + layout.query(head)..],
        to - from,
        layout.head_dim,
        width,
    );
    let keys = View::new(&product[layout.key(head)..], to, layout.head_dim, width);
    gemm(out, to, queries, keys.transposed(), 1.0, false);
    for (row, scores) in out.chunks_exact_mut(to).enumerate() {
        let (seen, future) = scores.split_at_mut(from + row + 1);
        let sum = softmax_numerators(seen, layout.scale());
        scale_in_place(seen, 1.0 / sum);
        future.fill(0.0);
    }
}

/// Attention of one sequence: `product` is `[length][width]`, `out` `[length][queries]`.
pub(super) fn forward(
    layout: HeadLayout,
    product: &[f32],
    out: &mut [f32],
    buffers: &mut AttentionBuffers,
) {
    let (length, queries) = (product.len() / layout.width, layout.queries());
    for piece in pieces(layout, length) {
        probabilities(layout, product, &piece, &mut buffers.probabilities);
        let (rows, to) = (piece.to - piece.from, piece.to);
        let weights = View::new(&buffers.probabilities, rows, to, to);
        let values = View::new(
            &product[layout.value(piece.head)..],
            to,
            layout.head_dim,
            layout.width,
        );
        let at = piece.from * queries + layout.query(piece.head);
        gemm(&mut out[at..], queries, weights, values, 1.0, false);
    }
}

/// Gradient of the common product of one sequence, given that of attention's output. `d_product`
/// must be zero before.
pub(super) fn backward(
    layout: HeadLayout,
    product: &[f32],
    d_out: &[f32],
    d_product: &mut [f32],
    buffers: &mut AttentionBuffers,
) {
    let (width, head_dim, queries) = (layout.width, layout.head_dim, layout.queries());
    for piece in pieces(layout, product.len() / width) {
        probabilities(layout, product, &piece, &mut buffers.probabilities);
        let Piece { head, from, to } = piece;
        let rows = to - from;
        let (query, key, value) = (layout.query(head), layout.key(head), layout.value(head));
        let weights = View::new(&buffers.probabilities, rows, to, to);
        let d_rows = View::new(&d_out[from * queries + query..], rows, head_dim, queries);
        gemm(
            &mut d_product[value..],
            width,
            weights.transposed(),
            d_rows,
            1.0,
            true,
        );
        let values = View::new(&product[value..], to, head_dim, width);
        buffers.d_probabilities.resize(rows * to, 0.0);
        gemm(
            &mut buffers.d_probabilities,
            to,
            d_rows,
            values.transposed(),
            1.0,
            false,
        );
        softmax_backward(to, &buffers.probabilities, &mut buffers.d_probabilities);
        let d_scores = View::new(&buffers.d_probabilities, rows, to, to);
        let keys = View::new(&product[key..], to, head_dim, width);
        let at = from * width + query;
        gemm(
            &mut d_product[at..],
            width,
            d_scores,
            keys,
            layout.scale(),
            false,
        );
        let rows_of_queries = View::new(&product[from * width + query..], rows, head_dim, width);
        let d_keys = &mut d_product[key..];
        gemm(
            d_keys,
            width,
            d_scores.transposed(),
            rows_of_queries,
            layout.scale(),
            true,
        );
    }
}

/// Turns gradients of probabilities into gradients of scores, row by row.
fn softmax_backward(columns: usize, probabilities: &[f32], d: &mut [f32]) {
    for (p, d) in probabilities
        .chunks_exact(columns)
        .zip(d.chunks_exact_mut(columns))
    {
        let mean: f32 = p.iter().zip(d.iter()).map(|(p, d)| p * d).sum();
        for (d, p) in d.iter_mut().zip(p) {
            *d = p * (*d - mean);
        }
    }
}
