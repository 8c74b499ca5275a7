//! Compares pairs of answers as fast as one core can.
//!
//! Reads `{"gold": "...", "candidate": "..."}`, one a line, from standard input; writes the outcome
//! of each line (`equal`, `different`, `unknown`) and at the end, to standard error, comparisons per
//! second and the slowest of them.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use autodidact_verify::{Options, Outcome, compare_expressions};

fn main() -> io::Result<()> {
    let mut pairs = Vec::new();
    for line in io::stdin().lock().lines() {
        let pair: serde_json::Value = serde_json::from_str(&line?)?;
        let text = |key: &str| pair[key].as_str().unwrap_or_default().to_owned();
        pairs.push((text("gold"), text("candidate")));
    }
    let options = Options::default();
    let explain = std::env::args().any(|argument| argument == "--steps");
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut slowest = (Duration::ZERO, String::new());
    let started = Instant::now();
    for (gold, candidate) in &pairs {
        let start = Instant::now();
        let found = compare_expressions(gold, candidate, &options);
        let took = start.elapsed();
        if took > slowest.0 {
            let shown: String = format!("{gold} | {candidate}").chars().take(120).collect();
            slowest = (took, format!("{shown} ({} operations)", found.operations));
        }
        let word = match &found.outcome {
            Outcome::Equal => "equal",
            Outcome::Different => "different",
            Outcome::Unknown(_) => "unknown",
        };
        if explain {
            writeln!(out, "{word}\t{}", found.steps.join("; "))?;
        } else {
            writeln!(out, "{word}")?;
        }
    }
    out.flush()?;
    let seconds = started.elapsed().as_secs_f64();
    let mut errors = io::stderr().lock();
    writeln!(
        errors,
        "{} comparisons in {seconds:.3} s: {:.0} per second; slowest {:?}: {}",
        pairs.len(),
        pairs.len() as f64 / seconds.max(1e-9),
        slowest.0,
        slowest.1
    )
}
