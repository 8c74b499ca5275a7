//! Pairs of answers by group, equal and different.

use autodidact_verify::{Options, Outcome, compare_expressions};

#[test]
fn every_pair_of_every_group() {
    let table = include_str!("data/own_cases.tsv");
    let options = Options::default();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [group, gold, candidate, expected] = fields.as_slice() else {
            panic!("four fields: {line}");
        };
        cases += 1;
        let found = compare_expressions(gold, candidate, &options);
        let outcome = match found.outcome {
            Outcome::Equal => "equal",
            Outcome::Different => "different",
            Outcome::Unknown(_) => "unknown",
        };
        if outcome != *expected {
            wrong.push(format!(
                "{group}: {gold} | {candidate}: {found:?}, not {expected}"
            ));
        }
    }
    assert!(cases > 300, "{cases} cases");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
