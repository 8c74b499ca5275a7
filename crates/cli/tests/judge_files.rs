//! Scores for a file of answers: what they are worth against gold, nothing asked twice, and judges
//! that are none.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test panics, and figures are shown"
)]

mod common;

use std::time::Duration;

use autodidact_testkit::{Act, Fleet};
use common::fleet::{Rig, lines, overall};
use serde_json::{Value, json};

const QUESTIONS: u32 = 40;
/// A right and a wrong answer to each.
const ANSWERS: u64 = 2 * QUESTIONS as u64;

const JUDGE: &str = r#"
[[judges]]
name = "nemotron"
provider = "nvidia"
model = "nvidia/nemotron-4-340b-reward"
base_url = "URL/v1"
price = { input = 0, output = 0 }
limits = { concurrency = 4 }
"#;

const COMMAND: [&str; 6] = [
    "judge",
    "answers.jsonl",
    "--config",
    "j.toml",
    "--output",
    "json",
];

fn answers() -> String {
    let line = |i: u32| {
        let (a, b) = (31 + i, 7 + 3 * i);
        let one = |said: u32| {
            let row = json!({
                "question": format!("What is {a} + {b}?"),
                "completion": format!("Adding {b} to {a}. The answer is {said}."),
                "gold": (a + b).to_string(), "number": i,
            });
            format!("{row}\n")
        };
        one(a + b) + &one(a + b + 1)
    };
    (0..QUESTIONS).map(line).collect()
}

fn prepared(rig: Rig) -> Rig {
    rig.write("j.toml", JUDGE);
    rig.write("answers.jsonl", &answers());
    rig
}

/// A judge that says what the closure makes of question and answer.
fn judge_that_says(say: impl Fn(&str) -> String + Send + Sync + 'static) -> Rig {
    prepared(Rig::scripted(Fleet::new(), move |request| {
        let content = say(&request.json()["messages"].to_string());
        let message = json!({"role": "assistant", "content": content});
        Act::json(
            200,
            &json!({"choices": [{"message": message, "finish_reason": "stop"}]}),
        )
    }))
}

fn scored(rig: &Rig) -> Vec<Value> {
    lines(&rig.path("answers.scored.jsonl"))
}

fn area(summary: &Value) -> f64 {
    summary["calibration"][0]["overall"]["area"]
        .as_f64()
        .unwrap()
}

#[test]
fn a_good_judge_is_told_from_its_scores_and_asked_once() {
    let rig = prepared(Rig::new(Fleet::new()));
    let summary = rig.run(&COMMAND).json(0);
    assert_eq!(summary["lines"], ANSWERS);
    assert_eq!(summary["judges"]["nemotron"]["scored"], ANSWERS);
    println!("AUC of a judge that knows: {:.3}", area(&summary));
    assert!(area(&summary) > 0.9, "{summary}");
    let given: Vec<Value> = answers()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    for (row, given) in scored(&rig).iter().zip(&given) {
        for (key, value) in given.as_object().unwrap() {
            assert_eq!(&row[key], value, "fields of the file stay");
        }
        let expected = overall(&row["scores"]);
        assert!((row["overall"].as_f64().unwrap() - expected).abs() < 1e-9);
        assert_eq!(row["judge"], "nemotron");
    }
    let right: Vec<bool> = scored(&rig)
        .iter()
        .map(|row| row["right"] == true)
        .collect();
    assert_eq!(right, [true, false].repeat(QUESTIONS as usize));
    let (asked, before) = (rig.server.count(), scored(&rig));
    assert_eq!(asked as u64, ANSWERS);
    assert_eq!(rig.run(&COMMAND).json(0), summary);
    assert_eq!((rig.server.count(), scored(&rig)), (asked, before));
}

#[test]
fn a_judge_that_guesses_is_worth_nothing() {
    let rig = judge_that_says(|text| {
        let luck = blake3::hash(text.as_bytes());
        format!("reward:{}", f64::from(luck.as_bytes()[0]) / 16.0 - 8.0)
    });
    let summary = rig.run(&COMMAND).json(0);
    let overall = &summary["calibration"][0]["overall"];
    println!("AUC of a judge that guesses: {:.3}", area(&summary));
    assert!((area(&summary) - 0.5).abs() < 0.15, "{summary}");
    assert!(overall["low"].as_f64() < Some(0.5) && overall["high"].as_f64() > Some(0.5));
}

#[test]
fn killed_and_started_again_it_asks_for_the_rest() {
    let rig = prepared(Rig::new(
        // Longer than a commit takes on a busy machine.
        Fleet::new().with_latency(Duration::from_millis(50)),
    ));
    for _ in 0..3 {
        let wanted = rig.server.count() + 15;
        let mut child = rig.spawn(&COMMAND);
        rig.wait_until("some answers are judged", |rig| {
            rig.server.count() >= wanted
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            !rig.path("answers.scored.jsonl").exists(),
            "a part looks like the whole"
        );
    }
    let summary = rig.run(&COMMAND).json(0);
    assert_eq!(summary["judges"]["nemotron"]["scored"], ANSWERS);
    assert_eq!(scored(&rig).len() as u64, ANSWERS);
    let repaid = rig.ledger().answers - ANSWERS;
    println!("3 kills: {repaid} of {ANSWERS} opinions paid twice");
    // Four under way at each kill, and as many that had just arrived.
    assert!(repaid <= 3 * 8, "{repaid}");
}

#[test]
fn a_chat_model_is_refused_with_the_reason() {
    let rig = prepared(Rig::new(Fleet::new()));
    rig.write("j.toml", &JUDGE.replace("340b-reward", "340b-instruct"));
    let done = rig.run(&COMMAND);
    let summary = done.json(6);
    assert_eq!(summary["judges"]["nemotron"]["scored"], 0);
    assert_eq!(summary["unscored"], ANSWERS);
    let reasons = summary["judges"]["nemotron"]["reasons"].to_string();
    assert!(reasons.contains("no reward but text"), "{reasons}");
    assert!(
        scored(&rig)
            .iter()
            .all(|row| row["overall"].is_null() && row["scores"].is_null())
    );
    assert!(done.err.contains("no judge is left"), "{}", done.err);
}

#[test]
fn a_judge_that_always_says_the_same_is_refused() {
    let rig = judge_that_says(|_| "reward:-5.53".to_owned());
    let summary = rig.run(&COMMAND).json(0);
    let counts = &summary["judges"]["nemotron"];
    // Eight answers are needed to know.
    assert!(counts["scored"].as_u64() < Some(8), "{summary}");
    assert!(counts["unscored"].as_u64() > Some(ANSWERS - 8));
    assert!(
        counts["reasons"]
            .to_string()
            .contains("does not tell answers apart"),
        "{summary}"
    );
}

#[test]
fn numbers_that_are_none_reach_no_row() {
    let rig = judge_that_says(|text| {
        let values = ["NaN", "inf", "-inf", "1e999", "1e6", "", "null", "2.5"];
        let luck = blake3::hash(text.as_bytes()).as_bytes()[0];
        let value = values[luck as usize % values.len()];
        let verbosity = f64::from(luck) / 64.0;
        format!("helpfulness:1,correctness:{value},coherence:1,complexity:1,verbosity:{verbosity}")
    });
    let summary = rig.run(&COMMAND).json(0);
    let rows = scored(&rig);
    let finite = |row: &&Value| row["overall"].is_f64();
    let good = rows.iter().filter(finite).count() as u64;
    assert_eq!(summary["judges"]["nemotron"]["scored"], good);
    assert!(good < ANSWERS / 4, "{good}");
    for row in rows.iter().filter(finite) {
        assert_eq!(row["scores"]["correctness"], 2.5);
    }
}

#[test]
fn without_a_judge_nothing_is_read() {
    let rig = prepared(Rig::new(Fleet::new()));
    rig.write("j.toml", "");
    let done = rig.run(&COMMAND);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("--judge"), "{}", done.err);
}
