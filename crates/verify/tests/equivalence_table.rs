//! The published equivalence cases of graders of mathematics, each with its expectation.
//!
//! `tests/data/equivalence.tsv` holds one case a line: its number in the literature list, gold,
//! candidate, expectation, and the option it needs. Numbers that are missing are about finding the
//! answer in a text, not about comparing it.

use autodidact_verify::{NumberFormat, Options, Outcome, Percent, Tolerance, compare_expressions};

fn options(name: &str) -> Options {
    let mut options = Options::default();
    match name {
        "" => {}
        "comma" => options.number_format = NumberFormat::Comma,
        "percent fraction" => options.percent = Percent::Fraction,
        "strict tuples" => options.lenient_set_tuple = false,
        "inequality answers" => options.inequality_answers_interval = true,
        "strict delimiters" => options.lenient_delimiters = false,
        "symmetric" => options.symmetric = true,
        "bases" => options.convert_bases = true,
        "no words" => options.number_words = false,
        places => {
            let places = places
                .strip_prefix("places ")
                .and_then(|places| places.parse().ok());
            assert!(places.is_some(), "a known option: {name}");
            options.tolerance = places.map(Tolerance::Places);
        }
    }
    options
}

#[test]
fn every_case_of_the_table() {
    let table = include_str!("data/equivalence.tsv");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [number, gold, candidate, expected, option] = fields.as_slice() else {
            panic!("five fields: {line}");
        };
        cases += 1;
        // Lines of the table hold one case each, so a line break inside one is a sign.
        let candidate = &candidate.replace('⏎', "\n");
        let found = compare_expressions(gold, candidate, &options(option));
        let outcome = match found.outcome {
            Outcome::Equal => "equal",
            Outcome::Different => "different",
            Outcome::Unknown(_) => "unknown",
        };
        if outcome != *expected {
            wrong.push(format!(
                "{number}: {gold} | {candidate} ({option}): {found:?}, not {expected}"
            ));
        }
    }
    assert!(cases > 140, "{cases} cases");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
