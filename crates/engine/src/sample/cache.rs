//! The KV cache: segments of consecutive positions made of blocks of 64.
//!
//! A sequence sees the common prefix, then its request's own prompt, then what it has generated:
//! three segments, the first two shared.

use std::sync::Arc;

use crate::ModelConfig;
use crate::kernels::{Aligned, PANEL};

/// Positions in a block: enough for long products, few enough not to waste much of the last one.
pub(super) const BLOCK: usize = 2 * PANEL;

/// Names a segment of a [`Cache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentId(usize);

/// Consecutive positions, from `start`. A clone shares the blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    pub(super) start: usize,
    pub(super) length: usize,
    blocks: Vec<Arc<Aligned>>,
}

impl Segment {
    /// The first `length` positions, in the same blocks.
    pub(super) fn beginning(&self, length: usize) -> Self {
        let length = length.min(self.length);
        let blocks = self.blocks.iter().take(length.div_ceil(BLOCK));
        Self {
            start: self.start,
            length,
            blocks: blocks.cloned().collect(),
        }
    }

    /// How many blocks hold it.
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }
}

/// How a block is laid out: keys `[layer][kv head][2][head_dim][32 positions]`, then values
/// `[layer][kv head][64 positions][head_dim padded to 32]`, so that both attention products are
/// panel products which read memory from one end to the other.
#[derive(Debug, Clone)]
pub(super) struct BlockLayout {
    kv_heads: usize,
    head_dim: usize,
    /// `head_dim` in whole panels.
    pub(super) padded: usize,
    values_start: usize,
    length: usize,
}

impl BlockLayout {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let padded = config.head_dim.next_multiple_of(PANEL);
        let heads = config.layers * config.kv_heads;
        let values_start = heads * config.head_dim * BLOCK;
        Self {
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            padded,
            values_start,
            length: values_start + heads * padded * BLOCK,
        }
    }

    /// Bytes of a block.
    pub(super) fn bytes(&self) -> usize {
        self.length * size_of::<f32>()
    }

    fn keys(&self, layer: usize, head: usize) -> usize {
        (layer * self.kv_heads + head) * self.head_dim * BLOCK
    }

    fn values(&self, layer: usize, head: usize) -> usize {
        self.values_start + (layer * self.kv_heads + head) * self.padded * BLOCK
    }
}

/// The segments of one lane and the blocks that wait to be used again.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) layout: BlockLayout,
    segments: Vec<Segment>,
    unused: Vec<usize>,
    free: Vec<Aligned>,
}

impl Cache {
    pub(super) fn new(config: &ModelConfig) -> Self {
        let layout = BlockLayout::new(config);
        Self {
            layout,
            segments: Vec::new(),
            unused: Vec::new(),
            free: Vec::new(),
        }
    }

    /// A new segment; the lane's first is the common prefix.
    pub(super) fn insert(&mut self, segment: Segment) -> SegmentId {
        if let Some(slot) = self.unused.pop() {
            self.segments[slot] = segment;
            SegmentId(slot)
        } else {
            self.segments.push(segment);
            SegmentId(self.segments.len() - 1)
        }
    }

    /// A new empty segment that begins at an absolute position.
    pub(super) fn open(&mut self, start: usize) -> SegmentId {
        self.insert(Segment {
            start,
            ..Segment::default()
        })
    }

    /// Frees a segment.
    pub(super) fn close(&mut self, id: SegmentId) {
        let segment = std::mem::take(&mut self.segments[id.0]);
        let unshared = segment.blocks.into_iter().filter_map(Arc::into_inner);
        self.free.extend(unshared);
        self.unused.push(id.0);
    }

    pub(super) fn segment(&self, id: SegmentId) -> &Segment {
        &self.segments[id.0]
    }

    /// Makes room for the next position of a segment and returns its absolute position.
    pub(super) fn extend(&mut self, id: SegmentId) -> usize {
        let segment = &mut self.segments[id.0];
        if segment.length == segment.blocks.len() * BLOCK {
            let length = self.layout.length;
            let block = self.free.pop().unwrap_or_else(|| Aligned::zeros(length));
            segment.blocks.push(Arc::new(block));
        }
        segment.length += 1;
        segment.start + segment.length - 1
    }

    /// Stores a key and a value (each `[kv heads][head_dim]`) at an absolute position.
    pub(super) fn write(
        &mut self,
        id: SegmentId,
        layer: usize,
        position: usize,
        key: &[f32],
        value: &[f32],
    ) {
        let (layout, segment) = (&self.layout, &mut self.segments[id.0]);
        let offset = position - segment.start;
        // Nobody else has a segment that grows, so that nothing is copied here.
        let block = Arc::make_mut(&mut segment.blocks[offset / BLOCK]);
        let column = offset % BLOCK;
        let heads = key
            .chunks_exact(layout.head_dim)
            .zip(value.chunks_exact(layout.head_dim));
        for (head, (key, value)) in heads.enumerate() {
            let panel = layout.keys(layer, head) + column / PANEL * layout.head_dim * PANEL;
            let keys = &mut block[panel..][..layout.head_dim * PANEL];
            for (slot, k) in keys[column % PANEL..].iter_mut().step_by(PANEL).zip(key) {
                *slot = *k;
            }
            let at = layout.values(layer, head) + column * layout.padded;
            block[at..at + layout.head_dim].copy_from_slice(value);
        }
    }

    /// The keys of 32 positions, from `first` of the segment on, for a head: `[head_dim][32]`.
    pub(super) fn keys(&self, id: SegmentId, first: usize, layer: usize, head: usize) -> &[f32] {
        let length = self.layout.head_dim * PANEL;
        let at = self.layout.keys(layer, head) + first % BLOCK / PANEL * length;
        &self.segments[id.0].blocks[first / BLOCK][at..at + length]
    }

    /// The values of one block for a head: `[64][head_dim padded]`.
    pub(super) fn values(&self, id: SegmentId, block: usize, layer: usize, head: usize) -> &[f32] {
        let at = self.layout.values(layer, head);
        &self.segments[id.0].blocks[block][at..at + self.layout.padded * BLOCK]
    }
}
