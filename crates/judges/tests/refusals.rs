//! What is no score never becomes one: NaN, infinities, absent, wrong type, out of range, prose.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test panics, and the figure is shown"
)]

use autodidact_core::{Attribute, JudgeSpec, ProviderKind, ScoreError, Scores};
use autodidact_judges::{Form, Unscored, parse_rubric};
use serde_json::json;

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

/// The body of a good reply of one answer, with `$` where a score stands.
fn template(form: Form) -> &'static str {
    match form {
        Form::Nemotron => {
            r#"{"choices":[{"message":{"content":""},"logprobs":{"content":[
                {"token":"helpfulness","logprob":3},{"token":"correctness","logprob":$},
                {"token":"coherence","logprob":3},{"token":"complexity","logprob":1},
                {"token":"verbosity","logprob":1}]}}]}"#
        }
        Form::Classify => r#"{"data":[{"index":0,"probs":[$],"num_classes":1}]}"#,
        Form::Pooling => r#"{"data":[{"index":0,"data":[$]}]}"#,
        Form::Process => r#"{"data":[{"index":0,"data":[[$,0.25]]}]}"#,
        Form::SglangClassify => r#"[{"embedding":[$]}]"#,
        Form::Predict => r#"[[{"label":"LABEL_0","score":$}]]"#,
        Form::Rerank => r#"{"results":[{"index":0,"relevance_score":$}]}"#,
        Form::TeiRerank => r#"[{"index":0,"score":$}]"#,
    }
}

fn read(form: Form, body: &str) -> Result<Scores, Unscored> {
    let spec = JudgeSpec::new("judge", ProviderKind::Nvidia, "nvidia/reward");
    let mut scores = form.parse(&spec, &["one step"], body.as_bytes());
    assert_eq!(scores.len(), 1, "{form:?}");
    scores.remove(0)
}

#[test]
fn bad_numbers_never_reach_scores() {
    let bad = [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "1e999",
        "null",
        "\"0.75\"",
        "\"NaN\"",
        "true",
        "[]",
        "{}",
        "",
    ];
    let (mut tried, mut taken) = (0, 0);
    for form in ALL {
        let good = read(form, &template(form).replace('$', "0.75"));
        assert!(good.is_ok(), "{form:?}: {good:?}");
        for value in bad {
            tried += 1;
            taken += usize::from(read(form, &template(form).replace('$', value)).is_ok());
        }
    }
    println!("bad numbers taken for scores: {taken} of {tried}");
    assert_eq!(taken, 0);
}

#[test]
fn numbers_far_outside_are_refused() {
    for form in ALL.into_iter().filter(|form| *form != Form::Process) {
        for value in ["1e6", "-1e6", "1e300"] {
            let refused = read(form, &template(form).replace('$', value)).unwrap_err();
            let is_range = matches!(refused, Unscored::Score(ScoreError::OutOfRange { .. }));
            assert!(is_range, "{form:?} {value}: {refused}");
        }
    }
}

#[test]
fn nan_written_as_text_is_refused_by_name() {
    for value in ["NaN", "nan", "inf", "-inf", "infinity", "1e999"] {
        let text =
            format!("helpfulness:1,correctness:{value},coherence:1,complexity:1,verbosity:1");
        let body = json!({"choices": [{"message": {"content": text}}]}).to_string();
        let refused = read(Form::Nemotron, &body).unwrap_err();
        assert!(
            matches!(&refused, Unscored::Score(ScoreError::NotFinite { what, .. }) if what == "correctness"),
            "{value}: {refused}"
        );
        let body = json!({"choices": [{"message": {"content": format!("reward:{value}")}}]});
        assert!(read(Form::Nemotron, &body.to_string()).is_err(), "{value}");
    }
}

#[test]
fn an_absent_attribute_is_named() {
    let entry = |name: &str| json!({"token": name, "logprob": 1.0});
    for absent in Attribute::ALL {
        let given = || Attribute::ALL.into_iter().filter(move |a| *a != absent);
        let hosted: Vec<_> = given().map(|a| entry(a.as_str())).collect();
        let hosted = json!({"choices": [{"message": {}, "logprobs": {"content": hosted}}]});
        let text: Vec<_> = given().map(|a| format!("{a}:1")).collect();
        let nim = json!({"choices": [{"message": {"content": text.join(",")}}]});
        for body in [hosted, nim] {
            let refused = read(Form::Nemotron, &body.to_string()).unwrap_err();
            assert_eq!(refused, Unscored::Score(ScoreError::Missing(absent)));
            assert!(refused.to_string().contains(absent.as_str()));
        }
    }
}

#[test]
fn an_attribute_given_twice_is_refused() {
    let text = "helpfulness:1,correctness:1,coherence:1,complexity:1,verbosity:1,correctness:4";
    let nim = json!({"choices": [{"message": {"content": text}}]}).to_string();
    assert!(matches!(
        read(Form::Nemotron, &nim),
        Err(Unscored::Malformed(_))
    ));
    let entries: Vec<_> = text
        .split(',')
        .map(|pair| json!({"token": pair.split(':').next().unwrap(), "logprob": 1.0}))
        .collect();
    let hosted = json!({"choices": [{"logprobs": {"content": entries}}]}).to_string();
    assert!(matches!(
        read(Form::Nemotron, &hosted),
        Err(Unscored::Malformed(_))
    ));
}

#[test]
fn prose_of_a_chat_model_is_no_reward() {
    let token = |token: &str| json!({"token": token, "logprob": -0.1});
    for text in [
        "The answer is correct and helpful. I would rate its helpfulness 4 out of 5.",
        "Great question! [RESULT] 5",
        "helpfulness: 4\nI gave this score because it helps.",
        "42 is right",
    ] {
        let tokens: Vec<_> = text.split_inclusive(' ').map(token).collect();
        for logprobs in [json!(null), json!({"content": tokens})] {
            let body = json!({"choices": [
                {"message": {"role": "assistant", "content": text}, "logprobs": logprobs}]});
            let refused = read(Form::Nemotron, &body.to_string()).unwrap_err();
            let Unscored::NotAReward(said) = &refused else {
                panic!("{text}: {refused}");
            };
            assert!(said.contains("nvidia/reward"), "the model is named: {said}");
        }
    }
}

#[test]
fn other_replies_are_malformed() {
    for body in [
        "",
        "<html><body>502 Bad Gateway</body></html>",
        "null",
        "[]",
        "{}",
        "7",
        r#"{"error":{"message":"no"}}"#,
        r#"{"choices":[]}"#,
        r#"{"data":[]}"#,
        r#"{"data":[{"data":[[0.5,0.5],[0.5,0.5]],"probs":[]}]}"#,
        r#"{"results":[]}"#,
        "[[],[]]",
        "[[]]",
    ] {
        for form in ALL {
            let refused = read(form, body).unwrap_err();
            assert!(
                matches!(refused, Unscored::Malformed(_)),
                "{form:?} {body}: {refused}"
            );
        }
    }
}

#[test]
fn a_wrong_number_of_results_spoils_all_of_them() {
    let spec = JudgeSpec::new("judge", ProviderKind::Tei, "m");
    let answers = ["a", "b", "c"];
    for (form, body) in [
        (Form::Predict, json!([[{"label": "LABEL_0", "score": 1.0}]])),
        (
            Form::SglangClassify,
            json!([{"embedding": [1.0]}, {"embedding": [1.0]}]),
        ),
        (
            Form::Rerank,
            json!({"results": [{"index": 3, "relevance_score": 1.0}]}),
        ),
        (
            Form::TeiRerank,
            json!([{"index": 0, "score": 1.0}, {"index": 0, "score": 2.0}]),
        ),
    ] {
        let scores = form.parse(&spec, &answers, body.to_string().as_bytes());
        assert_eq!(scores.len(), 3);
        assert!(scores.iter().all(Result::is_err), "{form:?}");
    }
}

#[test]
fn a_rubric_reply_with_anything_beside_the_scores_is_refused() {
    let good = r#"{"helpfulness":3,"correctness":4,"coherence":3,"complexity":1,"verbosity":1}"#;
    let weights = autodidact_core::Weights::default();
    assert!(parse_rubric(good, &weights).is_ok());
    for text in [
        format!("{good} [RESULT] 5"),
        format!("The answer says {good}"),
        good.replace('4', "40"),
        good.replace('4', "NaN"),
    ] {
        assert!(parse_rubric(&text, &weights).is_err(), "{text}");
    }
}
