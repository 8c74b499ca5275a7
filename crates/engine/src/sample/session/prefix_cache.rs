//! Keys and values of prompts that were computed, as a tree of texts with common beginnings.
//!
//! A node holds the tokens that follow those of its parent, from any position within the parent on.
//! Blocks are shared and never written again, so that every lane reads the same ones, and evicting
//! a node takes nothing away from requests under way.

use std::collections::HashMap;

use super::super::cache::Segment;

/// Names a node; ids are never used again.
pub(super) type NodeId = u64;

/// A piece of a cached text.
#[derive(Debug)]
struct Node {
    parent: Option<NodeId>,
    children: Vec<NodeId>,
    tokens: Vec<u32>,
    segment: Segment,
    /// When it was last used, by the count of look-ups.
    used: u64,
}

/// A part of a text that is in the cache: the first `segment.length` positions of a node.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) node: NodeId,
    pub(super) segment: Segment,
}

/// The tree.
#[derive(Debug)]
pub(super) struct PrefixCache {
    nodes: HashMap<NodeId, Node>,
    roots: Vec<NodeId>,
    next: NodeId,
    clock: u64,
    blocks: usize,
    /// Blocks kept at most.
    capacity: usize,
}

impl PrefixCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            nodes: HashMap::new(),
            roots: Vec::new(),
            next: 0,
            clock: 0,
            blocks: 0,
            capacity,
        }
    }

    /// Blocks held.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The longest known beginning of a text, at most `limit` tokens of it, in ascending order of
    /// positions.
    pub(super) fn find(&mut self, tokens: &[u32], limit: usize) -> Vec<Hit> {
        self.clock += 1;
        let known = &tokens[..limit.min(tokens.len())];
        let path = self.path(known);
        let mut hits = Vec::with_capacity(path.len());
        for (id, length) in path {
            if let Some(node) = self.nodes.get_mut(&id) {
                node.used = self.clock;
                hits.push(Hit {
                    node: id,
                    segment: node.segment.beginning(length),
                });
            }
        }
        hits
    }

    /// Nodes that begin a text, each with how many of its positions do.
    fn path(&self, tokens: &[u32]) -> Vec<(NodeId, usize)> {
        let mut path: Vec<(NodeId, usize)> = Vec::new();
        let (mut candidates, mut known) = (&self.roots, 0);
        loop {
            let reaches = |id: &NodeId| {
                let node = self.nodes.get(id)?;
                let start = node.segment.start;
                let rest = tokens.get(start..).filter(|_| start <= known)?;
                let same = node.tokens.iter().zip(rest);
                let length = same.take_while(|(a, b)| a == b).count();
                Some((start + length, *id, length, start))
            };
            // The first of those that reach farthest, so that the answer depends on the tree alone.
            let best = candidates.iter().filter_map(reaches);
            let best = best.reduce(|best, next| if next.0 > best.0 { next } else { best });
            let Some((end, id, length, start)) = best.filter(|best| best.0 > known) else {
                return path;
            };
            if let Some((parent, used)) = path.last_mut()
                && let Some(node) = self.nodes.get(parent)
            {
                *used = start - node.segment.start;
            }
            path.push((id, length));
            known = end;
            let Some(node) = self.nodes.get(&id) else {
                return path;
            };
            candidates = &node.children;
        }
    }

    /// Keeps a segment that holds the positions of `tokens` from its start on. Nothing is kept that
    /// is known, or whose beginning was evicted.
    pub(super) fn insert(&mut self, tokens: &[u32], segment: &Segment) {
        let (start, end) = (segment.start, segment.start + segment.length);
        let Some(own) = tokens.get(start..end).filter(|own| !own.is_empty()) else {
            return;
        };
        if segment.blocks() > self.capacity {
            return;
        }
        let path = self.path(&tokens[..end]);
        let ends = path.iter().filter_map(|(id, length)| {
            let node = self.nodes.get(id)?;
            Some((*id, node.segment.start, node.segment.start + length))
        });
        let ends: Vec<_> = ends.collect();
        let known = ends.last().map_or(0, |(_, _, end)| *end);
        if known < start || known >= end {
            return;
        }
        let above = ends
            .iter()
            .find(|(_, from, to)| *from < start && start <= *to);
        let parent = above.map(|(id, _, _)| *id);
        let id = self.next;
        self.next += 1;
        self.clock += 1;
        self.blocks += segment.blocks();
        match parent.and_then(|parent| self.nodes.get_mut(&parent)) {
            Some(parent) => parent.children.push(id),
            None => self.roots.push(id),
        }
        self.nodes.insert(
            id,
            Node {
                parent,
                children: Vec::new(),
                tokens: own.to_vec(),
                segment: segment.clone(),
                used: self.clock,
            },
        );
        self.evict();
    }

    /// Forgets what was used longest ago and nothing hangs on, until the rest fits.
    fn evict(&mut self) {
        while self.blocks > self.capacity {
            let leaves = self
                .nodes
                .iter()
                .filter(|(_, node)| node.children.is_empty());
            let oldest = leaves.min_by_key(|(id, node)| (node.used, **id));
            let Some(id) = oldest.map(|(id, _)| *id) else {
                return;
            };
            let Some(node) = self.nodes.remove(&id) else {
                return;
            };
            self.blocks -= node.segment.blocks();
            let siblings = match node.parent.and_then(|parent| self.nodes.get_mut(&parent)) {
                Some(parent) => &mut parent.children,
                None => &mut self.roots,
            };
            siblings.retain(|sibling| *sibling != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(start: usize, length: usize) -> Segment {
        let mut segment = Segment::default();
        (segment.start, segment.length) = (start, length);
        segment
    }

    fn found(cache: &mut PrefixCache, tokens: &[u32]) -> usize {
        let hits = cache.find(tokens, tokens.len());
        let mut end = 0;
        for hit in &hits {
            assert_eq!(hit.segment.start, end, "pieces follow each other");
            end += hit.segment.length;
        }
        end
    }

    #[test]
    fn texts_that_branch_share_their_beginning() {
        let mut cache = PrefixCache::new(100);
        cache.insert(&[1, 2, 3, 4], &segment(0, 4));
        cache.insert(&[1, 2, 9, 9], &segment(2, 2));
        cache.insert(&[1, 2, 9, 9, 5], &segment(4, 1));
        assert_eq!(found(&mut cache, &[1, 2, 9, 9, 5, 7]), 5);
        assert_eq!(found(&mut cache, &[1, 2, 3, 4, 4]), 4);
        assert_eq!(found(&mut cache, &[1, 2, 8]), 2);
        assert_eq!(found(&mut cache, &[2]), 0);
    }

    #[test]
    fn a_piece_without_its_beginning_is_not_kept() {
        let mut cache = PrefixCache::new(100);
        cache.insert(&[1, 2, 3], &segment(2, 1));
        assert_eq!(found(&mut cache, &[1, 2, 3]), 0);
    }

    proptest! {
        /// What is found is always a beginning that was inserted, and the longest one.
        #[test]
        fn the_longest_known_beginning_is_found(
            texts in prop::collection::vec(prop::collection::vec(0u32..3, 1..8), 1..12),
            wanted in prop::collection::vec(0u32..3, 0..9),
        ) {
            let mut cache = PrefixCache::new(1000);
            for text in &texts {
                let start = found(&mut cache, text);
                cache.insert(text, &segment(start, text.len() - start));
                prop_assert_eq!(found(&mut cache, text), text.len());
            }
            let longest = texts.iter().map(|text| {
                text.iter().zip(&wanted).take_while(|(a, b)| a == b).count()
            });
            prop_assert_eq!(found(&mut cache, &wanted), longest.max().unwrap_or(0));
        }
    }
}
