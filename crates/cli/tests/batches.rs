//! Data sets through the batch interfaces: half the price, and a killed process finds its jobs again.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test panics, and figures are shown"
)]

mod common;

use std::time::Duration;

use autodidact_testkit::Fleet;
use common::fleet::{Rig, SAMPLE, lines, sums};

const PROBLEMS: u32 = 20;

/// Providers with a batch interface: name, model, what follows the address.
const PROVIDERS: [(&str, &str, &str); 4] = [
    ("anthropic", "claude-haiku-4-5", ""),
    ("openai", "gpt-4o-mini", "/v1"),
    ("gemini", "gemini-2.5-flash", ""),
    ("mistral", "mistral-small-latest", "/v1"),
];

fn ensemble(providers: &[(&str, &str, &str)], batch: bool) -> String {
    let mut text = "strategy = \"vote\"\nmax_tokens = 2048\n".to_owned();
    for (provider, model, path) in providers {
        text += &format!(
            "[[models]]\nname = \"{provider}\"\nprovider = \"{provider}\"\nmodel = \"{model}\"\nbase_url = \"URL{path}\"\nbatch = {batch}\n"
        );
    }
    text
}

fn rig(providers: &[(&str, &str, &str)], batch: bool, time: Duration) -> Rig {
    let rig = Rig::new(Fleet::new().with_batch_time(time));
    rig.write("e.toml", &ensemble(providers, batch));
    rig.write("data.jsonl", &sums(PROBLEMS));
    rig
}

/// Requests that make a batch.
fn submissions(rig: &Rig) -> usize {
    let makes = |path: &str| {
        ["/v1/messages/batches", "/v1/batches", "/v1/batch/jobs"].contains(&path)
            || path.ends_with(":batchGenerateContent")
    };
    let received = rig.server.received();
    let all = received.iter().filter(|r| r.method == "POST");
    all.filter(|r| makes(r.route())).count()
}

#[test]
fn all_four_batch_interfaces_answer_everything_for_half_the_price() {
    let sample: Vec<&str> = SAMPLE.iter().copied().chain(["--output", "json"]).collect();
    let batched = rig(&PROVIDERS, true, Duration::from_millis(300));
    let summary = batched.run(&sample).json(0);
    assert_eq!(summary["answered"], PROBLEMS);
    assert_eq!(submissions(&batched), PROVIDERS.len());
    assert_eq!(batched.ledger().answers, 4 * u64::from(PROBLEMS));
    let rows = lines(&batched.path("data.answers.jsonl"));
    assert_eq!(rows.len() as u32, 4 * PROBLEMS);
    let right = rows.iter().filter(|row| row["right"] == true).count();
    assert!(
        right > rows.len() / 2,
        "answers went to other questions: {right}"
    );

    let single = rig(&PROVIDERS, false, Duration::ZERO);
    let whole = single.run(&sample).json(0);
    for (half, whole) in summary["models"]
        .as_array()
        .unwrap()
        .iter()
        .zip(whole["models"].as_array().unwrap())
    {
        assert_eq!(half["model"], whole["model"]);
        let (half, whole) = (
            half["cost_usd"].as_f64().unwrap(),
            whole["cost_usd"].as_f64().unwrap(),
        );
        // Answers differ a little where there is no seed.
        assert!((0.35..0.65).contains(&(half / whole)), "{half} and {whole}");
    }
    // Again: nothing is left to submit.
    let asked = batched.server.count();
    batched.run(&SAMPLE).text(0);
    assert_eq!(batched.server.count(), asked);
}

#[test]
fn a_process_killed_while_it_waits_finds_its_job_again() {
    for provider in PROVIDERS {
        let rig = rig(&[provider], true, Duration::from_millis(1500));
        let name = provider.0;
        let mut child = rig.spawn(&SAMPLE);
        // A job is looked after only once its number is written down.
        rig.wait_until("the job is looked at", |rig| {
            let received = rig.server.received();
            let looks = |path: &str| path.contains("batch") && !path.contains("file");
            received.iter().any(|r| r.method == "GET" && looks(&r.path))
        });
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        assert_eq!(submissions(&rig), 1, "{name}");
        rig.run(&SAMPLE).text(0);
        assert_eq!(submissions(&rig), 1, "{name} was asked for a second batch");
        assert_eq!(rig.ledger().answers, u64::from(PROBLEMS), "{name}");
        let rows = lines(&rig.path("data.answers.jsonl"));
        assert_eq!(rows.len() as u32, PROBLEMS, "{name}");
        println!(
            "{name}: killed in the wait, submitted once, {} rows",
            rows.len()
        );
    }
}
