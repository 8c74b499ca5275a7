//! Reward models and judges prefer right answers, in every shape and with every trap.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use autodidact_testkit::Fleet;
use common::asked;
use serde_json::{Value, json};

const QUESTION: &str = "What is 17 * 23?";
const RIGHT: &str = "17 * 23 = 391. The answer is 391.";
const WRONG: &str = "17 * 23 = 393. The answer is 393.";

fn reward(model: &str, answer: &str) -> Value {
    let messages =
        json!([{"role": "user", "content": QUESTION}, {"role": "assistant", "content": answer}]);
    let (status, reply) = asked(
        &Fleet::new(),
        "/v1/chat/completions",
        &json!({"model": model, "messages": messages}),
    );
    assert_eq!(status, 200, "{reply}");
    reply["choices"][0].clone()
}

fn helpfulness(text: &str) -> f64 {
    let pair = text
        .split(',')
        .find_map(|pair| pair.strip_prefix("helpfulness:"));
    pair.unwrap().parse().unwrap()
}

#[test]
fn nvidia_answers_in_its_shapes() {
    let hosted =
        |answer| reward("nvidia/nemotron-4-340b-reward", answer)["logprobs"]["content"].clone();
    let (right, wrong) = (hosted(RIGHT), hosted(WRONG));
    let names: Vec<&str> = right
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["token"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "helpfulness",
            "correctness",
            "coherence",
            "complexity",
            "verbosity"
        ]
    );
    assert!(right[0]["logprob"].as_f64() >= Some(3.0) && wrong[0]["logprob"].as_f64() <= Some(2.0));

    let nim = |answer| {
        reward("nim-340b-reward", answer)["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(helpfulness(&nim(RIGHT)) > helpfulness(&nim(WRONG)));
    assert_eq!(nim(RIGHT).split(',').count(), 5);

    let scalar = |answer| {
        let choice = reward("nvidia/llama-3.1-nemotron-70b-reward", answer);
        let text = choice["message"]["content"].as_str().unwrap().to_owned();
        text.strip_prefix("reward:")
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    assert!(scalar(RIGHT) > 0.0 && scalar(WRONG) < 0.0);
}

#[test]
fn an_activation_crushes_scores_unless_it_is_switched_off() {
    let fleet = Fleet::new();
    let score = |path: &str, pointer: &str, activation: Option<bool>, answer: &str| {
        let mut body = json!({"model": "rm", "input": format!("{QUESTION}\n{answer}")});
        if let Some(activation) = activation {
            body["use_activation"] = json!(activation);
        }
        asked(&fleet, path, &body)
            .1
            .pointer(pointer)
            .unwrap()
            .as_f64()
            .unwrap()
    };
    for (path, pointer) in [
        ("/classify", "/data/0/probs/0"),
        ("/pooling", "/data/0/data/0"),
    ] {
        assert!((0.0..=1.0).contains(&score(path, pointer, None, RIGHT)));
        assert!(score(path, pointer, Some(false), RIGHT) > 1.0);
        assert!(score(path, pointer, Some(false), WRONG) < 0.0);
    }
}

#[test]
fn a_process_reward_model_scores_every_step() {
    let steps = format!("{QUESTION}\nTwenty first.<extra_0>Then three.<extra_0>{WRONG}<extra_0>");
    let body = json!({"model": "prm", "input": steps, "task": "token_classify"});
    let (_, reply) = asked(&Fleet::new(), "/pooling", &body);
    let pairs = reply["data"][0]["data"].as_array().unwrap();
    let positive: Vec<f64> = pairs.iter().map(|pair| pair[1].as_f64().unwrap()).collect();
    assert_eq!(positive.len(), 3);
    assert!(
        positive[0] > 0.8 && positive[1] > 0.8 && positive[2] < 0.2,
        "{positive:?}"
    );
    assert!(
        pairs
            .iter()
            .all(|pair| (pair[0].as_f64().unwrap() + pair[1].as_f64().unwrap() - 1.0).abs() < 1e-9)
    );
}

#[test]
fn a_flat_array_of_two_texts_is_a_pair() {
    let fleet = Fleet::new();
    let texts = [
        format!("{QUESTION}\n{WRONG}"),
        format!("{QUESTION}\n{RIGHT}"),
    ];
    let (_, pair) = asked(
        &fleet,
        "/predict",
        &json!({"inputs": texts, "raw_scores": true}),
    );
    assert_eq!(pair.as_array().unwrap().len(), 1);
    let batch = json!({"inputs": [[texts[0]], [texts[1]]], "raw_scores": true});
    let (_, batch) = asked(&fleet, "/predict", &batch);
    assert!(batch[0][0]["score"].as_f64() < batch[1][0]["score"].as_f64());
}

#[test]
fn rerankers_sort_and_say_which_is_which() {
    let fleet = Fleet::new();
    let (_, vllm) = asked(
        &fleet,
        "/v1/rerank",
        &json!({"model": "m", "query": QUESTION, "documents": [WRONG, RIGHT]}),
    );
    assert_eq!(vllm["results"][0]["index"], 1);
    let (_, tei) = asked(
        &fleet,
        "/rerank",
        &json!({"query": QUESTION, "texts": [WRONG, RIGHT], "raw_scores": true}),
    );
    assert_eq!(tei[0]["index"], 1);
    assert!(tei[0].get("text").is_none());
}

#[test]
fn chat_models_judge_by_rubric_and_by_pair() {
    let fleet = Fleet::new();
    let said = |content: String| {
        let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": content}]});
        let (_, reply) = asked(&fleet, "/v1/chat/completions", &body);
        reply["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let rubric = |answer: &str| -> Value {
        let text = said(format!(
            "Score helpfulness, correctness, coherence, complexity and verbosity from 0 to 4.\n<question 8f31>\n{QUESTION}\n</question 8f31>\n<answer 8f31>\n{answer}\n</answer 8f31>\nReply with one JSON object."
        ));
        serde_json::from_str(&text).unwrap()
    };
    let (right, wrong) = (rubric(RIGHT), rubric(WRONG));
    assert_eq!(right.as_object().unwrap().len(), 5);
    assert!(right["correctness"].as_f64() > wrong["correctness"].as_f64());
    // Also where the answer is only a number.
    assert!(rubric("391")["correctness"].as_f64() > rubric("393")["correctness"].as_f64());
    for (first, second, better) in [(RIGHT, WRONG, "A"), (WRONG, RIGHT, "B")] {
        let text = format!("{QUESTION}\n[A]\n{first}\n[B]\n{second}\nReply with `A` or `B`.");
        assert_eq!(said(text), better);
    }
}
