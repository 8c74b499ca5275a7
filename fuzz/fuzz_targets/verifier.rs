//! An answer and its gold, in every kind, and the comparison of two expressions.
#![no_main]

use autodidact_core::VerifyKind;
use autodidact_verify::{Options, Outcome, compare_expressions, verify_answer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    // Gold and answer have a NUL between them; without one, the answer is its own gold.
    let (gold, answer) = text.split_once('\0').unwrap_or((&text, &text));
    for kind in VerifyKind::ALL {
        let _ = verify_answer(kind, gold, &[], answer);
    }
    let symmetric = Options {
        symmetric: true,
        ..Options::default()
    };
    let there = compare_expressions(gold, answer, &symmetric).outcome;
    let back = compare_expressions(answer, gold, &symmetric).outcome;
    assert_eq!(there, back, "symmetric");
    let itself = compare_expressions(gold, gold, &symmetric).outcome;
    assert_ne!(itself, Outcome::Different, "reflexive");
});
