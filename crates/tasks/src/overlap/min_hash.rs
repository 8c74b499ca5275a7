//! Near-duplicates: sets of runs of five words, MinHash signatures (Broder 1997) in bands
//! (locality-sensitive hashing), and then the exact Jaccard similarity.

use std::collections::HashMap;

/// Words of a shingle; a shorter text is one shingle.
const SHINGLE: usize = 5;
/// Hash functions of a signature.
const FUNCTIONS: usize = 128;
/// A pair whose similarity is 0.8 shares one of 32 bands of 4 functions with a probability of
/// 1 - (1 - 0.8^4)^32, all but five in a hundred million.
const ROWS: usize = 4;
/// From here on two texts are near-duplicates.
pub(crate) const SIMILAR: f64 = 0.8;
/// Problems remembered for one value of a band, and compared exactly for one training problem. More
/// come together only where all problems are from one template.
const MOST_IN_BUCKET: usize = 128;
const MOST_COMPARED: usize = 64;

/// The runs of five words of a text: hashes, sorted, each once.
pub(crate) fn shingles(words: &[u64]) -> Vec<u64> {
    let length = SHINGLE.min(words.len()).max(1);
    let mut found: Vec<u64> = words.windows(length).map(combined).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The share of shingles two texts have in common.
pub(crate) fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut common) = (0, 0, 0_usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        common += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    let all = a.len() + b.len() - common;
    if all == 0 {
        return 0.0;
    }
    common as f64 / all as f64
}

/// The evaluation problems by the bands of their signatures.
#[derive(Debug)]
pub(crate) struct MinHashIndex {
    functions: Vec<(u64, u64)>,
    buckets: HashMap<u64, Vec<u32>>,
}

impl MinHashIndex {
    pub(crate) fn new() -> Self {
        let random = |n: usize| mixed(n as u64 + 1);
        let function = |n| (random(2 * n) | 1, random(2 * n + 1));
        Self {
            functions: (0..FUNCTIONS).map(function).collect(),
            buckets: HashMap::new(),
        }
    }

    /// Adds an evaluation problem by its shingles.
    pub(crate) fn add(&mut self, evaluate: u32, shingles: &[u64]) {
        if shingles.is_empty() {
            return;
        }
        for band in self.bands(shingles) {
            let bucket = self.buckets.entry(band).or_default();
            if bucket.len() < MOST_IN_BUCKET {
                bucket.push(evaluate);
            }
        }
    }

    /// The evaluation problems at least [`SIMILAR`] to these shingles, the most similar first;
    /// `sets` are the shingles of the evaluation problems.
    pub(crate) fn find(&self, shingles: &[u64], sets: &[Vec<u64>]) -> Vec<(u32, f64)> {
        if shingles.is_empty() {
            return Vec::new();
        }
        let mut bands_shared: HashMap<u32, u32> = HashMap::new();
        for band in self.bands(shingles) {
            for evaluate in self.buckets.get(&band).into_iter().flatten() {
                *bands_shared.entry(*evaluate).or_default() += 1;
            }
        }
        let mut candidates: Vec<(u32, u32)> = bands_shared.into_iter().collect();
        candidates.sort_unstable_by_key(|(evaluate, bands)| (std::cmp::Reverse(*bands), *evaluate));
        let mut found: Vec<(u32, f64)> = candidates
            .into_iter()
            .take(MOST_COMPARED)
            .filter_map(|(evaluate, _)| {
                let similarity = jaccard(shingles, sets.get(evaluate as usize)?);
                (similarity >= SIMILAR).then_some((evaluate, similarity))
            })
            .collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found
    }

    /// One value for each band of the signature.
    fn bands(&self, shingles: &[u64]) -> Vec<u64> {
        let mut least = [u32::MAX; FUNCTIONS];
        for shingle in shingles {
            for (least, (a, b)) in least.iter_mut().zip(&self.functions) {
                let value = (shingle.wrapping_mul(*a).wrapping_add(*b) >> 32) as u32;
                *least = (*least).min(value);
            }
        }
        let band = |(n, rows): (usize, &[u32])| {
            let start = mixed(n as u64);
            rows.iter()
                .fold(start, |hash, row| mixed(hash ^ u64::from(*row)))
        };
        least.chunks_exact(ROWS).enumerate().map(band).collect()
    }
}

/// One hash of a few hashes in order.
pub(crate) fn combined(hashes: &[u64]) -> u64 {
    hashes
        .iter()
        .fold(hashes.len() as u64, |all, hash| mixed(all ^ hash))
}

/// The finalizer of SplitMix64: every bit depends on every bit.
fn mixed(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_that_of_sets() {
        assert!((jaccard(&[1, 2, 3, 4], &[3, 4, 5, 6]) - 2.0 / 6.0).abs() < 1e-12);
        assert!((jaccard(&[1, 2], &[1, 2]) - 1.0).abs() < 1e-12);
        assert!(jaccard(&[], &[]).abs() < 1e-12);
        assert_eq!(shingles(&[1, 2]).len(), 1);
        assert_eq!(shingles(&[1, 2, 3, 4, 5, 6]).len(), 2);
        assert!(shingles(&[]).is_empty());
    }

    #[test]
    fn similar_sets_are_found_and_others_are_not() {
        let sets: Vec<Vec<u64>> = (0..200_u64)
            .map(|n| {
                let mut set: Vec<u64> = (0..60).map(|i| mixed(n * 1000 + i)).collect();
                set.sort_unstable();
                set
            })
            .collect();
        let mut index = MinHashIndex::new();
        for (n, set) in sets.iter().enumerate() {
            index.add(n as u32, set);
        }
        for n in 0..200_u64 {
            // 54 of 60 in common: 54 / 66 = 0.818.
            let mut near: Vec<u64> = (0..54).map(|i| mixed(n * 1000 + i)).collect();
            near.extend((0..6).map(|i| mixed(n * 1000 + 500 + i)));
            near.sort_unstable();
            let found = index.find(&near, &sets);
            assert_eq!(found.len(), 1, "{n}");
            assert_eq!(found[0].0, n as u32);
            let far: Vec<u64> = (0..60).map(|i| mixed(n * 1000 + 300 + i)).collect();
            assert!(index.find(&far, &sets).is_empty());
        }
    }
}
