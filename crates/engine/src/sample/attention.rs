//! Causal attention of rows over segments of the cache.

use std::ops::Range;

use super::cache::{BLOCK, Cache, SegmentId};
use crate::ModelConfig;
use crate::kernels::{Level, PANEL, PackedRows, softmax_numerators};

/// Rows that see a segment. A row's spans come in ascending order of their segments' positions.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) segment: SegmentId,
    pub(super) rows: Range<usize>,
}

/// Buffers of [`attend`], kept between calls.
#[derive(Debug, Default)]
pub(super) struct AttentionScratch {
    packed: PackedRows,
    queries: Vec<f32>,
    scores: Vec<f32>,
    sums: Vec<f32>,
    out: Vec<f32>,
}

/// The queries of a call: row `r` has its heads at `data[r * stride..]` and sees all positions up
/// to and including `positions[r]`.
pub(super) struct Queries<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
    pub(super) positions: &'a [usize],
}

/// Writes attention's output, `[rows][heads * head_dim]`.
///
/// Scores stand at columns that are absolute positions. A block's unused columns write garbage
/// behind its segment's end, which the next segment overwrites or the softmax cuts off. The
/// weighted sum of values is one chain over ascending positions, divided at the end, so that it
/// does not matter how positions are cut into segments.
#[expect(clippy::too_many_arguments, reason = "the parts of attention")]
pub(super) fn attend(
    level: Level,
    config: &ModelConfig,
    cache: &Cache,
    layer: usize,
    spans: &[Span],
    queries: &Queries<'_>,
    scratch: &mut AttentionScratch,
    out: &mut [f32],
) {
    let rows = queries.positions.len();
    let group = config.heads / config.kv_heads;
    let columns = queries
        .positions
        .iter()
        .max()
        .map_or(0, |p| p + 1)
        .next_multiple_of(BLOCK)
        + BLOCK;
    let padded = cache.layout.padded;
    scratch.scores.resize(rows * group * columns, 0.0);
    scratch.sums.resize(rows * group, 0.0);
    scratch.out.resize(rows * group * padded, 0.0);
    for kv_head in 0..config.kv_heads {
        gather_queries(config, queries, kv_head, &mut scratch.queries);
        for span in spans {
            score(
                level,
                config.head_dim,
                cache,
                layer,
                kv_head,
                span,
                columns,
                group,
                scratch,
            );
        }
        let scale = 1.0 / (config.head_dim as f32).sqrt();
        for (line, sum) in scratch.sums.iter_mut().enumerate() {
            let seen = queries.positions[line / group] + 1;
            let scores = &mut scratch.scores[line * columns..(line + 1) * columns];
            *sum = softmax_numerators(&mut scores[..seen], scale);
            scores[seen..].fill(0.0);
        }
        scratch.out.fill(0.0);
        for span in spans {
            weigh(level, cache, layer, kv_head, span, columns, group, scratch);
        }
        for (line, sum) in scratch.sums.iter().enumerate() {
            let head = kv_head * group + line % group;
            let at = (line / group) * config.heads * config.head_dim + head * config.head_dim;
            let source = &scratch.out[line * padded..line * padded + config.head_dim];
            for (o, v) in out[at..at + config.head_dim].iter_mut().zip(source) {
                *o = v / sum;
            }
        }
    }
}

/// The query heads that share a key head: `[rows * group][head_dim]`.
fn gather_queries(config: &ModelConfig, queries: &Queries<'_>, kv_head: usize, out: &mut Vec<f32>) {
    let group = config.heads / config.kv_heads;
    let width = group * config.head_dim;
    out.clear();
    for row in 0..queries.positions.len() {
        let at = row * queries.stride + kv_head * width;
        out.extend_from_slice(&queries.data[at..at + width]);
    }
}

/// Blocks of a segment that any of the rows can see.
fn blocks(cache: &Cache, span: &Span) -> usize {
    cache.segment(span.segment).length.div_ceil(BLOCK)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one step of attention, split off to be readable"
)]
fn score(
    level: Level,
    head_dim: usize,
    cache: &Cache,
    layer: usize,
    kv_head: usize,
    span: &Span,
    columns: usize,
    group: usize,
    scratch: &mut AttentionScratch,
) {
    let lines = span.rows.start * group..span.rows.end * group;
    let queries = &scratch.queries[lines.start * head_dim..];
    scratch
        .packed
        .pack(queries, lines.len(), head_dim, head_dim);
    let start = cache.segment(span.segment).start;
    for block in 0..blocks(cache, span) {
        let at = lines.start * columns + start + block * BLOCK;
        let keys = cache.keys(span.segment, block, layer, kv_head);
        scratch.packed.multiply_panel(
            level,
            keys,
            BLOCK,
            &mut scratch.scores[at..],
            columns,
            false,
        );
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one step of attention, split off to be readable"
)]
fn weigh(
    level: Level,
    cache: &Cache,
    layer: usize,
    kv_head: usize,
    span: &Span,
    columns: usize,
    group: usize,
    scratch: &mut AttentionScratch,
) {
    let (padded, segment) = (cache.layout.padded, cache.segment(span.segment));
    let lines = span.rows.start * group..span.rows.end * group;
    for block in 0..blocks(cache, span) {
        let positions = BLOCK.min(segment.length - block * BLOCK);
        let at = lines.start * columns + segment.start + block * BLOCK;
        scratch
            .packed
            .pack(&scratch.scores[at..], lines.len(), columns, positions);
        let values = cache.values(span.segment, block, layer, kv_head);
        for panel in (0..padded).step_by(PANEL) {
            let out = &mut scratch.out[lines.start * padded + panel..];
            scratch
                .packed
                .multiply_panel(level, &values[panel..], padded, out, padded, true);
        }
    }
}
