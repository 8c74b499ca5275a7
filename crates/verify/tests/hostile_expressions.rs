//! Answers made to hang, to fill the memory or to fool: each is decided within the budget.

#[path = "support/hostile_texts.rs"]
mod hostile_texts;

use std::time::{Duration, Instant};

use autodidact_verify::{Options, Outcome, compare_expressions};
use hostile_texts::{expressions, pairs};

/// The budget of one direction, with room for the step that runs out of it.
const MOST_OPERATIONS: u64 = 5_000_000;

#[test]
fn hostile_answers_stay_within_the_budget() {
    let options = Options::default();
    let mut slow = Vec::new();
    for (gold, candidate) in pairs() {
        let started = Instant::now();
        let found = compare_expressions(&gold, &candidate, &options);
        let took = started.elapsed();
        let shown: String = format!("{gold} | {candidate}").chars().take(90).collect();
        assert!(
            found.operations <= MOST_OPERATIONS,
            "{shown}: {} operations",
            found.operations
        );
        assert!(took < Duration::from_secs(2), "{shown}: {took:?}");
        if took > Duration::from_millis(40) {
            slow.push(format!("{took:?} {} operations: {shown}", found.operations));
        }
    }
    println!("{}", slow.join("\n"));
}

#[test]
fn a_hostile_answer_still_equals_itself() {
    let options = Options {
        symmetric: true,
        ..Options::default()
    };
    for text in expressions() {
        let expected = compare_expressions(&text, &text, &options).outcome;
        let shown: String = text.chars().take(60).collect();
        if text.chars().any(char::is_alphanumeric) {
            assert_eq!(expected, Outcome::Equal, "{shown}");
        }
    }
}

/// Numbers that differ by little, by much, or only in what a weak check does not see.
#[test]
fn what_only_looks_equal_is_not_accepted() {
    let options = Options {
        symmetric: true,
        ..Options::default()
    };
    let mersenne = "2305843009213693951";
    let pairs = [
        ("1/2004!", "1/2006!"),
        ("1/2^{99}", "1/2^{98}"),
        ("0", "10^{-400}"),
        ("0", "2^{-100000}"),
        ("1", "1+10^{-300}"),
        (r"\sqrt{2}", r"\sqrt{2}+10^{-300}"),
        (r"\pi", r"\pi+10^{-100}"),
        ("x", &format!("x+{mersenne}x")),
        ("0", &format!("{mersenne} \\cdot (2^{{61}}-1)")),
        ("x", "x^{2305843009213693951}"),
        ("x", "x+x(x-1)(x-2)(x-3)(x-4)"),
        ("10^{400}", "10^{400}+1"),
        (r"e^{\pi\sqrt{163}}", "262537412640768744"),
        (
            r"\sqrt{1000001}+\sqrt{1000025}+\sqrt{1000031}",
            r"\sqrt{1000002}+\sqrt{1000022}+\sqrt{1000033}",
        ),
        ("5^5^5^5^5", "5^5^5^5^6"),
        ("9999999!", "9999998!"),
        (r"\pm 2021", "2021"),
        ("12:00", "1:00"),
        ("3x-y+13=0", "3x+4y+14=0"),
        ("5 m", "5 cm"),
        ("1-1/e", "1+1/e"),
        ("e^{e^{e^{e^e}}}", "e^{e^{e^{e^{e+1}}}}"),
    ];
    for (gold, candidate) in pairs {
        let found = compare_expressions(gold, candidate, &options);
        assert_ne!(
            found.outcome,
            Outcome::Equal,
            "{gold} | {candidate}: {found:?}"
        );
    }
}
