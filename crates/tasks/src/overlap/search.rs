//! The search: evaluation problems go into three indices, and training problems are looked up in
//! them, a part on each core.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use autodidact_core::Problem;

use super::min_hash::{MinHashIndex, combined, shingles};
use super::normalise::{is_number, words};
use super::overlaps::{Overlap, OverlapKind, OverlapRules};
use super::runs::{RunIndex, longest_common};

/// Shared words are told up to here, in characters.
const LONGEST_SHARED: usize = 200;
/// Fewer problems are not worth a thread.
const LEAST_FOR_A_THREAD: usize = 500;

/// Finds the training problems that overlap with evaluation problems, in the order of `train`: for
/// each the one overlap that weighs most, and with what `rules` make of it. Only questions are
/// compared.
///
/// The time is linear in the length of all texts; beside the evaluation problems only what is found
/// is kept in memory.
pub fn find_overlaps(
    train: &[Problem],
    evaluate: &[Problem],
    rules: &OverlapRules,
) -> Vec<Overlap> {
    let index = Index::new(evaluate);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(train.len() / LEAST_FOR_A_THREAD).max(1);
    let part = train.len().div_ceil(threads).max(1);
    let look_up = |part: &[Problem]| -> Vec<Overlap> {
        part.iter().filter_map(|p| index.find(p, *rules)).collect()
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = train
            .chunks(part)
            .map(|part| scope.spawn(|| look_up(part)))
            .collect();
        let joined = workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect()
    })
}

/// A text, ready to be compared.
struct Text {
    normalised: String,
    words: Vec<u64>,
    /// Its numbers as hashes, sorted.
    numbers: Vec<u64>,
}

impl Text {
    fn new(question: &str) -> Self {
        let found = words(question);
        let mut numbers: Vec<u64> = found
            .iter()
            .filter(|word| is_number(word))
            .map(|word| hash(word))
            .collect();
        numbers.sort_unstable();
        Self {
            words: found.iter().map(|word| hash(word)).collect(),
            normalised: found.join(" "),
            numbers,
        }
    }

    /// Some of its words in a row, as text.
    fn run(&self, start: usize, length: usize) -> String {
        let words = self.normalised.split(' ').skip(start).take(length);
        let text = words.collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(LONGEST_SHARED) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

/// The evaluation problems.
struct Index<'a> {
    problems: &'a [Problem],
    texts: HashMap<String, u32>,
    words: Vec<Vec<u64>>,
    shingles: Vec<Vec<u64>>,
    numbers: Vec<Vec<u64>>,
    runs: RunIndex,
    min_hash: MinHashIndex,
}

impl<'a> Index<'a> {
    fn new(problems: &'a [Problem]) -> Self {
        let mut index = Self {
            problems,
            texts: HashMap::new(),
            words: Vec::new(),
            shingles: Vec::new(),
            numbers: Vec::new(),
            runs: RunIndex::default(),
            min_hash: MinHashIndex::new(),
        };
        for (n, problem) in problems.iter().enumerate() {
            let n = n as u32;
            let text = Text::new(&problem.question);
            let shingles = shingles(&text.words);
            index.runs.add(n, &text.words, combined(&text.numbers));
            index.min_hash.add(n, &shingles);
            index.texts.entry(text.normalised).or_insert(n);
            index.words.push(text.words);
            index.shingles.push(shingles);
            index.numbers.push(text.numbers);
        }
        index
    }

    /// The overlap of a training problem that weighs most: one that counts before one that does
    /// not, and then the same text before a run of words before a near-duplicate.
    fn find(&self, problem: &Problem, rules: OverlapRules) -> Option<Overlap> {
        let text = Text::new(&problem.question);
        if text.words.is_empty() {
            return None;
        }
        let overlap = |evaluate: u32, kind: OverlapKind, shared: (usize, usize)| {
            let (start, length) = shared;
            let held = self.problems.get(evaluate as usize)?;
            let numbers = self.numbers.get(evaluate as usize)?;
            let same_text = kind == OverlapKind::SameText;
            let mut overlap = Overlap {
                train: problem.id.clone(),
                evaluate: held.id.clone(),
                kind,
                shared: text.run(start, length),
                other_numbers: !same_text && differ_both_ways(&text.numbers, numbers),
                dropped: false,
            };
            overlap.dropped = rules.drops(&overlap);
            Some(overlap)
        };
        if let Some(n) = self.texts.get(&text.normalised) {
            return overlap(*n, OverlapKind::SameText, (0, text.words.len()));
        }
        let mut others = None;
        for found in self
            .runs
            .find(&text.words, combined(&text.numbers), &self.words)
        {
            let words = found.words as u32;
            let kind = OverlapKind::SharedRun { words };
            let found = overlap(found.evaluate, kind, (found.start, found.words))?;
            if rules.counts(&found) {
                return Some(found);
            }
            others.get_or_insert(found);
        }
        for (n, similarity) in self.min_hash.find(&shingles(&text.words), &self.shingles) {
            let held = self.words.get(n as usize)?;
            let shared = longest_common(&text.words, held);
            let found = overlap(n, OverlapKind::NearDuplicate { similarity }, shared)?;
            if rules.counts(&found) {
                return Some(found);
            }
            others.get_or_insert(found);
        }
        others
    }
}

/// True if each of two sorted lists has something that the other lacks.
fn differ_both_ways(a: &[u64], b: &[u64]) -> bool {
    let lacks = |a: &[u64], b: &[u64]| {
        let mut rest = b.iter();
        // Sorted, so each element of `a` is looked for after the one before it.
        a.iter().any(|x| !rest.by_ref().any(|y| y == x))
    };
    lacks(a, b) && lacks(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_both_ways_or_not() {
        assert!(differ_both_ways(&[1, 3], &[2, 3]));
        assert!(!differ_both_ways(&[1, 3], &[3]));
        assert!(!differ_both_ways(&[1, 3], &[1, 2, 3]));
        assert!(!differ_both_ways(&[], &[1]));
        assert!(differ_both_ways(&[1, 1], &[1, 2]));
    }
}
