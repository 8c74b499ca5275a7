//! A reply under status 200 that is none is never taken for an answer, and senseless usage is none.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod recorded;

use autodidact_core::ProviderKind;
use autodidact_providers::ErrorClass;
use recorded::{Case, REMOTE, whole_bodies};
use serde_json::{Value, json};

#[test]
fn a_body_cut_at_any_byte_is_no_answer() {
    let (mut cuts, mut accepts) = (0, 0);
    for (provider, body) in whole_bodies() {
        let case = Case::new(provider, "x");
        for cut in 0..body.len() {
            cuts += 1;
            let bytes = &body.as_bytes()[..cut];
            match case.adapter().parse(&case.call(), bytes) {
                Ok(_) => accepts += 1,
                Err(error) => assert_eq!(error.class, ErrorClass::Malformed),
            }
        }
    }
    println!("cuts: {cuts}, parts taken for answers: {accepts}, panics: 0");
    assert_eq!(accepts, 0);
}

#[test]
fn bodies_that_are_no_answers_are_typed() {
    let lies = [
        "",
        "<html><body>Bad gateway</body></html>",
        "null",
        "[]",
        "42",
        "\"The answer is 42.\"",
        "{}",
        "{\"choices\":[]}",
        "{\"choices\":null,\"content\":null,\"candidates\":null,\"message\":null}",
        "{\"choices\":[null],\"candidates\":[null],\"content\":\"x\"}",
        "{\"choices\":[{}],\"candidates\":[{}],\"content\":[{}],\"message\":{}}",
        "{\"choices\":[{\"message\":{\"content\":\"The answer is 42.\"}}]}",
        "{\"choices\":[{\"message\":{\"content\":\"42\"},\"finish_reason\":null}],\"message\":{\"content\":\"42\"},\"done\":false}",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"42\"}]}}],\"content\":[{\"type\":\"text\",\"text\":\"42\"}]}",
        "{\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}",
        "{\"detail\":\"Not Found\"}",
    ];
    let (mut tried, mut accepts) = (0, 0);
    for provider in REMOTE {
        for lie in lies {
            tried += 1;
            if let Ok(parsed) = Case::new(provider, "x").parse(lie) {
                let answers = parsed
                    .replies
                    .iter()
                    .filter(|reply| reply.finish.is_answer());
                accepts += answers.count();
            }
        }
    }
    println!("lies: {tried}, taken for answers: {accepts}");
    assert_eq!(accepts, 0);
}

fn with_usage(usage: &Value) -> String {
    json!({"choices": [{"message": {"content": "42"}, "finish_reason": "stop"}], "usage": usage})
        .to_string()
}

#[test]
fn usage_without_sense_is_no_usage() {
    let good = json!({"prompt_tokens": 12, "completion_tokens": 3});
    let case = Case::new(ProviderKind::Openai, "x");
    assert!(case.parse(&with_usage(&good)).unwrap().usage.is_some());
    let senseless = [
        json!(null),
        json!(7),
        json!({}),
        json!({"prompt_tokens": 12}),
        json!({"completion_tokens": 3}),
        json!({"prompt_tokens": -12, "completion_tokens": 3}),
        json!({"prompt_tokens": 12, "completion_tokens": -3}),
        json!({"prompt_tokens": 0, "completion_tokens": 3}),
        json!({"prompt_tokens": 12, "completion_tokens": 0}),
        json!({"prompt_tokens": "12", "completion_tokens": 3}),
        json!({"prompt_tokens": 12.5, "completion_tokens": 3}),
        json!({"prompt_tokens": 1e18, "completion_tokens": 3}),
        json!({"prompt_tokens": 12, "completion_tokens": 2_000_000}),
        json!({"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 13}}),
    ];
    for usage in &senseless {
        let parsed = case.parse(&with_usage(usage)).unwrap();
        assert_eq!(parsed.usage, None, "{usage}");
        assert_eq!(parsed.replies[0].tokens, None, "{usage}");
    }
    println!("senseless usages: {}, believed: 0", senseless.len());
}

#[test]
fn more_choices_than_asked_for_are_left_out_and_fewer_are_counted() {
    let choice =
        |text: &str| json!({"index": 0, "message": {"content": text}, "finish_reason": "stop"});
    let body = json!({"choices": [choice("a"), choice("b"), choice("c")]}).to_string();
    let mut case = Case::new(ProviderKind::Vllm, "x");
    assert_eq!(case.parse(&body).unwrap().replies.len(), 1);
    case.request.seeds = vec![1, 2];
    let replies = case.parse(&body).unwrap().replies;
    let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
    assert_eq!(texts, ["a", "b"], "though all are numbered 0");
    case.request.seeds = vec![1, 2, 3, 4];
    assert_eq!(case.parse(&body).unwrap().replies.len(), 3);
}

#[test]
fn the_model_that_answered_is_named_even_if_it_is_another() {
    let case = Case::new(ProviderKind::Openai, "gpt-4o-mini");
    let long = "x".repeat(100_000);
    let body = json!({"model": long, "id": "a\nb", "choices": [{"message": {"content": "t"}, "finish_reason": "stop"}]});
    let parsed = case.parse(&body.to_string()).unwrap();
    assert_eq!(parsed.model.len(), 300, "names are cut");
    assert_eq!(parsed.request_id.as_deref(), Some("a b"));
}

#[test]
fn log_probabilities_without_sense_are_none() {
    let case = Case::new(ProviderKind::Openai, "x");
    for bad in [json!(0.7), json!(1e300)] {
        let body = json!({"choices": [{"message": {"content": "42"}, "finish_reason": "stop",
            "logprobs": {"content": [{"token": "42", "logprob": bad}]}}]});
        let parsed = case.parse(&body.to_string()).unwrap();
        assert_eq!(parsed.replies[0].logprob, None);
    }
}
