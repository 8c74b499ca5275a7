//! The same model, question and seed give the same answer, others another; models are as right as
//! they should be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::collections::HashSet;

use autodidact_testkit::{Fleet, KnownProblem};
use common::{asked, post, streamed};
use serde_json::{Value, json};

fn chat(fleet: &Fleet, model: &str, content: &str, more: &Value) -> Vec<String> {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": content}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, reply) = asked(fleet, "/v1/chat/completions", &body);
    assert_eq!(status, 200, "{reply}");
    let choices = reply["choices"].as_array().unwrap();
    let text = |choice: &Value| choice["message"]["content"].as_str().unwrap().to_owned();
    choices.iter().map(text).collect()
}

#[test]
fn seeds_decide() {
    let (first, second) = (Fleet::new(), Fleet::new());
    let mut texts = HashSet::new();
    for seed in 0..50 {
        let one = chat(&first, "m", "What is 17 * 23?", &json!({"seed": seed}));
        // Another fleet, another prompt around the question: the same answer.
        let other = chat(
            &second,
            "m",
            "Solve it.\nWhat is 17 * 23?\n",
            &json!({"seed": seed}),
        );
        assert_eq!(one, other);
        assert!(one[0].contains("The answer is "), "{one:?}");
        texts.extend(one);
    }
    println!("{} different texts of 50 seeds", texts.len());
    assert!(texts.len() >= 20);
    let unseeded: HashSet<String> = (0..10)
        .flat_map(|_| chat(&first, "m", "What is 17 * 23?", &json!({})))
        .collect();
    assert!(unseeded.len() > 3);
}

#[test]
fn models_are_right_as_often_as_they_should() {
    let fleet = Fleet::new().with_accuracy("poor", 0.3);
    for (model, expected) in [("poor-7b", 0.3), ("other", 0.6), ("gpt-x", 0.9)] {
        let mut right = 0;
        for number in 0..100 {
            let question = format!("What is {number} + 27?");
            let answer = format!("The answer is {}.", number + 27);
            let said = chat(&fleet, model, &question, &json!({"seed": number, "n": 10}));
            right += said.iter().filter(|text| text.ends_with(&answer)).count();
        }
        let share = f64::from(u32::try_from(right).unwrap()) / 1000.0;
        println!("{model}: {share} of 1000, expected {expected}");
        assert!((share - expected).abs() < 0.05);
    }
}

#[test]
fn known_problems_are_answered_and_others_honestly_not() {
    let problem = KnownProblem {
        question: "How many legs have three cats?".into(),
        answer: "12".into(),
        rationale: Some("A cat has 4 legs.\n3 * 4 = <<3*4=12>>12\n#### 12".into()),
    };
    let fleet = Fleet::new()
        .with_problems(vec![problem])
        .with_accuracy("m", 1.0);
    let said = chat(
        &fleet,
        "m",
        "Q: How many legs have three cats?\nA:",
        &json!({}),
    );
    assert!(
        said[0].contains("3 * 4 = 12\n") && said[0].ends_with("The answer is 12."),
        "{said:?}"
    );
    let said = chat(&fleet, "m", "Who wrote Hamlet?", &json!({}));
    assert!(said[0].ends_with("The answer is unknown."), "{said:?}");
}

/// The text of a stream of any of the four.
fn text_of(path: &str, values: &[Value]) -> String {
    let piece = |value: &Value| {
        let text = match path {
            "/v1/chat/completions" => &value["choices"][0]["delta"]["content"],
            "/v1/messages" => &value["delta"]["text"],
            "/api/chat" => &value["message"]["content"],
            _ => &value["candidates"][0]["content"]["parts"][0]["text"],
        };
        text.as_str().unwrap_or_default().to_owned()
    };
    values.iter().map(piece).collect()
}

#[test]
fn a_stream_says_what_the_body_says() {
    let messages = json!([{"role": "user", "content": "What is 40 + 2?"}]);
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "What is 40 + 2?"}]}], "generationConfig": {"seed": 5}});
    let cases = [
        (
            "/v1/chat/completions",
            "",
            json!({"model": "gpt-m", "messages": messages, "seed": 5, "stream": true}),
        ),
        (
            "/v1/messages",
            "",
            json!({"model": "claude-m", "messages": messages, "max_tokens": 99, "stream": true}),
        ),
        (
            "/api/chat",
            "",
            json!({"model": "m", "messages": messages, "options": {"seed": 5}}),
        ),
        (
            "/v1beta/models/gemini-m:",
            "streamGenerateContent?alt=sse",
            gemini,
        ),
    ];
    let headers = [("anthropic-version", "2023-06-01")];
    for (path, verb, mut body) in cases {
        // Two new fleets, since without a seed the first answer is not the second.
        let text = text_of(
            path,
            &streamed(post(
                &Fleet::new(),
                &format!("{path}{verb}"),
                &headers,
                &body,
            )),
        );
        if path.starts_with("/v1beta") {
            let (_, reply) = asked(&Fleet::new(), &format!("{path}generateContent"), &body);
            assert_eq!(text_of(path, &[reply]), text);
            continue;
        }
        body["stream"] = json!(false);
        let (_, reply) = asked(&Fleet::new(), path, &body);
        assert!(text.contains("The answer is "), "{text}");
        assert!(
            reply.to_string().contains(&json!(text).to_string()),
            "{reply}\n{text}"
        );
    }
}
