//! Causal attention of rows over segments of the cache.

use std::ops::Range;

use super::cache::{BLOCK, Cache, SegmentId};
use crate::ModelConfig;
use crate::kernels::{
    Columns, Level, PANEL, Rows, multiply_panel, scale_in_place, soft_cap, softmax_numerators,
};

/// Lines (a row's query head each) whose scores are computed together, so that they stay in the
/// second-level cache until they are used.
const LINES: usize = 48;

/// Rows that see a segment. A row's spans come in ascending order of their segments' positions.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) segment: SegmentId,
    pub(super) rows: Range<usize>,
}

/// Buffers of one thread, kept between calls.
#[derive(Debug, Default)]
pub(super) struct AttentionScratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    sums: Vec<f32>,
    out: Vec<f32>,
}

/// Attention in one layer. Row `r` has its query heads at `queries[r * stride..]` and sees the
/// positions up to and including `positions[r]`, within the layer's window.
pub(super) struct Attention<'a> {
    pub(super) level: Level,
    pub(super) config: &'a ModelConfig,
    pub(super) cache: &'a Cache,
    pub(super) layer: usize,
    pub(super) spans: &'a [Span],
    pub(super) queries: &'a [f32],
    pub(super) stride: usize,
    pub(super) positions: &'a [usize],
}

/// Some rows, and which positions any of them sees.
struct Tile {
    rows: Range<usize>,
    seen: Range<usize>,
    /// Length of a line of scores.
    columns: usize,
    sights: Vec<Sight>,
}

/// What some lines of a tile see of a segment.
struct Sight {
    segment: SegmentId,
    /// Absolute position of the segment's first.
    start: usize,
    lines: Range<usize>,
    /// Positions that any row of the tile sees, counted from the segment's start.
    visible: Range<usize>,
}

impl Sight {
    /// The first visible position, rounded down to a whole piece.
    fn first(&self, piece: usize) -> usize {
        self.visible.start / piece * piece
    }

    /// Where the pieces begin that cover what is visible.
    fn pieces(&self, piece: usize) -> impl Iterator<Item = usize> + use<> {
        (self.first(piece)..self.visible.end).step_by(piece)
    }
}

impl Attention<'_> {
    /// Writes attention's output, rows of `heads * head_dim` values `out_stride` apart; as many
    /// threads as there are scratches.
    ///
    /// Scores stand at columns that are absolute positions. A panel's unused columns write garbage
    /// behind its segment's end, which the next segment overwrites or the softmax cuts off. The
    /// weighted sum of values is one chain over ascending positions, divided at the end, so that
    /// it does not matter how positions are cut into segments.
    pub(super) fn run(
        &self,
        scratches: &mut [AttentionScratch],
        out: &mut [f32],
        out_stride: usize,
    ) {
        let rows = self.positions.len();
        if let [scratch] = scratches {
            return self.rows(0..rows, scratch, out, out_stride);
        }
        let share = rows.div_ceil(scratches.len().max(1)).max(1);
        std::thread::scope(|scope| {
            let shares = out.chunks_mut(share * out_stride).zip(scratches);
            for (t, (out, scratch)) in shares.enumerate() {
                let range = t * share..rows.min((t + 1) * share);
                scope.spawn(move || self.rows(range, scratch, out, out_stride));
            }
        });
    }

    fn group(&self) -> usize {
        self.config.heads / self.config.kv_heads
    }

    /// The first position that a row sees.
    fn first_seen(&self, row: usize) -> usize {
        let window = self.config.window(self.layer);
        window.map_or(0, |window| (self.positions[row] + 1).saturating_sub(window))
    }

    /// `out` starts at the first of the rows.
    fn rows(
        &self,
        rows: Range<usize>,
        scratch: &mut AttentionScratch,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let step = (LINES / self.group()).max(1);
        for first in rows.clone().step_by(step) {
            let tile_rows = first..rows.end.min(first + step);
            let last = self.positions[tile_rows.clone()].iter().max();
            let end = last.map_or(0, |p| p + 1);
            let start = tile_rows.clone().map(|r| self.first_seen(r)).min();
            // A length off the powers of two, whose lines would fall on the same cache sets.
            let columns = (end + PANEL).next_multiple_of(512) + 16;
            let seen = start.unwrap_or(0)..end;
            let tile = Tile {
                sights: self.sights(&tile_rows, &seen),
                rows: tile_rows,
                seen,
                columns,
            };
            let out = &mut out[(first - rows.start) * out_stride..];
            for kv_head in 0..self.config.kv_heads {
                self.tile(&tile, kv_head, scratch, out, out_stride);
            }
        }
    }

    fn tile(
        &self,
        tile: &Tile,
        kv_head: usize,
        scratch: &mut AttentionScratch,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let (group, head_dim) = (self.group(), self.config.head_dim);
        let padded = self.cache.layout.padded;
        let lines = tile.rows.len() * group;
        scratch.queries.clear();
        for row in tile.rows.clone() {
            let at = row * self.stride + kv_head * group * head_dim;
            let heads = &self.queries[at..at + group * head_dim];
            scratch.queries.extend_from_slice(heads);
        }
        if scratch.scores.len() < lines * tile.columns {
            scratch.scores.resize(lines * tile.columns, 0.0);
        }
        scratch.sums.resize(lines, 0.0);
        scratch.out.clear();
        scratch.out.resize(lines * padded, 0.0);
        self.score(tile, kv_head, scratch);
        self.normalise(tile, scratch);
        self.weigh(tile, kv_head, scratch);
        for (line, sum) in scratch.sums.iter().enumerate() {
            let at = line / group * out_stride + (kv_head * group + line % group) * head_dim;
            let source = &scratch.out[line * padded..line * padded + head_dim];
            for (o, v) in out[at..at + head_dim].iter_mut().zip(source) {
                *o = v / sum;
            }
        }
    }

    /// What the rows of a tile see of the spans.
    fn sights(&self, rows: &Range<usize>, seen: &Range<usize>) -> Vec<Sight> {
        let sights = self.spans.iter().map(|span| {
            let start = span.rows.start.max(rows.start);
            let end = span.rows.end.min(rows.end).max(start);
            let group = self.group();
            let segment = self.cache.segment(span.segment);
            let last = seen.end.saturating_sub(segment.start).min(segment.length);
            Sight {
                segment: span.segment,
                start: segment.start,
                lines: (start - rows.start) * group..(end - rows.start) * group,
                visible: seen.start.saturating_sub(segment.start).min(last)..last,
            }
        });
        sights
            .filter(|sight| !sight.lines.is_empty() && !sight.visible.is_empty())
            .collect()
    }

    fn score(&self, tile: &Tile, kv_head: usize, scratch: &mut AttentionScratch) {
        let head_dim = self.config.head_dim;
        let keys =
            |sight: &Sight, first| self.cache.keys(sight.segment, first, self.layer, kv_head);
        for (i, sight) in tile.sights.iter().enumerate() {
            let queries = Rows {
                data: &scratch.queries[sight.lines.start * head_dim..],
                rows: sight.lines.len(),
                stride: head_dim,
            };
            for first in sight.pieces(PANEL) {
                let next = if first + PANEL < sight.visible.end {
                    keys(sight, first + PANEL)
                } else if let Some(next) = tile.sights.get(i + 1) {
                    keys(next, next.first(PANEL))
                } else {
                    let first = &tile.sights[0];
                    self.values(first, first.first(BLOCK), kv_head)
                };
                let columns = Columns {
                    data: keys(sight, first),
                    step: PANEL,
                    second: PANEL / 2,
                    next,
                };
                let at = sight.lines.start * tile.columns + sight.start + first;
                let (level, stride) = (self.level, tile.columns);
                let scores = &mut scratch.scores[at..];
                multiply_panel(level, head_dim, queries, columns, scores, stride, false);
            }
        }
    }

    /// The values of the block of a segment's position.
    fn values(&self, sight: &Sight, first: usize, kv_head: usize) -> &[f32] {
        let block = first / BLOCK;
        self.cache.values(sight.segment, block, self.layer, kv_head)
    }

    /// Turns scores into the softmax's numerators and their sums; what a row does not see is zero.
    fn normalise(&self, tile: &Tile, scratch: &mut AttentionScratch) {
        let scale = self.config.attention_scale;
        for (line, sum) in scratch.sums.iter_mut().enumerate() {
            let row = tile.rows.start + line / self.group();
            let (first, seen) = (self.first_seen(row), self.positions[row] + 1);
            let scores = &mut scratch.scores[line * tile.columns..(line + 1) * tile.columns];
            scores[..first].fill(0.0);
            scores[seen..tile.seen.end].fill(0.0);
            let scores = &mut scores[first..seen];
            *sum = if let Some(cap) = self.config.attention_cap {
                scale_in_place(scores, scale);
                soft_cap(scores, cap);
                softmax_numerators(scores, 1.0)
            } else {
                softmax_numerators(scores, scale)
            };
        }
    }

    fn weigh(&self, tile: &Tile, kv_head: usize, scratch: &mut AttentionScratch) {
        let padded = self.cache.layout.padded;
        for (i, sight) in tile.sights.iter().enumerate() {
            for first in sight.pieces(BLOCK) {
                let positions = BLOCK.min(sight.visible.end - first);
                let at = sight.lines.start * tile.columns + sight.start + first;
                let weights = Rows {
                    data: &scratch.scores[at..],
                    rows: sight.lines.len(),
                    stride: tile.columns,
                };
                let values = self.values(sight, first, kv_head);
                let behind = if first + BLOCK < sight.visible.end {
                    self.values(sight, first + BLOCK, kv_head)
                } else if let Some(next) = tile.sights.get(i + 1) {
                    self.values(next, next.first(BLOCK), kv_head)
                } else {
                    &[]
                };
                for panel in (0..padded).step_by(PANEL) {
                    let more = panel + PANEL < padded;
                    let columns = Columns {
                        data: &values[panel..],
                        step: padded,
                        second: PANEL / 2,
                        next: if more {
                            &values[panel + PANEL..]
                        } else {
                            behind
                        },
                    };
                    let out = &mut scratch.out[sight.lines.start * padded + panel..];
                    multiply_panel(self.level, positions, weights, columns, out, padded, true);
                }
            }
        }
    }
}
