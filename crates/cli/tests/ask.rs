//! One question, several models, one answer: every strategy, every failure that leaves some models
//! out, and nothing asked twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use autodidact_testkit::Fleet;
use common::fleet::{Rig, overall};
use serde_json::Value;

const QUESTION: &str = "What is 17 * 23?";

const ENSEMBLE: &str = r#"
[fuse]
aggregator = "claude"
[[models]]
name = "claude"
provider = "anthropic"
model = "claude-sonnet-4-5"
base_url = "URL"
[[models]]
name = "gemini"
provider = "gemini"
model = "gemini-2.5-pro"
base_url = "URL"
max_tokens = 4096
[[models]]
name = "mistral"
provider = "mistral"
model = "mistral-large-latest"
base_url = "URL/v1"
[[judges]]
name = "nemotron"
provider = "nvidia"
model = "nvidia/nemotron-4-340b-reward"
base_url = "URL/v1"
price = { input = 0, output = 0 }
"#;

/// Claude and Gemini know it, Mistral does not.
fn fleet() -> Fleet {
    Fleet::new()
        .with_accuracy("claude", 1.0)
        .with_accuracy("gemini", 1.0)
        .with_accuracy("mistral", 0.0)
}

fn rig(fleet: Fleet) -> Rig {
    let rig = Rig::new(fleet);
    rig.write("e.toml", ENSEMBLE);
    rig
}

fn ask<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["ask", QUESTION, "--config", "e.toml"];
    usual.iter().chain(more).copied().collect()
}

fn ask_json<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut all = ask(more);
    all.extend(["--output", "json"]);
    all
}

fn answers(combined: &Value) -> &Vec<Value> {
    combined["answers"].as_array().unwrap()
}

#[test]
fn every_answer_has_five_scores_and_the_best_by_the_published_weights_wins() {
    let rig = rig(Fleet::new().with_accuracy("claude", 0.5));
    let mut winners = std::collections::BTreeSet::new();
    for question in [
        "What is 17 * 23?",
        "What is 9 + 8?",
        "What is 91 - 14?",
        "What is 12 * 12?",
    ] {
        let done = rig.run(&["ask", question, "--config", "e.toml", "--output", "json"]);
        let combined = done.json(0);
        assert_eq!(answers(&combined).len(), 3);
        let mut best: Option<(f64, &Value)> = None;
        for answer in answers(&combined) {
            assert_eq!(answer["scores"].as_object().unwrap().len(), 5, "{answer}");
            let score = overall(&answer["scores"]);
            assert!((score - answer["overall"].as_f64().unwrap()).abs() < 1e-9);
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, answer));
            }
        }
        let (_, best) = best.unwrap();
        for key in ["model", "text", "answer"] {
            assert_eq!(combined["winner"][key], best[key], "{question}");
        }
        winners.insert(best["model"].as_str().unwrap().to_owned());
    }
    assert!(
        winners.len() > 1,
        "always {winners:?}: the test chooses nothing"
    );
}

#[test]
fn json_has_the_documented_shape() {
    let combined = rig(fleet()).run(&ask_json(&[])).json(0);
    let has = |value: &Value, keys: &[&str]| {
        for key in keys {
            assert!(value.get(key).is_some(), "no `{key}` in {value}");
        }
    };
    has(
        &combined,
        &["question", "strategy", "answers", "winner", "cost_usd"],
    );
    assert_eq!(combined["question"], QUESTION);
    assert_eq!(combined["strategy"], "best");
    for answer in answers(&combined) {
        has(
            answer,
            &["model", "text", "answer", "scores", "overall", "cost_usd"],
        );
        let names: Vec<&String> = answer["scores"].as_object().unwrap().keys().collect();
        let published = [
            "helpfulness",
            "correctness",
            "coherence",
            "complexity",
            "verbosity",
        ];
        assert_eq!(names, published);
    }
    has(&combined["winner"], &["model", "answer", "text"]);
    let costs = answers(&combined)
        .iter()
        .map(|a| a["cost_usd"].as_f64().unwrap());
    let sum: f64 = costs.sum();
    assert!(sum > 0.0 && (combined["cost_usd"].as_f64().unwrap() - sum).abs() < 1e-9);
}

#[test]
fn every_strategy_finds_what_most_know() {
    for strategy in ["best", "vote", "weighted", "fuse", "cascade"] {
        let rig = rig(fleet());
        let combined = rig.run(&ask_json(&["--strategy", strategy])).json(0);
        assert_eq!(combined["strategy"], strategy);
        assert_eq!(combined["winner"]["answer"], "391", "{strategy}");
        let asked: Vec<&str> = answers(&combined)
            .iter()
            .map(|a| a["model"].as_str().unwrap())
            .collect();
        match strategy {
            // The aggregator answers once more, having seen the others.
            "fuse" => assert_eq!(asked, ["claude", "gemini", "mistral", "claude"]),
            _ => assert_eq!(asked, ["claude", "gemini", "mistral"]),
        }
    }
}

#[test]
fn a_cascade_stops_at_the_first_confident_model() {
    let rig = rig(fleet());
    let combined = rig
        .run(&ask_json(&["--strategy", "cascade", "--samples", "3"]))
        .json(0);
    assert!(answers(&combined).iter().all(|a| a["model"] == "claude"));
    assert_eq!(answers(&combined).len(), 3);
    assert!(
        rig.ledger()
            .entries
            .iter()
            .all(|e| !e.model.contains("gemini"))
    );
}

#[test]
fn a_judge_overrules_the_majority() {
    let fleet = Fleet::new()
        .with_accuracy("claude", 1.0)
        .with_accuracy("gemini", 0.0)
        .with_accuracy("mistral", 0.0);
    let rig = rig(fleet);
    for strategy in ["best", "weighted"] {
        let combined = rig
            .run(&ask_json(&["--strategy", strategy, "--name", strategy]))
            .json(0);
        assert_eq!(combined["winner"]["model"], "claude", "{strategy}");
    }
}

#[test]
fn asking_again_asks_nobody() {
    let rig = rig(fleet());
    for strategy in ["best", "fuse"] {
        let arguments = ask_json(&["--strategy", strategy]);
        let first = rig.run(&arguments).json(0);
        let asked = rig.server.count();
        assert!(asked > 0);
        let again = rig.run(&arguments).json(0);
        assert_eq!(again, first);
        assert_eq!(rig.server.count(), asked, "{strategy} asked again");
    }
    assert_eq!(
        rig.ledger().paid_twice(),
        Vec::<&autodidact_testkit::Entry>::new()
    );
}

/// All judges are asked at once; the first in the file that can score them counts.
#[test]
fn a_judge_that_fails_has_a_fallback() {
    let rig = rig(fleet());
    let judge = |name: &str, model: &str, url: &str| {
        format!(
            "[[judges]]\nname = \"{name}\"\nprovider = \"nvidia\"\nmodel = \"{model}\"\nbase_url = \"{url}\"\nprice = {{ input = 0, output = 0 }}\nlimits = {{ attempts = 1 }}\n"
        )
    };
    let nobody = "http://127.0.0.1:9/v1";
    let judges = [
        judge("dead", "nvidia/nemotron-4-340b-reward", nobody),
        judge("prose", "nvidia/nemotron-4-340b-instruct", "URL/v1"),
        judge("works", "nvidia/nemotron-4-340b-reward", "URL/v1"),
    ];
    let models = ENSEMBLE.split("[[judges]]").next().unwrap();
    rig.write("e.toml", &format!("{models}{}", judges.concat()));
    let done = rig.run(&ask_json(&[]));
    let combined = done.json(0);
    assert_eq!(combined["winner"]["answer"], "391");
    for answer in answers(&combined) {
        assert!(answer["overall"].is_number(), "{answer}");
        assert!(answer["unscored"]["prose"].is_string(), "{answer}");
    }
    assert!(done.err.contains("dead: "), "{}", done.err);
}

#[test]
fn a_chat_model_is_no_reward_model() {
    let rig = rig(fleet());
    let prose = ENSEMBLE.replace(
        "nvidia/nemotron-4-340b-reward",
        "nvidia/nemotron-4-340b-instruct",
    );
    rig.write("e.toml", &prose);
    let done = rig.run(&ask_json(&[]));
    let combined = done.json(6);
    for answer in answers(&combined) {
        assert!(
            answer["scores"].is_null() && answer["overall"].is_null(),
            "{answer}"
        );
        let reason = answer["unscored"]["nemotron"].as_str().unwrap();
        assert!(reason.contains("instruct"), "{reason}");
    }
    assert!(combined["winner"].is_null());
    assert!(done.err.contains("no judge is left"), "{}", done.err);
    assert!(done.err.contains("--strategy vote"), "{}", done.err);
    // The answers are there; agreement decides without asking them again.
    let before = rig.server.count();
    let voted = rig.run(&ask_json(&["--strategy", "vote"])).json(0);
    assert_eq!(voted["winner"]["answer"], "391");
    assert_eq!(rig.server.count(), before);
}

#[test]
fn a_model_without_its_key_is_named_and_the_others_answer() {
    let rig = rig(fleet());
    rig.write(
        "e.toml",
        &ENSEMBLE.replace(
            "provider = \"anthropic\"\nmodel = \"claude-sonnet-4-5\"\nbase_url = \"URL\"",
            "provider = \"anthropic\"\nmodel = \"claude-sonnet-4-5\"",
        ),
    );
    let done = rig.run(&ask_json(&[]));
    let combined = done.json(0);
    assert_eq!(answers(&combined).len(), 2);
    assert_eq!(combined["winner"]["model"], "gemini");
    assert_eq!(combined["failures"][0]["name"], "claude");
    assert!(
        done.err.contains("claude: ") && done.err.contains("ANTHROPIC_API_KEY"),
        "{}",
        done.err
    );
}

#[test]
fn a_wrong_key_is_named_and_never_shown() {
    let rig = rig(fleet().with_keys(["right-key"]))
        .with_variable("ANTHROPIC_API_KEY", "wrong-key-1234567")
        .with_variable("GEMINI_API_KEY", "right-key")
        .with_variable("MISTRAL_API_KEY", "right-key")
        .with_variable("NVIDIA_API_KEY", "right-key");
    let done = rig.run(&ask_json(&[]));
    let combined = done.json(0);
    assert_eq!(answers(&combined).len(), 2);
    assert!(done.err.contains("claude: "), "{}", done.err);
    assert!(!done.err.contains("wrong-key-1234567") && !done.out.contains("wrong-key-1234567"));
}

#[test]
fn a_budget_too_small_spends_nothing() {
    let rig = rig(fleet());
    let done = rig.run(&ask(&["--budget-usd", "0.000001"]));
    assert_eq!(done.code, 6, "{}\n{}", done.out, done.err);
    assert!(done.err.contains("budget"), "{}", done.err);
    assert_eq!(rig.ledger().answers, 0);
    assert_eq!(rig.server.count(), 0, "nothing was sent");
    // With enough money the same command goes on.
    let done = rig.run(&ask_json(&["--budget-usd", "1"]));
    assert_eq!(done.json(0)["winner"]["answer"], "391");
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let rig = rig(fleet());
    let done = rig.run(&ask(&["--models", "claude,llama"]));
    assert_eq!(done.code, 2);
    for word in ["`llama`", "claude, gemini, mistral", "provider:model"] {
        assert!(done.err.contains(word), "no {word} in {}", done.err);
    }
    let done = rig.run(&ask(&["--judge", "nobody"]));
    assert_eq!(done.code, 2);
    assert!(
        done.err.contains("`nobody`") && done.err.contains("nemotron"),
        "{}",
        done.err
    );
    assert_eq!(rig.server.count(), 0);
}

#[test]
fn the_table_shows_scores_and_costs() {
    let done = rig(fleet()).run(&ask(&[]));
    insta::assert_snapshot!(done.text(0));
}

#[test]
fn a_model_may_be_named_by_provider() {
    let rig = rig(fleet());
    let named = "claude,gemini,anthropic:claude-opus-4-7";
    let done = rig.run(&ask_json(&["--models", named]));
    assert_eq!(answers(&done.json(0)).len(), 2);
    let reason = "claude-opus-4-7: ";
    assert!(done.err.contains(reason), "{}", done.err);
    // What stands before the colon must be a provider.
    let done = rig.run(&ask(&["--models", "nobody:model"]));
    assert_eq!(done.code, 2, "{}", done.err);
}

#[test]
fn both_shapes_of_nvidia_and_the_single_reward_are_read() {
    for (model, five) in [
        ("nvidia/nemotron-4-340b-reward", true),
        ("nvidia/nemotron-4-340b-reward-nim", true),
        ("nvidia/llama-3.1-nemotron-70b-reward", false),
    ] {
        let rig = rig(fleet());
        rig.write(
            "e.toml",
            &ENSEMBLE.replace("nvidia/nemotron-4-340b-reward", model),
        );
        let combined = rig.run(&ask_json(&[])).json(0);
        assert_eq!(combined["winner"]["answer"], "391", "{model}");
        for answer in answers(&combined) {
            let scores = answer["scores"].as_object().unwrap();
            assert_eq!(scores.len(), if five { 5 } else { 0 }, "{model}");
            assert!(answer["overall"].is_f64(), "{model}");
            if five {
                let expected = overall(&answer["scores"]);
                assert!((answer["overall"].as_f64().unwrap() - expected).abs() < 1e-9);
            }
        }
        let wrong = &answers(&combined)[2];
        let right = &answers(&combined)[0];
        assert!(
            right["overall"].as_f64() > wrong["overall"].as_f64(),
            "{model}"
        );
    }
}

#[test]
fn several_samples_of_one_model_vote() {
    let rig = rig(fleet());
    let combined = rig
        .run(&ask_json(&[
            "--models",
            "mistral,claude",
            "--samples",
            "3",
            "--strategy",
            "vote",
        ]))
        .json(0);
    assert_eq!(answers(&combined).len(), 6);
    let of_claude = answers(&combined).iter().filter(|a| a["model"] == "claude");
    assert!(of_claude.clone().all(|a| a["answer"] == "391"));
}
