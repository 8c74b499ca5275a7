//! Makes runs for `scripts/check_dashboard.mjs`: `hostile_run RUNS hostile` makes `RUNS/sums`, in whose
//! texts two hundred scripts stand, and `hostile_run RUNS plain` makes `RUNS/made-up`, to be looked at.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a tool for a check by hand"
)]

#[path = "../tests/common/journal.rs"]
mod journal;
#[path = "../tests/common/payloads.rs"]
mod payloads;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let payloads = payloads::payloads();
    let seen: RefCell<HashMap<String, usize>> = RefCell::default();
    // Names that are keys have to be the same each time, so a text always gets the same script.
    let hostile = |text: &str| {
        let mut seen = seen.borrow_mut();
        let next = seen.len();
        let at = *seen.entry(text.to_owned()).or_insert(next);
        format!("{text} {}", payloads[at % payloads.len()])
    };
    let (runs, name, shape) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [runs, "hostile"] => (
            runs,
            "sums",
            journal::Shape {
                loops: 2,
                train: 40,
                evaluate: 40,
                word: &hostile,
                ..journal::Shape::default()
            },
        ),
        [runs, "plain"] => (
            runs,
            "made-up",
            journal::Shape {
                loops: 6,
                train: 200,
                evaluate: 100,
                ..journal::Shape::default()
            },
        ),
        _ => panic!("hostile_run RUNS hostile | hostile_run RUNS plain"),
    };
    let store = journal::write(&Path::new(runs).join(name), name, &shape).await;
    store.close().await;
}
