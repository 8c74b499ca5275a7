//! Verifies JSON lines from standard input, on one thread: one verdict a line on standard output.
//!
//! `cargo run --release -p autodidact-verify --example verify_lines < lines.jsonl`
//!
//! The command `autodidact verify FILE.jsonl` does the same on all cores, and runs answers that have to
//! be run. This is for benchmarks: with `--repeat N` every line is verified N times, and the seconds of
//! that alone are written to standard error.
#![allow(clippy::print_stderr, reason = "an example tells its time")]

use std::io::{BufRead, Write};
use std::time::Instant;

use autodidact_core::VerifyKind;
use autodidact_verify::{Line, LineVerdict, Policies};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let repeat: u32 = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--repeat"), Some(times)) => times.parse()?,
        _ => 1,
    };
    let policies = Policies::default();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut spent = std::time::Duration::ZERO;
    for (line, number) in std::io::stdin().lock().lines().zip(1..) {
        let line = line?;
        let verdict = match Line::parse(&line) {
            Ok(line) => {
                let started = Instant::now();
                let mut verification = line.verify(VerifyKind::Math, &policies);
                for _ in 1..repeat {
                    verification = line.verify(VerifyKind::Math, &policies);
                }
                spent += started.elapsed();
                LineVerdict::new(line.id, verification)
            }
            Err(reason) => LineVerdict::unreadable(number, &reason),
        };
        serde_json::to_writer(&mut out, &verdict)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    eprintln!("{{\"seconds\": {}}}", spent.as_secs_f64());
    Ok(())
}
