//! What the worst of answers cost: the slowest and the hungriest of a list made to be both.
//!
//! `cargo run --release -p autodidact-verify --example hostile`
//!
//! Every piece of `tests/support/hostile_texts.rs` is repeated to a megabyte and verified as each kind
//! of answer, with and without a mark before it; every hostile expression is compared with several
//! golds and with itself. Each is timed three times, of which the least counts: the others tell of the
//! machine.
#![allow(clippy::print_stdout, reason = "an example tells what it measured")]

#[path = "../tests/support/hostile_texts.rs"]
mod hostile_texts;
#[path = "../tests/support/peak.rs"]
mod peak;

use std::time::{Duration, Instant};

use autodidact_core::{Choice, VerifyKind};
use autodidact_verify::{Options, compare_expressions, verify_answer};
use hostile_texts::{PIECES, pairs};
use peak::{Counting, peak};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZE: usize = 1 << 20;

/// The costs of some inputs.
#[derive(Default)]
struct Costs {
    all: Vec<(Duration, usize, String)>,
}

impl Costs {
    fn of(&mut self, name: String, work: impl Fn()) {
        let bytes = peak(&work);
        let timed = || {
            let started = Instant::now();
            work();
            started.elapsed()
        };
        let least = (0..3).map(|_| timed()).min().unwrap_or_default();
        self.all.push((least, bytes, name));
    }

    fn print(mut self, what: &str) {
        let over = self.all.iter().filter(|cost| cost.0.as_millis() >= 50);
        println!(
            "{what}: {}, {} of 50 ms or more",
            self.all.len(),
            over.count()
        );
        self.all.sort_by_key(|cost| std::cmp::Reverse(cost.0));
        for (time, bytes, name) in self.all.iter().take(5) {
            println!("  {time:>10.1?} {bytes:>11} bytes  {name}");
        }
        self.all.sort_by_key(|cost| std::cmp::Reverse(cost.1));
        for (time, bytes, name) in self.all.iter().take(3) {
            println!("  {time:>10.1?} {bytes:>11} bytes  {name}");
        }
    }
}

fn main() {
    let choices = [Choice {
        label: "A".into(),
        text: "sink".into(),
    }];
    let mut texts = Costs::default();
    for piece in PIECES {
        for kind in VerifyKind::ALL {
            for mark in ["", "The answer is "] {
                let text = format!("{mark}{}", piece.repeat(SIZE / piece.len()));
                let gold = if kind == VerifyKind::Choice { "A" } else { "5" };
                texts.of(format!("{mark}{piece:?}... as {kind:?}"), || {
                    drop(verify_answer(kind, gold, &choices, &text));
                });
            }
        }
    }
    texts.print("a megabyte of text");
    let options = Options::default();
    let mut compared = Costs::default();
    for (gold, candidate) in pairs() {
        let name = format!("{gold} | {candidate}").chars().take(70).collect();
        compared.of(name, || {
            drop(compare_expressions(&gold, &candidate, &options));
        });
    }
    compared.print("hostile expressions");
}
