//! Causal attention over the segments of a shard, forward and backward.
//!
//! Probabilities are not kept between the passes: recomputing them is a fraction of the linear
//! layers' work, and keeping them would take as much memory as all other activations.

use std::ops::Range;

use super::tree::Shard;
use crate::ModelConfig;
use crate::kernels::{
    View, add_assign, gemm, scale_in_place, soft_cap, soft_cap_backward, softmax_backward,
    softmax_numerators,
};
use crate::profile::{LayerKind, timed};

/// Query rows handled together; only the columns they can see are computed.
const ROWS: usize = 64;

/// Where queries, keys and values stand in a row of their common product, and how a layer weighs
/// them.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadLayout {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    /// Length of a row: queries, keys, values.
    pub(super) width: usize,
    scale: f32,
    cap: Option<f32>,
    /// How many positions a row sees, its own included.
    window: usize,
}

impl HeadLayout {
    pub(super) fn new(config: &ModelConfig, layer: usize) -> Self {
        Self {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            width: config.queries() + 2 * config.keys(),
            scale: config.attention_scale,
            cap: config.attention_cap,
            window: config.window(layer).unwrap_or(usize::MAX),
        }
    }

    /// Length of a row of queries, and of attention's output.
    pub(super) fn queries(&self) -> usize {
        self.heads * self.head_dim
    }

    fn keys(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    fn key_head(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }
}

/// Buffers of both passes, kept between calls.
#[derive(Debug, Default)]
pub(super) struct AttentionBuffers {
    /// Keys, then values, of all positions a segment sees: `[position][2 * keys]`.
    context: Vec<f32>,
    d_context: Vec<f32>,
    probabilities: Vec<f32>,
    capped: Vec<f32>,
    d_probabilities: Vec<f32>,
}

/// Query rows of one head, counted within the shard, and the positions they see together.
struct Piece {
    head: usize,
    rows: Range<usize>,
    /// Position of the first row.
    position: usize,
    columns: Range<usize>,
}

/// Attention of some rows of one segment.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) layout: HeadLayout,
    pub(super) shard: &'a Shard,
    /// Queries, keys and values of all rows of the shard, `[tokens][width]`.
    pub(super) product: &'a [f32],
    pub(super) segment: usize,
    /// Query rows, of the segment's rows.
    pub(super) rows: Range<usize>,
}

impl Task<'_> {
    fn pieces(&self) -> impl Iterator<Item = Piece> {
        let (layout, rows) = (self.layout, self.rows.clone());
        let segment = &self.shard.segments[self.segment];
        let shift = segment.position as isize - segment.rows.start as isize;
        (0..layout.heads).flat_map(move |head| {
            rows.clone().step_by(ROWS).map({
                let end = rows.end;
                move |from| {
                    let to = (from + ROWS).min(end);
                    let position = from.wrapping_add_signed(shift);
                    let first = (position + 1).saturating_sub(layout.window);
                    Piece {
                        head,
                        rows: from..to,
                        position,
                        columns: first..position + to - from,
                    }
                }
            })
        })
    }

    /// Copies the keys and values of all positions the segment sees.
    fn gather(&self, context: &mut Vec<f32>) {
        context.clear();
        for segment in self.shard.chain(self.segment) {
            for row in self.shard.segments[segment].rows.clone() {
                let row = &self.product[row * self.layout.width..(row + 1) * self.layout.width];
                context.extend_from_slice(&row[self.layout.queries()..]);
            }
        }
    }

    fn keys<'c>(&self, context: &'c [f32], piece: &Piece) -> View<'c> {
        let (layout, columns) = (self.layout, &piece.columns);
        let stride = 2 * layout.keys();
        let at = columns.start * stride + layout.key_head(piece.head) * layout.head_dim;
        View::new(&context[at..], columns.len(), layout.head_dim, stride)
    }

    fn values<'c>(&self, context: &'c [f32], piece: &Piece) -> View<'c> {
        self.keys(&context[self.layout.keys()..], piece)
    }

    fn queries(&self, piece: &Piece) -> View<'_> {
        let layout = self.layout;
        let at = piece.rows.start * layout.width + piece.head * layout.head_dim;
        View::new(
            &self.product[at..],
            piece.rows.len(),
            layout.head_dim,
            layout.width,
        )
    }

    /// Attention probabilities of a piece, `[rows][columns]`, zero where a row sees nothing.
    /// `capped` receives the scores after the soft-cap, if there is one.
    fn probabilities(
        &self,
        context: &[f32],
        piece: &Piece,
        out: &mut Vec<f32>,
        capped: &mut Vec<f32>,
    ) {
        let (layout, columns) = (self.layout, piece.columns.len());
        out.resize(piece.rows.len() * columns, 0.0);
        let (queries, keys) = (self.queries(piece), self.keys(context, piece));
        gemm(
            out,
            columns,
            queries,
            keys.transposed(),
            layout.scale,
            false,
        );
        if let Some(cap) = layout.cap {
            soft_cap(out, cap);
            capped.clone_from(out);
        }
        for (row, scores) in out.chunks_exact_mut(columns).enumerate() {
            let position = piece.position + row;
            let from = (position + 1).saturating_sub(layout.window) - piece.columns.start;
            let to = position + 1 - piece.columns.start;
            let (before, rest) = scores.split_at_mut(from);
            let (seen, after) = rest.split_at_mut(to - from);
            let sum = softmax_numerators(seen, 1.0);
            scale_in_place(seen, 1.0 / sum);
            before.fill(0.0);
            after.fill(0.0);
        }
    }

    /// Where a head stands in `[rows][queries]`, from a piece's first row on.
    fn output(&self, piece: &Piece) -> usize {
        let row = piece.rows.start - self.rows.start;
        row * self.layout.queries() + piece.head * self.layout.head_dim
    }

    /// Writes what attention gives for the query rows, `[rows][queries]`.
    pub(super) fn forward(&self, out: &mut [f32], buffers: &mut AttentionBuffers) {
        let _timing = timed(LayerKind::Attention);
        let AttentionBuffers {
            context,
            probabilities,
            capped,
            ..
        } = buffers;
        self.gather(context);
        for piece in self.pieces() {
            self.probabilities(context, &piece, probabilities, capped);
            let columns = piece.columns.len();
            let weights = View::new(probabilities, piece.rows.len(), columns, columns);
            let values = self.values(context, &piece);
            let out = &mut out[self.output(&piece)..];
            gemm(out, self.layout.queries(), weights, values, 1.0, false);
        }
    }

    /// Adds to `d_product` (`[tokens][width]`) what comes back from the query rows, given the
    /// gradient of what [`Task::forward`] writes.
    pub(super) fn backward(
        &self,
        d_out: &[f32],
        d_product: &mut [f32],
        buffers: &mut AttentionBuffers,
    ) {
        let _timing = timed(LayerKind::Attention);
        self.gather(&mut buffers.context);
        buffers.d_context.clear();
        buffers.d_context.resize(buffers.context.len(), 0.0);
        for piece in self.pieces() {
            self.piece_backward(&piece, d_out, d_product, buffers);
        }
        let (width, stride) = (self.layout.width, 2 * self.layout.keys());
        let chain = self.shard.chain(self.segment);
        let rows = chain.into_iter();
        let rows = rows.flat_map(|s| self.shard.segments[s].rows.clone());
        for (row, d) in rows.zip(buffers.d_context.chunks_exact(stride)) {
            let d_row = &mut d_product[row * width..(row + 1) * width];
            add_assign(&mut d_row[self.layout.queries()..], d);
        }
    }

    /// The way back through a piece: to its queries in `d_product`, and to the keys and values it
    /// sees in `d_context`.
    fn piece_backward(
        &self,
        piece: &Piece,
        d_out: &[f32],
        d_product: &mut [f32],
        buffers: &mut AttentionBuffers,
    ) {
        let AttentionBuffers {
            context,
            d_context,
            probabilities,
            capped,
            d_probabilities,
        } = buffers;
        let (layout, head_dim) = (self.layout, self.layout.head_dim);
        let (width, stride) = (layout.width, 2 * layout.keys());
        let (rows, columns) = (piece.rows.len(), piece.columns.len());
        self.probabilities(context, piece, probabilities, capped);
        let d_rows = &d_out[self.output(piece)..];
        let d_rows = View::new(d_rows, rows, head_dim, layout.queries());
        let (keys, values) = (self.keys(context, piece), self.values(context, piece));
        let d_keys = &mut d_context[piece.columns.start * stride..];
        let d_keys = &mut d_keys[layout.key_head(piece.head) * head_dim..];

        let weights = View::new(probabilities, rows, columns, columns);
        let d_values = &mut d_keys[layout.keys()..];
        gemm(d_values, stride, weights.transposed(), d_rows, 1.0, true);
        let d_scores = d_probabilities;
        d_scores.resize(rows * columns, 0.0);
        gemm(d_scores, columns, d_rows, values.transposed(), 1.0, false);
        let pairs = probabilities.chunks_exact(columns);
        for (p, d) in pairs.zip(d_scores.chunks_exact_mut(columns)) {
            softmax_backward(p, d);
        }
        if let Some(cap) = layout.cap {
            soft_cap_backward(capped, cap, d_scores);
        }
        let d_scores = View::new(d_scores, rows, columns, columns);
        let d_queries = &mut d_product[piece.rows.start * width + piece.head * head_dim..];
        gemm(d_queries, width, d_scores, keys, layout.scale, false);
        let (d_scores, queries) = (d_scores.transposed(), self.queries(piece));
        gemm(d_keys, stride, d_scores, queries, layout.scale, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::finite_differences::{assert_gradient, dot, wave};
    use crate::train::tree::Sequence;

    const LAYOUT: HeadLayout = HeadLayout {
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        width: 48,
        scale: 0.4,
        cap: None,
        window: usize::MAX,
    };

    /// Attention of every segment of a shard; `last`: of the output rows alone.
    fn tasks<'a>(
        layout: HeadLayout,
        shard: &'a Shard,
        last: bool,
        product: &'a [f32],
    ) -> impl Iterator<Item = Task<'a>> {
        let segments = shard.segments.iter().enumerate();
        segments.map(move |(i, segment)| Task {
            layout,
            shard,
            product,
            segment: i,
            rows: if last {
                &segment.outputs
            } else {
                &segment.rows
            }
            .clone(),
        })
    }

    /// What all tasks give, one after the other.
    fn run(layout: HeadLayout, shard: &Shard, last: bool, product: &[f32]) -> Vec<f32> {
        let mut all = Vec::new();
        for task in tasks(layout, shard, last, product) {
            let mut out = vec![0.0; task.rows.len() * layout.queries()];
            task.forward(&mut out, &mut AttentionBuffers::default());
            all.extend(out);
        }
        all
    }

    fn shard() -> Shard {
        let tokens: [&[u32]; 3] = [&[1, 2, 3, 4, 5], &[1, 2, 3, 6], &[7, 8]];
        Shard::new(&tokens.map(|tokens| Sequence {
            tokens,
            prompt_tokens: 2.min(tokens.len() - 1),
        }))
    }

    #[test]
    fn attention_matches_finite_differences_with_window_cap_and_shared_prompts() {
        let shard = shard();
        let product = wave(shard.tokens.len() * LAYOUT.width, 0.61, 1.0);
        for (cap, window, last) in [
            (None, usize::MAX, false),
            (None, usize::MAX, true),
            (Some(0.9), usize::MAX, false),
            (Some(0.9), 2, false),
            (None, 3, true),
        ] {
            let layout = HeadLayout {
                cap,
                window,
                ..LAYOUT
            };
            let length = run(layout, &shard, last, &product).len();
            let d_out = wave(length, 1.7, 1.0);
            let mut d = vec![0.0; product.len()];
            let mut buffers = AttentionBuffers::default();
            let mut rest = d_out.as_slice();
            for task in tasks(layout, &shard, last, &product) {
                let (here, after) = rest.split_at(task.rows.len() * layout.queries());
                task.backward(here, &mut d, &mut buffers);
                rest = after;
            }
            assert_gradient(&product, &d, |product| {
                dot(&run(layout, &shard, last, product), &d_out)
            });
        }
    }

    #[test]
    fn a_row_beyond_the_window_changes_nothing() {
        let shard = shard();
        let layout = HeadLayout {
            window: 2,
            ..LAYOUT
        };
        let mut product = wave(shard.tokens.len() * LAYOUT.width, 0.61, 1.0);
        let before = run(layout, &shard, false, &product);
        let first = shard.segments.iter().find(|s| s.rows.len() == 3).unwrap();
        let row = first.rows.start;
        product[row * 48 + 24..(row + 1) * 48].fill(9.0);
        let after = run(layout, &shard, false, &product);
        let queries = layout.queries();
        for (i, position) in shard.positions.iter().enumerate() {
            let same =
                before[i * queries..(i + 1) * queries] == after[i * queries..(i + 1) * queries];
            let sees = (row..row + 2).contains(&i);
            assert_eq!(same, !sees, "row {i} at position {position}");
        }
    }
}
