//! No answer, however hostile, makes the verifier take more than 50 MB beside the answer itself.
#![allow(clippy::print_stdout, reason = "the hungriest answer is told")]

#[path = "support/hostile_texts.rs"]
mod hostile_texts;
#[path = "support/peak.rs"]
mod peak;

use autodidact_core::{Choice, VerifyKind};
use autodidact_verify::{Options, compare_expressions, verify_answer};
use hostile_texts::{PIECES, pairs};
use peak::{Counting, peak};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BOUND: usize = 50_000_000;
const SIZE: usize = 1 << 20;

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[test]
fn a_megabyte_of_anything_is_read_in_fifty() {
    let choices = [Choice {
        label: "A".into(),
        text: "sink".into(),
    }];
    let mut most = (0, String::new());
    for piece in PIECES {
        for kind in VerifyKind::ALL {
            let text = format!("The answer is {}", piece.repeat(SIZE / piece.len()));
            let gold = if kind == VerifyKind::Choice { "A" } else { "5" };
            let bytes = peak(|| drop(verify_answer(kind, gold, &choices, &text)));
            most = most.max((bytes, format!("{piece:?} as {kind:?}")));
        }
    }
    println!("most: {} bytes for {}", most.0, most.1);
    assert!(most.0 <= BOUND, "{most:?}");
}

#[test]
fn what_would_fill_the_memory_does_not() {
    let options = Options::default();
    let mut most = (0, String::new());
    for (gold, candidate) in pairs() {
        let bytes = peak(|| drop(compare_expressions(&gold, &candidate, &options)));
        most = most.max((bytes, shown(&format!("{gold} | {candidate}"))));
    }
    println!("most: {} bytes for {}", most.0, most.1);
    assert!(most.0 <= BOUND, "{most:?}");
}
