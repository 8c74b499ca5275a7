//! A megabyte each of what readers choke on: no text takes more than linear time.
#![allow(clippy::print_stdout, reason = "the slowest text is told")]

#[path = "support/hostile_texts.rs"]
mod hostile_texts;

use std::time::{Duration, Instant};

use autodidact_core::{Choice, VerifyKind};
use autodidact_verify::{Line, verify_answer};
use hostile_texts::PIECES;

const SIZE: usize = 1 << 20;
/// Many times what a linear reader needs, and a fraction of what a quadratic one does.
const BOUND: Duration = Duration::from_secs(10);

#[test]
fn a_megabyte_of_anything_is_read_in_time() {
    let choices = [Choice {
        label: "A".into(),
        text: "sink".into(),
    }];
    let kinds = [
        VerifyKind::Math,
        VerifyKind::Number,
        VerifyKind::Choice,
        VerifyKind::Exact,
        VerifyKind::Regex,
        VerifyKind::Json,
        VerifyKind::Set,
        VerifyKind::List,
    ];
    let mut slowest = (Duration::ZERO, String::new());
    for piece in PIECES {
        for (kind, marked) in kinds
            .into_iter()
            .flat_map(|kind| [(kind, false), (kind, true)])
        {
            // The whole megabyte where it costs most; the others share what reads it.
            let size = if kind == VerifyKind::Math {
                SIZE
            } else {
                SIZE / 8
            };
            let before = if marked { "The answer is " } else { "" };
            let text = format!("{before}{}", piece.repeat(size / piece.len()));
            let gold = if kind == VerifyKind::Choice { "A" } else { "5" };
            let started = Instant::now();
            verify_answer(kind, gold, &choices, &text);
            let spent = started.elapsed();
            if spent > slowest.0 {
                slowest = (spent, format!("{piece:?} as {kind:?}"));
            }
            assert!(spent < BOUND, "{piece:?} as {kind:?}: {spent:?}");
        }
    }
    println!("slowest: {:?} for {}", slowest.0, slowest.1);
}

#[test]
fn gold_and_lines_may_be_hostile_too() {
    for piece in PIECES {
        let text = piece.repeat(SIZE / piece.len() / 4);
        let started = Instant::now();
        for kind in [
            VerifyKind::Math,
            VerifyKind::Number,
            VerifyKind::Json,
            VerifyKind::Set,
        ] {
            verify_answer(kind, &text, &[], "The answer is 5.");
        }
        drop(Line::parse(&text));
        assert!(
            started.elapsed() < BOUND,
            "{piece:?}: {:?}",
            started.elapsed()
        );
    }
}
