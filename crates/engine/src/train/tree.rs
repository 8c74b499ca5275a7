//! The sequences of a shard as a tree: what several of them begin with is computed once.
//!
//! In causal attention a token's activations depend on the tokens before it alone, so sequences
//! with a common beginning share its activations, and the gradients of all of them add up there.
//! Loss and gradient are those of the sequences computed apart.

use std::ops::Range;

/// A sequence of a shard: its tokens, and how many of them are the prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sequence<'a> {
    pub(super) tokens: &'a [u32],
    pub(super) prompt_tokens: usize,
}

impl Sequence<'_> {
    /// How many tokens two sequences have in common from the beginning.
    pub(super) fn common(&self, other: &Sequence<'_>) -> usize {
        let pairs = self.tokens.iter().zip(other.tokens);
        pairs.take_while(|(a, b)| a == b).count()
    }
}

/// A run of tokens that the same sequences go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// What comes before it.
    pub(super) parent: Option<usize>,
    /// Its rows in the shard.
    pub(super) rows: Range<usize>,
    /// Position of its first token within the sequences.
    pub(super) position: usize,
    /// Those of its rows that predict a token of a completion.
    pub(super) outputs: Range<usize>,
}

/// A token to be predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// Index into the shard's output rows.
    pub(super) output: usize,
    pub(super) token: u32,
}

/// Sequences computed together: packed without padding, each row seeing only its own beginning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shard {
    /// The tokens of all segments, one segment after the other.
    pub(super) tokens: Vec<u32>,
    /// The position of each row within its sequences.
    pub(super) positions: Vec<usize>,
    /// Parents stand before their children.
    pub(super) segments: Vec<Segment>,
    /// Rows that predict a completion token of some sequence, ascending: what the objective sees.
    pub(super) outputs: Vec<usize>,
    /// The completion tokens of every sequence, one sequence after the other.
    pub(super) targets: Vec<Target>,
    /// Where each sequence's targets lie, in the order the sequences were given.
    pub(super) sequences: Vec<Range<usize>>,
    /// What each sequence is, counted among all sequences of the step.
    pub(super) sources: Vec<usize>,
}

impl Shard {
    /// Lays out sequences of at least two tokens, of which at least one is the prompt.
    pub(super) fn new(sequences: &[Sequence<'_>]) -> Self {
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.sort_by_key(|i| (sequences[*i].tokens, *i));
        let mut shard = Self {
            sources: (0..sequences.len()).collect(),
            ..Self::default()
        };
        let mut paths = vec![Vec::new(); sequences.len()];
        let mut pending = vec![(order.as_slice(), 0, None)];
        while let Some((group, from, parent)) = pending.pop() {
            // The group is sorted, so its first and last share what all share.
            let Some((first, last)) = group.first().zip(group.last()) else {
                continue;
            };
            let to = sequences[*first].common(&sequences[*last]);
            let mut here = parent;
            if to > from {
                here = Some(shard.segments.len());
                for i in group {
                    paths[*i].extend(here);
                }
                let members = group.iter().map(|i| &sequences[*i]);
                shard.push(&sequences[*first].tokens[from..to], from, parent, members);
            }
            let next = |i: &usize| sequences[*i].tokens.get(to);
            let children = group.chunk_by(|a, b| next(a) == next(b));
            for child in children.filter(|child| next(&child[0]).is_some()) {
                pending.push((child, to, here));
            }
        }
        for (sequence, path) in sequences.iter().zip(&paths) {
            shard.add_targets(sequence, path);
        }
        shard
    }

    /// Appends a segment that `members` go through.
    fn push<'a>(
        &mut self,
        tokens: &[u32],
        position: usize,
        parent: Option<usize>,
        members: impl Iterator<Item = &'a Sequence<'a>>,
    ) {
        let start = self.tokens.len();
        self.tokens.extend_from_slice(tokens);
        let end = position + tokens.len();
        self.positions.extend(position..end);
        // Positions that predict: from the last of the prompt to the last but one.
        let mut predicting = end..position;
        for member in members {
            predicting.start = predicting.start.min(member.prompt_tokens - 1);
            predicting.end = predicting.end.max((member.tokens.len() - 1).min(end));
        }
        let from = predicting.start.clamp(position, end);
        let outputs = start + from - position..start + predicting.end.max(from) - position;
        self.outputs.extend(outputs.clone());
        self.segments.push(Segment {
            parent,
            rows: start..self.tokens.len(),
            position,
            outputs,
        });
    }

    fn add_targets(&mut self, sequence: &Sequence<'_>, path: &[usize]) {
        let start = self.targets.len();
        for segment in path.iter().map(|s| &self.segments[*s]) {
            for row in segment.outputs.clone() {
                let position = segment.position + row - segment.rows.start;
                if position + 1 < sequence.prompt_tokens || position + 1 >= sequence.tokens.len() {
                    continue;
                }
                let output = self.outputs.partition_point(|r| *r < row);
                self.targets.push(Target {
                    output,
                    token: sequence.tokens[position + 1],
                });
            }
        }
        self.sequences.push(start..self.targets.len());
    }

    /// The segments a segment's rows see, from the root to itself.
    pub(super) fn chain(&self, segment: usize) -> Vec<usize> {
        let mut chain: Vec<usize> =
            std::iter::successors(Some(segment), |s| self.segments[*s].parent).collect();
        chain.reverse();
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(tokens: &[u32], prompt_tokens: usize) -> Sequence<'_> {
        Sequence {
            tokens,
            prompt_tokens,
        }
    }

    #[test]
    fn a_common_prompt_is_there_once() {
        let shard = Shard::new(&[
            sequence(&[7, 8, 9, 10], 2),
            sequence(&[5, 6, 1], 1),
            sequence(&[7, 8, 9, 11, 12], 2),
            sequence(&[7, 8, 4], 2),
        ]);
        assert_eq!(shard.tokens.len(), 3 + 2 + 1 + 1 + 2 + 1);
        for (sequence, expected) in
            shard
                .sequences
                .iter()
                .zip([vec![9, 10], vec![6, 1], vec![9, 11, 12], vec![4]])
        {
            let tokens = shard.targets[sequence.clone()].iter().map(|t| t.token);
            assert_eq!(tokens.collect::<Vec<_>>(), expected);
        }
        // The row of the token 8 predicts 9 twice and 4 once.
        let eight = shard.tokens.iter().position(|t| *t == 8).unwrap();
        let output = shard.outputs.iter().position(|r| *r == eight).unwrap();
        let mut predicted: Vec<u32> = shard
            .targets
            .iter()
            .filter(|t| t.output == output)
            .map(|t| t.token)
            .collect();
        predicted.sort_unstable();
        assert_eq!(predicted, [4, 9, 9]);
    }

    #[test]
    fn equal_sequences_and_beginnings_of_others_are_nothing_new() {
        let shard = Shard::new(&[
            sequence(&[1, 2, 3], 1),
            sequence(&[1, 2, 3], 2),
            sequence(&[1, 2], 1),
        ]);
        assert_eq!(shard.tokens, [1, 2, 3]);
        assert_eq!(shard.outputs, [0, 1]);
        assert_eq!(shard.targets.len(), 2 + 1 + 1);
        assert_eq!(shard.chain(shard.segments.len() - 1), [0, 1]);
    }
}
