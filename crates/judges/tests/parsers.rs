//! No bytes make a parser panic, and none make it give the wrong number of scores or a bad one.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use autodidact_core::{JudgeSpec, ProviderKind, Weights};
use autodidact_judges::{Form, estimate_tokens, parse_choice, parse_rubric, steps};
use proptest::prelude::*;
use serde_json::{Value, json};

const ALL: [Form; 8] = [
    Form::Nemotron,
    Form::Classify,
    Form::Pooling,
    Form::Process,
    Form::SglangClassify,
    Form::Predict,
    Form::Rerank,
    Form::TeiRerank,
];

/// JSON made of the words that the parsers know, so that it gets deep into them.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "choices",
        "message",
        "content",
        "logprobs",
        "token",
        "logprob",
        "data",
        "probs",
        "index",
        "results",
        "relevance_score",
        "score",
        "label",
        "embedding",
        "helpfulness",
        "correctness",
        "LABEL_0",
        "LABEL_1",
        "reward:1",
        "reward",
        "helpfulness:1,correctness:nan",
        "text",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3i64..4).prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let key = word.clone().prop_map(str::to_owned);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// The same, below the path on which the scores are looked for.
fn any_reply() -> impl Strategy<Value = Value> {
    (any_json(), 0..8).prop_map(|(inner, shape)| match shape {
        0 => json!({"choices": [inner]}),
        1 => json!({"choices": [{"logprobs": {"content": inner}, "message": inner}]}),
        2 => json!({"choices": [{"message": {"content": inner}}]}),
        3 => json!({"data": [{"data": inner, "probs": inner}]}),
        4 => json!({"results": inner}),
        5 => json!([{"embedding": inner, "index": 0, "score": inner}]),
        6 => json!([inner]),
        _ => inner,
    })
}

fn check(form: Form, answers: &[&str], body: &[u8]) -> Result<(), TestCaseError> {
    let spec = JudgeSpec::new("judge", ProviderKind::Vllm, "m");
    let scores = form.parse(&spec, answers, body);
    prop_assert_eq!(scores.len(), answers.len());
    for score in scores.iter().flatten() {
        prop_assert!(score.overall().is_finite());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_json_is_read_or_refused(reply in any_reply(), answers in 0usize..4) {
        let answers = &["one\n\ntwo", "b", "c"][..answers];
        let body = reply.to_string();
        for form in ALL {
            check(form, answers, body.as_bytes())?;
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for form in ALL {
            check(form, &["a", "b"], &body)?;
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        let _ = parse_choice(&text);
        if let Ok(scores) = parse_rubric(&text, &Weights::default()) {
            prop_assert!(scores.overall().is_finite());
        }
        let body = json!({"choices": [{"message": {"content": text}}]}).to_string();
        check(Form::Nemotron, &["a"], body.as_bytes())?;
    }

    #[test]
    fn steps_hold_no_mark_and_no_blank(text in "(?s)[ab<>_0extra\n ]{0,80}") {
        for step in steps(&text, "<extra_0>") {
            prop_assert!(!step.contains("<extra_0>"));
            prop_assert!(!step.trim().is_empty());
        }
    }

    #[test]
    fn a_longer_text_is_not_estimated_shorter(a in ".{0,80}", b in ".{0,80}") {
        let together = estimate_tokens(&format!("{a}{b}"));
        prop_assert!(together >= estimate_tokens(&a).max(estimate_tokens(&b)));
        prop_assert!(together <= (a.len() + b.len()) as u64);
    }
}

#[test]
fn every_cut_of_a_reply_is_refused() {
    let whole = r#"{"choices":[{"message":{"role":"assistant","content":"reward:-5.53"},"logprobs":null}]}"#;
    let spec = JudgeSpec::new("judge", ProviderKind::Nvidia, "m");
    for cut in 0..whole.len() {
        let scores = Form::Nemotron.parse(&spec, &["a"], &whole.as_bytes()[..cut]);
        assert!(scores[0].is_err(), "cut at {cut}");
    }
    assert!(Form::Nemotron.parse(&spec, &["a"], whole.as_bytes())[0].is_ok());
}
