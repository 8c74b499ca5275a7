//! Runs of 13 words that two texts share (the measure of contamination of Brown et al. 2020).

use std::collections::HashMap;

/// Words of a run.
pub(crate) const RUN: usize = 13;
/// Places remembered for one run. Boilerplate is in thousands of problems.
const MOST_PLACES: usize = 16;
/// An odd multiplier for the rolling hash.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The runs of the evaluation problems: where each stands.
#[derive(Debug, Default)]
pub(crate) struct RunIndex {
    places: HashMap<u64, Vec<(u32, u32)>>,
    /// The same under a hash of run and numbers, so that a problem with the same numbers is found
    /// among any number of others from its template.
    with_numbers: HashMap<u64, (u32, u32)>,
}

/// A run shared with an evaluation problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedRun {
    /// The evaluation problem's position.
    pub evaluate: u32,
    /// The run's first word in the training problem.
    pub start: usize,
    /// Its length.
    pub words: usize,
}

impl RunIndex {
    /// Adds an evaluation problem: its words and a hash of its numbers.
    pub(crate) fn add(&mut self, evaluate: u32, words: &[u64], numbers: u64) {
        for (start, hash) in windows(words) {
            let place = (evaluate, start as u32);
            let places = self.places.entry(hash).or_default();
            if places.len() < MOST_PLACES {
                places.push(place);
            }
            let same = hash ^ numbers.rotate_left(17);
            self.with_numbers.entry(same).or_insert(place);
        }
    }

    /// The longest run shared with each evaluation problem that is found; `texts` are the words of
    /// the evaluation problems.
    pub(crate) fn find(&self, words: &[u64], numbers: u64, texts: &[Vec<u64>]) -> Vec<SharedRun> {
        let mut best: HashMap<u32, SharedRun> = HashMap::new();
        // The end of what was compared already, for each problem and shift against it.
        let mut compared: HashMap<(u32, i64), usize> = HashMap::new();
        for (start, hash) in windows(words) {
            let same = hash ^ numbers.rotate_left(17);
            let places = self.places.get(&hash).into_iter().flatten();
            for (evaluate, other_start) in places.chain(self.with_numbers.get(&same)) {
                let (evaluate, other_start) = (*evaluate, *other_start as usize);
                let shift = start as i64 - other_start as i64;
                let until = compared.entry((evaluate, shift)).or_default();
                let Some(other) = texts.get(evaluate as usize).filter(|_| start >= *until) else {
                    continue;
                };
                // The run begins here: what is before it was looked at, or differs.
                let ours = words.get(start..).unwrap_or_default();
                let theirs = other.get(other_start..).unwrap_or_default();
                let length = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
                *until = start + length;
                let longest = best.get(&evaluate).map_or(0, |run| run.words);
                if length >= RUN && length > longest {
                    let run = SharedRun {
                        evaluate,
                        start,
                        words: length,
                    };
                    best.insert(evaluate, run);
                }
            }
        }
        let mut found: Vec<SharedRun> = best.into_values().collect();
        found.sort_unstable_by_key(|run| (std::cmp::Reverse(run.words), run.evaluate));
        found
    }
}

/// The longest run of words in both texts, as (start in `a`, length); nothing for texts too long to
/// compare each word with each.
pub(crate) fn longest_common(a: &[u64], b: &[u64]) -> (usize, usize) {
    const MOST_PAIRS: usize = 1 << 20;
    if a.len().saturating_mul(b.len()) > MOST_PAIRS {
        return (0, 0);
    }
    let mut best = (0, 0);
    let mut before = vec![0_usize; b.len() + 1];
    for (i, x) in a.iter().enumerate() {
        let mut now = vec![0; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            if x == y {
                let length = before[j] + 1;
                now[j + 1] = length;
                if length > best.1 {
                    best = (i + 1 - length, length);
                }
            }
        }
        before = now;
    }
    best
}

/// The hash of every run of [`RUN`] words and where it starts.
fn windows(words: &[u64]) -> impl Iterator<Item = (usize, u64)> {
    let highest = (1..RUN).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let mut hash = 0_u64;
    words.iter().enumerate().filter_map(move |(at, word)| {
        if let Some(gone) = at.checked_sub(RUN).and_then(|gone| words.get(gone)) {
            hash = hash.wrapping_sub(gone.wrapping_mul(highest));
        }
        hash = hash.wrapping_mul(BASE).wrapping_add(*word);
        (at + 1 >= RUN).then(|| (at + 1 - RUN, hash))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_run_is_found_with_its_whole_length() {
        let text: Vec<u64> = (100..140).collect();
        let mut index = RunIndex::default();
        index.add(0, &text, 7);
        let mut other: Vec<u64> = (0..9).collect();
        other.extend(&text[5..25]);
        other.extend(500..520);
        let found = index.find(&other, 8, std::slice::from_ref(&text));
        let run = SharedRun {
            evaluate: 0,
            start: 9,
            words: 20,
        };
        assert_eq!(found, [run]);
        let mut short: Vec<u64> = (0..9).collect();
        short.extend(&text[5..17]);
        assert!(index.find(&short, 8, &[text]).is_empty());
    }

    #[test]
    fn the_problem_with_the_same_numbers_is_found_among_many() {
        let text: Vec<u64> = (100..140).collect();
        let mut index = RunIndex::default();
        let texts = vec![text.clone(); 100];
        for n in 0..100 {
            index.add(n, &text, u64::from(n));
        }
        let found = index.find(&text, 77, &texts);
        assert!(found.iter().any(|run| run.evaluate == 77), "{found:?}");
    }

    #[test]
    fn the_longest_common_run() {
        assert_eq!(longest_common(&[1, 2, 3, 4, 5], &[9, 3, 4, 5, 1]), (2, 3));
        assert_eq!(longest_common(&[1], &[]), (0, 0));
    }
}
