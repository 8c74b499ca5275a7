//! What the journal's counts say about each loop: pass@k, and problems solved by difficulty.

use std::collections::{BTreeMap, BTreeSet};

use autodidact_core::Mode;
use autodidact_store::{LevelTally, RunStore, SamplerTally, SolvedCount};

use crate::StarError;
use crate::iteration::IterationDetail;
use crate::statistics::pass_at;

/// What the student wrote for training problems in one loop, without the hint.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The outer loop.
    pub iteration: u32,
    /// Rationales.
    pub samples: u64,
    /// Of these, those with the right answer.
    pub right: u64,
    /// Problems asked.
    pub problems: u64,
    /// The mean over problems of pass@k, for some k up to the rationales of a problem.
    pub pass_at: Vec<(u32, f64)>,
    /// Different solutions among all right answers of the loop, where they were counted.
    pub distinct: Option<u32>,
}

/// Problems solved and asked, or nothing where none was asked.
pub type Cell = Option<(u64, u64)>;

/// Problems solved by one thing they can be grouped by: the rows of a heat map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// What they are grouped by, `digits` for instance.
    pub name: String,
    /// Held-out problems; training problems otherwise.
    pub held_out: bool,
    /// The groups, the easiest first where they are numbers.
    pub values: Vec<String>,
    /// A row for each loop, with its name and a cell for each group.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// Gathers both.
pub(crate) async fn gather(
    store: &RunStore,
    details: &[IterationDetail],
) -> Result<(Vec<Sampled>, Vec<Levels>), StarError> {
    let mut sampled = Vec::new();
    for tally in store.sampler_tallies().await? {
        if !is_training(tally.iteration, &tally.sampler.0, tally.mode) {
            continue;
        }
        let counts = store
            .solved_counts(tally.iteration, &tally.sampler, tally.mode)
            .await?;
        let detail = details.get((tally.iteration as usize).wrapping_sub(1));
        sampled.push(one(&tally, &counts, detail));
    }
    Ok((sampled, levels(&store.level_tallies().await?)))
}

/// True for what the student writes for training problems in loop `n`.
fn is_training(n: u32, sampler: &str, mode: Mode) -> bool {
    let student = sampler.starts_with("student/")
        || sampler.starts_with("base/")
        || sampler.starts_with("warm-start");
    n > 0 && student && mode == Mode::Rationale && sampler != format!("student/{n}")
}

fn one(tally: &SamplerTally, counts: &[SolvedCount], detail: Option<&IterationDetail>) -> Sampled {
    let most = counts.iter().map(|c| c.samples).max().unwrap_or(0) as u32;
    let powers = (0..31).map(|i| 1_u32 << i).take_while(|k| *k < most);
    let mut pass = Vec::new();
    for k in powers.chain([most]) {
        let (mut sum, mut problems) = (0.0, 0.0);
        for count in counts {
            if let Some(p) = pass_at(k, count.samples as u32, count.right as u32) {
                sum += p * count.problems as f64;
                problems += count.problems as f64;
            }
        }
        if problems > 0.0 {
            pass.push((k, sum / problems));
        }
    }
    Sampled {
        iteration: tally.iteration,
        samples: tally.samples,
        right: tally.right,
        problems: tally.problems,
        pass_at: pass,
        distinct: detail.and_then(|detail| detail.distinct),
    }
}

/// The name of the row a tally belongs to, if it is shown: how the student does on training
/// problems, and how models do on held-out ones.
fn row_of(tally: &LevelTally) -> Option<(bool, u32, String)> {
    let (n, sampler) = (tally.iteration, tally.sampler.0.as_str());
    if is_training(n, sampler, tally.mode) {
        return Some((false, n, format!("loop {n}")));
    }
    if tally.mode != Mode::Rationale || sampler.starts_with("teacher/") {
        return None;
    }
    if n == 0 {
        return Some((true, 0, sampler.trim_start_matches("base/").to_owned()));
    }
    (sampler == format!("student/{n}")).then(|| (true, n, format!("after loop {n}")))
}

fn levels(tallies: &[LevelTally]) -> Vec<Levels> {
    // By name and side, by row, by group.
    type Rows = BTreeMap<(u32, String), BTreeMap<String, (u64, u64)>>;
    let mut maps: BTreeMap<(String, bool), Rows> = BTreeMap::new();
    for tally in tallies {
        if let Some((held_out, n, row)) = row_of(tally) {
            let rows = maps.entry((tally.name.clone(), held_out)).or_default();
            let cells = rows.entry((n, row)).or_default();
            cells.insert(tally.value.clone(), (tally.solved, tally.problems));
        }
    }
    let maps = maps.into_iter().map(|((name, held_out), rows)| {
        let values = sorted(rows.values().flat_map(BTreeMap::keys));
        let rows = rows.into_iter().map(|((_, row), cells)| {
            let cells = values.iter().map(|value| cells.get(value).copied());
            (row, cells.collect())
        });
        Levels {
            name,
            held_out,
            rows: rows.collect(),
            values,
        }
    });
    // One group says nothing about difficulty.
    maps.filter(|map| map.values.len() > 1).collect()
}

/// By number where all are numbers, by letters otherwise.
fn sorted<'a>(values: impl Iterator<Item = &'a String>) -> Vec<String> {
    let unique: BTreeSet<&String> = values.collect();
    let mut values: Vec<String> = unique.into_iter().cloned().collect();
    let number = |text: &String| text.parse::<f64>().ok().filter(|n| n.is_finite());
    if values.iter().all(|value| number(value).is_some()) {
        values.sort_by(|a, b| {
            let numbers = (number(a).unwrap_or(0.0), number(b).unwrap_or(0.0));
            numbers.0.total_cmp(&numbers.1)
        });
    }
    values
}

#[cfg(test)]
mod tests {
    use autodidact_core::SamplerId;

    use super::*;

    fn tally(iteration: u32, sampler: &str, value: &str, solved: u64) -> LevelTally {
        LevelTally {
            iteration,
            sampler: SamplerId(sampler.into()),
            mode: Mode::Rationale,
            name: "digits".into(),
            value: value.into(),
            problems: 10,
            solved,
        }
    }

    #[test]
    fn a_heat_map_has_a_row_for_each_loop_and_numbers_in_order() {
        let tallies = [
            tally(0, "base/few-shot", "1", 3),
            tally(0, "base/few-shot", "10", 0),
            tally(1, "base/few-shot", "1", 4),
            tally(1, "base/few-shot", "2", 1),
            tally(1, "base/few-shot", "10", 0),
            tally(1, "student/1", "10", 2),
            tally(1, "teacher/x", "1", 9),
            tally(2, "student/1", "2", 7),
            tally(2, "control/direct", "2", 7),
        ];
        let maps = levels(&tallies);
        let names: Vec<_> = maps
            .iter()
            .map(|m| (m.held_out, m.values.join(" ")))
            .collect();
        assert_eq!(names, [(false, "1 2 10".into()), (true, "1 10".into())]);
        let train = &maps[0].rows;
        assert_eq!(train[0].0, "loop 1");
        assert_eq!(train[1].1, [None, Some((7, 10)), None]);
        let held_out: Vec<&str> = maps[1].rows.iter().map(|r| r.0.as_str()).collect();
        assert_eq!(held_out, ["few-shot", "after loop 1"]);
    }

    #[test]
    fn pass_at_k_is_the_mean_over_problems() {
        let count = |right, problems| SolvedCount {
            samples: 4,
            right,
            problems,
        };
        let tally = SamplerTally {
            iteration: 1,
            sampler: SamplerId("base/few-shot".into()),
            mode: Mode::Rationale,
            samples: 16,
            tokens: 0,
            problems: 4,
            right: 6,
            wrong: 10,
            cannot_tell: 0,
            problems_right: 2,
            kept: 0,
        };
        let sampled = one(&tally, &[count(0, 2), count(2, 1), count(4, 1)], None);
        let ks: Vec<u32> = sampled.pass_at.iter().map(|(k, _)| *k).collect();
        assert_eq!(ks, [1, 2, 4]);
        assert!((sampled.pass_at[0].1 - 0.375).abs() < 1e-12);
        assert!((sampled.pass_at[2].1 - 0.5).abs() < 1e-12);
    }
}
