//! One forward pass in the making.

use std::ops::Range;

use super::super::attention::Span;
use super::super::cache::{Cache, SegmentId};
use super::super::forward::Row;

/// Whose logits a wanted row gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The next token of a running sequence, by its place in the lane.
    Sequence(usize),
    /// What follows a prompt's position; `next` is the prompt's own next token, none at its end.
    Prompt { request: usize, next: Option<u32> },
}

/// Rows, what they see, and what is wanted of them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    pub(super) wanted_rows: Vec<usize>,
    pub(super) wanted: Vec<Wanted>,
    /// Spans by how many segments a row sees before them, so that every row's spans ascend.
    depths: Vec<Vec<Span>>,
}

impl Batch {
    /// Adds consecutive tokens of a segment.
    pub(super) fn add(
        &mut self,
        tokens: &[u32],
        segment: SegmentId,
        cache: &mut Cache,
    ) -> Range<usize> {
        let first = self.rows.len();
        for token in tokens {
            let position = cache.extend(segment);
            self.rows.push(Row {
                token: *token,
                position,
                segment,
            });
        }
        first..self.rows.len()
    }

    /// Lets rows see segments, given in ascending order. Neighbouring rows that see the same segment
    /// are multiplied with it together.
    pub(super) fn see(&mut self, rows: &Range<usize>, segments: impl Iterator<Item = SegmentId>) {
        for (depth, segment) in segments.enumerate() {
            if self.depths.len() <= depth {
                self.depths.push(Vec::new());
            }
            match self.depths[depth].last_mut() {
                Some(span) if span.segment == segment && span.rows.end == rows.start => {
                    span.rows.end = rows.end;
                }
                _ => self.depths[depth].push(Span {
                    segment,
                    rows: rows.clone(),
                }),
            }
        }
    }

    pub(super) fn want(&mut self, row: usize, wanted: Wanted) {
        self.wanted_rows.push(row);
        self.wanted.push(wanted);
    }

    /// All spans, those farther from the beginning last.
    pub(super) fn take_spans(&mut self) -> Vec<Span> {
        self.depths.drain(..).flatten().collect()
    }
}
