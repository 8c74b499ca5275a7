//! How the sequences of a step are dealt into shards: of about equal work, and so that sequences
//! with a common beginning stand together where that saves work. It depends on the sequences
//! alone, never on the number of threads.

use super::tree::{Sequence, Shard};
use crate::ModelConfig;

/// Shards come in multiples of this, so that up to four threads share a step evenly.
const SHARD_MULTIPLE: usize = 4;
/// Most attempts to even the work out; each moves one sequence.
const MOVES: usize = 64;

/// How to deal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dealing {
    /// So many sequences in a row stay in one shard (two for pairs that are compared).
    pub(super) bundle: usize,
    /// Tokens of a shard, about.
    pub(super) shard_tokens: usize,
    /// Work of an output row in the head, in rows of the blocks.
    pub(super) output_cost: f64,
}

impl Dealing {
    pub(super) fn new(config: &ModelConfig, bundle: usize, shard_tokens: usize) -> Self {
        let linears = config.linears().iter().map(|l| config.shape(*l));
        let block: usize = linears.map(|(o, i)| o * i).sum();
        let blocks = (block * config.layers).max(1) as f64;
        Self {
            bundle: bundle.max(1),
            shard_tokens: shard_tokens.max(1),
            output_cost: (config.vocabulary * config.hidden) as f64 / blocks,
        }
    }

    /// Deals sequences into shards, the one with the most work first.
    pub(super) fn deal(&self, sequences: &[Sequence<'_>]) -> Vec<Shard> {
        let mut ranked: Vec<usize> = (0..sequences.len()).collect();
        ranked.sort_by_key(|i| (sequences[*i].tokens, *i));
        let mut rank = vec![0; sequences.len()];
        for (r, i) in ranked.iter().enumerate() {
            rank[*i] = r;
        }
        let table = Table {
            dealing: self,
            sequences,
            rank: &rank,
        };
        let mut shards = table.cut();
        for _ in 0..MOVES {
            if !table.even_out(&mut shards) {
                break;
            }
        }
        let mut costs: Vec<(f64, Vec<usize>)> = shards
            .into_iter()
            .map(|bundles| (table.cost(&bundles), bundles))
            .collect();
        costs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let made = costs.iter().map(|(_, bundles)| {
            let members = table.members(bundles);
            let chosen: Vec<Sequence<'_>> = members.iter().map(|i| sequences[*i]).collect();
            Shard {
                sources: members,
                ..Shard::new(&chosen)
            }
        });
        made.collect()
    }
}

/// The sequences on the table, and their lexicographic order.
struct Table<'a> {
    dealing: &'a Dealing,
    sequences: &'a [Sequence<'a>],
    rank: &'a [usize],
}

impl Table<'_> {
    fn members(&self, bundles: &[usize]) -> Vec<usize> {
        let size = self.dealing.bundle;
        let of = |b: &usize| b * size..((b + 1) * size).min(self.sequences.len());
        bundles.iter().flat_map(of).collect()
    }

    /// Work of a shard, in rows of the blocks: what neighbours share is counted once.
    fn cost(&self, bundles: &[usize]) -> f64 {
        let mut members = self.members(bundles);
        members.sort_by_key(|i| self.rank[*i]);
        let mut cost = 0.0;
        for (at, i) in members.iter().enumerate() {
            let sequence = &self.sequences[*i];
            let before = at.checked_sub(1).map(|b| &self.sequences[members[b]]);
            let shared = before.map_or(0, |before| before.common(sequence));
            let outputs = sequence.tokens.len() - shared.max(sequence.prompt_tokens);
            cost += (sequence.tokens.len() - shared) as f64;
            cost += outputs as f64 * self.dealing.output_cost;
        }
        cost
    }

    /// Cuts the sorted bundles into shards of about equal work.
    fn cut(&self) -> Vec<Vec<usize>> {
        let count = self.sequences.len().div_ceil(self.dealing.bundle);
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|b| self.rank[b * self.dealing.bundle]);
        let costs = (0..=count).map(|to| self.cost(&order[..to]));
        let costs: Vec<f64> = costs.collect();
        let all = costs.last().copied().unwrap_or(0.0);
        let least = self.dealing.shard_tokens * SHARD_MULTIPLE;
        let wanted = (all as usize).div_ceil(least) * SHARD_MULTIPLE;
        let wanted = wanted.clamp(1, count.max(1));
        let mut shards = vec![Vec::new(); wanted];
        for (at, bundle) in order.into_iter().enumerate() {
            let middle = f64::midpoint(costs[at], costs[at + 1]) / all.max(1.0);
            shards[((middle * wanted as f64) as usize).min(wanted - 1)].push(bundle);
        }
        shards.retain(|shard| !shard.is_empty());
        shards
    }

    /// Moves one bundle out of the shard with the most work if that lowers the most work of any;
    /// returns false when nothing does.
    fn even_out(&self, shards: &mut [Vec<usize>]) -> bool {
        let costs: Vec<f64> = shards.iter().map(|s| self.cost(s)).collect();
        let by_cost = |a: &usize, b: &usize| costs[*a].total_cmp(&costs[*b]);
        let Some(most) = (0..shards.len()).max_by(by_cost) else {
            return false;
        };
        let mut best = (costs[most] * 0.995, None);
        for at in 0..shards[most].len() {
            let mut without = shards[most].clone();
            let bundle = without.remove(at);
            let left = self.cost(&without);
            for other in (0..shards.len()).filter(|o| *o != most) {
                let mut with = shards[other].clone();
                with.push(bundle);
                let highest = left.max(self.cost(&with));
                if highest < best.0 {
                    best = (highest, Some((at, other)));
                }
            }
        }
        let Some((at, other)) = best.1 else {
            return false;
        };
        let bundle = shards[most].remove(at);
        shards[other].push(bundle);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealing(bundle: usize, shard_tokens: usize) -> Dealing {
        Dealing {
            bundle,
            shard_tokens,
            output_cost: 0.25,
        }
    }

    /// Sequences of `prompts` problems with four completions each, of ragged lengths.
    fn rationales(prompts: u32) -> Vec<Vec<u32>> {
        let one = |i: u32| {
            let (prompt, length) = (i % prompts, 20 + i * 7 % 25);
            let completion = (0..length).map(move |j| 1000 + i * 31 + j * (i + 3));
            (0..40)
                .map(move |j| prompt * 50 + j)
                .chain(completion)
                .collect()
        };
        (0..prompts * 4).map(one).collect()
    }

    fn sequences(tokens: &[Vec<u32>]) -> Vec<Sequence<'_>> {
        let sequence = |tokens| Sequence {
            tokens,
            prompt_tokens: 40,
        };
        tokens.iter().map(|t| sequence(t.as_slice())).collect()
    }

    #[test]
    fn work_is_even_and_every_sequence_dealt_once() {
        for prompts in [2, 3, 4, 7] {
            let tokens = rationales(prompts);
            let shards = dealing(1, 100).deal(&sequences(&tokens));
            let mut sources: Vec<usize> = shards.iter().flat_map(|s| s.sources.clone()).collect();
            sources.sort_unstable();
            assert_eq!(sources, (0..tokens.len()).collect::<Vec<_>>());
            let rows: Vec<usize> = shards.iter().map(|s| s.tokens.len()).collect();
            let (most, all) = (rows.iter().max().unwrap(), rows.iter().sum::<usize>());
            assert!(
                most * rows.len() < all * 5 / 4,
                "{prompts} prompts: {rows:?}"
            );
            let apart: usize = tokens.iter().map(Vec::len).sum();
            assert!(all < apart * 9 / 10, "{all} rows instead of {apart}");
        }
    }

    #[test]
    fn pairs_stay_together() {
        let tokens = rationales(6);
        let shards = dealing(2, 60).deal(&sequences(&tokens));
        assert!(shards.len() > 4);
        for shard in shards {
            for pair in shard.sources.chunks(2) {
                assert_eq!((pair[0] % 2, pair[1]), (0, pair[0] + 1));
            }
        }
    }
}
