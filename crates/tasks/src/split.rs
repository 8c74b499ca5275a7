//! Which side of the divide a problem falls on: a hash of its question decides, so that the split
//! is the same for every seed, count and order of lines.

use std::collections::HashSet;

use autodidact_core::Problem;

use crate::random::hash;

/// What a question may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    Examples,
    Evaluate,
    Train,
}

/// The bucket of a generated question: 8 in 100 are for examples, 20 for evaluation, 72 for
/// training.
pub(crate) fn bucket(canonical: &str) -> Bucket {
    match hash(canonical) % 100 {
        0..8 => Bucket::Examples,
        8..28 => Bucket::Evaluate,
        _ => Bucket::Train,
    }
}

/// Case, white space and punctuation at the ends of words folded. Operators and decimal points
/// stay: `3 + 4` and `3 * 4` are different questions.
pub(crate) fn normalised(question: &str) -> String {
    let fold = |word: &str| {
        let quiet = |c: char| {
            matches!(
                c,
                '.' | ',' | '?' | '!' | ';' | ':' | '"' | '\'' | '“' | '”' | '’'
            )
        };
        word.trim_matches(quiet).to_lowercase()
    };
    let words: Vec<String> = question.split_whitespace().map(fold).collect();
    words
        .iter()
        .filter(|word| !word.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Divides the problems of one file: about one in five is held out for evaluation. Repeated
/// questions fall on the same side. At least one problem is on each side if there are two
/// different questions.
pub(crate) fn hold_out(problems: Vec<Problem>) -> (Vec<Problem>, Vec<Problem>) {
    let hashes: Vec<u64> = problems
        .iter()
        .map(|p| hash(&normalised(&p.question)))
        .collect();
    let lowest = hashes.iter().min().copied().unwrap_or(0);
    let highest = hashes.iter().max().copied().unwrap_or(0);
    let is_low = |h: &u64| *h < u64::MAX / 5;
    let any_low = hashes.iter().any(is_low);
    let all_low = hashes.iter().all(is_low);
    let mut train = Vec::new();
    let mut evaluate = Vec::new();
    for (problem, hash) in problems.into_iter().zip(hashes) {
        let held_out = match (any_low, all_low) {
            (false, _) => hash == lowest && lowest != highest,
            (_, true) => hash != highest,
            _ => is_low(&hash),
        };
        if held_out {
            evaluate.push(problem);
        } else {
            train.push(problem);
        }
    }
    (train, evaluate)
}

/// Drops training problems that are also evaluated on; returns how many.
pub(crate) fn drop_overlap(train: &mut Vec<Problem>, evaluate: &[Problem]) -> u32 {
    let held: HashSet<String> = evaluate.iter().map(|p| normalised(&p.question)).collect();
    let before = train.len();
    train.retain(|p| !held.contains(&normalised(&p.question)));
    (before - train.len()) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use autodidact_core::{ProblemId, Split};

    use super::*;

    fn problems(questions: &[String]) -> Vec<Problem> {
        let problem = |(i, question): (usize, &String)| Problem {
            id: ProblemId(i.to_string()),
            question: question.clone(),
            gold: None,
            choices: Vec::new(),
            solution: None,
            split: Split::Train,
            meta: BTreeMap::new(),
        };
        questions.iter().enumerate().map(problem).collect()
    }

    #[test]
    fn normalising_keeps_what_matters() {
        assert_eq!(normalised("  What is\t3 + 4 ? "), "what is 3 + 4");
        assert_ne!(normalised("3 + 4"), normalised("3 * 4"));
        assert_ne!(normalised("1.5"), normalised("15"));
    }

    #[test]
    fn a_fifth_is_held_out_and_repeats_stay_together() {
        let mut questions: Vec<String> = (0..1000).map(|i| format!("question {i}")).collect();
        questions.extend((0..1000).map(|i| format!("Question  {i}?")));
        let (mut train, evaluate) = hold_out(problems(&questions));
        assert!((300..500).contains(&evaluate.len()), "{}", evaluate.len());
        assert_eq!(drop_overlap(&mut train, &evaluate), 0);
    }

    #[test]
    fn the_smallest_files_have_both_sides() {
        for n in 2..12 {
            let questions: Vec<String> = (0..n).map(|i| format!("q{i}")).collect();
            let (train, evaluate) = hold_out(problems(&questions));
            assert!(!train.is_empty() && !evaluate.is_empty(), "{n}");
        }
    }
}
