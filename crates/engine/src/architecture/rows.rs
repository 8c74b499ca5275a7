//! The order of output rows, which GGUF and transformers disagree about for some linear layers.
//!
//! GGUF stores query and key rows of llama and granite with each head's halves interleaved, so
//! that rotary pairs are adjacent (`undo_permute` in llama.cpp's converter turns them back), and
//! Falcon's fused rows as all queries, all keys, all values, where transformers has them group by
//! group.

use super::{Linear, ModelConfig, RopePairs};

impl ModelConfig {
    /// For each output row of a linear layer in GGUF's order, its row in transformers' order.
    /// `None`: both are the same.
    pub(crate) fn transformers_rows(&self, linear: Linear) -> Option<Vec<usize>> {
        let adjacent = self.architecture.rope_pairs == RopePairs::Adjacent;
        match linear {
            Linear::Query if adjacent => Some(halves(self.heads, self.head_dim)),
            Linear::Key if adjacent => Some(halves(self.kv_heads, self.head_dim)),
            Linear::QueryKeyValue => Some(groups(self.heads, self.kv_heads, self.head_dim)),
            _ => None,
        }
    }
}

/// Row `2 j + h` of a head is row `h * head_dim / 2 + j` in transformers.
pub(crate) fn halves(heads: usize, head_dim: usize) -> Vec<usize> {
    let row = |row: usize| {
        let (head, within) = (row / head_dim, row % head_dim);
        head * head_dim + within % 2 * (head_dim / 2) + within / 2
    };
    (0..heads * head_dim).map(row).collect()
}

/// Transformers stores for each key head its queries, then its key, then its value.
pub(crate) fn groups(heads: usize, kv_heads: usize, head_dim: usize) -> Vec<usize> {
    let queries = heads / kv_heads;
    let row = |row: usize| {
        let (head, within) = (row / head_dim, row % head_dim);
        let (group, place) = if head < heads {
            (head / queries, head % queries)
        } else {
            let behind = head - heads;
            (behind % kv_heads, queries + behind / kv_heads)
        };
        (group * (queries + 2) + place) * head_dim + within
    };
    (0..(heads + 2 * kv_heads) * head_dim).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_permutations_of_the_documented_form() {
        assert_eq!(halves(1, 6), [0, 3, 1, 4, 2, 5]);
        // Four query heads, two key heads, one row each: q0 q1 k0 v0 q2 q3 k1 v1.
        assert_eq!(groups(4, 2, 1), [0, 1, 4, 5, 2, 6, 3, 7]);
        let mut rows = groups(12, 3, 8);
        rows.sort_unstable();
        assert_eq!(rows, (0..18 * 8).collect::<Vec<_>>());
        assert_eq!(
            groups(4, 1, 2),
            (0..12).collect::<Vec<_>>(),
            "one group: the same order"
        );
    }
}
