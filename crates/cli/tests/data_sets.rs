//! A whole data set through several models and a judge: rows, tables, refusals, money and faults.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test panics, and figures are shown"
)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use autodidact_star::SampleRow;
use autodidact_testkit::{Act, Fault};
use common::fleet::{PAIR, Rig, SAMPLE, lines, pair, pair_fleet, sums};
use serde_json::Value;

const PROBLEMS: u32 = 60;
/// One answer of each model, and one opinion about each.
const CALLS: u64 = 4 * PROBLEMS as u64;

fn sample<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SAMPLE.iter().chain(more).copied().collect()
}

fn rows(rig: &Rig) -> Vec<SampleRow> {
    let lines = lines(&rig.path("data.answers.jsonl"));
    lines
        .into_iter()
        .map(|line| serde_json::from_value(line).unwrap())
        .collect()
}

#[test]
fn every_problem_gets_answers_scores_and_provenance() {
    let rig = pair(pair_fleet(), PROBLEMS);
    let summary = rig.run(&sample(&["--output", "json"])).json(0);
    assert_eq!(summary["problems"], PROBLEMS);
    assert_eq!(summary["answered"], PROBLEMS);
    assert_eq!(rig.ledger().requests, CALLS, "nothing is asked twice");
    let rows = rows(&rig);
    assert_eq!(rows.len() as u32, 2 * PROBLEMS);
    for row in &rows {
        let (provider_model, terms) = match row.model.as_str() {
            "small" => ("mock-small", "allowed"),
            "large" => ("mock-large", "restricted"),
            other => panic!("{other}"),
        };
        assert_eq!(row.provider, "openai-compatible");
        assert_eq!(
            (row.provider_model.as_str(), row.terms.as_str()),
            (provider_model, terms)
        );
        assert_eq!(row.scores.as_ref().unwrap().len(), 5);
        assert!(row.overall.unwrap().is_finite());
        assert!(row.cost_usd.unwrap() > autodidact_core::Usd::ZERO);
        let states_gold = row
            .completion
            .contains(&format!("answer is {}.", row.gold.as_ref().unwrap()));
        assert_eq!(row.right, Some(states_gold), "{}", row.completion);
    }
    check_winners(&rows);
    check_table(&rows, &summary);
}

/// The one chosen row of each problem has the highest score of its problem.
fn check_winners(rows: &[SampleRow]) {
    let mut by_problem: BTreeMap<&str, Vec<&SampleRow>> = BTreeMap::new();
    for row in rows {
        by_problem.entry(&row.problem).or_default().push(row);
    }
    assert_eq!(by_problem.len() as u32, PROBLEMS);
    for (problem, rows) in by_problem {
        let chosen: Vec<_> = rows.iter().filter(|row| row.chosen).collect();
        assert_eq!(chosen.len(), 1, "{problem}");
        let most = rows
            .iter()
            .map(|row| row.overall.unwrap())
            .fold(f64::MIN, f64::max);
        assert_eq!(chosen[0].overall, Some(most), "{problem}");
    }
}

/// Every figure of the table follows from the rows.
fn check_table(rows: &[SampleRow], summary: &Value) {
    let solvers = |problem: &str| {
        let right = rows
            .iter()
            .filter(|r| r.problem == problem && r.right == Some(true));
        right.map(|r| r.model.as_str()).collect::<Vec<_>>()
    };
    let right = rows
        .iter()
        .filter(|r| r.chosen && r.right == Some(true))
        .count();
    assert_eq!(summary["right"], right);
    let models = summary["models"].as_array().unwrap();
    assert_eq!(models.len(), 2);
    for model in models {
        let name = model["model"].as_str().unwrap();
        let own: Vec<_> = rows.iter().filter(|row| row.model == name).collect();
        let count = |f: &dyn Fn(&SampleRow) -> bool| own.iter().filter(|row| f(row)).count();
        assert_eq!(model["answers"], own.len());
        assert_eq!(model["right"], count(&|row| row.right == Some(true)));
        assert_eq!(model["solved"], count(&|row| row.right == Some(true)));
        assert_eq!(
            model["unique"],
            count(&|row| solvers(&row.problem) == [name])
        );
        let kept = count(&|row| row.chosen);
        assert_eq!(model["kept"], kept);
        let cost: u64 = own.iter().map(|row| row.cost_usd.unwrap().nano()).sum();
        let shown = |key: &str| (model[key].as_f64().unwrap() * 1e9).round() as u64;
        assert_eq!(shown("cost_usd"), cost);
        assert_eq!(shown("cost_per_kept_usd"), cost.div_ceil(kept as u64));
    }
    let small = &models[1];
    assert!(
        small["unique"].as_u64() > Some(0),
        "the test counts nothing: {small}"
    );
}

/// Small letters and few words, for the tiny model, which has 64 tokens and knows no capitals.
fn shortened(act: Act) -> Act {
    let Act::Answer(mut reply) = act else {
        return act;
    };
    let mut body: Value = serde_json::from_slice(&reply.body).unwrap();
    if let Some(text) = body["choices"][0]["message"]["content"].as_str()
        && let Some(at) = text.rfind("The answer is")
    {
        body["choices"][0]["message"]["content"] = text[at..].to_ascii_lowercase().into();
        reply.body = body.to_string().into_bytes();
    }
    Act::Answer(reply)
}

#[test]
fn chosen_rows_are_what_train_reads() {
    let fleet = pair_fleet();
    let acting = fleet.clone();
    let rig = Rig::scripted(fleet, move |request| shortened(acting.act(request)));
    rig.write("e.toml", PAIR);
    rig.write("data.jsonl", &sums(12).replace("What", "what"));
    rig.run(&sample(&["--chosen", "--output", "json"])).json(0);
    assert_eq!(rows(&rig).len(), 12);
    let tiny = common::root().join("crates/engine/tests/golden/tiny.gguf");
    let model = tiny.to_str().unwrap();
    let trained = rig.run(&[
        "train",
        "data.answers.jsonl",
        "--model",
        model,
        "--out",
        "adapter",
        "--steps",
        "2",
        "--rank",
        "4",
        "--batch",
        "2",
    ]);
    trained.text(0);
    assert!(rig.path("adapter/adapter_model.safetensors").exists());
}

#[test]
fn problems_without_gold_are_answered_too() {
    let rig = pair(pair_fleet(), 1);
    let questions = "{\"question\":\"What is 3 + 4?\"}\n{\"question\":\"What is 5 + 6?\"}\n";
    rig.write("data.jsonl", questions);
    let summary = rig.run(&sample(&["--output", "json"])).json(0);
    assert_eq!(summary["answered"], 2);
    assert!(summary["right"].is_null() && summary["models"][0]["right"].is_null());
    assert!(
        rows(&rig)
            .iter()
            .all(|row| row.right.is_none() && row.gold.is_none())
    );
}

#[test]
fn another_data_set_under_the_same_name_is_refused() {
    let rig = pair(pair_fleet(), 5);
    rig.run(&SAMPLE).text(0);
    let asked = rig.server.count();
    rig.write("data.jsonl", &sums(5).replace('+', "-"));
    let refused = rig.run(&SAMPLE);
    assert_eq!(refused.code, 2, "{}", refused.err);
    for word in ["another data set", "--name", "--new"] {
        assert!(refused.err.contains(word), "no {word} in {}", refused.err);
    }
    assert_eq!(rig.server.count(), asked);
    // As advised.
    rig.run(&sample(&["--new"])).text(0);
    assert!(rig.path("runs/sample-data.1").exists());
}

#[test]
fn a_model_declared_otherwise_is_refused_and_other_places_are_not() {
    let rig = pair(pair_fleet(), 5);
    rig.run(&SAMPLE).text(0);
    let asked = rig.server.count();
    for (from, to) in [
        ("mock-small", "mock-small-2"),
        ("name = \"small\"", "name = \"small\"\ntemperature = 0.1"),
        (
            "nvidia/nemotron-4-340b-reward",
            "nvidia/llama-3.1-nemotron-70b-reward",
        ),
    ] {
        rig.write("e.toml", &PAIR.replace(from, to));
        let refused = rig.run(&SAMPLE);
        assert_eq!(refused.code, 2, "{to}: {}", refused.err);
        assert!(
            refused.err.contains("declared otherwise"),
            "{}",
            refused.err
        );
    }
    // Price and pace may change.
    let paced = PAIR.replace("concurrency = 4", "concurrency = 2");
    rig.write("e.toml", &paced);
    rig.run(&SAMPLE).text(0);
    assert_eq!(
        rig.server.count(),
        asked,
        "answers that are there are not asked for again"
    );
    // A model may come; it alone is asked, and the judge about its answers.
    let third = "[[models]]\nname = \"third\"\nprovider = \"openai-compatible\"\nmodel = \"mock-third\"\nbase_url = \"URL/v1\"\n";
    rig.write("e.toml", &format!("{paced}{third}"));
    rig.run(&SAMPLE).text(0);
    assert_eq!(rig.server.count(), asked + 2 * 5);
    assert_eq!(rows(&rig).len(), 3 * 5);
    let chosen = rows(&rig).iter().filter(|row| row.chosen).count();
    assert_eq!(chosen, 5, "one of the three answers to each problem");
}

#[test]
fn a_budget_stops_in_time_and_a_larger_one_goes_on() {
    let rig = pair(pair_fleet(), PROBLEMS);
    // An answer is set aside at its longest, so short ones leave little of the budget unused.
    let budget = 1.2;
    let tokens = ["--max-tokens", "80"];
    let limited =
        |dollars: &str| rig.run(&[&sample(&["--budget-usd", dollars])[..], &tokens].concat());
    let stopped = limited(&budget.to_string());
    assert_eq!(stopped.code, 6, "{}", stopped.err);
    assert!(stopped.err.contains("budget"), "{}", stopped.err);
    let spent = spent(&rig);
    println!("budget ${budget}: spent ${spent:.4}, overspent $0");
    assert!(spent > 0.3 * budget && spent <= budget, "spent {spent}");
    let before = rig.ledger().answers;
    assert!(before > 0 && before < CALLS, "{before}");
    limited("100").text(0);
    assert_eq!(rows(&rig).len() as u32, 2 * PROBLEMS);
    assert_eq!(rig.ledger().answers, CALLS, "no answer was bought twice");
}

/// What the fleet would charge, in dollars.
fn spent(rig: &Rig) -> f64 {
    let ledger = rig.ledger();
    let of = |model: &str, input: f64, output: f64| {
        let own = ledger.entries.iter().filter(|e| e.model == model);
        own.map(|e| e.input_tokens as f64 * input + e.output_tokens as f64 * output)
            .sum::<f64>()
    };
    (of("mock-small", 100.0, 400.0) + of("mock-large", 200.0, 800.0)) / 1e6
}

/// When a server asked for a pause, by what was asked.
type Pauses = Arc<Mutex<HashMap<Vec<u8>, Instant>>>;

#[test]
fn one_request_in_five_fails_and_every_problem_is_answered() {
    const PAUSE: Duration = Duration::from_secs(1);
    let kinds = [
        Fault::Rate429,
        Fault::Server500,
        Fault::Truncated,
        Fault::Garbage200,
        Fault::Reset,
    ];
    let fleet = pair_fleet()
        .with_faults(0.04, &kinds)
        .with_retry_after(PAUSE);
    let (acting, pauses, early) = (fleet.clone(), Pauses::default(), Arc::new(Mutex::new(0)));
    let (told, noted) = (pauses.clone(), early.clone());
    let rig = Rig::scripted(fleet, move |request| {
        let mut told = told.lock().unwrap();
        if let Some(at) = told.get(&request.body) {
            *noted.lock().unwrap() += u32::from(at.elapsed() < PAUSE);
        }
        let act = acting.act(request);
        if matches!(&act, Act::Answer(reply) if reply.status == 429) {
            told.insert(request.body.clone(), Instant::now());
        }
        act
    });
    rig.write("e.toml", PAIR);
    rig.write("data.jsonl", &sums(PROBLEMS));
    let mut attempts = 0;
    loop {
        attempts += 1;
        let done = rig.run(&SAMPLE);
        if done.code == 0 {
            break;
        }
        assert_eq!(done.code, 6, "{}", done.err);
        assert!(attempts < 10, "it gets nowhere: {}", done.err);
    }
    let rows = rows(&rig);
    assert_eq!(rows.len() as u32, 2 * PROBLEMS);
    assert!(rows.iter().all(|row| row.overall.is_some()));
    let ledger = rig.ledger();
    let faults = ledger.requests - ledger.answers;
    let again = ledger.answers - ledger.entries.iter().map(|e| e.broken).sum::<u64>();
    let (paused, early) = (pauses.lock().unwrap().len(), *early.lock().unwrap());
    println!(
        "{} requests, {faults} refused or broken off, {paused} pauses asked for, {early} requests too early, {attempts} attempts",
        ledger.requests
    );
    assert!(
        faults > CALLS / 10 && paused > 0,
        "the test makes no trouble"
    );
    assert_eq!(early, 0);
    assert_eq!(again, CALLS, "whole answers are asked for once");
}
