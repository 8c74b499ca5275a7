//! How often each flag is found in the worked solutions of a data set, which are right and reasoned:
//! what is found there is a false refusal, or an error of the data set.
//!
//! `cargo run --release -p autodidact-star --example flag_rates -- gsm8k-train.jsonl [--show FLAG]`
//! takes each solution as a rationalization and as a rationale, prints the counts, and with `--show`
//! the texts with a flag.
#![expect(
    clippy::print_stdout,
    reason = "a measuring program reports on standard output"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use autodidact_core::VerifyKind;
use autodidact_star::{ShownHint, inspect};
use autodidact_tasks::{Fields, for_each_problem};
use autodidact_verify::verify;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, show) = match arguments.as_slice() {
        [file] => (file, None),
        [file, option, flag] if option == "--show" => (file, Some(flag.as_str())),
        _ => return Err("give a file of problems with worked solutions, and `--show FLAG`".into()),
    };
    let mut problems = Vec::new();
    for_each_problem(Path::new(file), &Fields::default(), |problem| {
        problems.push(problem);
        true
    })?;
    let started = Instant::now();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut texts = 0;
    for problem in &problems {
        let Some((gold, solution)) = problem.gold.as_ref().zip(problem.solution.as_ref()) else {
            continue;
        };
        texts += 1;
        let worked = solution.split("####").next().unwrap_or_default().trim();
        let text = format!("{worked}\nThe answer is {gold}.");
        let hint = ShownHint {
            text: Some(format!(" (the answer is {gold})")),
            solution: None,
        };
        let mut found = Vec::new();
        let read = verify(VerifyKind::Number, problem, &text).flags.into_iter();
        let inspected = inspect(VerifyKind::Number, problem, &text, Some(&hint));
        for flag in read.chain(inspected) {
            if show == Some(flag.as_str()) {
                println!("{}: {flag:?}\n{text}\n", problem.id);
            }
            if !found.contains(&flag.as_str()) {
                found.push(flag.as_str());
            }
        }
        for name in found {
            *counts.entry(name).or_default() += 1;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{texts} texts in {seconds:.2} s: {counts:?}");
    Ok(())
}
